"""What a target said: whole messages, pongs, its close frame, and its own faults."""

import struct
import zlib

import pytest

from wavetank.dialects import Hub
from wavetank.lab.conformance.case import Binary, Heard, Pong, Text
from wavetank.lab.conformance.echoes import Mirror, Nowhere, Post, Way
from wavetank.lab.conformance.hearing import Hearing, Transcript
from wavetank.wire import (
    Deflater,
    Frame,
    FrameReader,
    Inflater,
    Opcode,
    encode_close,
    encode_frame,
)

PROBE = b"are you there"
LATE = "a frame behind its close frame (RFC 6455 5.5.1)"
NOTHING: frozenset[int] = frozenset()


def hear(
    *frames: Frame,
    way: Way | None = None,
    inflater: Inflater | None = None,
    codes: frozenset[int] = NOTHING,
    transcript: Transcript | None = None,
) -> Transcript:
    """Return what was made of frames."""
    transcript = transcript or Transcript()
    hearing = Hearing(
        way or Mirror(), inflater, probe=PROBE, transcript=transcript, codes=codes
    )
    for frame in frames:
        hearing.take(frame)
    return transcript


def read(*parts: bytes, rsv1: bool = False, most: int | None = None) -> list[Frame]:
    """Return frames as the lab reads them from a target, with what they break."""
    reader = FrameReader(expect_mask=False, max_payload=most, rsv1=rsv1, strict=False)
    return reader.feed(b"".join(parts))


def closing(code: int, reason: bytes = b"") -> Frame:
    """Return a close frame with any code."""
    return Frame(Opcode.CLOSE, struct.pack("!H", code) + reason)


def raw_deflated(data: bytes) -> bytes:
    """Return what a message is compressed to, as zlib alone does it."""
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


# Messages.


@pytest.mark.parametrize(
    ("frames", "heard"),
    [
        ([], []),
        ([Frame(Opcode.TEXT, b"Hello")], [Text(b"Hello")]),
        ([Frame(Opcode.BINARY, b"\xff")], [Binary(b"\xff")]),
        ([Frame(Opcode.TEXT)], [Text(b"")]),
        ([Frame(Opcode.PONG, b"a")], [Pong(b"a")]),
        # Fragments, some of them empty, and one that cuts a character.
        (
            [
                Frame(Opcode.TEXT, b"Hell\xc3", fin=False),
                Frame(Opcode.CONTINUATION, fin=False),
                Frame(Opcode.CONTINUATION, b"\xb6"),
            ],
            [Text(b"Hell\xc3\xb6")],
        ),
        (
            [
                Frame(Opcode.BINARY, fin=False),
                Frame(Opcode.CONTINUATION, b"\x00"),
            ],
            [Binary(b"\x00")],
        ),
        # A pong within a message comes before it.
        (
            [
                Frame(Opcode.TEXT, b"Hel", fin=False),
                Frame(Opcode.PONG, b"a"),
                Frame(Opcode.CONTINUATION, b"lo"),
                Frame(Opcode.TEXT, b"again"),
            ],
            [Pong(b"a"), Text(b"Hello"), Text(b"again")],
        ),
        # What has not ended was not said.
        ([Frame(Opcode.TEXT, b"Hel", fin=False)], []),
        # A ping is no answer.
        ([Frame(Opcode.PING, b"a"), Frame(Opcode.TEXT, b"b")], [Text(b"b")]),
    ],
)
def test_hearing_puts_messages_together(
    frames: list[Frame], heard: list[Heard]
) -> None:
    """Fragments become messages, and pongs stand where they came."""
    assert hear(*frames) == Transcript(heard=heard)


def test_hearing_knows_its_own_ping() -> None:
    """The answer to the probe says that somebody is there, and is no pong else."""
    transcript = hear(Frame(Opcode.PONG, PROBE), Frame(Opcode.PONG, b"another"))
    assert transcript == Transcript(is_alive=True, heard=[Pong(b"another")])


