"""The target: started, met, recognised, and ended with everything it was given."""

import asyncio
import contextlib
import os
import queue
import shlex
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from wavetank.dialects import Bare, Echo, Hub
from wavetank.errors import TargetError
from wavetank.lab import recognition
from wavetank.lab import target as module
from wavetank.lab.check import BROADCAST, PROCESS, ROUND_TRIP, TLS
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process import TargetProcess
from wavetank.lab.target import Target, TargetStart, environment
from wavetank.net import ThrowAwayAuthority, held_ports, is_port_in_use, open_peer

SOUND = "{python} -m wavetank wreck sound --port {port}"
OVER_TLS = f"{SOUND} --tls-port {{tls_port}} --cert {{cert}} --key {{key}}"

Start = Callable[..., TargetStart]
Handler = Callable[[ServerConnection], None]


@pytest.fixture
def start(
    plan: Callable[..., Plan], tmp_path: Path, nobodys_settings: Path
) -> Iterator[Start]:
    """Prepare the start of a target; it is ended afterwards."""
    made: list[TargetStart] = []

    def prepare(**changes: Any) -> TargetStart:
        ours = plan(**changes)
        made.append(TargetStart(ours, tmp_path, environment(ours)))
        return made[-1]

    yield prepare
    for one in made:
        one.stop()


@pytest.fixture
def listening() -> Iterator[Callable[..., str]]:
    """Start a WebSocket server in a thread; return its URL."""
    with contextlib.ExitStack() as stack:

        def listen(handler: Handler, **options: Any) -> str:
            def handle(connection: ServerConnection) -> None:
                with contextlib.suppress(ConnectionClosed):
                    handler(connection)

            server = stack.enter_context(serve(handle, "127.0.0.1", 0, **options))
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

        yield listen


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silence be noticed soon."""
    monkeypatch.setattr(recognition, "_PROBE_WITHIN", 0.1)
    monkeypatch.setattr(recognition, "_HEAR_WITHIN", 0.1)


# What a target is


def test_a_target_can_what_its_dialect_can_and_what_follows() -> None:
    """Needs of checks are names, whatever they follow from."""
    url, tls_url = "ws://a", "wss://a"
    assert Target(url=url, dialect=Bare()).capabilities == frozenset()
    assert Target(url=tls_url, dialect=Bare()).capabilities == {TLS}
    assert Target(url=url, tls_url=tls_url, dialect=Bare()).capabilities == {TLS}
    echo = Target(url=url, dialect=Echo()).capabilities
    assert echo == {"echo", "verbatim", ROUND_TRIP}
    hub = Target(url=url, dialect=Hub()).capabilities
    assert hub >= {"publish", "subscribe", ROUND_TRIP, BROADCAST}
    assert TLS not in hub
    assert PROCESS not in hub
    process = TargetProcess(["sh"], environ={})
    ours = Target(url=url, dialect=Bare(), process=process)
    assert ours.capabilities == {PROCESS}


def test_a_target_has_an_address_for_each_listener() -> None:
    """Without a TLS listener there is the other one."""
    both = Target(url="ws://a/", tls_url="wss://b/", dialect=Bare())
    assert (both.address(tls=False), both.address(tls=True)) == ("ws://a/", "wss://b/")
    assert Target(url="ws://a/", dialect=Bare()).address(tls=True) == "ws://a/"


@pytest.mark.parametrize(
    ("url", "status_url"),
    [
        ("ws://a:1/ws?x=y", "http://a:1/api/websocket/status"),
        ("wss://a/ws", "https://a/api/websocket/status"),
    ],
)
def test_a_target_s_status_page_is_beside_it(url: str, status_url: str) -> None:
    """On the same port, by HTTP or HTTPS; no dialect page, no URL."""
    assert Target(url=url, dialect=Hub()).status_url == status_url
    assert Target(url=url, dialect=Bare()).status_url == ""


def test_a_target_is_trusted_as_the_options_say(tmp_path: Path) -> None:
    """By the authorities of a file, or whoever it is; plain URLs need nothing."""
    with ThrowAwayAuthority(directory=tmp_path) as authority:
        target = Target(url="ws://a", dialect=Bare(), ca=str(authority.ca))
        assert target.context_for("ws://a") is None
        context = target.context_for("wss://a")
        assert context is not None
        assert context.verify_mode is ssl.CERT_REQUIRED
        # The lab's own authority is always there; --insecure once clashed with it.
        target.insecure = True
        assert target.context().verify_mode is ssl.CERT_NONE


# Starting


def test_a_target_is_started_met_and_ended(start: Start) -> None:
    """Its process listens where it was told to; afterwards nothing is left."""
    starting = start(source=Source.SERVE, serve=SOUND)
    before = held_ports()
    target = starting.run()
    port = int(target.url.split(":")[2].split("/")[0])
    assert target.url == f"ws://127.0.0.1:{port}/ws"
    assert target.tls_url == ""
    assert target.subprotocols == ("wavetank.v1",)
    assert target.took > 0
    assert port in held_ports()
    assert target.process is starting.process is not None
    assert target.process.is_alive

    starting.stop()
    starting.stop()

    assert not target.process.is_alive
    assert not psutil.pid_exists(target.process.pid)
    assert held_ports() == before
    assert not is_port_in_use(port)


def test_a_target_with_tls_gets_a_certificate_that_verifies(
    start: Start, tmp_path: Path
) -> None:
    """It is made for the run, trusted by it alone, and removed with it."""
    starting = start(source=Source.SERVE, serve=OVER_TLS)
    target = starting.run()
    assert target.tls_url.startswith("wss://localhost:")
    assert target.tls_url.endswith("/ws")

    async def meet() -> str:
        url, offered = target.tls_url, target.subprotocols
        async with await open_peer(
            url, tls=target.context(), subprotocols=offered
        ) as peer:
            return peer.tls_version

    assert asyncio.run(meet()).startswith("TLSv1")
    assert list(tmp_path.iterdir())
    starting.stop()
    assert not list(tmp_path.iterdir())


def test_a_target_that_keeps_data_has_a_folder_for_them(
    start: Start, tmp_path: Path
) -> None:
    """It is empty at first, in the scratch of the run, and there before the target."""
    command = f"{SOUND} --data {{data}}/log"
    start(source=Source.SERVE, serve=command).run()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["log"]


def test_a_target_with_tls_alone_is_met_over_it(start: Start) -> None:
    """It has one URL, and that is the one."""
    command = OVER_TLS.replace("--port {port}", "--port 0")
    target = start(source=Source.SERVE, serve=command).run()
    assert target.url.startswith("wss://localhost:")
    assert target.tls_url == ""
    assert TLS in target.capabilities


def test_a_tls_listener_that_is_broken_is_a_check_s_business(start: Start) -> None:
    """The target is ready all the same, and its TLS can be looked at."""
    command = OVER_TLS.replace("sound", "tls-garbage")
    assert start(source=Source.SERVE, serve=command).run().tls_url


@pytest.mark.hasty
def test_a_tls_listener_that_never_comes_is_not_waited_for_longer(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain one is there: a check will tell that the other is not."""
    monkeypatch.setattr(module, "_STEP", 0.3)
    command = f"sh -c '{SOUND}' {{tls_port}}"
    target = start(source=Source.SERVE, serve=command, ready_timeout=2.0).run()
    assert target.tls_url
    assert target.took >= 2.0


