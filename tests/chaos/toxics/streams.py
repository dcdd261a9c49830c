"""A stream with one toxic of frames in it: raw bytes in, raw bytes out."""

from wavetank.chaos.frame_toxic import FrameToxic
from wavetank.chaos.framing import Splitter
from wavetank.chaos.toxic import Direction, End, How, Timed, data_of
from wavetank.wire.frames import Frame, FrameReader, encode_frame

MASK = b"\x37\xfa\x21\x3d"
AGREED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Stream:
    """Splits what is sent, as the proxy does, and hands it to the toxic.

    Attributes:
        toxic: The toxic.
        sent: What went on so far, with its times.
        ends: How the stream ended, as often as it was told.
    """

    def __init__(self, toxic: FrameToxic) -> None:
        self.toxic = toxic
        self.sent: list[Timed] = []
        self.ends: list[How] = []
        self._splitter = Splitter(Direction.DOWNSTREAM)
        self._splitter.feed(AGREED)

    def send(self, raw: bytes, now: float = 0.0, *, is_chosen: bool = True) -> bytes:
        """Send frames; return the bytes that go on because of them."""
        give = self.toxic.receive if is_chosen else self.toxic.pass_by
        items = self._splitter.feed(raw)
        return self._note([timed for item in items for timed in give(item, now)])

    def let_by(self, raw: bytes, now: float = 0.0) -> bytes:
        """Send frames that nobody chose; return the bytes that go on."""
        return self.send(raw, now, is_chosen=False)

    def end(self, how: How = How.FIN, now: float = 0.0) -> bytes:
        """End the stream; return the bytes that go on before the end."""
        return self._note(self.toxic.receive(End(how), now))

    def wake(self) -> bytes:
        """Wake the toxic when it wants to be woken; return the bytes that go on."""
        return self._note(self.toxic.wake(self.toxic.wakes_at))

    def heal(self, now: float = 0.0) -> bytes:
        """Take the toxic out; return the bytes that go on."""
        return self._note(self.toxic.heal(now))

    @property
    def times(self) -> list[float]:
        """When each item went on."""
        return [at for at, _ in self.sent]

    def _note(self, timed: list[Timed]) -> bytes:
        self.sent += timed
        self.ends += [item.how for _, item in timed if isinstance(item, End)]
        return b"".join(data_of(item) for _, item in timed)


def text(words: str, **settings: object) -> bytes:
    """Return a client's text frame."""
    return masked(0x1, words.encode(), **settings)


def masked(opcode: int, payload: bytes = b"", **settings: object) -> bytes:
    """Return a client's frame."""
    settings = {"mask": MASK} | settings
    return encode_frame(opcode, payload, **settings)  # type: ignore[arg-type]


def read(raw: bytes, *, expect_mask: bool | None = True) -> list[Frame]:
    """Read frames as a receiver does, with what is wrong with each."""
    reader = FrameReader(expect_mask=expect_mask, max_payload=None, strict=False)
    return reader.feed(raw)


def payloads(raw: bytes) -> list[bytes]:
    """Return what a receiver reads, and see that no rule was broken."""
    frames = read(raw, expect_mask=None)
    assert [frame.violations for frame in frames if frame.violations] == []
    return [frame.payload for frame in frames]


def reasons(raw: bytes, *, expect_mask: bool | None = True) -> list[str]:
    """Return what a receiver finds wrong, in words."""
    frames = read(raw, expect_mask=expect_mask)
    return [found.reason for frame in frames for found in frame.violations]
