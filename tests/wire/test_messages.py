"""Messages are put together from frames, and judged as their bytes come."""

import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from wavetank.wire.closes import encode_close
from wavetank.wire.deflate import Deflater, Inflater
from wavetank.wire.frames import Opcode, encode_frame
from wavetank.wire.messages import (
    Closing,
    Control,
    Event,
    Message,
    MessageLimits,
    MessageReader,
)

MASK = b"\x37\xfa\x21\x3d"
TEXT, BINARY, CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
Cut = Callable[[bytes, int], Iterator[bytes]]


def reader(
    *,
    message_bytes: int | None = 1000,
    fragments: int | None = 10,
    inflater: Inflater | None = None,
    expect_mask: bool | None = True,
) -> MessageReader:
    """Return a server's reader."""
    limits = MessageLimits(message_bytes=message_bytes, fragments=fragments)
    return MessageReader(expect_mask=expect_mask, limits=limits, inflater=inflater)


def masked(opcode: int, payload: bytes = b"", **settings: object) -> bytes:
    """Return a frame as a client sends it."""
    return encode_frame(opcode, payload, mask=MASK, **settings)  # type: ignore[arg-type]


def fragments(opcode: int, *payloads: bytes) -> bytes:
    """Return a message in fragments."""
    last = len(payloads) - 1
    return b"".join(
        masked(CONTINUATION if place else opcode, payload, fin=place == last)
        for place, payload in enumerate(payloads)
    )


def code_of(reader: MessageReader) -> int | None:
    """Return the close code that a reader decided on."""
    return reader.violation.code if reader.violation else None


