"""Clients that nobody here wrote go through the rude server, as a user tests them."""

import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from wavetank.lab.conformance.clients import GROUPS

from .conftest import DEADLINE, Ended
from .test_foreign_servers import has_ws

pytestmark = pytest.mark.hasty

CLIENTS = Path(__file__).parent / "clients"
CHROMIUM = (
    "chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
    "--disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --user-data-dir={profile} "
)

_BETWEEN = "a close frame between fragments is no message within a message (5.4)"
_FINAL = "what follows a block with BFINAL belongs to the message (RFC 7692 7.2.3.4)"
_MASKED = "a client fails the connection at a masked frame (RFC 6455 5.1)"
_CODES = "a close code that nobody may send fails the connection (RFC 6455 7.4)"
_RSV1 = "control frames have no RSV1 (RFC 7692 6.1)"
_BROKEN = "a client that cannot read on says so, and not 1000 (RFC 6455 7.1.7)"
_OFFERED = "what was not offered is not agreed to (RFC 6455 4.1)"
_ONCE = "one extension uses RSV1 (RFC 7692 5.1)"
_LEGAL = "an agreement has legal parameters (RFC 7692 7.1)"
_LIST = "Connection is a list (RFC 9110 7.6.1), and one word of it is Upgrade"

WEBSOCKETS = {
    **dict.fromkeys(("7.1.5", "C.53", "C.54", "C.55", "C.56"), _BETWEEN),
    **dict.fromkeys(("D.22", "D.37"), _FINAL),
}

FINDINGS: dict[str, dict[str, str]] = {
    "websockets": WEBSOCKETS,
    "wavetank": WEBSOCKETS,
    "aiohttp": {
        "7.9.5": _CODES,
        **dict.fromkeys(("D.3", "D.4", "D.5"), _RSV1),
        **dict.fromkeys(("D.38", "D.39", "D.40", "D.41", "D.43", "D.47"), _BROKEN),
        # M.6, a masked close frame, it answers: that is noted, and passed.
        **dict.fromkeys((f"M.{n}" for n in range(1, 14) if n != 6), _MASKED),
        **dict.fromkeys(("K.27", "K.28", "K.29"), _LIST),
        **dict.fromkeys(("K.87", "K.88", "K.90", "K.92"), _OFFERED),
        "K.99": _ONCE,
        **dict.fromkeys(("K.102", *(f"K.{n}" for n in range(104, 109))), _LEGAL),
        "K.16": "it asks once more, with the same key (RFC 6455 4.1)",
    },
    "ws": {
        "D.22": _FINAL,
        "K.99": _ONCE,
        "K.106": _LEGAL,
    },
    "chromium": {
        **dict.fromkeys(
            ("7.9.1", "7.9.2", "7.9.3", "7.9.6", "7.9.7", "7.9.8", "7.9.9"), _CODES
        ),
        **dict.fromkeys(("C.1", "C.11"), _CODES),
        "C.51": "what follows a close frame is not read (RFC 6455 1.4)",
    },
}
"""Cases that a client fails, each with the clause that is our reason."""

Conform = Callable[..., Ended]


@pytest.fixture
def conform(start: Callable, tmp_path: Path) -> Conform:
    """Run ``wavetank conform --client …`` to its end."""

    def conform(command: str, *arguments: str) -> Ended:
        process = start("conform", "--client", command, *arguments)
        printed, _ = process.communicate(timeout=DEADLINE)
        folders = sorted((tmp_path / "results").glob("*"))
        return Ended(process.returncode, printed, folders[-1] if folders else None)

    return conform


@pytest.fixture
def command(python: str) -> Callable[[str], str]:
    """Return the command of a client in Python."""
    return lambda name: f"{python} {shlex.quote(str(CLIENTS / f'{name}.py'))} {{url}}"


def findings(ended: Ended, verdict: str) -> set[str]:
    """Return the ids of all cases that came to a verdict."""
    assert ended.folder is not None, ended.printed
    found: set[str] = set()
    for line in (ended.folder / "journal.ndjson").read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        for finding in record.get("findings", ()):
            if finding["verdict"] == verdict:
                found.add(finding["title"].partition(" ")[0])
    return found


def judge(ended: Ended, name: str) -> None:
    """Compare what a client fails with what it is known to fail."""
    assert findings(ended, "FAIL") == FINDINGS[name].keys(), ended.printed
    assert findings(ended, "UNKNOWN") == set()
    assert ended.code == 1
    suites = ended.summary["suites"]
    assert suites.keys() == {"clients"}
    assert suites["clients"]["checks"].keys() == GROUPS.keys()
    # Only what it does not offer is not looked at.
    assert findings(ended, "SKIP") <= {"K.12", "K.91", "K.100"}


