"""Where the body of a response ends, however its bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.passing_body import PassingBody, body_of

CHUNKS = b"4\r\nGET \r\n10;a=b\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\n"


def head(*fields: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Return a response's head."""
    return b"\r\n".join((version + b" 403 No", *fields, b"", b""))


def followed(body: PassingBody, stream: bytes, sizes: list[int]) -> int:
    """Feed a stream in pieces of these sizes; return how much of it is the body."""
    at = turn = 0
    while at < len(stream) and not body.is_over:
        piece = stream[at : at + sizes[turn % len(sizes)]]
        at += body.follow(piece)
        turn += 1
    return at


cuts = st.lists(st.integers(1, 30), min_size=1)


@given(sizes=cuts, behind=st.binary(max_size=40))
def test_chunks_end_behind_their_trailer(sizes: list[int], behind: bytes) -> None:
    """What is behind them is not theirs, wherever the pieces are cut."""
    body = PassingBody(None)
    assert followed(body, CHUNKS + behind, sizes) == len(CHUNKS)
    assert body.is_over
    assert not body.is_lost
    assert body.follow(b"more") == 0
    assert repr(body) == "<PassingBody over, 0 left>"


@given(size=st.integers(0, 60), sizes=cuts)
def test_a_counted_body_ends_where_it_says(size: int, sizes: list[int]) -> None:
    """Line ends in it are nothing but bytes."""
    body = PassingBody(size)
    assert followed(body, b"\r\n" * 50, sizes) == size
    assert body.is_over


@pytest.mark.parametrize(
    "wrong",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"0x1\r\na\r\n",
        b"1\r\nab\r\n",
        b"f" * 16 + b"\r\n",
        b"1" * 1025,
        b"1\r\na" + b"\r" * 1025,
        b"0\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 20,
    ],
)
@given(sizes=cuts)
def test_a_body_that_breaks_the_rules_has_no_end(
    wrong: bytes, sizes: list[int]
) -> None:
    """All that comes is taken for its own: nobody can tell what is not."""
    body = PassingBody(None)
    stream = wrong + CHUNKS
    assert followed(body, stream, sizes) == len(stream)
    assert body.is_lost
    assert not body.is_over


@given(stream=st.binary(max_size=300), sizes=cuts)
def test_hostile_bytes_are_followed_the_same_however_they_are_cut(
    stream: bytes, sizes: list[int]
) -> None:
    """Nothing raises, and no more is kept than one line."""
    whole, cut = PassingBody(None), PassingBody(None)
    stream = b"3\r\nabc\r\n" + stream
    assert followed(whole, stream, [len(stream)]) == followed(cut, stream, sizes)
    assert (whole.is_over, whole.is_lost) == (cut.is_over, cut.is_lost)


@pytest.mark.parametrize(
    ("fields", "status", "stream", "size"),
    [
        ([b"Content-Length: 3"], 403, b"abcdef", 3),
        ([b"content-length : 3\t"], 302, b"abcdef", 3),
        ([b"Content-Length: 3", b"Content-Length: 3"], 403, b"abcdef", 3),
        ([b"Content-Length: 3"], 304, b"abcdef", 0),
        ([], 204, b"abcdef", 0),
        ([b"Transfer-Encoding: chunked"], 204, CHUNKS, 0),
        ([b"Transfer-Encoding: Chunked"], 503, CHUNKS + b"x", len(CHUNKS)),
        ([b"Transfer-Encoding: gzip, chunked"], 503, CHUNKS + b"x", len(CHUNKS)),
        (
            [b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"],
            503,
            CHUNKS + b"x",
            len(CHUNKS),
        ),
    ],
)
def test_a_head_says_where_its_body_ends(
    fields: list[bytes], status: int, stream: bytes, size: int
) -> None:
    """By a length, by chunks, or by its status (RFC 9112 6.3)."""
    body = body_of(head(*fields), status)
    assert body is not None
    assert body.follow(stream) == size
    assert body.is_over


@pytest.mark.parametrize(
    "text",
    [
        head(),
        head(b"Content-Length: 3", version=b"HTTP/1.0"),
        head(b"Content-Length: 3", b"Connection: x, Close"),
        head(b"Content-Length: 3", b"Content-Length: 4"),
        head(b"Content-Length: 3, 3"),
        head(b"Content-Length: -3"),
        head(b"Content-Length: " + b"9" * 19),
        head(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: chunked, gzip"),
        head(b"Transfer-Encoding: chunked, chunked"),
        head(b"Transfer-Encoding: "),
        head(b"Content-Length: a" + b" " * 60_000 + b"b"),
    ],
)
def test_a_head_that_does_not_say_where_its_body_ends_has_none(text: bytes) -> None:
    """It ends with the connection, or what it says contradicts itself."""
    assert body_of(text, 403) is None
