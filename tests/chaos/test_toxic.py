"""Items: what they say of themselves."""

import pytest

from wavetank.chaos.toxic import Bytes, End, Frame, Head, Item, Open, data_of, size_of


@pytest.mark.parametrize(
    ("item", "data"),
    [
        (Open(), b""),
        (Bytes(b"abc"), b"abc"),
        (Head(b"GET / HTTP/1.1\r\n\r\n"), b"GET / HTTP/1.1\r\n\r\n"),
        (Frame(b"\x81\x01x", 2), b"\x81\x01x"),
        (End(), b""),
    ],
)
def test_items_tell_their_bytes_and_how_many(item: Item, data: bytes) -> None:
    """The opening and the end have none."""
    assert data_of(item) == data
    assert size_of(item) == len(data)


def test_frame_reads_its_own_header() -> None:
    """A masked text that goes on, and an unmasked pong that does not."""
    text = Frame(b"\x01\x82keyshi", 6)
    assert (text.fin, text.opcode, text.mask, text.size) == (False, 1, b"keys", 2)
    pong = Frame(b"\x8a\x00", 2)
    assert (pong.fin, pong.opcode, pong.mask, pong.size) == (True, 10, None, 0)