# What is read


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (masked(TEXT, b"hello"), [Message(TEXT, b"hello")]),
        (masked(TEXT, "grüße".encode()), [Message(TEXT, "grüße".encode())]),
        (masked(BINARY, b"\xff\x00"), [Message(BINARY, b"\xff\x00")]),
        (masked(TEXT), [Message(TEXT, b"")]),
        (masked(BINARY, bytes(300)), [Message(BINARY, bytes(300))]),
        (fragments(TEXT, b"a", b"", b"b"), [Message(TEXT, b"ab")]),
        (fragments(BINARY, b"", b""), [Message(BINARY, b"")]),
        (fragments(TEXT, b"\xe2", b"\x82", b"\xac"), [Message(TEXT, b"\xe2\x82\xac")]),
        (masked(9, b"p"), [Control(Opcode.PING, b"p")]),
        (masked(10), [Control(Opcode.PONG)]),
        (masked(8), [Closing(None)]),
        (masked(8, encode_close(4001, "bye")), [Closing(4001, "bye")]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reader_returns_what_the_frames_say(
    in_chunks: Cut, stream: bytes, expected: list[Event], size: int
) -> None:
    """Messages, pings, pongs and closes come out, however the bytes came in."""
    server = reader()
    seen: list[Event] = []
    for chunk in in_chunks(stream, size):
        seen += server.feed(chunk)
    assert seen == expected
    assert server.violation is None


def test_reader_takes_control_frames_between_fragments() -> None:
    """Control frames come out when they come, before the message around them."""
    stream = masked(TEXT, b"\xe2\x82", fin=False) + masked(9, b"p") + masked(0, b"\xac")
    assert reader().feed(stream) == [
        Control(Opcode.PING, b"p"),
        Message(TEXT, b"\xe2\x82\xac"),
    ]


def test_reader_takes_a_close_frame_inside_a_message() -> None:
    """A close frame is a control frame: it may interrupt a message (RFC 6455 5.4)."""
    server = reader()
    assert server.feed(masked(TEXT, b"a", fin=False) + masked(8)) == [Closing(None)]
    assert server.violation is None


def test_reader_drops_everything_after_a_close_frame() -> None:
    """After a close frame, what follows is discarded (RFC 6455 1.4)."""
    server = reader()
    assert server.feed(masked(8) + masked(TEXT, b"late")) == [Closing(None)]
    assert server.feed(masked(TEXT, b"later")) == []


def test_message_gives_its_text() -> None:
    """Text is decoded when it is asked for."""
    (message,) = reader().feed(masked(TEXT, "grüße".encode()))
    assert isinstance(message, Message)
    assert message.text == "grüße"
    assert message.opcode is Opcode.TEXT


def test_client_reads_a_server_without_masks() -> None:
    """The other direction has no masks, at any length."""
    client = reader(expect_mask=False)
    stream = encode_frame(TEXT, b"a") + encode_frame(BINARY, bytes(300))
    assert client.feed(stream) == [Message(TEXT, b"a"), Message(BINARY, bytes(300))]


def test_reader_takes_masked_and_unmasked_frames_when_both_may_come() -> None:
    """Without a direction, both kinds are read."""
    server = reader(expect_mask=None)
    stream = encode_frame(TEXT, b"a") + masked(TEXT, b"b")
    assert server.feed(stream) == [Message(TEXT, b"a"), Message(TEXT, b"b")]


def test_reader_takes_any_buffer() -> None:
    """A bytearray that is reused later does not change a message."""
    source = bytearray(masked(BINARY, b"abc"))
    (message,) = reader().feed(source)  # type: ignore[arg-type]
    source[:] = bytes(len(source))
    assert message == Message(BINARY, b"abc")


# UTF-8

BAD_TEXT = [
    b"\xff",
    b"\xc0\x80",  # overlong
    b"\xe0\x80\x80",  # overlong
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\xf8\x88\x80\x80\x80",  # five bytes
    b"\x80",  # nothing to continue
    b"abc\xc3",  # cut inside a character
    "κόσμε".encode() + b"\xed\xa0\x80" + b"edited",
]


@pytest.mark.parametrize("bad", BAD_TEXT)
@pytest.mark.parametrize("size", [1, 1000])
def test_reader_answers_bad_text_with_1007(
    in_chunks: Cut, bad: bytes, size: int
) -> None:
    """Text that is not UTF-8 ends the reading; messages before it are kept."""
    server = reader()
    seen: list[Event] = []
    for chunk in in_chunks(masked(TEXT, b"before") + masked(TEXT, bad), size):
        seen += server.feed(chunk)
    assert seen == [Message(TEXT, b"before")]
    assert code_of(server) == 1007
    assert server.feed(masked(TEXT, b"after")) == []


@pytest.mark.parametrize("bad", BAD_TEXT)
def test_reader_answers_bad_text_in_fragments_with_1007(bad: bytes) -> None:
    """It does not matter where the fragments are cut."""
    server = reader()
    pieces = [bad[place : place + 1] for place in range(len(bad))]
    assert server.feed(fragments(TEXT, b"ok", *pieces[:8], b"".join(pieces[8:]))) == []
    assert code_of(server) == 1007


def test_reader_takes_a_binary_message_that_is_not_text() -> None:
    """Only text has to be UTF-8."""
    stream = fragments(BINARY, b"\xff", b"\xc3")
    assert reader().feed(stream) == [Message(BINARY, b"\xff\xc3")]


def test_reader_fails_on_the_first_bad_byte_of_a_frame_that_is_not_complete() -> None:
    """Bad text does not have to be waited for: 1007 comes with the byte itself."""
    server = reader()
    frame = masked(TEXT, b"good \xe2\x82\xac, bad \xff, and more")
    bad = frame.index(bytes([0xFF ^ MASK[(5 + 3 + 6) % 4]]), 6 + 5 + 3 + 6)
    assert server.feed(frame[:8]) == []
    assert server.feed(frame[8:bad]) == []
    assert server.violation is None
    assert server.feed(frame[bad : bad + 1]) == []
    assert code_of(server) == 1007


def test_reader_fails_on_the_first_bad_byte_of_a_fragment_that_is_not_complete() -> (
    None
):
    """A character may begin in one fragment and break in the middle of the next."""
    server = reader()
    server.feed(masked(TEXT, b"\xe2\x82", fin=False))
    server.feed(masked(0, b"\xacx\xf0\x9f\x98\x80\xc0more")[: 6 + 6])
    assert server.violation is None
    server.feed(masked(0, b"\xacx\xf0\x9f\x98\x80\xc0more")[6 + 6 : 6 + 7])
    assert code_of(server) == 1007


def test_reader_fails_on_an_impossible_beginning_of_a_character() -> None:
    """Two bytes tell a surrogate; the third one is not waited for."""
    server = reader()
    server.feed(masked(TEXT, b"\xed\xa0", fin=False))
    assert code_of(server) == 1007


def test_reader_does_not_look_for_text_in_a_ping_that_is_not_complete() -> None:
    """A ping may hold any bytes, also between fragments of text."""
    server = reader()
    server.feed(masked(TEXT, b"a", fin=False) + masked(9, b"\xff\xff")[:-1])
    assert server.violation is None


def test_reader_does_not_look_for_text_in_a_binary_frame_that_is_not_complete() -> None:
    """A binary message may hold any bytes."""
    server = reader()
    server.feed(masked(BINARY, b"\xff\xff")[:-1])
    assert server.violation is None


@given(
    st.text(max_size=80).map(str.encode),
    st.lists(st.integers(0, 200), max_size=5),
    st.integers(1, 50),
)
def test_reader_takes_any_text_in_any_fragments_and_chunks(
    data: bytes, cuts: list[int], size: int
) -> None:
    """No cut, by fragments or by chunks, makes good text bad."""
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [
        data[start:end]
        for start, end in zip([0, *places], [*places, len(data)], strict=True)
    ]
    server = reader()
    stream = fragments(TEXT, *pieces)
    seen: list[Event] = []
    for start in range(0, len(stream), size):
        seen += server.feed(stream[start : start + size])
    assert seen == [Message(TEXT, data)]


@given(st.binary(max_size=40), st.integers(0, 40), st.integers(1, 10))
def test_reader_and_python_agree_on_what_is_text(
    data: bytes, cut: int, size: int
) -> None:
    """A message is text exactly where Python decodes it as UTF-8."""
    try:
        data.decode()
        expected: list[Event] = [Message(TEXT, data)]
    except UnicodeDecodeError:
        expected = []
    server = reader()
    stream = fragments(TEXT, data[:cut], data[cut:])
    seen: list[Event] = []
    for start in range(0, len(stream), size):
        seen += server.feed(stream[start : start + size])
    assert seen == expected
    assert code_of(server) == (None if expected else 1007)


# Beside websockets

EVENTS = st.one_of(
    st.tuples(st.just(TEXT), st.text(max_size=50).map(str.encode)),
    st.tuples(st.just(BINARY), st.binary(max_size=200)),
    st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)),
)