def test_a_target_without_tls_gets_none(start: Start) -> None:
    """`--no-ssl` leaves certificates out."""
    starting = start(source=Source.SERVE, serve=SOUND, no_ssl=True)
    assert starting.run().tls_url == ""
    assert starting.authority is None


def test_a_target_listens_on_the_port_that_was_asked_for(start: Start) -> None:
    """Or on the first free one from the start port on; it is told of it twice."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = f"import os; print(os.environ['PORT'], os.environ['WEBSOCKET_PORT'], {port})"
    starting = start(
        source=Source.SERVE, serve=f"{{python}} -c {shlex.quote(code)}", port=port
    )
    with pytest.raises(TargetError) as caught:
        starting.run()
    assert caught.value.output == (f"{port} {port} {port}",)

    walking = start(
        source=Source.SERVE, serve=SOUND, dynamic_ports=False, start_port=port
    )
    target = walking.run()
    assert port <= int(target.url.split(":")[2].split("/")[0]) < port + 1000


def test_a_port_that_is_in_use_is_told(start: Start) -> None:
    """Nobody fights for it, and the ones that were taken are given back."""
    before = held_ports()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        starting = start(source=Source.SERVE, serve=SOUND, tls_port=port)
        with pytest.raises(TargetError, match=f"^port {port} is in use; end what"):
            starting.run()
    starting.stop()
    assert held_ports() == before


def test_a_target_that_ends_at_once_is_told_with_its_output(start: Start) -> None:
    """Nobody waits for a deadline, and nothing is left."""
    before = held_ports()
    command = "{python} -c 'print(\"no database\"); raise SystemExit(3)'"
    starting = start(source=Source.SERVE, serve=command, ready_timeout=60.0)
    with pytest.raises(TargetError, match="ended with status 3 before it") as caught:
        starting.run()
    assert caught.value.output == ("no database",)
    assert held_ports() == before


@pytest.mark.hasty
def test_a_target_that_never_listens_is_given_up(start: Start) -> None:
    """With the reason, what it printed, and its end."""
    command = "{python} -u -c 'import signal; print(1); signal.pause()'"
    starting = start(source=Source.SERVE, serve=command, ready_timeout=0.3)
    with pytest.raises(TargetError, match=r"not ready within 0\.3 s: .*refused"):
        starting.run()
    assert starting.process is not None
    assert not starting.process.is_alive


def test_a_target_s_ports_are_given_back_even_if_its_end_fails(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failure in cleaning up does not leave the rest behind."""
    starting = start(source=Source.SERVE, serve=OVER_TLS)
    before = held_ports()
    starting.run()
    assert starting.process is not None
    end = starting.process.stop

    def fail() -> None:
        end()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(starting.process, "stop", fail)
        with pytest.raises(ZeroDivisionError):
            starting.stop()
    assert held_ports() == before
    assert starting.authority is not None
    assert not starting.authority.ca.exists()


