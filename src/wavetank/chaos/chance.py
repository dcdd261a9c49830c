"""Which frames a toxic is meant for: what they are, which of them, when, how often.

It refuses to know what becomes of them.
"""

from typing import TYPE_CHECKING

import msgspec

from wavetank.chaos.toxic import NEVER, Frame
from wavetank.dialects.paths import Opened, Path, parse_path
from wavetank.wire.frames import apply_mask
from wavetank.wire.header import RSV1, Opcode

if TYPE_CHECKING:
    import random

__all__ = ["Chance", "When"]


class When(msgspec.Struct, frozen=True, kw_only=True):
    """What a frame has to be, and how often; all of it has to be true.

    Attributes:
        opcodes: One of these; none for any.
        at_least: Bytes of its payload.
        at_most: Bytes of its payload; None for any.
        json: Path such as ``data.kind`` -> value, for whole text messages in one
            frame, not compressed; what cannot be read does not match.
        probability: For each frame that matches, 0 to 1.
        after: How many that match go by first.
        count: How many are chosen at most; None for all.
        since: Seconds after the toxic was added.
        until: Seconds after the toxic was added; None for always.
    """

    opcodes: tuple[int, ...] = ()
    at_least: int = 0
    at_most: int | None = None
    json: dict[str, object] = msgspec.field(default_factory=dict)
    probability: float = 1.0
    after: int = 0
    count: int | None = None
    since: float = 0.0
    until: float | None = None


class Chance:
    """Chooses frames of one stream.

    A die is thrown for each frame that matches, whether it is used or not: the n-th
    frame that matches has the same fate in each run of the same seed.

    Args:
        when: What they have to be.
        rng: Its dice.
        now: When the toxic was added.

    Attributes:
        matched: How many were what they have to be.
        chosen: How many of these were chosen.
        unread: Text messages that no path could be looked up in: compressed, in
            fragments, or not JSON.
    """

    def __init__(self, when: When, rng: "random.Random", now: float) -> None:
        self.matched = 0
        self.chosen = 0
        self.unread = 0
        self._when = when
        self._rng = rng
        self._opcodes = frozenset(when.opcodes or range(16))
        self._most = NEVER if when.at_most is None else when.at_most
        self._count = NEVER if when.count is None else when.count
        self._since = now + when.since
        self._until = NEVER if when.until is None else now + when.until
        self._wanted: list[tuple[Path, object]] = [
            (parse_path(path), value) for path, value in when.json.items()
        ]

    def __repr__(self) -> str:
        return f"Chance({self.chosen} chosen of {self.matched})"

    @property
    def is_over(self) -> bool:
        """Whether as many as there may be were chosen."""
        return self.chosen >= self._count

    def takes(self, frame: Frame, now: float) -> bool:
        """Tell whether the toxic gets this frame; to be asked once for each."""
        if not self._matches(frame):
            return False
        self.matched += 1
        lucky = self._rng.random() < self._when.probability
        is_chosen = (
            lucky
            and self.matched > self._when.after
            and self.chosen < self._count
            and self._since <= now < self._until
        )
        self.chosen += is_chosen
        return is_chosen

    def _matches(self, frame: Frame) -> bool:
        when = self._when
        return (
            frame.opcode in self._opcodes
            and when.at_least <= frame.size <= self._most
            and (not self._wanted or self._says(frame))
        )

    def _says(self, frame: Frame) -> bool:
        """Tell whether a message has all the values that are wanted."""
        if frame.opcode != Opcode.TEXT:
            return False
        opened = _opened(frame)
        if opened is None:
            self.unread += 1
            return False
        return all(_is_same(opened.value(path), value) for path, value in self._wanted)


def _opened(frame: Frame) -> Opened | None:
    """Return the JSON of a whole message; None where it cannot be read."""
    if not frame.fin or frame.data[0] & RSV1:
        return None
    payload, mask = frame.data[frame.head :], frame.mask
    try:
        text = payload if mask is None else apply_mask(payload, mask)
        return Opened(text.decode())
    except ValueError:
        return None


def _is_same(seen: object, wanted: object) -> bool:
    """Compare as JSON does: true is not 1."""
    return seen == wanted and isinstance(seen, bool) == isinstance(wanted, bool)
