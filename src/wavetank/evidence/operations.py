"""Operations: what a peer asked of the target, and what came of it.

It refuses to know sockets and dialects; it orders, pairs and counts values.
"""

import enum
from collections.abc import Iterable, Iterator

import msgspec

__all__ = ["Kind", "Operation", "Pair", "pairs"]


class Kind(enum.StrEnum):
    """The four moments of an operation (Jepsen's, in its words)."""

    INVOKE = "invoke"
    """It was asked for."""
    OK = "ok"
    """It definitely happened."""
    FAIL = "fail"
    """It definitely did not happen."""
    INFO = "info"
    """Nobody knows (a time-out, a lost connection), or nobody asked (a push)."""


class Operation(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag="operation",
    tag_field="record",
):
    """One moment of one operation.

    Attributes:
        at: Seconds since the run started.
        check: Name of the check on whose behalf it happened.
        peer: Which peer, such as ``peer-3``; one peer does one thing at a time.
        kind: invoke, ok, fail or info.
        name: What was asked: ``open``, ``publish``, ``subscribe``, ``receive`` ...
        id: Ties an ok, fail or info to its invoke; 0 where nobody asked.
        topic: The topic, where there is one.
        seq: The sequence number, where the target gave one.
        detail: The rest in words: close code, error, shortened payload.
    """

    at: float
    check: str
    peer: str
    kind: Kind
    name: str
    id: int = 0
    topic: str = ""
    seq: int | None = None
    detail: str = ""


class Pair(msgspec.Struct, frozen=True):
    """An invoke and what came of it; ``end`` is None while nothing did."""

    invoke: Operation
    end: Operation | None


def pairs(operations: Iterable[Operation]) -> Iterator[Pair]:
    """Pair each invoke with its ok, fail or info, in order of the invokes.

    Operations that nobody asked for (``id`` 0) are left out.
    """
    invokes: dict[tuple[str, int], Operation] = {}
    ends: dict[tuple[str, int], Operation] = {}
    for operation in operations:
        if not operation.id:
            continue
        place = ends if operation.kind is not Kind.INVOKE else invokes
        place.setdefault((operation.peer, operation.id), operation)
    for key, invoke in invokes.items():
        yield Pair(invoke, ends.get(key))
