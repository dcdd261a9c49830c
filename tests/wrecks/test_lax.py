"""The lax reader: what it overlooks, and what it does not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.wire import (
    Closing,
    Control,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    Violation,
    encode_frame,
)
from wavetank.wrecks import lax as module
from wavetank.wrecks.lax import LaxReader

Rule = Callable[[Violation], bool]


def nothing(violation: Violation) -> bool:
    """Overlook nothing."""
    return False


def everything(violation: Violation) -> bool:
    """Overlook everything."""
    return True


def reader(rule: Rule = nothing) -> LaxReader:
    """Return a reader for messages of at most 100 bytes."""
    return LaxReader(rule, max_message=100)


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    return encode_frame(opcode, payload, fin=fin, mask=b"wave")


GOOD = st.lists(
    st.one_of(
        st.text(max_size=20).map(lambda text: masked(Opcode.TEXT, text.encode())),
        st.binary(max_size=20).map(lambda data: masked(Opcode.BINARY, data)),
        st.binary(max_size=20).map(lambda data: masked(Opcode.PING, data)),
        st.tuples(st.binary(max_size=9), st.binary(max_size=9)).map(
            lambda two: (
                masked(Opcode.BINARY, two[0], fin=False)
                + masked(Opcode.PONG)
                + masked(Opcode.CONTINUATION, two[1])
            )
        ),
    )
).map(b"".join)


@given(GOOD, st.integers(1, 50))
def test_reader_reads_what_is_good_as_the_strict_one_does(
    stream: bytes, size: int
) -> None:
    """On a good stream, however it is cut, both readers see the same."""
    limits = MessageLimits(message_bytes=100, fragments=10)
    strict, lax = MessageReader(expect_mask=True, limits=limits), reader()
    for start in range(0, len(stream), size):
        piece = stream[start : start + size]
        assert lax.feed(piece) == strict.feed(piece)
    assert lax.violation is None


@pytest.mark.parametrize(
    ("stream", "units"),
    [
        (encode_frame(Opcode.TEXT, b"x"), [Message(Opcode.TEXT, b"x")]),
        (masked(Opcode.TEXT, b"\xff"), [Message(Opcode.TEXT, b"\xef\xbf\xbd")]),
        (masked(0x3, b"x"), []),
        (masked(Opcode.CLOSE, b"x"), []),
        (
            masked(Opcode.CLOSE, b"\x03\xe8") + masked(Opcode.TEXT, b"x"),
            [Closing(1000), Message(Opcode.TEXT, b"x")],
        ),
        (masked(Opcode.PING, b"x", fin=False), [Control(Opcode.PING, b"x")]),
        (masked(Opcode.CONTINUATION, b"x"), [Message(Opcode.TEXT, b"x")]),
    ],
)
def test_reader_goes_on_after_what_it_overlooks(
    stream: bytes, units: list[object]
) -> None:
    """What breaks a rule is read as if it did not; then comes the rest."""
    lax = reader(everything)
    rest = masked(Opcode.PING, b"rest")
    assert lax.feed(stream + rest) == [*units, Control(Opcode.PING, b"rest")]
    assert lax.violation is None


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (encode_frame(Opcode.TEXT, b"x"), 1002),
        (masked(Opcode.TEXT, b"\xff"), 1007),
        (masked(0x3, b"x"), 1002),
        (masked(Opcode.CLOSE, b"x"), 1002),
        (masked(Opcode.TEXT, b"x" * 101), 1009),
    ],
)
def test_reader_ends_where_nothing_is_overlooked(stream: bytes, code: int) -> None:
    """The first violation ends the reading, as with the strict reader."""
    lax = reader()
    assert lax.feed(stream + masked(Opcode.PING)) == []
    assert lax.feed(masked(Opcode.PING)) == []
    assert lax.violation is not None
    assert lax.violation.code == code


@pytest.mark.parametrize(
    ("piece", "count"), [(b"x" * 60, 2), (b"", module._MOST_FRAGMENTS + 1)]
)
def test_reader_bounds_a_message_whatever_it_overlooks(
    piece: bytes, count: int
) -> None:
    """Neither bytes nor fragments pile up without end."""
    lax = reader(everything)
    lax.feed(masked(Opcode.BINARY, fin=False))
    for _ in range(count):
        lax.feed(masked(Opcode.CONTINUATION, piece, fin=False))
    assert lax.violation is not None
    assert lax.violation.code == 1009
