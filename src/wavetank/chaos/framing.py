"""The borders in a stream: its opening handshake's head, its frames, or plain bytes.

It refuses to know what becomes of them, and whether they keep the rules: whatever
comes is handed on, and what has no borders goes by as bytes.
"""

import enum
import re
from typing import Final

from wavetank.chaos.passing_body import PassingBody, body_of
from wavetank.chaos.toxic import Bytes, Direction, Frame, Head, Item
from wavetank.errors import LocalError
from wavetank.wire.header import LONGEST_HEAD, MASKED

__all__ = ["MAX_FRAME", "MAX_HEAD", "Splitter", "measure"]

MAX_FRAME: Final = 16 * 1024 * 1024
"""Bytes of the largest frame that is put together; larger ones go by in pieces."""
MAX_HEAD: Final = 64 * 1024
"""Bytes of the largest head."""

_MOST_HEADS: Final = 8
"""Responses before the last one: interim ones (RFC 9110 15.2), and refusals."""


class _Phase(enum.Enum):
    """Where in its life a stream is."""

    HEAD = "head"
    """Its head is on its way."""
    WAITING = "waiting"
    """A request that asks for no upgrade has gone by; the response decides."""
    FRAMES = "frames"
    BYTES = "bytes"
    """No frames are spoken here, and none ever will be."""


_end_of_head = re.compile(rb"\r?\n\r?\n")
_upgrade = re.compile(rb"(?im)^upgrade[ \t]*:([^\n]*)")
_FIRST_LINES: Final = {
    Direction.UPSTREAM: re.compile(rb"[A-Z]{1,20} \S+ HTTP/1\.[01]\r?"),
    Direction.DOWNSTREAM: re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])(?: .*)?\r?"),
}
# Whatever may still become such a line: a stream that is no HTTP is not kept waiting.
_BEGINNINGS: Final = {
    Direction.UPSTREAM: re.compile(rb"[A-Z]{1,20}(?: .*)?"),
    Direction.DOWNSTREAM: re.compile(rb"H(?:T(?:T(?:P(?:/(?:1(?:\..*)?)?)?)?)?)?"),
}
_A_BEGINNING: Final = 21
"""Bytes after which a beginning is no longer in doubt, but for its whole line."""


def _short_length(second: int) -> int:
    """Return the bytes of a frame with that second byte, 0 where it is not enough."""
    length = second & 0x7F
    return 0 if length > 125 else 2 + length + (4 if second & MASKED else 0)


_SHORT: Final = tuple(_short_length(second) for second in range(256))
_MEDIUM: Final = {126: 4, 126 | MASKED: 8}
"""Second byte of a frame whose length has two bytes -> bytes around its payload."""