def test_hearing_counts_messages_that_answer_nothing() -> None:
    """Where nothing comes back on the way, a message is a stray; a pong is not."""
    frames = [Frame(Opcode.TEXT, b"a"), Frame(Opcode.BINARY), Frame(Opcode.PONG)]
    transcript = hear(*frames, way=Nowhere())
    assert transcript == Transcript(strays=2, heard=[Pong(b"")])


def test_hearing_takes_payloads_out_of_events() -> None:
    """On the way by the hub the payload is heard, and replies are strays."""
    event = b'{"type":"event","topic":"a.b","seq":7,"ts":1790000000000,"data":"Hello"}'
    reply = b'{"type":"published","id":1,"topic":"a.b","epoch":"e","seq":7}'
    transcript = hear(
        Frame(Opcode.TEXT, reply),
        Frame(Opcode.TEXT, event[:20], fin=False),
        Frame(Opcode.CONTINUATION, event[20:]),
        way=Post(Hub(), "a.b"),
    )
    assert transcript == Transcript(strays=1, heard=[Text(b"Hello")])


def test_hearing_changes_its_way_in_the_middle() -> None:
    """What comes before the case begins is heard on another way."""
    transcript = Transcript()
    hearing = Hearing(Mirror(), None, probe=PROBE, transcript=transcript, codes=NOTHING)
    hearing.take(Frame(Opcode.TEXT, b"welcome"))
    hearing.way = Nowhere()
    hearing.take(Frame(Opcode.TEXT, b"heartbeat"))
    assert transcript == Transcript(heard=[Text(b"welcome")], strays=1)
    assert repr(hearing) == "<Hearing 1 heard>"


# Compressed messages.


def test_hearing_inflates_what_was_agreed_to_be_deflated() -> None:
    """RSV1 on the first frame says it, whatever the fragments; others stay plain."""
    deflater = Deflater()
    first, again = deflater.deflate(b"Hello"), deflater.deflate(b"Hello")
    assert again != first, "it points back into the message before"
    frames = read(
        encode_frame(Opcode.TEXT, first[:2], fin=False, rsv1=True),
        encode_frame(Opcode.PONG, b"a"),
        encode_frame(Opcode.CONTINUATION, first[2:]),
        encode_frame(Opcode.TEXT, b"plain"),
        encode_frame(Opcode.BINARY, again, rsv1=True),
        rsv1=True,
    )
    assert hear(*frames, inflater=Inflater(None)) == Transcript(
        heard=[Pong(b"a"), Text(b"Hello"), Text(b"plain"), Binary(b"Hello")]
    )


def test_hearing_inflates_what_zlib_deflates() -> None:
    """The wire's own inflater and zlib mean the same."""
    frame = Frame(Opcode.TEXT, raw_deflated(b"ab" * 500), rsv1=True)
    transcript = hear(frame, inflater=Inflater(None))
    assert transcript == Transcript(heard=[Text(b"ab" * 500)])


@pytest.mark.parametrize(
    ("inflater", "payload", "fault"),
    [
        (
            None,
            raw_deflated(b"Hello"),
            "a compressed message without agreement (RFC 7692 6)",
        ),
        (Inflater(None), b"\xff\xff\xff", "deflated data is broken (RFC 7692 7.2.2)"),
        # What is inflated has to be a text as any other.
        (
            Inflater(None),
            raw_deflated(b"\xff"),
            "a text that is not UTF-8 (RFC 6455 8.1)",
        ),
    ],
)
def test_hearing_blames_whoever_compresses_wrongly(
    inflater: Inflater | None, payload: bytes, fault: str
) -> None:
    """Compressed without agreement, or into nothing of the kind."""
    frame = Frame(Opcode.TEXT, payload, rsv1=True)
    transcript = hear(frame, Frame(Opcode.TEXT, b"b"), inflater=inflater)
    assert transcript.faults == [fault]
    assert transcript.heard[-1] == Text(b"b"), "the next message is heard"