@given(
    st.lists(st.tuples(EVENTS, st.integers(0, 60)), max_size=6),
    st.none()
    | st.tuples(st.sampled_from([1000, 1001, 3000, 4999]), st.text(max_size=20)),
    st.integers(1, 300),
)
def test_reader_agrees_with_websockets_on_every_legal_stream(
    events: list[tuple[tuple[Opcode, bytes], int]],
    closing: tuple[int, str] | None,
    size: int,
) -> None:
    """The same stream, the same messages, control frames and close."""
    stream = b""
    for (opcode, data), cut in events:
        whole = cut >= len(data) or opcode & 8
        stream += (
            masked(opcode, data) if whole else fragments(opcode, data[:cut], data[cut:])
        )
    if closing is not None:
        stream += masked(8, encode_close(*closing))
    server = reader()
    oracle = ServerProtocol(state=OPEN, max_size=1000)
    seen: list[Event] = []
    frames = []
    for start in range(0, len(stream), size):
        seen += server.feed(stream[start : start + size])
        oracle.receive_data(stream[start : start + size])
        frames += oracle.events_received()
    expected: list[Event] = []
    opened: list[tuple[Opcode, bytes]] = []
    for frame in frames:
        if frame.opcode is frame.opcode.CLOSE:
            assert oracle.close_rcvd is not None
            expected.append(Closing(oracle.close_rcvd.code, oracle.close_rcvd.reason))
        elif frame.opcode & 8:
            expected.append(Control(Opcode(frame.opcode), bytes(frame.data)))
        else:
            opened.append((Opcode(frame.opcode), bytes(frame.data)))
            if frame.fin:
                data = b"".join(piece for _, piece in opened)
                expected.append(Message(opened[0][0], data))
                opened = []
    assert seen == expected
    assert server.violation is None


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (masked(8, b"\x03"), 1002),  # half a close code
        (masked(8, b"\x03\xed"), 1002),  # 1005
        (masked(8, b"\x03\xee"), 1002),  # 1006
        (masked(8, b"\x00\x00"), 1002),
        (masked(8, b"\x13\x88"), 1002),  # 5000
        (masked(8, b"\x03\xe8\xff"), 1007),
        (encode_frame(1, b"a"), 1002),  # not masked
        (masked(0, b"a"), 1002),
        (masked(1, fin=False) + masked(1), 1002),
        (masked(9, fin=False), 1002),
        (masked(9, bytes(126)), 1002),
        (masked(5), 1002),
        (masked(1, rsv1=True), 1002),
        (masked(2, bytes(1001)), 1009),
        (fragments(2, bytes(600), bytes(600)), 1009),
    ],
)
def test_reader_agrees_with_websockets_on_close_codes(stream: bytes, code: int) -> None:
    """The same violation, the same close code."""
    server = reader()
    server.feed(stream)
    oracle = ServerProtocol(state=OPEN, max_size=1000)
    oracle.receive_data(stream)
    assert oracle.close_sent is not None
    assert code_of(server) == oracle.close_sent.code == code