def measure(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return the sizes of the frame that begins at a place.

    Returns:
        Bytes of its header and masking key, and of the whole frame. While the
        length is not there, 0 and how many bytes are needed to know more.
    """
    there = len(data) - at
    if there < 2:
        return 0, 2
    second = data[at + 1]
    length = second & 0x7F
    head = 2
    if length > 125:
        head = 4 if length == 126 else 10
        if there < head:
            return 0, head
        length = data[at + 2] << 8 | data[at + 3]
        if head == 10:
            length = int.from_bytes(data[at + 2 : at + 10], "big")
    if second & MASKED:
        head += 4
    return head, head + length


class Splitter:
    """Splits one stream of a link at its borders, or follows them without splitting.

    Both ways may be mixed: what has gone by with ``skip`` is never returned, and a
    ``feed`` in the middle of a head or frame returns the rest of it as `Bytes`.
    Before a ``skip``, ``release`` hands out what ``feed`` has kept.

    A client's frames are split as soon as its request has asked for the upgrade;
    ``tell`` says what became of it. Behind a refusal whose body is counted the client
    may ask again on the same connection, if it has said nothing meanwhile:
    ``begin_again``. Memory is bounded by one head or one frame of
    ``max_frame``, whatever comes.

    Args:
        direction: Which stream: the head is a request's or a response's.
        max_frame: Largest frame in bytes that becomes a `Frame`.

    Attributes:
        upgraded: Whether the response was 101; None while nobody knows. Downstream
            finds out, upstream is told.
        has_refused: Whether a response has said no, and another one may follow:
            upstream has to begin again.
        frames: Frames that have begun, skipped ones too.
        oversized: Frames above ``max_frame``, which went by as `Bytes`.
    """

    __slots__ = (
        "_body",
        "_direction",
        "_gone",
        "_heads",
        "_is_http",
        "_is_idle",
        "_kept",
        "_lead",
        "_left",
        "_max_frame",
        "_need",
        "_phase",
        "_searched",
        "frames",
        "has_refused",
        "oversized",
        "upgraded",
    )

    def __init__(self, direction: Direction, *, max_frame: int = MAX_FRAME) -> None:
        self._direction = direction
        self._max_frame = max_frame
        self._phase = _Phase.HEAD
        self._kept = bytearray()
        # Of the head: how much has been handed on, searched, and is surely HTTP.
        self._gone = 0
        self._searched = 0
        self._is_http = False
        self._heads = 0
        self._is_idle = False
        # What goes by before a head: the body of the response before.
        self._body: PassingBody | None = None
        # Of a frame: bytes that are needed to go on; the start of a header that was
        # handed on; bytes to hand on before the next border.
        self._need = 0
        self._lead = b""
        self._left = 0
        self.upgraded: bool | None = None
        self.has_refused = False
        self.frames = 0
        self.oversized = 0

    def __repr__(self) -> str:
        where = f"{self._direction} {self._phase.value}"
        return f"<Splitter {where} {self.statistics()}>"

    def statistics(self) -> dict[str, int]:
        """Return what it holds and has seen, as numbers."""
        return {
            "held": self.held,
            "frames": self.frames,
            "oversized": self.oversized,
            "left": self._left,
        }

    @property
    def held(self) -> int:
        """Bytes that came and were not handed on."""
        return len(self._kept) - self._gone

    @property
    def is_framed(self) -> bool:
        """Whether what comes next is split into frames."""
        return self._phase is _Phase.FRAMES

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes as they came; return what they complete, in order."""
        if not data:
            return []
        if self._phase is _Phase.FRAMES:
            return self._split(data)
        if self._phase is _Phase.HEAD:
            return self._read_head(data) if self._body is None else self._pass(data)
        self._is_idle = False
        return [Bytes(data)]

    def skip(self, data: bytes) -> None:
        """Follow the borders in bytes that the caller hands on by itself.

        Raises:
            LocalError: If ``feed`` has kept bytes, which would be overtaken.
        """
        if self._kept or self._lead or self._phase is not _Phase.FRAMES:
            self._skip_slowly(data)
            return
        # Shape traded for speed: this is all that frame mode costs while no toxic
        # asks for frames. Measured by benchmarks/proxy.py.
        at, size, frames = self._left, len(data), 0
        while at < size:
            whole = _SHORT[data[at + 1]] if at + 1 < size else 0
            if not whole and at + 3 < size and (around := _MEDIUM.get(data[at + 1])):
                whole = around + (data[at + 2] << 8 | data[at + 3])
            if not whole:
                head, whole = measure(data, at)
                if not head:
                    self._lead = data[at:]
                    at = size
                    break
            frames += 1
            at += whole
        self._left = at - size
        self.frames += frames

    def release(self) -> list[Item]:
        """Return what is kept, as bytes: the stream ends, or is skipped from here on.

        The borders are still followed.
        """
        held = bytes(self._kept[self._gone :])
        if self._phase is _Phase.HEAD:
            self._gone = len(self._kept)
        else:
            self._kept.clear()
            self.skip(held)
        return [Bytes(held)] if held else []

    def tell(self, *, upgraded: bool) -> list[Item]:
        """Hear what the other direction found: whether the response was 101.

        Returns:
            What was kept as the beginning of a frame, where there are none.
        """
        self.upgraded = upgraded
        if upgraded:
            if self._phase is _Phase.WAITING:
                self._phase = _Phase.FRAMES
            return []
        kept = self.release()
        self._kept.clear()
        self._gone = self._left = 0
        self._lead = b""
        self._body = None
        self._phase = _Phase.BYTES
        return kept

    def begin_again(self) -> bool:
        """Look for another request, upstream: the last one was refused.

        Returns:
            Whether that can be. Not so where the client has said something behind its
            request: nobody can tell what it was meant to be, and ``tell`` is due.
        """
        is_silent = not (self.frames or self._kept or self._lead or self._left)
        if not (self._is_idle and is_silent):
            return False
        self._phase = _Phase.HEAD
        return True

    # Heads

    def _pass(self, data: bytes) -> list[Item]:
        """Hand on the body of a refusal, and look at what is behind it."""
        size = self._follow_body(data)
        return [Bytes(data[:size]), *self.feed(data[size:])]

    def _follow_body(self, data: bytes) -> int:
        """Take bytes of a body or behind it; return how many are of it."""
        body = self._body
        size = 0 if body is None else body.follow(data)
        if body is None or body.is_over:
            self._body = None
        elif body.is_lost:
            # Nobody can tell where a response begins any more.
            self._body = None
            self.upgraded = False
            self._phase = _Phase.BYTES
        return size

    def _read_head(self, data: bytes) -> list[Item]:
        """Take bytes of a head; return it once it is complete, and what follows."""
        gone = self._gone
        taken = self._take_head(data)
        if taken is None:
            return []
        self._gone = 0
        head, rest = taken
        if not head:
            return [Bytes(rest[gone:])]
        first: Item = Bytes(head[gone:]) if gone else Head(head)
        return [first, *self.feed(rest)]

    def _take_head(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Take bytes; once it is known what they are, enter the next phase.

        Returns:
            The head, empty where it is none, and what follows it; None while more
            has to come.
        """
        kept = self._kept
        kept += data
        end = self._find_end()
        if end is None:
            return None
        whole = bytes(kept)
        kept.clear()
        self._searched = 0
        self._is_http = False
        self._phase = self._judge(whole[:end])
        return whole[:end], whole[end:]

    def _find_end(self) -> int | None:
        """Return where the head ends, 0 if it is none, None if more has to come."""
        kept, searched = self._kept, max(0, self._searched - 3)
        if not self._is_http and not self._may_be_http():
            return 0
        self._searched = len(kept)
        if end := _end_of_head.search(kept, searched):
            return end.end() if end.end() <= MAX_HEAD else 0
        return 0 if len(kept) > MAX_HEAD else None

    def _may_be_http(self) -> bool:
        """Tell whether the first line is one, as far as it has come."""
        kept = self._kept
        line_end = kept.find(b"\n", max(0, self._searched - 1))
        if line_end >= 0:
            line = _FIRST_LINES[self._direction].fullmatch(kept, 0, line_end)
            self._is_http = line is not None
            return self._is_http
        # Further bytes of the line change nothing before its end has come.
        start = bytes(kept[:_A_BEGINNING])
        return not start or _BEGINNINGS[self._direction].fullmatch(start) is not None

    def _judge(self, head: bytes) -> _Phase:
        """Return what follows a head; an empty one is no head."""
        upgrade = _upgrade.search(head)
        is_asked = upgrade is not None and b"websocket" in upgrade[1].lower()
        if self._direction is Direction.UPSTREAM:
            self._is_idle = head.startswith(b"GET ")
            if not head or self.upgraded is False:
                return _Phase.BYTES
            return _Phase.FRAMES if is_asked or self.upgraded else _Phase.WAITING
        line = _FIRST_LINES[Direction.DOWNSTREAM].match(head)
        status = int(line[1]) if line else 0
        if 100 <= status < 200 and status != 101 and self._heads < _MOST_HEADS:
            self._heads += 1
            return _Phase.HEAD
        body = body_of(head, status) if status >= 200 else None
        # Two refusals at once answer requests that did not wait for each other.
        if body is not None and self._heads < _MOST_HEADS and not self.has_refused:
            self._heads += 1
            self._body = None if body.is_over else body
            self.has_refused = True
            return _Phase.HEAD
        # Who leaves the field out breaks RFC 6455 4.2.2, and speaks frames anyway.
        self.upgraded = status == 101 and (is_asked or upgrade is None)
        return _Phase.FRAMES if self.upgraded else _Phase.BYTES

    # Frames

    def _split(self, data: bytes) -> list[Item]:
        """Return the frames that the bytes complete."""
        items: list[Item] = []
        at = 0
        if self._left or self._lead:
            at = self._reach(data)
            items.append(Bytes(data[:at]))
        elif self._kept:
            self._kept += data
            if len(self._kept) < self._need:
                return []
            data = bytes(self._kept)
            self._kept.clear()
        size = len(data)
        while at < size:
            head, whole = measure(data, at)
            is_oversized = whole > self._max_frame
            if not head or (at + whole > size and not is_oversized):
                self._kept += data[at:]
                self._need = whole
                break
            self.frames += 1
            self.oversized += is_oversized
            piece = data[at : at + whole]
            items.append(Bytes(piece) if is_oversized else Frame(piece, head))
            at += whole
            self._left = max(0, at - size)
        return items

    def _reach(self, data: bytes) -> int:
        """Go on with a frame that is handed on as bytes; return its end in the data."""
        if lead := self._lead:
            head, whole = measure(lead + data[:LONGEST_HEAD], 0)
            if not head:
                self._lead += data
                return len(data)
            self.frames += 1
            self._lead = b""
            self._left = whole - len(lead)
        at = min(self._left, len(data))
        self._left -= at
        return at

    def _skip_slowly(self, data: bytes) -> None:
        """Follow the borders of a head, and of a header that came in pieces."""
        if self.held:
            raise LocalError("bytes are kept: call release() before skip()")
        if self._phase is _Phase.HEAD and self._body is not None:
            size = self._follow_body(data)
            if size < len(data):
                self._skip_slowly(data[size:])
        elif self._phase is _Phase.HEAD:
            taken = self._take_head(data)
            self._gone = len(self._kept)
            if taken is not None and taken[0]:
                self.skip(taken[1])
        elif self._phase is _Phase.FRAMES:
            at = self._reach(data)
            if at < len(data):
                self.skip(data[at:])
        else:
            self._is_idle = False