# Faults.


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (
            encode_frame(Opcode.TEXT, b"a", mask=b"abcd"),
            ["frame is masked (RFC 6455 5.1)"],
        ),
        (
            encode_frame(Opcode.TEXT, b"a", rsv1=True, rsv3=True),
            [
                "RSV1, RSV3 set without a meaning (RFC 6455 5.2)",
                "a compressed message without agreement (RFC 7692 6)",
            ],
        ),
        (
            encode_frame(Opcode.PONG, b"a", rsv2=True),
            ["RSV2 set without a meaning (RFC 6455 5.2)"],
        ),
        (
            encode_frame(Opcode.PING, fin=False),
            ["control frame in fragments (RFC 6455 5.4)"],
        ),
        (encode_frame(0x3), ["opcode 3 is reserved (RFC 6455 5.2)"]),
        (encode_frame(0xB), ["opcode 11 is reserved (RFC 6455 5.2)"]),
        (
            encode_frame(Opcode.BINARY, b"a", length_form=64),
            ["length not in shortest form (RFC 6455 5.2)"],
        ),
        (
            encode_frame(Opcode.PONG, bytes(126)),
            ["control frame over 125 bytes (RFC 6455 5.5)"],
        ),
        (
            encode_frame(Opcode.TEXT, b"\xed\xa0\x80"),
            ["a text that is not UTF-8 (RFC 6455 8.1)"],
        ),
        # Binary is anything.
        (encode_frame(Opcode.BINARY, b"\xed\xa0\x80"), []),
    ],
)
def test_hearing_tells_the_rules_that_a_frame_breaks(
    data: bytes, faults: list[str]
) -> None:
    """A target keeps the rules itself; each that it breaks is told with its clause."""
    assert hear(*read(data)).faults == faults


@pytest.mark.parametrize(
    ("frames", "heard", "fault"),
    [
        (
            [Frame(Opcode.CONTINUATION, b"lo")],
            [],
            "a continuation of nothing (RFC 6455 5.4)",
        ),
        # The message has ended already.
        (
            [Frame(Opcode.TEXT, b"a"), Frame(Opcode.CONTINUATION, b"lo", fin=False)],
            [Text(b"a")],
            "a continuation of nothing (RFC 6455 5.4)",
        ),
        (
            [Frame(Opcode.TEXT, b"Hel", fin=False), Frame(Opcode.TEXT, b"a")],
            [Text(b"a")],
            "a message within a message (RFC 6455 5.4)",
        ),
        (
            [
                Frame(Opcode.BINARY, b"Hel", fin=False),
                Frame(Opcode.TEXT, b"l", fin=False),
                Frame(Opcode.CONTINUATION, b"o"),
            ],
            [Text(b"lo")],
            "a message within a message (RFC 6455 5.4)",
        ),
        (
            [
                Frame(Opcode.TEXT, b"\xc3", fin=False),
                Frame(Opcode.CONTINUATION, b"\x28"),
            ],
            [Text(b"\xc3\x28")],
            "a text that is not UTF-8 (RFC 6455 8.1)",
        ),
    ],
)
def test_hearing_tells_the_order_that_frames_break(
    frames: list[Frame], heard: list[Heard], fault: str
) -> None:
    """Fragments belong to one message, and to one that has begun."""
    transcript = hear(*frames)
    assert (transcript.heard, transcript.faults) == (heard, [fault])


def test_hearing_keeps_no_more_faults_than_one_reads() -> None:
    """Twenty are enough, however many there are."""
    transcript = hear(*[Frame(Opcode.CONTINUATION)] * 30)
    assert len(transcript.faults) == 20


@pytest.mark.parametrize(
    ("frames", "inflater", "obstacle"),
    [
        (
            read(encode_frame(Opcode.TEXT, b"a" * 11), most=10),
            None,
            "the lab's own limit: frame of 11 bytes; at most 10 are taken",
        ),
        (
            [Frame(Opcode.TEXT, raw_deflated(b"a" * 1000), rsv1=True)],
            Inflater(999),
            "the lab's own limit: message inflates beyond the limit",
        ),
    ],
)
def test_hearing_does_not_blame_the_target_for_a_limit_of_the_lab(
    frames: list[Frame], inflater: Inflater | None, obstacle: str
) -> None:
    """What is too big for the lab says nothing about who sent it."""
    transcript = hear(*frames, inflater=inflater)
    assert (transcript.faults, transcript.obstacle) == ([], obstacle)


# Close frames.


