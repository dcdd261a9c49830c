"""Fragment: a message arrives in several frames.

It refuses to know what is in it, and where a character ends.
"""

from wavetank.chaos.frame_toxic import FrameToxic, at_once
from wavetank.chaos.reframing import is_control, make_frame, payload_of
from wavetank.chaos.toxic import Frame, Timed
from wavetank.wire.header import FIN, Opcode

__all__ = ["Fragment"]


class Fragment(FrameToxic):
    """Splits data frames as a sender may (RFC 6455 5.4).

    Opcode and reserved bits stand on the first fragment alone (RFC 7692 6.1), each is
    masked with the frame's own key, and control frames are never split.

    Args:
        fragments: How many, of nearly the same size; empty ones where a frame has
            fewer bytes.
    """

    def __init__(self, *, fragments: int) -> None:
        super().__init__()
        self._fragments = fragments

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Split it."""
        if is_control(frame):
            return [(now, frame)]
        payload, mask = payload_of(frame), frame.mask
        count = self._fragments
        borders = [len(payload) * place // count for place in range(count + 1)]
        last = count - 1
        pieces = [
            make_frame(
                (Opcode.CONTINUATION if place else frame.data[0] & ~FIN)
                | (frame.data[0] & FIN if place == last else 0),
                payload[borders[place] : borders[place + 1]],
                mask,
            )
            for place in range(count)
        ]
        return at_once(pieces, now)