@given(st.binary(max_size=80), st.integers(1, 10))
def test_reader_takes_any_bytes_in_any_chunks(data: bytes, size: int) -> None:
    """Hostile bytes never raise, and chunks change nothing about their verdict."""
    whole, parts = reader(message_bytes=50), reader(message_bytes=50)
    expected = whole.feed(data)
    seen: list[Event] = []
    for start in range(0, len(data), size):
        seen += parts.feed(data[start : start + size])
    assert seen == expected
    assert code_of(parts) == code_of(whole)


@pytest.mark.parametrize(("length", "form"), [(1, 16), (125, 16), (200, 64)])
def test_reader_refuses_a_length_that_is_not_in_its_shortest_form(
    length: int, form: int
) -> None:
    """A length is written in the fewest bytes (RFC 6455 5.2)."""
    server = reader()
    assert server.feed(masked(2, bytes(length), length_form=form)) == []
    assert code_of(server) == 1002


# Limits


@pytest.mark.parametrize("length", [125, 126, 65_535, 65_536, 100_000])
def test_reader_takes_every_length_form(length: int) -> None:
    """The three forms of a length, at their borders."""
    server = reader(message_bytes=100_000)
    stream = masked(2, bytes(length)) * 2
    assert server.feed(stream) == [Message(BINARY, bytes(length))] * 2


def test_reader_takes_a_message_at_the_limit() -> None:
    """The limit itself is legal, in one frame and in many."""
    assert len(reader().feed(masked(2, bytes(1000)))) == 1
    assert len(reader().feed(fragments(2, bytes(500), bytes(500), b""))) == 1


def test_reader_refuses_a_message_over_the_limit_on_a_header() -> None:
    """The limit is on the message: the header that breaks it is enough."""
    server = reader()
    server.feed(masked(2, bytes(600), fin=False))
    server.feed(masked(0, declared_length=401)[:4])
    assert code_of(server) == 1009
    assert server.statistics()["message_bytes"] == 0


def test_reader_holds_a_message_against_its_own_size_alone() -> None:
    """What one message used up, the next one has again."""
    server = reader()
    for _ in range(3):
        assert len(server.feed(fragments(2, bytes(600), bytes(400)))) == 1
    assert server.violation is None


def test_reader_takes_pings_when_a_message_has_no_room_left() -> None:
    """Control frames do not count."""
    server = reader()
    server.feed(masked(2, bytes(1000), fin=False))
    assert server.feed(masked(9, bytes(125))) == [Control(Opcode.PING, bytes(125))]
    assert server.feed(masked(0)) == [Message(BINARY, bytes(1000))]


@pytest.mark.parametrize("payload", [b"", b"a"])
def test_reader_answers_too_many_fragments_with_1008(payload: bytes) -> None:
    """Fragments are counted, empty ones too: bytes alone do not bound them."""
    server = reader(fragments=3)
    assert len(server.feed(fragments(1, payload, payload, payload))) == 1
    server.feed(fragments(1, payload, payload, payload, payload))
    assert code_of(server) == 1008
    assert server.violation is not None
    assert server.violation.reason == "message in more than 3 fragments"