# Meeting


def test_a_target_that_runs_is_met_where_it_is(start: Start, sound: str) -> None:
    """Nothing is started, and the options are its own."""
    before = held_ports()
    target = start(headers=(("X-Key", "mine"),), origin="https://o", token="t").run()
    assert (target.url, target.process) == (sound, None)
    assert target.headers == (("X-Key", "mine"),)
    assert (target.origin, target.token) == ("https://o", "t")
    assert held_ports() == before


def test_a_hub_is_recognised_at_its_usual_path(start: Start, sound: str) -> None:
    """By its welcome, where neither path nor dialect were given."""
    target = start(url=sound.removesuffix("/ws"), dialect=None).run()
    assert target.url == sound
    assert target.dialect.name == "hub"
    assert target.subprotocols == ("wavetank.v1",)


def test_a_dialect_s_path_is_taken_where_the_url_has_none(
    start: Start, sound: str
) -> None:
    """What is known need not be tried."""
    assert start(url=sound.removesuffix("/ws")).run().url == sound
    assert start(url=sound).run().url == sound


def test_subprotocols_that_were_asked_for_are_offered(
    start: Start, listening: Callable[..., str]
) -> None:
    """In place of the dialect's."""
    offered: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen(connection: ServerConnection) -> None:
        assert connection.request is not None
        offered.put(connection.request.headers["Sec-WebSocket-Protocol"])

    url = listening(listen, subprotocols=["b"])
    target = start(url=url, subprotocols=("a", "b")).run()
    assert offered.get(timeout=10) == "a, b"
    assert target.subprotocols == ("a", "b")


def wait(connection: ServerConnection) -> None:
    """Take everything and say nothing."""
    for _ in connection:
        pass


@pytest.mark.usefixtures("impatient")
def test_a_target_keeps_the_time_that_it_has_to_become_ready(start: Start) -> None:
    """Whoever starts it again has to know that it is slow."""
    assert start(ready_timeout=120.0).run().ready_within == 120.0


def test_an_unknown_target_is_asked_how_it_speaks(
    start: Start, listening: Callable[..., str]
) -> None:
    """Where neither the user nor its address says so."""
    assert start(url=listening(wait), dialect=None).run().dialect.name == "bare"


@pytest.mark.hasty
@pytest.mark.usefixtures("impatient")
def test_a_target_that_refuses_is_told_with_each_reason(
    start: Start, listening: Callable[..., str]
) -> None:
    """Every address that was tried had a reason of its own, or shares it."""

    def refuse(connection: ServerConnection, request: Any) -> Any:
        status = {"/": 403, "/ws": 404}[request.path]
        return connection.respond(status, "")

    url = listening(wait, process_request=refuse)
    with pytest.raises(TargetError, match=r"HTTP 403 .*; .*HTTP 404") as caught:
        start(url=url, dialect=None, ready_timeout=0.1).run()
    assert caught.value.output == ()


def test_a_target_that_wants_credentials_is_not_asked_again(
    start: Start, listening: Callable[..., str]
) -> None:
    """Time does not make a token."""
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()

    def refuse(connection: ServerConnection, request: Any) -> Any:
        asked.put(request.path)
        return connection.respond(401, "")

    url = listening(wait, process_request=refuse)
    with pytest.raises(TargetError, match="give --token"):
        start(url=url, dialect=None, ready_timeout=60.0).run()
    assert asked.qsize() == 1


@pytest.mark.hasty
def test_a_target_that_accepts_and_says_nothing_is_given_up_in_time(
    start: Start,
) -> None:
    """No attempt takes longer than the whole wait may."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
        starting = start(url=url, ready_timeout=0.1)
        with pytest.raises(TargetError, match=r"did not open within 0\.1 s"):
            starting.run()


def test_no_time_at_all_is_told_as_such(start: Start) -> None:
    """Whoever was never asked gave no reason."""
    with pytest.raises(TargetError, match="nobody was asked"):
        start(ready_timeout=-1.0).run()


# The environment of its process


def test_a_target_s_environment_is_ours_with_the_token(
    plan: Callable[..., Plan],
    nobodys_settings: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token stands in no command line; what pytest says is not for the target."""
    monkeypatch.setenv("MINE", "kept")
    monkeypatch.setenv("PYTEST_VERSION", "9")
    environ = environment(plan(token="t0ken"))
    assert environ["MINE"] == "kept"
    assert environ["PYTHONUNBUFFERED"] == "1"
    assert environ["WAVETANK_TOKEN"] == environ["WAVETANK_HUB_TOKEN"] == "t0ken"
    assert not [name for name in environ if name.startswith("PYTEST_")]
    assert "WAVETANK_TOKEN" not in environment(plan())
    assert "WAVETANK_TOKEN" not in os.environ
