"""Frames are written and read, legal or not, however their bytes arrive."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from wavetank.errors import LocalError
from wavetank.wire.frames import (
    Frame,
    FrameReader,
    Opcode,
    encode_frame,
    encode_text,
)
from wavetank.wire.header import Violation

MASK = b"\x37\xfa\x21\x3d"
Cut = Callable[[bytes, int], Iterator[bytes]]


def strict(**settings: object) -> FrameReader:
    """Return a server's reader."""
    settings = {"expect_mask": True, "max_payload": 1000} | settings
    return FrameReader(**settings)  # type: ignore[arg-type]


def lenient(**settings: object) -> FrameReader:
    """Return the lab's reader of a server's frames."""
    settings = {"expect_mask": False, "max_payload": 1000, "strict": False} | settings
    return FrameReader(**settings)  # type: ignore[arg-type]


def masked(opcode: int, payload: bytes = b"", **settings: object) -> bytes:
    """Return a frame as a client sends it."""
    return encode_frame(opcode, payload, mask=MASK, **settings)  # type: ignore[arg-type]


def reasons(frame: Frame) -> list[str]:
    """Return what is wrong with a frame, in words."""
    return [violation.reason for violation in frame.violations]


# Writing


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        # The examples of RFC 6455 5.7.
        (encode_frame(Opcode.TEXT, b"Hello"), "810548656c6c6f"),
        (masked(Opcode.TEXT, b"Hello"), "818537fa213d7f9f4d5158"),
        (encode_frame(Opcode.TEXT, b"Hel", fin=False), "010348656c"),
        (encode_frame(Opcode.CONTINUATION, b"lo"), "80026c6f"),
        (encode_frame(Opcode.PING, b"Hello"), "890548656c6c6f"),
        (masked(Opcode.PONG, b"Hello"), "8a8537fa213d7f9f4d5158"),
        # What no library writes.
        (encode_frame(3, rsv1=True, rsv2=True, rsv3=True), "f300"),
        (encode_frame(15, fin=False), "0f00"),
        (encode_frame(Opcode.PING, b"a", length_form=64), "897f000000000000000161"),
        (encode_frame(Opcode.TEXT, b"a", declared_length=300), "817e012c61"),
        (encode_frame(Opcode.TEXT, b"abc", declared_length=0), "8100616263"),
        (
            encode_frame(Opcode.TEXT, declared_length=2**64 - 1),
            "817fffffffffffffffff",
        ),
    ],
)
def test_frame_is_written_as_it_was_asked_for(frame: bytes, expected: str) -> None:
    """Legal frames are those of the RFC; illegal ones are possible, too."""
    assert frame.hex() == expected


@pytest.mark.parametrize("opcode", [-1, 16])
def test_frame_has_no_room_for_an_opcode_of_five_bits(opcode: int) -> None:
    """An opcode beyond 4 bits is our mistake."""
    with pytest.raises(LocalError, match="4 bits"):
        encode_frame(opcode)


@pytest.mark.parametrize("mask", [b"", b"abc", b"abcde"])
def test_frame_refuses_a_masking_key_that_is_not_4_bytes(mask: bytes) -> None:
    """A masking key has 4 bytes."""
    with pytest.raises(LocalError, match="4 bytes"):
        encode_frame(Opcode.TEXT, b"a", mask=mask)


def test_frame_cannot_be_written_again_when_its_payload_was_not_kept() -> None:
    """Only what was read can be written as it was read."""
    (frame,) = lenient().feed(encode_frame(Opcode.TEXT, declared_length=1001))
    with pytest.raises(LocalError, match="1001 bytes was not kept"):
        frame.encode()


# Any frame survives the wire

FRAMES = st.builds(
    Frame,
    opcode=st.integers(0, 15),
    payload=st.one_of(
        st.binary(max_size=20),
        st.sampled_from([125, 126, 127, 300]).map(bytes),
    ),
    fin=st.booleans(),
    rsv1=st.booleans(),
    rsv2=st.booleans(),
    rsv3=st.booleans(),
    mask=st.none() | st.binary(min_size=4, max_size=4),
    length_form=st.sampled_from([16, 64]),
)


