"""A browser is a client like any other: nothing but its own WebSocket is needed."""

import asyncio
import functools
import http.server
import itertools
import json
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from wavetank.client import Publisher

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "prices"
GUIDE = ROOT / "docs" / "guides" / "subscribe-and-publish.md"
FOREIGN = "prices.example"
"""A name that the browser believes to be this machine."""

DEADLINE = 60.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1",
)

SEEN = """
new Promise((done) => {
  const look = () => {
    if (!new RegExp(%s).test(document.body.innerText)) return;
    observer.disconnect();
    done(document.body.innerText);
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, characterData: true });
  look();
})
"""


class Tab:
    """One tab, driven over the DevTools protocol.

    Attributes:
        complaints: What the page has thrown, and what the console has as an error.
    """

    def __init__(self, tools: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._tools = tools
        self._ids = itertools.count(1)
        for name in ("Runtime", "Log", "Page"):
            self._ask(f"{name}.enable")

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        self._tools.send(json.dumps(message))
        answer = self._hear(lambda heard: heard.get("id") == number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _hear(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            heard: dict[str, Any] = json.loads(self._tools.recv(timeout=DEADLINE))
            self._note(heard)
            if is_wanted(heard):
                return heard

    def _note(self, heard: dict[str, Any]) -> None:
        match heard:
            case {"method": "Log.entryAdded", "params": {"entry": entry}}:
                if entry["level"] == "error":
                    self.complaints.append(entry["text"])
            case {"method": "Runtime.exceptionThrown", "params": thrown}:
                self.complaints.append(json.dumps(thrown["exceptionDetails"]))

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self._ask("Page.navigate", url=url)
        self._hear(lambda heard: heard.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return what an expression comes to, or what is promised."""
        answer = self._ask(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, pattern: str) -> str:
        """Wait until the page's text has a pattern in it; return the text."""
        return str(self.evaluate(SEEN % json.dumps(pattern)))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser without a window; yields where its DevTools listen."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    profile = tmp_path_factory.mktemp("profile")
    with subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        found = next((line for line in lines if "DevTools listening on" in line), None)
        assert found is not None, "the browser has ended"
        rest = threading.Thread(target=process.stderr.read)
        rest.start()
        yield urlsplit(found.split()[-1]).netloc
        process.terminate()
        rest.join()


@pytest.fixture
def tab(browser: str) -> Iterator[Tab]:
    """An empty tab of its own."""
    request = urllib.request.Request(f"http://{browser}/json/new", method="PUT")
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        target = json.load(answer)
    address = target["webSocketDebuggerUrl"]
    with connect(address, compression=None, max_size=None) as tools:
        yield Tab(tools)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A folder with pages, served on loopback; yields host and port."""
    pages = tmp_path / "pages"
    shutil.copytree(EXAMPLE, pages)
    (guide,) = re.findall(r"```html\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (pages / "guide.html").write_text(guide)
    handler = functools.partial(_Quiet, directory=str(pages))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def publish(url: str, **prices: float) -> None:
    """Publish prices by name of the coin, and wait until all are in the log."""

    async def work() -> None:
        async with asyncio.timeout(DEADLINE), Publisher(url) as publisher:
            for coin, price in prices.items():
                await publisher.publish(f"prices.{coin}", {"price": price})

    asyncio.run(work())


def test_a_page_shows_prices_over_a_crash_of_the_hub(
    hub: Callable, tab: Tab, site: str
) -> None:
    """What came before it is shown, what comes, and after a restart the newest."""
    server = hub(is_durable=True)
    publish(server.url, btc=67000.5, eth=3500.5)

    tab.open(f"http://{site}/page.html?hub={server.url}")
    tab.wait_for(r"prices\.btc 67000\.5\n[^]*prices\.eth 3500\.5")
    publish(server.url, btc=67001.25)
    tab.wait_for(r"live\n[^]*prices\.btc 67001\.25")
    assert tab.complaints == []

    server.kill()
    tab.wait_for(r"closed with 1006")
    server.process.wait()
    server.start_now()
    publish(server.url, btc=67002.5, sol=150.5)
    publish(server.url, btc=67003.75)
    text = tab.wait_for(r"live\n[^]*prices\.btc 67003\.75[^]*prices\.sol 150\.5")

    assert text.count("prices.btc") == 1
    assert "prices.eth 3500.5" in text
    # While nobody listened, the console has said so; nothing else went wrong.
    assert [each for each in tab.complaints if "ERR_CONNECTION" not in each] == []


def test_a_page_of_another_origin_is_refused(
    hub: Callable, tab: Tab, site: str
) -> None:
    """A stranger's page cannot read along, whatever name it gave to this machine."""
    server = hub()
    foreign = site.replace("127.0.0.1", FOREIGN)

    tab.open(f"http://{foreign}/page.html?hub={server.url}")
    tab.wait_for("closed with 1006")

    assert any("403" in complaint for complaint in tab.complaints), tab.complaints


def test_a_page_whose_origin_is_allowed_is_let_in(
    hub: Callable, tab: Tab, site: str
) -> None:
    """``--allow-origin`` opens the door for one origin."""
    foreign = site.replace("127.0.0.1", FOREIGN)
    server = hub("--allow-origin", f"http://{foreign}")

    tab.open(f"http://{foreign}/page.html?hub={server.url}")

    tab.wait_for("live")
    assert tab.complaints == []


def test_a_browser_agrees_on_compression(hub: Callable, tab: Tab, site: str) -> None:
    """Chromium offers permessage-deflate; a long message arrives whole."""
    server = hub("--compression")
    publish(server.url, **{"a" * 100: 1.5})
    tab.open(f"http://{site}/page.html?hub={server.url}")
    tab.wait_for(r"a{100} 1\.5")

    extensions = tab.evaluate(
        "new Promise((done, failed) => {"
        f"  const socket = new WebSocket({json.dumps(server.url)}, 'wavetank.v1');"
        "  socket.onopen = () => done(socket.extensions);"
        "  socket.onerror = failed;"
        "})"
    )

    assert extensions.startswith("permessage-deflate")
    assert tab.complaints == []


def test_the_ten_lines_of_the_guide_show_prices(
    hub: Callable, tab: Tab, site: str
) -> None:
    """The smallest page of the documentation works as it stands."""
    server = hub()
    page = f"http://{site}/guide.html"
    script = urllib.request.urlopen(page, timeout=DEADLINE).read().decode()
    assert "ws://127.0.0.1:8765/ws" in script
    tab.open(f"{page}?hub={server.url}")
    tab.wait_for("listening")

    publish(server.url, btc=67000.5)

    tab.wait_for(r"prices\.btc 67000\.5")
    assert tab.complaints == []