@pytest.mark.parametrize(
    ("frame", "code", "faults"),
    [
        (Frame(Opcode.CLOSE), None, []),
        (closing(1000), 1000, []),
        (closing(1002, "not so: ö".encode()), 1002, []),
        (closing(4999), 4999, []),
        # A client's code may be an echo.
        (closing(1010), 1010, []),
        (
            Frame(Opcode.CLOSE, b"\x03"),
            None,
            ["close frame of one byte (RFC 6455 5.5.1)"],
        ),
        (closing(999), 999, ["close code 999 on the wire (RFC 6455 7.4)"]),
        (closing(1005), 1005, ["close code 1005 on the wire (RFC 6455 7.4)"]),
        (closing(1006), 1006, ["close code 1006 on the wire (RFC 6455 7.4)"]),
        (closing(1015), 1015, ["close code 1015 on the wire (RFC 6455 7.4)"]),
        (closing(2999), 2999, ["close code 2999 on the wire (RFC 6455 7.4)"]),
        (closing(5000), 5000, ["close code 5000 on the wire (RFC 6455 7.4)"]),
        (
            closing(1000, b"\xff"),
            1000,
            ["close reason is not UTF-8 (RFC 6455 5.5.1)"],
        ),
    ],
)
def test_hearing_reads_a_close_frame(
    frame: Frame, code: int | None, faults: list[str]
) -> None:
    """The code is told as it came, and what is wrong with it."""
    expected = Transcript(has_answer=True, code=code, faults=faults)
    assert hear(frame) == expected


@pytest.mark.parametrize(
    ("frame", "faults"),
    [
        (closing(1005), []),
        (closing(1005, b"why"), []),
        (closing(1006), ["close code 1006 on the wire (RFC 6455 7.4)"]),
        # The reason has to be a text all the same.
        (closing(1005, b"\xff"), ["close reason is not UTF-8 (RFC 6455 5.5.1)"]),
        (closing(1002, b"\xff"), ["close reason is not UTF-8 (RFC 6455 5.5.1)"]),
    ],
)
def test_hearing_lets_codes_of_the_case_pass(frame: Frame, faults: list[str]) -> None:
    """A code that the case waits for is no fault, though nobody may send it."""
    transcript = hear(frame, codes=frozenset({1002, 1005}))
    assert transcript.has_answer
    assert transcript.faults == faults


@pytest.mark.parametrize(
    ("frame", "first", "second"),
    [
        # Behind an answer to our close frame there is nothing.
        (Frame(Opcode.TEXT, b"a"), [LATE], [LATE]),
        (Frame(Opcode.CONTINUATION), [LATE], [LATE]),
        (Frame(Opcode.CLOSE), [LATE], [LATE]),
        # Whoever closes by himself goes on to answer pings (RFC 6455 5.5.2).
        (Frame(Opcode.PONG, b"a"), [LATE], []),
        (Frame(Opcode.PONG, PROBE), [LATE], []),
        (Frame(Opcode.PING, b"a"), [LATE], []),
        (
            read(encode_frame(Opcode.PONG, mask=b"abcd"))[0],
            [LATE],
            ["frame is masked (RFC 6455 5.1)"],
        ),
    ],
)
def test_hearing_knows_what_may_stand_behind_a_close_frame(
    frame: Frame, first: list[str], second: list[str]
) -> None:
    """Data never, pings and pongs until ours is there; none of it is heard.

    A target that closes by itself and then answers a ping that was on its way was
    once blamed for it.
    """
    for is_first, faults in ((True, first), (False, second)):
        transcript = Transcript(has_closed=is_first, is_first=is_first)
        hear(closing(1000), frame, transcript=transcript)
        assert transcript.faults == faults
        assert (transcript.heard, transcript.code) == ([], 1000)
        assert not transcript.is_alive


def test_hearing_tells_what_a_close_frame_breaks_as_a_frame() -> None:
    """A masked close frame of a server is an answer, and a fault."""
    frame = encode_frame(Opcode.CLOSE, encode_close(1000), mask=b"abcd")
    expected = Transcript(
        has_answer=True, code=1000, faults=["frame is masked (RFC 6455 5.1)"]
    )
    assert hear(*read(frame)) == expected