@given(st.lists(FRAMES, max_size=6), st.integers(1, 40))
def test_lenient_reader_sees_every_frame_whatever_its_bits_and_chunks(
    frames: list[Frame], size: int
) -> None:
    """Any opcode, bits, mask and length form comes back, byte for byte."""
    stream = b"".join(frame.encode() for frame in frames)
    reader = lenient(expect_mask=None)
    seen = [
        frame
        for start in range(0, len(stream), size)
        for frame in reader.feed(stream[start : start + size])
    ]
    assert [frame.encode() for frame in seen] == [frame.encode() for frame in frames]
    assert [frame.payload for frame in seen] == [frame.payload for frame in frames]
    assert reader.statistics()["buffered"] == 0


CONTROLS = st.builds(
    Frame,
    opcode=st.sampled_from([Opcode.PING, Opcode.PONG]),
    payload=st.binary(max_size=125),
)


@st.composite
def messages(draw: st.DrawFn, kind: Opcode, body: bytes) -> list[Frame]:
    """Return legal frames of one message, control frames between its fragments."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    pieces = [
        body[start:end]
        for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)
    ]
    frames: list[Frame] = []
    for place, piece in enumerate(pieces):
        frames += draw(st.lists(CONTROLS, max_size=1))
        opcode = Opcode.CONTINUATION if place else kind
        frames.append(Frame(opcode, piece, fin=place == len(pieces) - 1))
    return frames


BODIES = st.one_of(
    st.text(max_size=60).map(lambda text: (Opcode.TEXT, text.encode())),
    st.binary(max_size=300).map(lambda data: (Opcode.BINARY, data)),
    st.sampled_from([125, 126, 65_535, 65_536]).map(
        lambda size: (Opcode.BINARY, bytes(size))
    ),
)
LEGAL = st.lists(BODIES.flatmap(lambda body: messages(*body)), max_size=4).map(
    lambda lists: [frame for frames in lists for frame in frames]
)


@given(LEGAL, st.binary(min_size=4, max_size=4), st.sampled_from([1, 7, 64, 10**6]))
def test_strict_reader_agrees_with_websockets_on_every_legal_stream(
    frames: list[Frame], mask: bytes, size: int
) -> None:
    """Two readers, one stream, the same frames."""
    stream = b"".join(
        encode_frame(frame.opcode, frame.payload, fin=frame.fin, mask=mask)
        for frame in frames
    )
    if len(stream) > 5000:
        size = max(size, 1000)
    reader = strict(max_payload=2**20)
    oracle = ServerProtocol(state=OPEN, max_size=2**20)
    seen, expected = [], []
    for start in range(0, len(stream), size):
        seen += reader.feed(stream[start : start + size])
        oracle.receive_data(stream[start : start + size])
        expected += oracle.events_received()
    assert [(f.opcode, f.payload, f.fin) for f in seen] == [
        (int(f.opcode), bytes(f.data), f.fin) for f in expected
    ]
    assert reader.violation is None
    assert oracle.parser_exc is None


@given(LEGAL, st.integers(1, 50))
def test_client_reader_takes_unmasked_frames_in_any_chunks(
    frames: list[Frame], size: int
) -> None:
    """What a server sends is read the same way, without masks."""
    frames = [frame for frame in frames if len(frame.payload) < 1000]
    stream = b"".join(
        encode_frame(Opcode.BINARY if f.opcode < 8 else f.opcode, f.payload)
        for f in frames
    )
    reader = strict(expect_mask=False)
    seen = [
        frame
        for start in range(0, len(stream), size)
        for frame in reader.feed(stream[start : start + size])
    ]
    assert [f.payload for f in seen] == [f.payload for f in frames]
    assert all(f.mask is None and not f.violations for f in seen)


@given(st.lists(st.binary(max_size=30), max_size=20), st.booleans())
def test_reader_in_any_manner_takes_any_bytes(
    chunks: list[bytes], manner: bool
) -> None:
    """Hostile bytes never raise, and never hold more than a frame."""
    reader = strict(expect_mask=None, strict=manner, max_payload=50)
    for chunk in chunks:
        reader.feed(chunk)
        assert reader.statistics()["buffered"] <= 14 + 125


@given(st.binary(max_size=60), st.integers(1, 7))
def test_reader_sees_the_same_frames_in_any_chunks(data: bytes, size: int) -> None:
    """Neither frames nor violation depend on where the stream is cut."""
    whole, parts = strict(max_payload=50), strict(max_payload=50)
    expected = whole.feed(data)
    seen = [
        frame
        for start in range(0, len(data), size)
        for frame in parts.feed(data[start : start + size])
    ]
    assert seen == expected
    assert parts.violation == whole.violation


# The strict manner

ILLEGAL = [
    # (frames before, the bad one, close code, reason)
    ([], encode_frame(1, b"a"), 1002, "frame is not masked"),
    ([], encode_frame(1, b"a" * 200), 1002, "frame is not masked"),
    ([], encode_frame(9, b"a"), 1002, "frame is not masked"),
    ([], masked(1, b"a", rsv1=True), 1002, "RSV1 set without a meaning"),
    ([], masked(9, b"a", rsv2=True), 1002, "RSV2 set without a meaning"),
    ([], masked(1, b"a", rsv3=True), 1002, "RSV3 set without a meaning"),
    ([], masked(3), 1002, "opcode 3 is reserved"),
    ([], masked(11), 1002, "opcode 11 is reserved"),
    ([], masked(9, fin=False), 1002, "control frame in fragments"),
    ([], masked(9, b"a" * 126), 1002, "control frame over 125 bytes"),
    ([], masked(0, b"a"), 1002, "nothing to continue"),
    ([masked(1, fin=False)], masked(1), 1002, "message before has not ended"),
    ([masked(1, fin=False)], masked(2), 1002, "message before has not ended"),
    ([], masked(1, b"a", length_form=16), 1002, "length not in shortest form"),
    ([], masked(2, b"a", length_form=64), 1002, "length not in shortest form"),
    ([], masked(9, b"a", length_form=16), 1002, "length not in shortest form"),
    ([], masked(1, declared_length=2**63), 1002, "top bit of the length is set"),
    ([], masked(1, bytes(1001)), 1009, "frame of 1001 bytes; at most 1000 are taken"),
    ([], masked(1, declared_length=2**62), 1009, None),
]


@pytest.mark.parametrize(("before", "bad", "code", "reason"), ILLEGAL)
def test_strict_reader_stops_at_the_first_violation(
    before: list[bytes], bad: bytes, code: int, reason: str | None
) -> None:
    """Frames before it are returned; it decides the close code; the rest is dropped."""
    reader = strict()
    stream = masked(9, b"before") + b"".join(before) + bad + masked(1, b"after")
    seen = reader.feed(stream)
    assert len(seen) == 1 + len(before)
    assert seen[0].payload == b"before"
    assert reader.violation is not None
    assert reader.violation.code == code
    assert reason in (None, reader.violation.reason)
    assert reader.feed(masked(1, b"later")) == []
    assert reader.statistics()["buffered"] == 0


# Where both judge: websockets knows no shortest form, and reads a payload before it
# judges the rest of the header.
COMPARED = [row for row in ILLEGAL if row[3] and "shortest" not in row[3]]


@pytest.mark.parametrize(("before", "bad", "code", "reason"), COMPARED)
def test_strict_reader_agrees_with_websockets_on_close_codes(
    before: list[bytes], bad: bytes, code: int, reason: str
) -> None:
    """The same violation, the same close code."""
    if "top bit" in reason:
        code = 1009  # websockets holds it against its limit, as any length
    oracle = ServerProtocol(state=OPEN, max_size=1000)
    oracle.receive_data(b"".join(before) + bad)
    assert oracle.close_sent is not None
    assert oracle.close_sent.code == code


def test_strict_reader_refuses_a_large_frame_on_its_header() -> None:
    """Nothing of a payload that is too large is waited for, or kept."""
    reader = strict()
    header = encode_frame(1, declared_length=1001, mask=MASK)
    assert reader.feed(header[:3]) == []
    assert reader.violation is None
    assert reader.feed(header[3:4]) == []
    assert reader.violation is not None
    assert reader.violation.code == 1009


def test_strict_reader_refuses_an_opcode_before_the_length_is_there() -> None:
    """Two bytes are enough to refuse a frame with a reserved opcode."""
    reader = strict()
    reader.feed(b"\x83\xff")
    assert reader.violation is not None


def test_strict_reader_takes_a_frame_at_the_limit() -> None:
    """The limit itself is legal."""
    assert len(strict().feed(masked(2, bytes(1000)))) == 1


def test_strict_reader_takes_any_length_when_the_limit_is_none() -> None:
    """Without a limit only the top bit is refused."""
    reader = strict(max_payload=None)
    reader.feed(masked(2, declared_length=2**63 - 1))
    assert reader.violation is None
    assert reader.head is not None
    assert reader.statistics()["announced"] == 2**63 - 1


def test_strict_reader_reads_nothing_after_a_close_frame() -> None:
    """After a close frame, what follows is discarded (RFC 6455 1.4)."""
    reader = strict()
    seen = reader.feed(masked(8) + masked(1, b"late") + b"\xff\xff\xff")
    assert [frame.opcode for frame in seen] == [Opcode.CLOSE]
    assert reader.feed(masked(1, b"later")) == []
    assert reader.violation is None


def test_strict_reader_takes_control_frames_between_fragments() -> None:
    """A ping may come inside a message; it is not part of it (RFC 6455 5.4)."""
    reader = strict()
    stream = masked(1, b"a", fin=False) + masked(9) + masked(0, b"b")
    assert [frame.opcode for frame in reader.feed(stream)] == [1, 9, 0]
    assert reader.at_rest


def test_strict_reader_takes_rsv1_when_it_has_a_meaning() -> None:
    """With permessage-deflate the first frame of a message may have RSV1."""
    reader = strict(rsv1=True)
    stream = masked(1, b"a", rsv1=True, fin=False) + masked(0, b"b", rsv1=True)
    assert [frame.rsv1 for frame in reader.feed(stream)] == [True]
    assert reader.violation == Violation(
        1002, "RSV1 set without a meaning", "RFC 6455 5.2"
    )


def test_strict_reader_stops_when_it_is_told_to() -> None:
    """Who reads messages from the frames may end the reading as well."""
    reader = strict()
    violation = Violation(1007, "text is not UTF-8", "RFC 6455 8.1")
    reader.feed(masked(1, b"abc")[:-1])
    reader.stop(violation)
    assert reader.feed(b"x" + masked(1)) == []
    assert reader.violation is violation
    assert reader.statistics()["buffered"] == 0


def test_strict_reader_goes_on_after_its_limit_was_changed() -> None:
    """The limit holds for the frames that begin after it was set."""
    reader = strict(max_payload=10)
    reader.feed(masked(1, bytes(10)))
    reader.max_payload = 3
    reader.feed(masked(1, bytes(4)))
    assert reader.violation is not None


# The lenient manner


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (encode_frame(1, b"a"), []),
        (masked(1, b"a"), ["frame is masked"]),
        (encode_frame(2, bytes(200), length_form=64), ["length not in shortest form"]),
        (
            encode_frame(4, rsv2=True),
            ["RSV2 set without a meaning", "opcode 4 is reserved"],
        ),
        (encode_frame(0), ["nothing to continue"]),
        (
            encode_frame(10, b"a" * 126, fin=False),
            ["control frame in fragments", "control frame over 125 bytes"],
        ),
    ],
)
def test_lenient_reader_reads_on_and_keeps_what_is_wrong(
    frame: bytes, expected: list[str]
) -> None:
    """Each frame carries its own violations; the next one is read all the same."""
    reader = lenient()
    first, second = reader.feed(frame + encode_frame(9, b"next"))
    assert reasons(first) == expected
    assert first.encode() == frame
    assert second == Frame(Opcode.PING, b"next")
    assert reader.violation is None


def test_lenient_reader_flags_a_message_that_interrupts_another() -> None:
    """A second message before the first one ended is wrong, and then is the message."""
    reader = lenient()
    stream = (
        encode_frame(1, fin=False)
        + encode_frame(2, fin=False)
        + encode_frame(0)
        + encode_frame(0)
    )
    assert [reasons(frame) for frame in reader.feed(stream)] == [
        [],
        ["message before has not ended"],
        [],
        ["nothing to continue"],
    ]


def test_lenient_reader_flags_data_after_a_close_frame() -> None:
    """Data after a close frame is wrong; control frames are not (RFC 6455 5.5.1)."""
    reader = lenient()
    stream = encode_frame(8) + encode_frame(9) + encode_frame(1) + encode_frame(2)
    assert [reasons(frame) for frame in reader.feed(stream)] == [
        [],
        [],
        ["data frame after close"],
        ["data frame after close"],
    ]


@pytest.mark.parametrize("size", [1, 5, 1000, 10_000])
def test_lenient_reader_drops_the_payload_of_a_frame_that_is_too_large(
    in_chunks: Cut, size: int
) -> None:
    """It is seen as soon as its header is there, and the next frame is found."""
    reader = lenient()
    stream = encode_frame(2, bytes(1001)) + encode_frame(9, b"next")
    seen = []
    for chunk in in_chunks(stream, size):
        seen += reader.feed(chunk)
        assert reader.statistics()["buffered"] <= 14
    large, following = seen
    assert large.announced == 1001
    assert large.payload == b""
    assert [violation.code for violation in large.violations] == [1009]
    assert following == Frame(Opcode.PING, b"next")


def test_lenient_reader_drops_the_payload_of_a_long_control_frame() -> None:
    """A control frame that announces too much is not waited for, either."""
    (frame,) = lenient().feed(encode_frame(9, declared_length=2**40))
    assert frame.announced == 2**40
    assert reasons(frame) == ["control frame over 125 bytes"]


def test_lenient_reader_keeps_a_legal_control_frame_beyond_the_limit() -> None:
    """A limit on messages never drops what a control frame may hold."""
    (frame,) = lenient(max_payload=10).feed(encode_frame(9, bytes(125)))
    assert (frame.announced, frame.violations) == (None, ())


def test_lenient_reader_does_not_wait_for_a_length_that_cannot_be() -> None:
    """A length with its top bit set is seen at once, even without a limit."""
    reader = lenient(max_payload=None)
    (frame,) = reader.feed(encode_frame(1, b"abc", declared_length=2**64 - 1))
    assert reasons(frame) == ["top bit of the length is set"]
    assert frame.announced == 2**64 - 1
    assert reader.feed(encode_frame(9)) == []


def test_lenient_reader_does_not_mind_masks_when_they_may_be_either() -> None:
    """Without a direction, both kinds are legal."""
    reader = lenient(expect_mask=None)
    seen = reader.feed(encode_frame(1, b"a") + masked(1, b"b"))
    assert [(frame.payload, frame.mask) for frame in seen] == [
        (b"a", None),
        (b"b", MASK),
    ]
    assert not any(frame.violations for frame in seen)


# Chunks and memory


@pytest.mark.parametrize("size", [1, 3, 1460, 65_536])
@pytest.mark.parametrize("length", [125, 126, 8191, 8192, 70_000])
def test_reader_takes_a_large_frame_in_any_chunks(
    in_chunks: Cut, length: int, size: int
) -> None:
    """Its payload is held once, and nothing is held afterwards."""
    payload = bytes(place % 251 for place in range(length))
    reader = strict(max_payload=length)
    seen = []
    for chunk in in_chunks(masked(2, payload), size):
        seen += reader.feed(chunk)
        assert reader.statistics()["buffered"] <= length
    assert [frame.payload for frame in seen] == [payload]
    assert reader.statistics()["buffered"] == 0


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_reader_takes_any_buffer_and_keeps_none_of_it(kind: type) -> None:
    """Whoever reuses the buffer does not change a frame that was read."""
    source = bytearray(encode_frame(2, b"abc") + encode_frame(2, b"d" * 9000))
    seen = lenient(max_payload=None).feed(kind(source))
    source[:] = bytes(len(source))
    assert [frame.payload for frame in seen] == [b"abc", b"d" * 9000]


def test_reader_returns_nothing_for_no_bytes() -> None:
    """An empty chunk is nothing."""
    reader = strict()
    assert reader.feed(b"") == []
    assert reader.at_rest


def test_reader_shows_where_it_is() -> None:
    """The state is printable: what is held, and where in a message it is."""
    reader = strict()
    reader.feed(masked(1, b"a", fin=False) + masked(0, b"abc", fin=False)[:-1])
    shown = {"buffered": 2, "announced": 3, "in_message": 1, "violation": 0}
    assert reader.statistics() == shown
    assert repr(reader) == f"<FrameReader strict {shown}>"
    reader.feed(b"x" + b"\xff\xff")
    assert reader.statistics()["violation"] == 1002
    assert repr(lenient()).startswith("<FrameReader lenient ")


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_text_is_encoded_as_any_frame(length: int) -> None:
    """The quick way and the general one write the same bytes."""
    payload = b"x" * length
    assert encode_text(payload) == encode_frame(Opcode.TEXT, payload)
