"""A trace of one case: what was sent and received, as annotated hex.

It refuses to know who reads it; it is bounded.
"""

from collections import deque

from wavetank.wire import Frame, FrameReader, Opcode

__all__ = ["Tracing", "annotate"]

_MOST_LINES = 60
"""Half of them are of the beginning, and half of the end."""

_MOST_BYTES = 32


class Tracing:
    """Lines, in the order in which things went over the wire."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._last: deque[str] = deque(maxlen=_MOST_LINES // 2)
        self._dropped = 0

    def sent(self, data: bytes) -> None:
        """Note bytes that went out; frames are annotated as far as they are whole."""
        reader = FrameReader(expect_mask=True, max_payload=None, strict=False)
        frames = reader.feed(data)
        for frame in frames:
            self._add(f"> {annotate(frame)}")
        if reader.head is not None or reader.statistics()["buffered"] or not frames:
            self._add(f"> {_hex(data)} (no whole frame)")

    def received(self, frame: Frame) -> None:
        """Note a frame that came in."""
        self._add(f"< {annotate(frame)}")

    def note(self, words: str) -> None:
        """Note what is neither."""
        self._add(f"= {words}")

    def _add(self, line: str) -> None:
        if len(self._lines) < _MOST_LINES - _MOST_LINES // 2:
            self._lines.append(line)
            return
        self._dropped += len(self._last) == self._last.maxlen
        self._last.append(line)

    def lines(self) -> tuple[str, ...]:
        """Return all lines, and between them how many there were no room for."""
        left_out = [f"= {self._dropped} lines left out"] if self._dropped else []
        return (*self._lines, *left_out, *self._last)

    def __repr__(self) -> str:
        """Show how much it holds, and how much it could not."""
        kept = len(self._lines) + len(self._last)
        return f"<Tracing {kept} lines, {self._dropped} dropped>"


def annotate(frame: Frame) -> str:
    """Return a frame's fields and the beginning of its payload in one line."""
    names = {each.value: each.name for each in Opcode}
    bits = [
        name
        for name, is_set in (
            ("FIN", frame.fin),
            ("RSV1", frame.rsv1),
            ("RSV2", frame.rsv2),
            ("RSV3", frame.rsv3),
            ("MASK", frame.mask is not None),
        )
        if is_set
    ]
    name = names.get(frame.opcode, f"opcode {frame.opcode:#x}")
    size = len(frame.payload) if frame.announced is None else frame.announced
    form = "" if frame.length_form == 7 else f" in {frame.length_form} bits"
    fields = " ".join((name, *bits))
    return f"{fields} length {size}{form}: {_hex(frame.payload)}"


def _hex(data: bytes) -> str:
    more = " ..." if len(data) > _MOST_BYTES else ""
    return (data[:_MOST_BYTES].hex(" ") or "nothing") + more
