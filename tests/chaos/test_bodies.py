"""Bodies of requests, as their bytes come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.bodies import BodyReader, expects_continue, stays_open
from wavetank.wire.http import Headers, Refusal, Request

MOST = 1000


def request(*fields: tuple[str, str], version: str = "HTTP/1.1") -> Request:
    """Return a head."""
    return Request("POST", "/", version, Headers(fields))


def chunked() -> BodyReader:
    """Return a reader of chunks."""
    return BodyReader(request(("Transfer-Encoding", "chunked")), MOST)


def in_chunks(parts: list[bytes]) -> bytes:
    """Write a body in chunks."""
    chunks = [b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts if part]
    return b"".join([*chunks, b"0\r\nTrailer: x\r\n\r\n"])


def test_no_length_is_no_body() -> None:
    """The request is over with its head."""
    reader = BodyReader(request(), MOST)
    assert reader.feed(b"GET / ") == b""
    assert reader.rest == b"GET / "


def test_a_counted_body_is_as_long_as_it_says() -> None:
    """What comes behind it belongs to the next request."""
    reader = BodyReader(request(("Content-Length", "5")), MOST)
    assert reader.feed(b"abc") is None
    assert repr(reader) == "<BodyReader 3 of 5 bytes>"
    assert reader.feed(b"deGET") == b"abcde"
    assert reader.rest == b"GET"


@given(st.lists(st.binary(max_size=40), max_size=10), st.integers(1, 30))
def test_chunks_are_put_together(parts: list[bytes], step: int) -> None:
    """However the bytes come, extensions and trailers are passed over."""
    reader = chunked()
    data = in_chunks(parts) + b"NEXT"
    for start in range(0, len(data), step):
        body = reader.feed(data[start : start + step])
        if body is not None:
            break
    assert body == b"".join(parts)
    assert b"NEXT".startswith(reader.rest)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"x\r\n", 400),
        (b"\r\n", 400),
        (b"-1\r\n", 400),
        (b"1\r\nab\r\n", 400),
        (b"a" * 2000, 400),
        (b"0\r\n" + b"a" * 2000, 400),
        (b"3e9\r\n", 413),
        (b"ffffffff\r\n", 413),
        (b"0\r\n" + b"a: b\r\n" * 1000, 413),
        (b"1\r\na\r\n" * 800, 413),
    ],
)
def test_chunks_that_are_wrong_or_too_many_are_refused(
    data: bytes, status: int
) -> None:
    """Memory is bounded, what is around the chunks included."""
    refused = chunked().feed(data)
    assert isinstance(refused, Refusal)
    assert refused.status == status
    assert repr(chunked()) == "<BodyReader 0 of chunks>"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("Content-Length", "1001")], 413),
        ([("Content-Length", "x")], 400),
        ([("Content-Length", "-1")], 400),
        ([("Content-Length", "٣")], 400),
        ([("Content-Length", "9" * 19)], 400),
        ([("Content-Length", "1"), ("Content-Length", "2")], 400),
        ([("Content-Length", "1"), ("Transfer-Encoding", "chunked")], 400),
        ([("Transfer-Encoding", "gzip, chunked")], 501),
    ],
)
def test_a_body_of_no_certain_length_is_refused(
    fields: list[tuple[str, str]], status: int
) -> None:
    """At once, whatever comes."""
    refused = BodyReader(request(*fields), MOST).feed(b"")
    assert isinstance(refused, Refusal)
    assert refused.status == status


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """It returns a body, a refusal, or waits for more."""
    body = chunked().feed(data)
    assert body is None or isinstance(body, bytes | Refusal)


@pytest.mark.parametrize(
    ("fields", "version", "stays"),
    [
        ([], "HTTP/1.1", True),
        ([("Connection", "keep-alive, Close")], "HTTP/1.1", False),
        ([("Connection", "keep-alive")], "HTTP/1.0", False),
    ],
)
def test_a_connection_stays_open_unless_somebody_says_no(
    fields: list[tuple[str, str]], version: str, stays: bool
) -> None:
    """HTTP/1.1 keeps it, older clients get a new one."""
    assert stays_open(request(*fields, version=version)) is stays


def test_some_clients_wait_before_they_send_a_body() -> None:
    """They say so."""
    assert expects_continue(request(("Expect", "100-Continue")))
    assert not expects_continue(request())