@pytest.mark.parametrize(
    "name",
    [
        "websockets",
        pytest.param("aiohttp", marks=pytest.mark.long),
        # Its door is made of websockets, which is tried every time.
        pytest.param("wavetank", marks=pytest.mark.long),
    ],
)
def test_a_client_in_python_is_judged(
    conform: Conform, command: Callable[[str], str], name: str
) -> None:
    """Every case is played, and it fails those that it is known to fail."""
    judge(conform(command(f"echo_{name}")), name)


@pytest.mark.long
def test_node_ws_is_judged(conform: Conform, environ: dict[str, str]) -> None:
    """Node's ws, as its documentation shows a client."""
    if not has_ws(environ):
        pytest.skip("needs Node and its package ws (see NODE_PATH)")
    judge(conform(f"node {shlex.quote(str(CLIENTS / 'echo_ws.js'))} {{url}}"), "ws")


@pytest.mark.long
def test_chromium_is_judged(conform: Conform, tmp_path: Path) -> None:
    """A page of seven lines is a client, too."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    browser = CHROMIUM.replace("{profile}", shlex.quote(str(tmp_path / "profile")))
    page = shlex.quote(f"{(CLIENTS / 'echo_page.html').as_uri()}#{{url}}")
    judge(conform(browser + page), "chromium")


@pytest.mark.long
def test_a_driver_for_autobahn_just_works(
    conform: Conform, command: Callable[[str], str]
) -> None:
    """It counts cases, runs them by number, and wants a report; all are judged."""
    ended = conform(command("driver"))
    judge(ended, "websockets")
    assert "driver for Autobahn" in ended.printed


@pytest.mark.long
def test_a_client_that_ends_with_each_connection_is_started_again(
    conform: Conform, tmp_path: Path, python: str
) -> None:
    """The simplest client of all is enough."""
    simple = tmp_path / "simple.py"
    simple.write_text(
        "import sys\n"
        "from websockets.sync.client import connect\n"
        "with connect(sys.argv[1]) as connection:\n"
        "    for message in connection:\n"
        "        connection.send(message)\n"
    )

    ended = conform(f"{python} {simple} {{url}}", "framing", "pings")

    assert ended.verdicts() == {"clients.framing": "PASS", "clients.pings": "PASS"}
    assert ended.code == 0


@pytest.mark.parametrize(
    ("wreck", "group"),
    [
        ("trusting", "handshake"),
        ("K.113", "masking"),
        pytest.param("forgiving", "reserved", marks=pytest.mark.long),
    ],
)
def test_a_wrecked_client_fails(
    conform: Conform, command: Callable[[str], str], wreck: str, group: str
) -> None:
    """In the group that is about what it breaks."""
    ended = conform(command("wrecked").replace("{url}", f"{wreck} {{url}}"), group)

    assert ended.verdicts() == {f"clients.{group}": "FAIL"}
    assert ended.code == 1


def test_the_sound_client_passes_everything(
    conform: Conform, command: Callable[[str], str]
) -> None:
    """What the wrecks break is whole in the client that they are made of."""
    ended = conform(command("wrecked").replace("{url}", "sound {url}"))

    assert set(ended.verdicts().values()) == {"PASS"}, ended.printed
    assert ended.code == 0


@pytest.mark.parametrize(
    ("client", "sentence"),
    [
        ("no-such-program {url}", "cannot start `no-such-program"),
        ("sh -c 'echo out of order; exit 7' {url}", "ended with status 7 before it"),
        ("sh -c 'read nothing </dev/zero' {url}", "did not connect to ws://"),
    ],
)
def test_a_client_that_never_connects_is_not_ready(
    conform: Conform, client: str, sentence: str
) -> None:
    """One clear sentence, its last output, and the exit code of such targets."""
    ended = conform(client, "pings", "--ready-timeout", "1")

    assert ended.code == 4
    assert sentence in ended.printed
    assert ("  out of order" in ended.printed) is ("out of order" in client)


def test_ctrl_c_ends_the_client_and_reports(
    start: Callable, command: Callable[[str], str], tmp_path: Path
) -> None:
    """What was done so far is in the report; no process is left."""
    process = start("conform", "--client", command("echo_websockets"))
    for line in process.stdout:
        if line.startswith("PASS"):
            break
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.kill(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=DEADLINE)

    assert process.returncode == 130, printed
    assert not any(child.is_running() for child in children)
    (folder,) = (tmp_path / "results").glob("*")
    summary = json.loads((folder / "test_summary.json").read_text())
    assert summary["interrupted"]
    assert summary["suites"]["clients"]["checks"]["framing"]["verdict"] == "PASS"
