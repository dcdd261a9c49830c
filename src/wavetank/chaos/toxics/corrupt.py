"""Corrupt: a frame arrives with something in it that was not sent.

It refuses to know what it meant.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.reframing import (
    is_compressed,
    is_control,
    make_frame,
    payload_of,
)
from wavetank.chaos.toxic import Bytes, Frame, Item, Timed
from wavetank.wire.header import (
    CONTROL,
    FIN,
    LONGEST_PAYLOAD,
    RSV1,
    RSV2,
    RSV3,
    WIDE_FORMS,
    Opcode,
    encode_head,
)

if TYPE_CHECKING:
    import random

__all__ = ["PARTS", "Corrupt"]

_BITS: Final = {"fin": FIN, "rsv1": RSV1, "rsv2": RSV2, "rsv3": RSV3}
_LONGEST: Final = {7: 125, 16: 0xFFFF, 64: LONGEST_PAYLOAD}
_NEVER_IN_UTF8: Final = 0xFF
_TEXT_FROM: Final = {Opcode.TEXT: 0, Opcode.CLOSE: 2}
"""Where UTF-8 begins in a payload, by opcode (RFC 6455 5.5.1, 5.6)."""


class Corrupt(FrameToxic):
    """Changes a part of frames; all else of them stays, the mask too.

    Args:
        part: One of `PARTS`. payload: some bits; utf8: a byte that no UTF-8 has,
            in the text of text and close frames; fin, rsv1, rsv2, rsv3: the bit;
            opcode: a reserved one of the same sort; mask: a masked frame is sent
            unmasked, an unmasked one masked; length: another one is announced, so
            that the receiver loses the borders.
        bits: How many bits of the payload.
        rng: Its dice.
    """

    def __init__(self, *, part: str, bits: int, rng: "random.Random") -> None:
        super().__init__()
        self._part = part
        self._bits = bits
        self._rng = rng

    def hurt(self, frame: Frame, now: float) -> list[Timed]:
        """Change it; one that has no such part goes by as it is."""
        return [(now, _WAYS[self._part](self, frame))]

    def _payload(self, frame: Frame) -> Item:
        size = frame.size * 8
        data = bytearray(frame.data)
        for bit in self._rng.sample(range(size), min(self._bits, size)):
            data[frame.head + bit // 8] ^= 1 << bit % 8
        return Frame(bytes(data), frame.head)

    def _utf8(self, frame: Frame) -> Item:
        start = _TEXT_FROM.get(Opcode(frame.opcode)) if _is_known(frame) else None
        if start is None or start >= frame.size or is_compressed(frame):
            return frame
        payload = bytearray(payload_of(frame))
        payload[self._rng.randrange(start, len(payload))] = _NEVER_IN_UTF8
        return make_frame(frame.data[0], bytes(payload), frame.mask)

    def _first_bit(self, frame: Frame) -> Item:
        flipped = frame.data[0] ^ _BITS[self._part]
        return Frame(bytes((flipped,)) + frame.data[1:], frame.head)

    def _opcode(self, frame: Frame) -> Item:
        reserved = self._rng.randrange(3, 8) | (CONTROL if is_control(frame) else 0)
        first = frame.data[0] & 0xF0 | reserved
        return Frame(bytes((first,)) + frame.data[1:], frame.head)

    def _mask(self, frame: Frame) -> Item:
        mask = None if frame.mask is not None else self._rng.randbytes(4)
        return make_frame(frame.data[0], payload_of(frame), mask)

    def _length(self, frame: Frame) -> Item:
        form = WIDE_FORMS.get(frame.data[1] & 0x7F, 7)
        wrong = self._rng.randrange(_LONGEST[form])
        wrong += wrong >= frame.size
        is_masked = frame.mask is not None
        head = encode_head(frame.data[0], wrong, form, masked=is_masked)
        # It is no frame any more: its announced end is somewhere else.
        return Bytes(head + (frame.mask or b"") + frame.data[frame.head :])


def _is_known(frame: Frame) -> bool:
    return frame.opcode in tuple(Opcode)


_WAYS: Final[Mapping[str, Callable[[Corrupt, Frame], Item]]] = MappingProxyType(
    {
        "payload": Corrupt._payload,
        "utf8": Corrupt._utf8,
        **dict.fromkeys(_BITS, Corrupt._first_bit),
        "opcode": Corrupt._opcode,
        "mask": Corrupt._mask,
        "length": Corrupt._length,
    }
)
PARTS: Final = tuple(_WAYS)
"""What can be corrupted."""
