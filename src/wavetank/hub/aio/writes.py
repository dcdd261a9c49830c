"""Writes: the same bytes to many, straight to their sockets where that is possible.

They refuse to know what the bytes are, and who has to be behind.

A transport that has nothing buffered has nothing that could be overtaken, so the
kernel may as well be asked at once; what it does not take goes to the transport.
"""

import os
from collections.abc import Callable, Hashable, Mapping
from types import MethodType
from typing import Protocol, TypeVar, cast

__all__ = ["TryWrite", "Writable", "Write", "straight_to", "write_all"]

Write = Callable[[bytes], None]
"""Hands bytes to a transport."""

TryWrite = Callable[[bytes], int | None]
"""Hands on as many bytes as go at once; returns how many, None for all of them.

Where it fails none of them went."""


class Writable(Hashable, Protocol):
    """Somebody who can be written to.

    Attributes:
        write: Takes bytes, whatever is buffered.
    """

    write: Write


W = TypeVar("W", bound=Writable)


def straight_to(fd: int) -> TryWrite:
    """Return what writes to a socket, past its transport.

    Args:
        fd: Of a socket that does not block. The transport's buffer has to be empty
            whenever it is written to.
    """
    # A method of the number: the least memory to touch and the shortest way to
    # call (`benchmarks/hub.py`, one in flight).
    return cast(TryWrite, MethodType(os.write, fd))


def write_all(group: Mapping[W, TryWrite], data: bytes) -> tuple[int, list[W]]:
    """Write the same bytes to many.

    Whoever takes all of it costs one call, and nothing else of it is touched: with
    thousands of them most of the time goes where memory is cold.

    Returns:
        How many were written to, counted beside each write, and who could not be.
    """
    size, count = len(data), 0
    short: dict[TryWrite, int] = {}
    for try_write in list(group.values()):
        try:
            taken = try_write(data)
        except Exception:  # noqa: BLE001 - its transport will find out why
            taken = 0
        count += 1
        if taken != size and taken is not None:
            short[try_write] = taken
    broken = _write_rests(group, data, short) if short else []
    return count - len(broken), broken


def _write_rests(
    group: Mapping[W, TryWrite], data: bytes, short: Mapping[TryWrite, int]
) -> list[W]:
    broken = []
    for each, try_write in list(group.items()):
        if try_write in short:
            try:
                each.write(data[short[try_write] :])
            except Exception:  # noqa: BLE001 - the others go on
                broken.append(each)
    return broken
