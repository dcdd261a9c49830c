"""What HTTP asks of a request: version, target, host, the length of its body."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.requests import (
    body_length,
    expects_continue,
    judge_head,
    stays_open,
)
from wavetank.wire import Headers, HeadReader, Refusal, Request


def request(
    method: str = "GET",
    target: str = "/",
    version: str = "HTTP/1.1",
    fields: tuple[tuple[str, str], ...] = (("Host", "hub:8765"),),
) -> Request:
    """Return the head of a request."""
    return Request(method, target, version, Headers(fields))


def status(found: object) -> object:
    """Return the status of a refusal, or what else it is."""
    return found.status if isinstance(found, Refusal) else found


HOST = ("Host", "hub:8765")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (request(), None),
        (request(version="HTTP/1.0"), None),
        (request(version="HTTP/1.0", fields=()), None),  # it came with HTTP/1.1
        (request(version="HTTP/1.2"), None),  # read as HTTP/1.1
        (request(version="HTTP/0.9"), 505),
        (request(version="HTTP/2.0"), 505),
        (request(version="HTTP/9.9"), 505),
        (request("BREW"), 501),
        (request("CONNECT", "hub:8765"), 501),  # this is no proxy
        (request("DELETE"), None),  # a page says what it takes
        (request(fields=()), 400),
        (request(fields=(HOST, HOST)), 400),
        (request(version="HTTP/1.0", fields=(HOST, HOST)), 400),
        (request(fields=(("Host", ""),)), 400),
        (request(fields=(("Host", "a b"),)), 400),
        (request(fields=(("Host", "a/b"),)), 400),
        (request(fields=(("Host", "user@hub"),)), 400),
        (request(fields=(("Host", "hub:80:80"),)), 400),
        (request(fields=(("Host", "[::1]:8765"),)), None),
        (request(fields=(("Host", "[::1"),)), 400),
        (request(target="*"), 400),
        (request(target="healthz"), 400),
        (request(target="/a#b"), 400),
        (request(target="ftp://hub:8765/"), 400),
        (request(target="http://hub:8765/healthz"), None),
        (request(target="HTTP://HUB:8765?a"), None),
        (request(target="http://other:8765/healthz"), 421),
        (request(target="https://hub:8765/healthz"), 421),  # this is not TLS
    ],
)
def test_head_is_judged_by_its_first_line_and_its_host(
    given: Request, expected: int | None
) -> None:
    """Wrong version 505, unknown method 501, another server 421, the rest 400."""
    assert status(judge_head(given, is_tls=False)) == expected


def test_head_that_came_over_tls_may_name_https() -> None:
    """And not http: nobody shall mistake one for the other."""
    secure, plain = (
        request(target=f"{scheme}://hub:8765/") for scheme in ("https", "http")
    )
    assert judge_head(secure, is_tls=True) is None
    assert status(judge_head(plain, is_tls=True)) == 421


def test_refusals_quote_no_more_of_a_stranger_than_has_to_be() -> None:
    """A method of 16 KiB does not come back."""
    refusal = judge_head(request("X" * 16_000), is_tls=False)
    assert isinstance(refusal, Refusal)
    assert len(refusal.text) < 300


LENGTH = ("Content-Length", "7")
CHUNKED = ("Transfer-Encoding", "chunked")


@pytest.mark.parametrize(
    ("method", "version", "fields", "expected"),
    [
        ("GET", "HTTP/1.1", (), 0),
        ("GET", "HTTP/1.1", (LENGTH,), 7),
        ("POST", "HTTP/1.1", (LENGTH,), 7),
        ("POST", "HTTP/1.1", (("Content-Length", "0"),), 0),
        ("POST", "HTTP/1.1", (), 411),
        ("POST", "HTTP/1.1", (("Content-Length", "100"),), 100),
        ("POST", "HTTP/1.1", (("Content-Length", "101"),), 413),
        ("POST", "HTTP/1.1", (LENGTH, LENGTH), 400),  # the same twice, too
        ("POST", "HTTP/1.1", (("Content-Length", "7, 7"),), 400),
        ("POST", "HTTP/1.1", (("Content-Length", "+7"),), 400),
        ("POST", "HTTP/1.1", (("Content-Length", "-7"),), 400),
        ("POST", "HTTP/1.1", (("Content-Length", "0x7"),), 400),
        ("POST", "HTTP/1.1", (("Content-Length", "7 7"),), 400),
        ("POST", "HTTP/1.1", (("Content-Length", "²"),), 400),
        ("POST", "HTTP/1.1", (("Content-Length", ""),), 400),
        ("POST", "HTTP/1.1", (("Content-Length", "9" * 16),), 400),
        ("POST", "HTTP/1.1", (CHUNKED,), 411),
        ("GET", "HTTP/1.1", (CHUNKED,), 411),
        ("POST", "HTTP/1.1", (("Transfer-Encoding", "Chunked "),), 411),
        ("POST", "HTTP/1.1", (CHUNKED, LENGTH), 400),
        ("POST", "HTTP/1.1", (LENGTH, CHUNKED), 400),
        ("POST", "HTTP/1.0", (CHUNKED,), 400),
        ("POST", "HTTP/1.1", (CHUNKED, CHUNKED), 501),
        ("POST", "HTTP/1.1", (("Transfer-Encoding", "gzip, chunked"),), 501),
        ("POST", "HTTP/1.1", (("Transfer-Encoding", "\x0bchunked"),), 501),
        ("POST", "HTTP/1.1", (("Transfer-Encoding", ""),), 501),
    ],
)
def test_body_has_one_length_that_nobody_can_read_in_two_ways(
    method: str, version: str, fields: tuple[tuple[str, str], ...], expected: object
) -> None:
    """Anything else would let one request be hidden in the body of another."""
    found = body_length(request(method, version=version, fields=(HOST, *fields)), 100)
    assert status(found) == expected


def test_body_has_no_limit_where_that_was_typed() -> None:
    """But for the number of digits."""
    given = request(fields=(HOST, ("Content-Length", "9" * 15)))
    assert body_length(given, None) == 999_999_999_999_999


@pytest.mark.parametrize(
    ("version", "values", "expected"),
    [
        ("HTTP/1.1", (), False),
        ("HTTP/1.1", ("100-continue",), True),
        ("HTTP/1.1", ("100-Continue",), True),
        ("HTTP/1.0", ("100-continue",), False),
        ("HTTP/1.1", ("tea",), 417),
        ("HTTP/1.1", ("100-continue", "tea"), 417),
    ],
)
def test_body_is_held_back_only_as_http_knows_it(
    version: str, values: tuple[str, ...], expected: object
) -> None:
    """Other expectations cannot be met (417); HTTP/1.0 has none."""
    fields = tuple(("Expect", value) for value in values)
    assert status(expects_continue(request(version=version, fields=fields))) == expected


@pytest.mark.parametrize(
    ("version", "values", "expected"),
    [
        ("HTTP/1.1", (), True),
        ("HTTP/1.1", ("keep-alive",), True),
        ("HTTP/1.1", ("close",), False),
        ("HTTP/1.1", ("x, Close",), False),
        ("HTTP/1.1", ("x", "close"), False),
        ("HTTP/1.2", (), True),
        ("HTTP/1.0", (), False),
        ("HTTP/1.0", ("Keep-Alive",), True),
        ("HTTP/1.0", ("keep-alive", "close"), False),
    ],
)
def test_connection_is_kept_as_the_client_wants_it(
    version: str, values: tuple[str, ...], expected: bool
) -> None:
    """By default in HTTP/1.1, only when asked for in HTTP/1.0."""
    fields = tuple(("Connection", value) for value in values)
    assert stays_open(request(version=version, fields=fields)) is expected


@given(
    st.sampled_from(["GET", "POST", "HEAD", "X"]),
    st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/3.0"]),
    st.lists(
        st.tuples(
            st.sampled_from(["Host", "Content-Length", "Transfer-Encoding", "Expect"]),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
        ),
        max_size=5,
    ),
)
def test_requests_are_judged_whatever_they_say(
    method: str, version: str, fields: list[tuple[str, str]]
) -> None:
    """No head that can be read raises, and a length is never below zero."""
    lines = [f"{method} / {version}", *(f"{name}: {text}" for name, text in fields)]
    head = HeadReader().feed("\r\n".join([*lines, "", ""]).encode())
    assert isinstance(head, Request)
    judge_head(head, is_tls=False)
    expects_continue(head)
    stays_open(head)
    length = body_length(head, 1000)
    assert isinstance(length, Refusal) or 0 <= length <= 1000