def test_reader_does_not_count_control_frames_as_fragments() -> None:
    """Pings between fragments are no fragments."""
    server = reader(fragments=2)
    server.feed(masked(1, b"a", fin=False) + masked(9) * 20)
    assert server.feed(masked(0, b"b")) == [Message(TEXT, b"ab")]


def test_reader_has_no_limit_when_none_is_typed() -> None:
    """Unlimited has to be typed, and then it is."""
    server = reader(message_bytes=None, fragments=None)
    stream = fragments(2, *[b"x" * 100] * 2000)
    assert server.feed(stream) == [Message(BINARY, b"x" * 200_000)]


@pytest.mark.parametrize("size", [1, 1460])
def test_reader_holds_a_frame_once_however_it_comes(in_chunks: Cut, size: int) -> None:
    """A large frame in small chunks costs its own size, and nothing afterwards."""
    server = reader(message_bytes=20_000)
    seen: list[Event] = []
    for chunk in in_chunks(masked(TEXT, b"x" * 20_000), size):
        seen += server.feed(chunk)
        assert server.statistics()["buffered"] <= 20_000
    assert seen == [Message(TEXT, b"x" * 20_000)]
    assert server.statistics()["buffered"] == 0


def test_reader_shows_where_it_is() -> None:
    """The state is printable: what it holds of the message so far."""
    server = reader()
    server.feed(masked(1, b"abc", fin=False) + masked(0, b"de", fin=False)[:-1])
    shown = {
        "buffered": 1,
        "announced": 2,
        "in_message": 1,
        "violation": 0,
        "message_bytes": 3,
        "fragments": 1,
    }
    assert server.statistics() == shown
    assert repr(server) == f"<MessageReader {shown}>"


def test_reader_says_whether_a_message_has_begun_that_is_not_whole() -> None:
    """From its first whole header to its last byte, whatever comes between."""
    server = reader()
    data = (
        masked(TEXT, b"abc", fin=False) + masked(Opcode.PING, b"d") + masked(0, b"ef")
    )
    seen = []
    for byte in data:
        seen.append(server.is_in_message)
        server.feed(bytes([byte]))
    assert seen == [False] * 6 + [True] * (len(data) - 6)
    assert not server.is_in_message
    server.feed(masked(Opcode.PING, b"abc")[:-1])
    assert not server.is_in_message


# Compression


def deflated(data: bytes, *, opcode: int = TEXT, cuts: tuple[int, ...] = ()) -> bytes:
    """Return a compressed message, cut into fragments."""
    payload = Deflater().deflate(data)
    pieces = [
        payload[start:end]
        for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)
    ]
    last = len(pieces) - 1
    return b"".join(
        masked(
            CONTINUATION if place else opcode, piece, fin=place == last, rsv1=not place
        )
        for place, piece in enumerate(pieces)
    )


def compressing(message_bytes: int | None = 1000) -> MessageReader:
    """Return a reader on a connection with permessage-deflate."""
    return reader(message_bytes=message_bytes, inflater=Inflater(None))


@pytest.mark.parametrize("cuts", [(), (1,), (0, 3, 3), (2, 5)])
@pytest.mark.parametrize("size", [1, 1000])
def test_reader_inflates_a_message_in_any_fragments(
    in_chunks: Cut, cuts: tuple[int, ...], size: int
) -> None:
    """Compression is on the message, whatever its fragments are."""
    server = compressing()
    seen: list[Event] = []
    for chunk in in_chunks(deflated("grüße ".encode() * 20, cuts=cuts), size):
        seen += server.feed(chunk)
    assert seen == [Message(TEXT, "grüße ".encode() * 20, compressed=True)]


def test_reader_takes_plain_messages_beside_compressed_ones() -> None:
    """A sender chooses for each message; a ping is never compressed."""
    server = compressing()
    stream = (
        masked(1, b"plain")
        + deflated(b"small", cuts=(2,))
        + masked(9, b"p")
        + fragments(1, b"pl", b"ain")
    )
    assert server.feed(stream) == [
        Message(TEXT, b"plain"),
        Message(TEXT, b"small", compressed=True),
        Control(Opcode.PING, b"p"),
        Message(TEXT, b"plain"),
    ]


