"""Writes to many: straight to a socket, and what it does not take to its transport."""

import socket
from collections.abc import Iterator

import pytest

from wavetank.hub.aio.writes import TryWrite, straight_to, write_all

DATA = bytes(range(256)) * 4


class Somebody:
    """Somebody who can be written to, and takes so much at once."""

    def __init__(self, takes: int | None, error: Exception | None = None) -> None:
        self.got = b""
        self._takes = takes
        self._error = error

    def try_write(self, data: bytes) -> int | None:
        """Take some of it."""
        if self._error is not None:
            raise self._error
        self.got += data[: self._takes]
        return self._takes

    def write(self, data: bytes) -> None:
        """Take all of it."""
        if isinstance(self._error, RuntimeError):
            raise self._error
        self.got += data


def group_of(*everybody: Somebody) -> dict[Somebody, TryWrite]:
    """Return them as a group."""
    return {each: each.try_write for each in everybody}


@pytest.mark.parametrize("takes", [None, 0, 1, 1023, 1024])
def test_everybody_gets_each_byte_once(takes: int | None) -> None:
    """However much of it went at once."""
    group = group_of(Somebody(None), Somebody(takes), Somebody(1024))
    assert write_all(group, DATA) == (3, [])
    assert [each.got for each in group] == [DATA] * 3


def test_whoever_takes_nothing_now_gets_it_from_its_transport() -> None:
    """As where the kernel's buffer is full, and where the peer has reset it."""
    group = group_of(*(Somebody(None, error()) for error in (BlockingIOError, OSError)))
    assert write_all(group, DATA) == (2, [])
    assert [each.got for each in group] == [DATA] * 2


def test_whoever_cannot_be_written_to_is_told_of() -> None:
    """The others go on."""
    closed = Somebody(None, RuntimeError("closed"))
    group = group_of(Somebody(None), closed, Somebody(7))
    assert write_all(group, DATA) == (2, [closed])
    assert [each.got for each in group] == [DATA, b"", DATA]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect two sockets that do not block."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def test_a_socket_says_how_much_it_took(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """All, then a part, then nothing."""
    ours, theirs = pair
    try_write = straight_to(ours.fileno())
    assert try_write(DATA) == len(DATA)
    assert theirs.recv(65_536) == DATA
    big = bytes(8 * 1024 * 1024)
    taken = try_write(big)
    assert taken is not None
    assert 0 < taken < len(big)
    with pytest.raises(BlockingIOError):
        try_write(big)


def test_each_socket_is_one_of_its_own() -> None:
    """They are told apart by their number."""
    assert straight_to(3) == straight_to(3)
    assert straight_to(3) != straight_to(4)
