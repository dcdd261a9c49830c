"""Close code: a close frame says something else, or comes where there was none.

It refuses to know whether the code may be sent.
"""

from typing import TYPE_CHECKING

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.reframing import fresh_mask, make_frame, payload_of, refill
from wavetank.chaos.toxic import Bytes, Frame, Item, Timed
from wavetank.wire.header import FIN, Opcode

if TYPE_CHECKING:
    import random

__all__ = ["CloseCode"]

_LONGEST_REASON = 123
"""A control frame holds 125 bytes; two of them are the code (RFC 6455 5.5)."""


class CloseCode(FrameToxic):
    """Forges close frames.

    Args:
        code: Close code, legal or not; 0 for none.
        reason: Close reason, cut to 123 bytes; empty for the one that was sent.
        frames: Behind the frame of that number comes a close frame, and all further
            frames of this stream are swallowed; 0 changes those that come by.
        rng: Dice for the masking key of a frame that nobody sent.
    """

    def __init__(
        self,
        *,
        code: int,
        reason: str,
        frames: int,
        rng: "random.Random",
    ) -> None:
        super().__init__()
        self._code = code.to_bytes(2, "big") if code else b""
        self._reason = (
            reason.encode()[:_LONGEST_REASON].decode(errors="ignore").encode()
        )
        self._left = frames
        self._forges = not frames
        self._is_closed = False
        self._rng = rng

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Forge it, or count it."""
        if self._forges:
            is_close = frame.opcode == Opcode.CLOSE
            forged = refill(frame, self._payload(frame)) if is_close else frame
            return [(now, forged)]
        if self._is_closed:
            return []
        self._left -= 1
        if self._left:
            return [(now, frame)]
        self._is_closed = True
        mask = fresh_mask(frame, self._rng)
        closing = make_frame(FIN | Opcode.CLOSE, self._payload(None), mask)
        return [(now, frame), (now, closing)]

    def spare(self, item: Item, now: float) -> list[Timed]:
        """Let it by, unless it would come behind the close frame."""
        return (
            [] if self._is_closed and isinstance(item, Bytes | Frame) else [(now, item)]
        )

    def take_over(self, old: "CloseCode") -> None:
        """Nothing comes behind a close frame that is out already."""
        self._is_closed = old._is_closed
        self._forges = self._forges and not self._is_closed

    def _payload(self, frame: Frame | None) -> bytes:
        """Return the payload of a close frame; a reason needs a code before it."""
        sent = payload_of(frame)[2:] if frame else b""
        return self._code + (self._reason or sent) if self._code else b""