@pytest.mark.parametrize("cuts", [(), (1,), (3, 5)])
def test_reader_holds_the_inflated_size_against_the_limit(
    cuts: tuple[int, ...],
) -> None:
    """A small frame that becomes a large message is answered with 1009."""
    assert len(compressing().feed(deflated(bytes(1000), opcode=2, cuts=cuts))) == 1
    server = compressing()
    assert server.feed(deflated(bytes(1001), opcode=2, cuts=cuts)) == []
    assert code_of(server) == 1009


def test_reader_holds_the_limit_of_the_inflater_too() -> None:
    """Whichever of the two limits is lower decides."""
    server = reader(message_bytes=None, inflater=Inflater(100))
    server.feed(deflated(bytes(101), opcode=2))
    assert code_of(server) == 1009


def test_reader_takes_a_message_at_the_limit_that_grew_when_it_was_deflated() -> None:
    """Data that cannot be compressed grows a little; the limit is on the message."""
    data = random.Random(1).randbytes(1000)
    deflater = Deflater()
    payload = b"".join(
        deflater.deflate(data[place : place + 50], final=place == 950)
        for place in range(0, 1000, 50)
    )
    assert len(payload) > 1050
    server = compressing()
    assert server.feed(masked(2, payload, rsv1=True)) == [
        Message(BINARY, data, compressed=True)
    ]


@pytest.mark.parametrize("size", [1, 5000])
def test_reader_holds_plain_messages_exactly_to_the_limit(
    in_chunks: Cut, size: int
) -> None:
    """What compression may add is not given to messages that are not compressed."""
    server = compressing()
    for chunk in in_chunks(masked(2, bytes(1001)), size):
        server.feed(chunk)
    assert code_of(server) == 1009


def test_reader_refuses_a_large_plain_frame_before_it_is_complete() -> None:
    """Beside compression, too, a header is enough."""
    server = compressing()
    server.feed(masked(2, bytes(1001))[:20])
    assert code_of(server) == 1009


def test_reader_bounds_compressed_bytes_that_inflate_to_nothing() -> None:
    """Empty blocks inflate to nothing; what came of them is counted all the same."""
    server = reader(message_bytes=1000, fragments=None, inflater=Inflater(None))
    nothing = b"\x00\x00\x00\xff\xff" * 100
    server.feed(masked(2, nothing, rsv1=True, fin=False))
    server.feed(masked(0, nothing, fin=False) * 10)
    assert code_of(server) == 1009


@pytest.mark.parametrize("cuts", [(), (2,)])
def test_reader_answers_compressed_bad_text_with_1007(cuts: tuple[int, ...]) -> None:
    """Text is judged after it is inflated."""
    server = compressing()
    assert server.feed(deflated(b"ok \xff", cuts=cuts)) == []
    assert code_of(server) == 1007


def test_reader_answers_broken_compression_with_1007() -> None:
    """Data that does not inflate is data against its type."""
    server = compressing()
    assert server.feed(masked(1, b"\xff\xff\xff", rsv1=True)) == []
    assert code_of(server) == 1007
    assert server.violation is not None
    assert server.violation.clause == "RFC 7692 7.2.2"


@pytest.mark.parametrize(
    "stream",
    [
        masked(9, rsv1=True),  # on a control frame
        deflated(b"abc", cuts=(2,))[:8] + masked(0, b"x", rsv1=True),
    ],
)
def test_reader_refuses_rsv1_where_no_message_begins(stream: bytes) -> None:
    """RSV1 belongs to the first frame of a message (RFC 7692 6)."""
    server = compressing()
    server.feed(stream)
    assert code_of(server) == 1002


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=5),
    st.integers(1, 100),
)
def test_reader_inflates_any_messages_with_context_takeover(
    messages: list[tuple[bytes, bool]], size: int
) -> None:
    """Compressed and plain messages in turn, in any chunks, come out whole."""
    deflater = Deflater()
    stream = b"".join(
        masked(2, deflater.deflate(data), rsv1=True) if small else masked(2, data)
        for data, small in messages
    )
    server = compressing()
    seen: list[Event] = []
    for start in range(0, len(stream), size):
        seen += server.feed(stream[start : start + size])
    assert seen == [Message(BINARY, data, compressed=small) for data, small in messages]
