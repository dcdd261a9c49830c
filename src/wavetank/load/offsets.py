"""How far apart the clocks of two machines are, and how sure that is.

It refuses to know how a distant clock is asked, and what its time is good for.

A clock that is asked at ``a`` and whose answer is there at ``b`` was read somewhere
between the two. Half way is the best guess, and half the round trip is the most by
which that can be wrong, however unlike there and back are (Cristian 1989; for NTP,
RFC 5905, 8 and 10). So of several round trips, the shortest is the best.
"""

from collections.abc import Iterable

import msgspec

__all__ = ["Offset", "RoundTrip", "disagreement", "error_over", "offset_of"]


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """One question for the time.

    Attributes:
        asked_at: On our own clock, in seconds.
        read: What the other clock said, in seconds.
        answered_at: On our own clock, when the answer was there.
    """

    asked_at: float
    read: float
    answered_at: float


class Offset(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be added to our clock to know the other one.

    Attributes:
        seconds: That much.
        error: By how many seconds that may be wrong, at most.
    """

    seconds: float
    error: float


def offset_of(trips: Iterable[RoundTrip]) -> Offset:
    """Return the offset as the shortest round trip shows it.

    Raises:
        ValueError: If there is no round trip, or one that ended before it began.
    """
    offsets = [_offset(trip) for trip in trips]
    if not offsets:
        raise ValueError("the other clock was never read")
    return min(offsets, key=lambda offset: offset.error)


def _offset(trip: RoundTrip) -> Offset:
    error = (trip.answered_at - trip.asked_at) / 2
    if error < 0:
        raise ValueError("a clock that never jumps has gone back")
    return Offset(seconds=trip.read - trip.asked_at - error, error=error)


def error_over(begin: Offset, end: Offset) -> float:
    """Return how wrong the first of two offsets was at most, until the second.

    Clocks drift: by up to 500 parts in a million where a system corrects its own, the
    monotonic one too (adjtimex(2)). That is a second in half an hour, and so it is
    measured.

    Args:
        begin: The one that was used.
        end: The one that was measured in the end.
    """
    return max(begin.error, abs(end.seconds - begin.seconds) + end.error)


def disagreement(errors: Iterable[float]) -> float:
    """Return by how much a time between two of several clocks can be wrong.

    Args:
        errors: That of each clock against our own, in seconds.
    """
    largest = sorted(errors)[-2:]
    return sum(largest) if len(largest) > 1 else 0.0
