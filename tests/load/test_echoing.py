"""What an echo answers: every whole frame, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.echoing import LARGEST, Echoed, echo_frames
from wavetank.wire import (
    FrameReader,
    Opcode,
    Violation,
    decode_close,
    encode_close,
    encode_frame,
)

MASK = b"\x01\x80\xff\x00"

payloads = st.one_of(
    st.binary(max_size=130),
    st.sampled_from([65_535, 65_536]).map(bytes),
)
frames = st.tuples(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION]),
    payloads,
    st.booleans(),
)


def sent(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a frame of a client."""
    return encode_frame(opcode, payload, fin=fin, mask=MASK)


def answered(echoed: Echoed) -> list[tuple[int, bytes, bool]]:
    """Return the frames of an answer."""
    reader = FrameReader(expect_mask=False, max_payload=LARGEST, strict=False)
    read = reader.feed(echoed.answer)
    return [(frame.opcode, frame.payload, frame.fin) for frame in read]


def close_code(echoed: Echoed) -> int | None:
    """Return the code of the close frame that an answer is."""
    ((opcode, payload, _),) = answered(echoed)
    assert opcode == Opcode.CLOSE
    closing = decode_close(payload)
    assert not isinstance(closing, Violation)
    return closing.code


@given(st.lists(frames, max_size=5), st.data())
def test_echo_answers_each_frame_with_itself_however_the_bytes_are_cut(
    given_frames: list[tuple[int, bytes, bool]], data: st.DataObject
) -> None:
    """Answers do not depend on how the stream was cut into reads."""
    stream = b"".join(
        sent(opcode, payload, fin=fin) for opcode, payload, fin in given_frames
    )
    cut = data.draw(st.integers(0, len(stream)))
    first = echo_frames(stream[:cut])
    second = echo_frames(stream[first.used :])
    assert first.used + second.used == len(stream)
    assert not first.is_over
    assert not second.is_over
    whole = Echoed(first.answer + second.answer, len(stream))
    expected = b"".join(
        encode_frame(opcode, payload, fin=fin) for opcode, payload, fin in given_frames
    )
    assert whole == Echoed(expected, len(stream))


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, LARGEST])
def test_echo_takes_nothing_of_a_frame_that_is_not_all_there(length: int) -> None:
    """A frame is answered with its last byte, not before."""
    frame = sent(Opcode.BINARY, bytes(length))
    for cut in range(min(len(frame), 14)):
        assert echo_frames(frame[:cut]) == Echoed(b"", 0)
    assert answered(echo_frames(frame)) == [(Opcode.BINARY, bytes(length), True)]


def test_echo_answers_a_ping_with_a_pong_and_a_pong_with_nothing() -> None:
    """A pong carries what the ping did (RFC 6455 5.5.3)."""
    data = sent(Opcode.PING, b"1") + sent(Opcode.PONG, b"2") + sent(Opcode.TEXT, b"3")
    echoed = echo_frames(data)
    assert answered(echoed) == [(Opcode.PONG, b"1", True), (Opcode.TEXT, b"3", True)]
    assert echoed.used == len(data)


def test_echo_ends_with_the_close_frame_and_takes_nothing_behind_it() -> None:
    """The close frame comes back, and is the last thing that is said."""
    close = sent(Opcode.CLOSE, encode_close(1001, "gone"))
    echoed = echo_frames(close + sent(Opcode.TEXT, b"late"))
    assert close_code(echoed) == 1001
    assert echoed.is_over
    assert echoed.used == len(close)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        # Not masked, in each length form.
        (encode_frame(Opcode.TEXT, b"12345678"), 1002),
        (encode_frame(Opcode.TEXT, bytes(126)), 1002),
        (encode_frame(Opcode.TEXT, bytes(65_536)), 1002),
        # A reserved bit, a reserved opcode, a ping in fragments, a ping too long.
        (encode_frame(Opcode.TEXT, rsv1=True, mask=MASK), 1002),
        (encode_frame(0x3, mask=MASK), 1002),
        (encode_frame(Opcode.PING, fin=False, mask=MASK), 1002),
        (encode_frame(Opcode.PING, bytes(126), mask=MASK), 1002),
        # Too large: said before the payload comes.
        (
            encode_frame(
                Opcode.TEXT, declared_length=LARGEST + 1, length_form=64, mask=MASK
            ),
            1009,
        ),
        (b"\x82\xff" + b"\xff" * 4, 1009),
    ],
)
def test_echo_refuses_what_no_client_may_send(frame: bytes, code: int) -> None:
    """What came before is answered; then the connection ends with the code."""
    before = sent(Opcode.TEXT, b"sound")
    echoed = echo_frames(before + frame)
    assert echoed.is_over
    assert echoed.used == len(before)
    sound = encode_frame(Opcode.TEXT, b"sound")
    assert echoed.answer.startswith(sound)
    assert close_code(Echoed(echoed.answer[len(sound) :], 0)) == code


@given(st.binary(max_size=40))
def test_echo_never_fails_whatever_comes(data: bytes) -> None:
    """Hostile bytes are answered or waited for, never more."""
    echoed = echo_frames(data)
    assert 0 <= echoed.used <= len(data)
