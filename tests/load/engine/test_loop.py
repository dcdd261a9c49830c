"""The loop over readiness and due times."""

import contextlib
import socket
import tempfile
from collections.abc import Iterator

import pytest

from wavetank.load.engine.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Open a loop."""
    with contextlib.closing(Loop()) as opened:
        yield opened


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect two sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


@pytest.mark.parametrize("is_fine", [True, False])
@pytest.mark.parametrize("ahead", [0.0, 0.0003, 0.0013, 0.5])
def test_loop_calls_whoever_can_read(
    loop: Loop, pair: Pair, ahead: float, *, is_fine: bool
) -> None:
    """However long it may wait, what is ready is handled at once."""
    loop._is_fine = is_fine
    ours, theirs = pair
    called: list[int] = []
    loop.add(ours.fileno(), called.append)
    theirs.send(b"x")
    loop.turn(loop.now + ahead)
    assert len(called) == 1
    assert repr(loop) == "<Loop 1 descriptors>"


@pytest.mark.parametrize("is_fine", [True, False])
@pytest.mark.parametrize("ahead", [-1.0, 0.0002, 0.001, 0.0022])
def test_loop_waits_no_shorter_than_it_should_when_nothing_is_ready(
    loop: Loop, pair: Pair, ahead: float, *, is_fine: bool
) -> None:
    """Its clock has reached the moment when the turn is over, but for a rounding."""
    loop._is_fine = is_fine
    loop.add(pair[0].fileno(), pytest.fail)
    until = loop.now + ahead
    loop.turn(until)
    assert loop.now >= until - 0.001


def test_loop_calls_for_writing_only_where_it_is_asked_to(
    loop: Loop, pair: Pair
) -> None:
    """A socket can be written nearly always; only who waits for that hears of it."""
    called: list[str] = []
    number = pair[0].fileno()
    loop.add(number, lambda _: called.append("writing"), writing=True)
    loop.turn(0.0)
    loop.change(number, lambda _: called.append("reading"), writing=False)
    loop.turn(0.0)
    assert called == ["writing"]


def test_loop_calls_nobody_who_was_removed_in_the_same_turn(loop: Loop) -> None:
    """Two are ready; each removes the other: one is called."""
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def handler(own: int, other: int) -> None:
        called.append(own)
        loop.remove(other)

    try:
        numbers = [ours.fileno() for ours, _ in pairs]
        for own, other in (numbers, numbers[::-1]):
            loop.add(own, lambda _, own=own, other=other: handler(own, other))  # type: ignore[misc]
        for _, theirs in pairs:
            theirs.send(b"x")
        loop.turn(0.0)
        assert len(called) == 1
    finally:
        for sock in (sock for both in pairs for sock in both):
            sock.close()


def test_loop_tells_the_new_owner_of_a_descriptor_nothing_of_the_old_one(
    loop: Loop,
) -> None:
    """A handler closes another's socket and opens one: it often has the same number.

    The events of the turn are of the one that is closed. A connection that was just
    begun took them for its own, and for being connected.
    """
    first, second = socket.socketpair(), socket.socketpair()
    called: list[str] = []
    opened: list[socket.socket] = []

    def replace(victim: socket.socket) -> None:
        number = victim.fileno()
        loop.remove(number)
        victim.close()
        opened.extend(socket.socketpair())
        assert number in {sock.fileno() for sock in opened}
        loop.add(number, lambda _: called.append("new"))

    loop.add(first[0].fileno(), lambda _: replace(second[0]))
    loop.add(second[0].fileno(), lambda _: replace(first[0]))
    first[1].send(b"x")
    second[1].send(b"x")
    try:
        loop.turn(0.0)
        assert not called
    finally:
        for sock in (*first, *second, *opened):
            sock.close()


def test_loop_that_is_muted_hears_of_the_end_alone(loop: Loop, pair: Pair) -> None:
    """Bytes do not wake it; the other side's end does."""
    called: list[int] = []
    ours, theirs = pair
    loop.add(ours.fileno(), pytest.fail)
    loop.mute(ours.fileno(), called.append)
    theirs.send(b"x")
    loop.turn(0.0)
    assert not called
    theirs.close()
    loop.turn(0.0)
    assert len(called) == 1


def test_loop_keeps_nothing_of_what_cannot_be_watched(loop: Loop) -> None:
    """A plain file is never ready: the system says no."""
    with tempfile.TemporaryFile() as file:
        with pytest.raises(PermissionError):
            loop.add(file.fileno(), pytest.fail)
        assert repr(loop) == "<Loop 0 descriptors>"


def test_loop_notes_its_longest_turn(loop: Loop) -> None:
    """What a handler took is how long everything else waited."""
    loop.now -= 5.0
    loop.turn(0.0)
    loop.turn(0.0)
    assert loop.longest_turn >= 5.0
