"""Packet loss: pieces of the stream are missing, in bursts if told so.

It refuses to send anything again: what TCP would repair, this leaves broken.
"""

from typing import TYPE_CHECKING

from wavetank.chaos.toxic import Bytes, End, Item, Open, Timed, data_of
from wavetank.chaos.toxics.noop import Noop

if TYPE_CHECKING:
    import random

__all__ = ["PacketLoss"]


class PacketLoss(Noop):
    """Drops pieces at random, each with its own die.

    Two states, as in the model of Gilbert and Elliott (Bell System Technical Journal
    39 and 42, 1960 and 1963), simplified as Toxiproxy has it: behind a dropped piece
    the next one is dropped with ``loss_rate + correlation``.

    Args:
        loss_rate: Probability that a piece is dropped.
        correlation: How much likelier it is behind a dropped one.
        size: Bytes of a piece, counted from where the toxic was added, so that the
            faults do not depend on how TCP cuts the stream; 0 for as they come.
        rng: Its dice.
    """

    def __init__(
        self,
        *,
        loss_rate: float,
        correlation: float,
        size: int,
        rng: "random.Random",
    ) -> None:
        super().__init__()
        self._loss_rate = loss_rate
        self._in_burst = min(loss_rate + correlation, 1.0)
        self._size = size
        self._rng = rng
        self._is_lost = False
        self._left = 0  # Bytes to the end of the piece that is going by.

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Drop it, or parts of it, or let it by."""
        if isinstance(item, Open | End):
            return [(now, item)]
        if self._size:
            left = self._cut(data_of(item))
            return [(now, Bytes(left))] if left else []
        self._throw()
        return [] if self._is_lost else [(now, item)]

    def take_over(self, old: "PacketLoss") -> None:
        """Go on in the middle of the piece that is going by."""
        self._is_lost = old._is_lost
        self._left = min(old._left, self._size)

    def _cut(self, data: bytes) -> bytes:
        """Return what is left of bytes when the lost pieces are taken out."""
        kept = []
        at = 0
        while at < len(data):
            if not self._left:
                self._throw()
                self._left = self._size
            piece = data[at : at + self._left]
            self._left -= len(piece)
            at += len(piece)
            if not self._is_lost:
                kept.append(piece)
        return b"".join(kept)

    def _throw(self) -> None:
        chance = self._in_burst if self._is_lost else self._loss_rate
        self._is_lost = self._rng.random() < chance
