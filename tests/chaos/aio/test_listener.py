"""The port of a proxy: kept, shared with nobody, given back."""

import errno
import socket
from collections.abc import Iterator

import pytest

from wavetank.chaos.aio import listener as listener_module
from wavetank.chaos.aio.listener import Listener
from wavetank.errors import UsageError

from .wires import dial, settled

pytestmark = pytest.mark.anyio


@pytest.fixture
def accepted() -> Iterator[list[socket.socket]]:
    """Yield a list for sockets, which are closed at the end."""
    taken: list[socket.socket] = []
    yield taken
    for each in taken:
        each.close()


async def test_a_listener_hands_on_who_comes(accepted: list[socket.socket]) -> None:
    """Each socket is handed on once, does not block, and does not save up bytes."""
    listener = Listener(accepted.append)
    assert not listener.is_listening
    listener.listen()
    assert repr(listener) == "<Listener :0 closed>"
    await listener.open("127.0.0.1", 0)
    assert repr(listener).endswith("listening>")
    wires = [await dial(listener.address[1]) for _ in range(3)]
    await settled(lambda: len(accepted) == 3)
    assert not any(each.getblocking() for each in accepted)
    for each in accepted:
        assert each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for wire in wires:
        wire.transport.abort()
        await wire.gone()
    listener.close()
    listener.close()


async def test_a_listener_keeps_its_port_while_it_refuses(
    accepted: list[socket.socket],
) -> None:
    """Nobody is let in, nobody else gets the port, and listening goes on there."""
    listener = Listener(accepted.append)
    await listener.open("127.0.0.1", 0)
    port = listener.address[1]
    listener.refuse()
    assert repr(listener).endswith("refusing>")
    with pytest.raises(ConnectionRefusedError):
        await dial(port)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    listener.listen()
    (await dial(port)).transport.abort()
    listener.close()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))


async def test_a_listener_may_be_told_to_refuse_by_whom_it_hands_sockets_to() -> None:
    """It accepts nobody else in that turn."""
    taken: list[socket.socket] = []

    def take(accepted: socket.socket) -> None:
        taken.append(accepted)
        listener.refuse()

    listener = Listener(take)
    await listener.open("127.0.0.1", 0)
    wires = [await dial(listener.address[1])]
    await settled(lambda: bool(taken))
    wires[0].transport.abort()
    await wires[0].gone()
    taken[0].close()
    listener.close()
    assert len(taken) == 1


class Failing:
    """A listening socket that fails as often as it was told to, then is a real one."""

    def __init__(self, real: socket.socket, errors: list[OSError]) -> None:
        self.real = real
        self.errors = errors

    def accept(self) -> tuple[socket.socket, object]:
        """Fail, or accept."""
        if self.errors:
            raise self.errors.pop()
        return self.real.accept()

    def fileno(self) -> int:
        """Return the real one's."""
        return self.real.fileno()

    def close(self) -> None:
        """Close the real one."""
        self.real.close()


async def test_a_listener_rests_when_there_are_no_descriptors_left(
    accepted: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not spin, and lets in later who has waited; who gave up is skipped."""
    monkeypatch.setattr(listener_module, "PAUSE", 0.01)
    listener = Listener(accepted.append)
    await listener.open("127.0.0.1", 0)
    errors = [OSError(errno.EMFILE, "too many"), ConnectionAbortedError()]
    real = listener._socket
    assert real is not None
    monkeypatch.setattr(listener, "_socket", Failing(real, errors))
    wire = await dial(listener.address[1])
    await settled(lambda: bool(accepted))
    assert listener.pauses == 1
    wire.transport.abort()
    await wire.gone()
    monkeypatch.setattr(listener_module, "PAUSE", 3600)
    errors.append(OSError(errno.EMFILE, "too many"))
    late = await dial(listener.address[1])
    await settled(lambda: listener.pauses == 2)
    listener.close()
    await late.until(lambda wire: wire.is_lost)


async def test_a_listener_that_cannot_have_its_address_says_so() -> None:
    """Both an address that is taken and a name that is unknown are named."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}: .*in use"):
            await Listener(lambda _: None).open("127.0.0.1", port)
    with pytest.raises(UsageError, match=r"no\.such\.host\.invalid:0"):
        await Listener(lambda _: None).open("no.such.host.invalid", 0)
    with pytest.raises(UsageError, match="cannot listen on"):
        await Listener(lambda _: None).open(f"{'x' * 64}.de", 0)


async def test_a_listener_listens_on_ipv6() -> None:
    """And on IPv6 alone, whatever the machine's habit."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    listener = Listener(lambda _: None)
    try:
        await listener.open("::1", 0)
    except UsageError:
        pytest.skip("this machine has no IPv6")
    assert listener.address[0] == "::1"
    listener.close()
