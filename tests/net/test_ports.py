"""Ports that are held from the moment they are handed out."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wavetank.errors import LocalError, UsageError
from wavetank.net import ports
from wavetank.net.ports import (
    find_available_port,
    find_dynamic_port,
    get_free_port_pair,
    get_websocket_uri,
    hand_over,
    held_ports,
    hold_port,
    is_port_in_use,
    release_port,
    update_websocket_env_vars,
)

HOLD_PAIRS = """
import sys
from wavetank.net.ports import get_free_port_pair, hand_over
pairs = [get_free_port_pair(int(sys.argv[1]), 1, 10) for _ in range(int(sys.argv[2]))]
print(*(port for pair in pairs for port in pair), flush=True)
sys.stdin.readline()
import socket
for pair in pairs:
    for port in pair:
        hand_over(port)
        with socket.create_server(("127.0.0.1", port), reuse_port=False):
            pass
print("bound", flush=True)
sys.stdin.readline()
"""
HOLD_ONE = """
import sys
from wavetank.net.ports import hold_port
hold_port(int(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _nothing_stays_held() -> Iterator[None]:
    before = held_ports()
    yield
    for port in set(held_ports()) - set(before):
        release_port(port)


@pytest.fixture(params=["abstract", "loopback"])
def tokens(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Use each kind of token in turn."""
    if request.param == "loopback":
        monkeypatch.setattr(ports, "_tokens", ports._LoopbackToken())
    elif sys.platform != "linux":
        pytest.skip("the abstract namespace is Linux's")
    return str(request.param)


@pytest.fixture
def port() -> int:
    """A port that is free and not held."""
    found = find_dynamic_port()
    release_port(found)
    return found


@contextlib.contextmanager
def _bound(
    port: int,
    host: str = "127.0.0.1",
    *,
    shared: bool = False,
    listening: bool = False,
) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tcp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(shared))
        tcp.bind((host, port))
        if listening:
            tcp.listen()
        yield tcp


@contextlib.contextmanager
def _python(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run Python until its input is closed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_port_is_not_in_use_when_nobody_has_it(port: int, tokens: str) -> None:
    """A port that nobody has is free."""
    assert not is_port_in_use(port)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_is_in_use_when_somebody_listens_on_any_address(
    host: str, port: int
) -> None:
    """A listener on loopback or everywhere, of either family, is noticed."""
    with _bound(port, host, shared=True, listening=True):
        assert is_port_in_use(port)
        with pytest.raises(UsageError, match=f"port {port} is in use"):
            hold_port(port)


def test_a_port_is_in_use_when_it_is_bound_without_sharing(port: int) -> None:
    """A program that bound a port, but does not listen yet, is noticed."""
    with _bound(port):
        assert is_port_in_use(port)


def test_a_port_is_not_in_use_when_only_we_hold_it(port: int, tokens: str) -> None:
    """One's own hold is no use; a server that listens on it is."""
    hold_port(port)
    assert not is_port_in_use(port)
    with _bound(port, shared=True, listening=True):
        assert is_port_in_use(port)


def test_a_hold_keeps_programs_off_and_lets_a_sharing_server_in(port: int) -> None:
    """Without SO_REUSEADDR nobody binds a held port; asyncio's servers do."""
    hold_port(port)
    with pytest.raises(OSError, match="in use") as error, _bound(port):
        pass
    assert error.value.errno == errno.EADDRINUSE
    with _bound(port, shared=True, listening=True):
        pass


def test_a_hold_keeps_outgoing_connections_off(port: int) -> None:
    """Nobody can connect from a held port."""
    hold_port(port)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(OSError, match="in use"),
    ):
        socket.create_connection(server.getsockname(), source_address=("", port))


def test_a_handed_over_port_is_free_for_any_server_and_for_no_other_run(
    port: int,
) -> None:
    """After the hand-over any program may bind, while the token stays."""
    hold_port(port)
    hand_over(port)
    with _bound(port):
        pass
    assert port in held_ports()
    with _python(HOLD_ONE, port) as other:
        assert _hear(other) == ""


def test_a_handed_over_port_is_held_again_when_asked_for(port: int) -> None:
    """Between two lives of a target its port can be closed to programs again."""
    hold_port(port)
    hand_over(port)
    hand_over(port)
    with _bound(port), pytest.raises(UsageError, match="in use"):
        hold_port(port)
    hold_port(port)
    hold_port(port)
    with pytest.raises(OSError, match="in use"), _bound(port):
        pass


def test_a_port_that_is_not_held_cannot_be_handed_over(port: int) -> None:
    """Handing over what one does not have is our own mistake."""
    with pytest.raises(LocalError, match="not held by this process"):
        hand_over(port)


def test_a_released_port_is_free_for_everybody(port: int, tokens: str) -> None:
    """Releasing gives both parts back, and doing it twice does nothing."""
    hold_port(port)
    release_port(port)
    release_port(port)
    assert port not in held_ports()
    with _python(HOLD_ONE, port) as other:
        assert _hear(other) == "held"


def test_a_port_that_another_process_holds_is_in_use(port: int, tokens: str) -> None:
    """A process sees the holds of every other one, and does not get their ports."""
    code = HOLD_ONE
    if tokens == "loopback":
        code = code.replace(
            "hold_port(int",
            "import wavetank.net.ports as p; p._tokens = p._LoopbackToken()\n"
            "hold_port(int",
        )
    with _python(code, port) as other:
        assert _hear(other) == "held"
        assert is_port_in_use(port)
        assert port not in held_ports()
        with pytest.raises(UsageError, match="in use"):
            hold_port(port)
        assert find_available_port(port, 100) != port


def test_a_hold_vanishes_when_its_process_is_killed(port: int) -> None:
    """The kernel frees a hold, however its process ends, and no file is left."""
    with _python(HOLD_ONE, port) as other:
        assert _hear(other) == "held"
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert not is_port_in_use(port)
        hold_port(port)


def test_many_processes_get_distinct_pairs_and_each_can_bind_its_own(
    port: int,
) -> None:
    """Eight processes take 50 pairs each from the same start; no port comes twice."""
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(_python(HOLD_PAIRS, 10_000, 50)) for _ in range(8)
        ]
        taken = [[int(word) for word in _hear(each).split()] for each in processes]
        for process in processes:
            _say(process, "bind")
        assert [_hear(process) for process in processes] == ["bound"] * 8
    assert [len(held) for held in taken] == [100] * 8
    everything = [taken_port for held in taken for taken_port in held]
    assert len(set(everything)) == 800
    gaps = [
        twin - plain
        for held in taken
        for plain, twin in zip(held[::2], held[1::2], strict=True)
    ]
    assert min(gaps) >= 1
    assert max(gaps) <= 10


def test_threads_get_distinct_ports() -> None:
    """Threads that ask at the same time never get the same port."""
    found: list[int] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        found.extend(find_available_port(20_000, 500) for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 160
    assert set(found) <= set(held_ports())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_holds_nothing_and_keeps_nothing(port: int) -> None:
    """A fork's copies of the sockets are closed; its parent alone decides."""
    hold_port(port)
    told, tell = os.pipe()
    awaited, go = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.write(tell, b"-" if held_ports() == () else b"+")
        os.read(awaited, 1)
        os._exit(0)
    try:
        assert os.read(told, 1) == b"-"
        release_port(port)
        with _bound(port):
            pass
        hold_port(port)
    finally:
        os.write(go, b".")
        os.waitpid(child, 0)
        for end in (told, tell, awaited, go):
            os.close(end)


def test_forgetting_closes_every_hold(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a forked child and a leaving process do."""
    monkeypatch.setattr(ports, "_holds", {})
    hold_port(port)
    ports._forget()
    assert held_ports() == ()
    with _bound(port):
        pass


def test_a_child_program_inherits_no_hold(port: int) -> None:
    """A program that is started does not keep the ports of who started it."""
    hold_port(port)
    with _python("import sys; print('up', flush=True); sys.stdin.readline()") as child:
        assert _hear(child) == "up"
        release_port(port)
        with _bound(port):
            pass


def test_the_first_free_port_is_found_upwards(port: int) -> None:
    """Ports in use, and those that we hold, are passed over."""
    with _bound(port, shared=True, listening=True):
        first = find_available_port(port, 100)
        second = find_available_port(port, 100)
    assert port < first < second <= port + 99


def test_a_search_that_finds_nothing_says_what_to_do(port: int) -> None:
    """Exhausted attempts name the range and the way out."""
    hold_port(port)
    with pytest.raises(UsageError, match=f"no free port from {port} to {port}; start"):
        find_available_port(port, 1)


def test_a_search_ends_at_the_last_port() -> None:
    """Candidates beyond 65535 are not tried."""
    with contextlib.suppress(UsageError):
        hold_port(65535)
    with pytest.raises(UsageError, match="from 65535 to 65535"):
        find_available_port(65535, 10)


@pytest.mark.parametrize("wrong", [0, -1, 65536, True, "9000", None, 1.5])
def test_what_is_no_port_number_is_refused(wrong: object) -> None:
    """Every function that takes a port refuses what is none."""
    functions: list[Callable[..., object]] = [
        is_port_in_use,
        find_available_port,
        get_free_port_pair,
        hold_port,
        get_websocket_uri,
        update_websocket_env_vars,
    ]
    for function in functions:
        with pytest.raises(UsageError, match="is no port number; use 1 to 65535"):
            function(wrong)


@pytest.mark.parametrize("wrong", [0, -1, False, "3"])
def test_what_is_no_count_is_refused(wrong: int) -> None:
    """Attempts and gaps have to be positive numbers."""
    with pytest.raises(UsageError, match="is no count"):
        find_available_port(9000, wrong)
    with pytest.raises(UsageError, match="is no count"):
        get_free_port_pair(9000, wrong, 10)
    with pytest.raises(UsageError, match="is no count"):
        get_free_port_pair(9000, 1, wrong)


def test_a_pair_keeps_its_gap() -> None:
    """The twin's distance is within both bounds, and both ports are held."""
    plain, twin = get_free_port_pair(15_000, 7, 9)
    assert 7 <= twin - plain <= 9
    assert {plain, twin} <= set(held_ports())
    assert get_free_port_pair(plain, 7, 9)[0] > plain


def test_a_pair_with_impossible_gaps_is_refused() -> None:
    """A greatest gap below the least one is a mistake."""
    with pytest.raises(UsageError, match="max_gap 2 is less than min_gap 3"):
        get_free_port_pair(9000, 3, 2)


def test_a_pair_that_is_not_found_leaves_nothing_held() -> None:
    """Where no twin is free, the plain port is given back."""
    before = held_ports()
    with pytest.raises(UsageError, match="no free pair of ports from 65530 to 65535"):
        get_free_port_pair(65530, 10, 20)
    assert held_ports() == before


def test_a_dynamic_port_lies_outside_the_ephemeral_range() -> None:
    """No outgoing connection can take it while its server restarts."""
    first, last = ports._ephemeral_range()
    found = [find_dynamic_port() for _ in range(20)]
    assert len(set(found)) == 20
    assert not any(first <= each <= last for each in found)


def test_dynamic_ports_are_found_when_the_ephemeral_range_covers_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems take outgoing ports from everywhere; a port is found there too."""
    wide = tmp_path / "range"
    wide.write_text("1024\t65535\n", encoding="ascii")
    monkeypatch.setattr(ports, "_EPHEMERAL", wide)
    assert find_dynamic_port() in held_ports()


def test_the_ephemeral_range_is_the_usual_one_when_the_system_does_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Linux's file, IANA's range is assumed."""
    monkeypatch.setattr(ports, "_EPHEMERAL", tmp_path / "none")
    assert ports._ephemeral_range() == (49152, 65535)


def test_a_machine_without_a_free_port_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When every port is taken, the search ends."""
    monkeypatch.setattr(ports, "_take", lambda port: False)
    with pytest.raises(UsageError, match="ports is free"):
        find_dynamic_port()


def test_ports_are_found_on_a_machine_without_ipv6(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no addresses of IPv6, those of IPv4 are enough."""
    real = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no such family")
        return real(family, kind)

    monkeypatch.setattr(ports.socket, "socket", without_ipv6)
    hold_port(port)
    with pytest.raises(OSError, match="in use"), real() as tcp:
        tcp.bind(("127.0.0.1", port))
    assert not is_port_in_use(port)


class _Guarded(socket.socket):
    """A socket of somebody who may not bind."""

    def bind(self, address: object) -> None:
        if self.family != socket.AF_UNIX:
            raise PermissionError(errno.EACCES, "may not")
        super().bind(address)  # type: ignore[arg-type]  # as it came


def test_a_port_that_needs_privileges_cannot_be_held(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system forbids a port, the words say which ones it allows."""
    monkeypatch.setattr(ports.socket, "socket", _Guarded)
    with pytest.raises(UsageError, match="needs privileges; choose one from 1024"):
        hold_port(port)
    assert port not in held_ports()


def test_a_port_that_may_not_be_bound_is_in_use_when_somebody_answers(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where binding is forbidden, a connection tells."""
    with _bound(port, listening=True):
        monkeypatch.setattr(ports.socket, "socket", _Guarded)
        assert is_port_in_use(port)
    assert not is_port_in_use(port)


def test_other_errors_of_a_token_are_not_taken_for_a_port_in_use(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running out of descriptors must not look like running out of ports."""

    class Exhausted(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(ports.socket, "socket", Exhausted)
    with pytest.raises(OSError, match="too many open files"):
        hold_port(port)
    assert port not in held_ports()


def test_the_environment_names_both_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are started find both ports in their environment."""
    monkeypatch.setenv("WEBSOCKET_PORT", "1")
    monkeypatch.setenv("WEBSOCKET_SSL_PORT", "2")
    update_websocket_env_vars(9000, 9001)
    assert os.environ["WEBSOCKET_PORT"] == "9000"
    assert os.environ["WEBSOCKET_SSL_PORT"] == "9001"
    update_websocket_env_vars(9002)
    assert os.environ["WEBSOCKET_PORT"] == "9002"
    assert "WEBSOCKET_SSL_PORT" not in os.environ


def test_the_environment_is_left_alone_when_a_port_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half an update is none."""
    monkeypatch.setenv("WEBSOCKET_PORT", "1")
    with pytest.raises(UsageError, match="ssl_port 0"):
        update_websocket_env_vars(9000, 0)
    assert os.environ["WEBSOCKET_PORT"] == "1"


@pytest.mark.parametrize(
    ("host", "use_ssl", "expected"),
    [
        ("localhost", False, "ws://localhost:9000"),
        ("localhost", True, "wss://localhost:9000"),
        ("::1", True, "wss://[::1]:9000"),
        ("[::1]", False, "ws://[::1]:9000"),
    ],
)
def test_a_uri_names_scheme_host_and_port(
    host: str, use_ssl: bool, expected: str
) -> None:
    """An address of IPv6 gets its brackets (RFC 3986 3.2.2)."""
    assert get_websocket_uri(9000, host, use_ssl) == expected
