"""Request and response heads are read from hostile bytes, and written safely."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import LocalError
from wavetank.wire.http import (
    MAX_FIELDS,
    Element,
    Headers,
    HeadReader,
    Refusal,
    Request,
    Response,
    encode_refusal,
    encode_request,
    encode_response,
    is_token,
    parse_elements,
)

Cut = Callable[[bytes, int], Iterator[bytes]]
HEAD = b"GET /ws?a=1 HTTP/1.1\r\nHost: example\r\nX-A:  1 \t\r\nx-a: 2\r\n\r\n"


def read(head: bytes) -> Request | Refusal | None:
    """Return what a server makes of some bytes."""
    return HeadReader().feed(head)


def refused(head: bytes) -> tuple[int, str]:
    """Return how a server refuses some bytes."""
    refusal = read(head)
    assert isinstance(refusal, Refusal)
    return refusal.status, refusal.text


def with_field(line: bytes) -> bytes:
    """Return a request with one header line."""
    return b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n"


# Reading a request


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_reader_returns_a_request_when_its_head_is_complete(
    in_chunks: Cut, size: int
) -> None:
    """A head comes out once, whole, and what is behind it is kept."""
    reader = HeadReader()
    seen = [reader.feed(chunk) for chunk in in_chunks(HEAD + b"\x81\x80frames", size)]
    heads = [head for head in seen if head is not None]
    assert heads == [
        Request(
            "GET",
            "/ws?a=1",
            "HTTP/1.1",
            Headers([("Host", "example"), ("X-A", "1"), ("x-a", "2")]),
        )
    ]
    assert reader.rest == b"\x81\x80frames"


def test_reader_waits_while_the_head_is_not_complete() -> None:
    """Nothing is returned before the empty line."""
    reader = HeadReader()
    assert reader.feed(HEAD[:-1]) is None
    assert reader.statistics() == {"buffered": len(HEAD) - 1, "max_bytes": 16_384}
    assert reader.feed(b"") is None
    assert reader.feed(HEAD[-1:]) is not None
    assert reader.statistics()["buffered"] == 0


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1 ",
        b"GET  / HTTP/1.1",
        b"GET /",
        b"GET / HTTP/1",
        b"GET / http/1.1",
        b"GET /\xc3\xa4 HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET / HTTP/1.1\x00",
        b"HTTP/1.1 200 OK",
    ],
)
def test_reader_refuses_a_request_line_that_is_malformed(line: bytes) -> None:
    """Anything but method, target and version with one blank between is 400."""
    assert refused(line + b"\r\nHost: a\r\n\r\n") == (
        400,
        "the request line is malformed",
    )


def test_reader_ignores_one_empty_line_before_the_request() -> None:
    """RFC 9112 2.2 asks for it."""
    assert isinstance(read(b"\r\n" + HEAD), Request)
    assert refused(b"\r\n\r\n" + HEAD)[0] == 400


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"NoColon", "the name of a header field is malformed"),
        (b": value", "the name of a header field is malformed"),
        (b"Name : value", "the name of a header field is malformed"),
        (b"Na me: value", "the name of a header field is malformed"),
        (b"Na\x00me: value", "the name of a header field is malformed"),
        (b"N\xc3\xa4me: value", "the name of a header field is malformed"),
        (b"A: a\x00b", "the value of header field A is malformed"),
        (b"A: a\rb", "the value of header field A is malformed"),
        (b"A: a\nB: b", "the value of header field A is malformed"),
        (b"A: a\x0bb", "the value of header field A is malformed"),
        (b"A: a\x7f", "the value of header field A is malformed"),
        (b"A: a\r\n b", "a header field goes on over a second line"),
        (b"A: a\r\n\tb", "a header field goes on over a second line"),
        (b" A: a", "a header field goes on over a second line"),
    ],
)
def test_reader_refuses_a_header_field_that_is_malformed(
    line: bytes, text: str
) -> None:
    """Names are tokens, values have no control characters, lines are not folded."""
    assert refused(with_field(line)) == (400, text)


def test_reader_takes_the_values_that_http_allows() -> None:
    """Empty values, blanks inside, and bytes above ASCII are legal."""
    head = read(with_field(b"A:\r\nB: a \t b\r\nC: \xe4\r\nD: x\x85y"))
    assert isinstance(head, Request)
    assert list(head.headers) == [
        ("A", ""),
        ("B", "a \t b"),
        ("C", "ä"),
        ("D", "x\x85y"),
    ]


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\nrest",
        b"GET / HTTP/1.1\r\nHost: a\n\r\nrest",
    ],
)
def test_reader_refuses_lines_that_end_without_cr_lf(head: bytes) -> None:
    """A bare LF is refused at once: two readers would see two heads."""
    assert refused(head) == (400, "a line ends without CR LF")


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_reader_refuses_a_head_that_is_too_large(in_chunks: Cut, size: int) -> None:
    """Beyond 16 KiB a head is refused, complete or not, and nothing is kept."""
    reader = HeadReader()
    endless = b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000
    seen = [reader.feed(chunk) for chunk in in_chunks(endless, size)]
    (refusal,) = [head for head in seen if head is not None]
    assert refusal == Refusal(431, "the head is over 16384 bytes")
    assert reader.statistics()["buffered"] == 0
    assert reader.rest == b""


def test_reader_takes_a_head_at_its_limit() -> None:
    """The limit counts the empty line, too."""
    assert isinstance(HeadReader(len(HEAD)).feed(HEAD), Request)
    seen = HeadReader(len(HEAD) - 1).feed(HEAD + b"more")
    assert isinstance(seen, Refusal)
    assert seen.status == 431


def test_reader_refuses_too_many_fields() -> None:
    """Small fields are bounded by their number."""
    assert isinstance(read(with_field(b"\r\n".join([b"a:"] * MAX_FIELDS))), Request)
    fields = b"\r\n".join([b"a:"] * (MAX_FIELDS + 1))
    assert refused(with_field(fields)) == (431, "the head has more than 128 fields")


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"\x16\x03\x01", "this is TLS, where plain HTTP was expected"),
        (b"\x00", "this is not HTTP"),
        (b"\n", "this is not HTTP"),
        (b"\xffGET", "this is not HTTP"),
        (b" GET", "this is not HTTP"),
    ],
)
def test_reader_refuses_at_once_what_cannot_become_a_head(
    start: bytes, text: str
) -> None:
    """A peer that speaks something else learns it now, not at a time-out."""
    assert refused(start) == (400, text)


def test_reader_drops_what_comes_after_a_refusal() -> None:
    """Bytes behind a bad head are nobody's."""
    reader = HeadReader()
    assert reader.feed(b"bad\r\n\r\nrest") == Refusal(
        400, "the request line is malformed"
    )
    assert reader.feed(b"more") is None
    assert reader.rest == b""
    assert repr(reader).startswith("<HeadReader of Request done ")


def test_reader_adds_later_bytes_to_the_rest() -> None:
    """Frames that come before the handshake is answered are not lost."""
    reader = HeadReader()
    reader.feed(HEAD + b"ab")
    assert reader.feed(b"cd") is None
    assert reader.rest == b"abcd"


@given(st.binary(max_size=200), st.integers(1, 20))
def test_reader_takes_any_bytes_in_any_chunks(data: bytes, size: int) -> None:
    """Hostile bytes never raise, and chunks do not change a head."""
    for prefix in (b"", b"GET / HTTP/1.1\r\n", HEAD):
        reader = HeadReader(100)
        stream = prefix + data
        seen = [
            reader.feed(stream[start : start + size])
            for start in range(0, len(stream), size)
        ]
        heads = [head for head in seen if head is not None]
        assert len(heads) <= 1
        whole = HeadReader(100).feed(stream)
        if isinstance(whole, Request):
            assert heads == [whole]
        assert isinstance(whole, Request) or prefix != HEAD


# Reading a response


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"HTTP/1.1 101 Switching Protocols", (101, "Switching Protocols", "HTTP/1.1")),
        (b"HTTP/1.0 404 Not Found", (404, "Not Found", "HTTP/1.0")),
        (b"HTTP/1.1 200 ", (200, "", "HTTP/1.1")),
        (b"HTTP/1.1 200", (200, "", "HTTP/1.1")),
        (b"HTTP/1.1 999 \xe4", (999, "ä", "HTTP/1.1")),
    ],
)
def test_reader_returns_a_response(line: bytes, expected: tuple[int, str, str]) -> None:
    """A status line has a version, three digits and perhaps a phrase."""
    reader = HeadReader(of=Response)
    response = reader.feed(line + b"\r\nA: b\r\n\r\nrest")
    assert isinstance(response, Response)
    assert (response.status, response.reason, response.version) == expected
    assert response.headers.get("a") == "b"
    assert reader.rest == b"rest"


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 200OK",
        b"http/1.1 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b"GET / HTTP/1.1",
    ],
)
def test_reader_refuses_a_status_line_that_is_malformed(line: bytes) -> None:
    """A broken answer is told from a refusal by its text."""
    refusal = HeadReader(of=Response).feed(line + b"\r\n\r\n")
    assert refusal == Refusal(400, "the status line is malformed")


def test_reader_refuses_a_response_with_malformed_fields() -> None:
    """Fields are judged in both directions."""
    refusal = HeadReader(of=Response).feed(b"HTTP/1.1 101 a\r\nA : b\r\n\r\n")
    assert refusal == Refusal(400, "the name of a header field is malformed")


# Values


def test_reader_quotes_a_bounded_part_of_a_field_that_it_refuses() -> None:
    """A stranger cannot make answers and log lines as long as his requests."""
    status, text = refused(with_field(b"N" * 9000 + b": a\x00b"))
    assert status == 400
    assert len(text) < 200


def test_headers_keep_order_and_duplicates_and_ignore_case() -> None:
    """Nothing is folded, joined or lost."""
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3")])
    assert headers.all("a") == headers.all("A") == ("1", "3")
    assert headers.get("B") == "2"
    assert headers.get("c") is None
    assert headers.get("c", "4") == "4"
    assert "b" in headers
    assert "c" not in headers
    assert 3 not in headers
    assert len(headers) == 3
    assert list(headers) == [("A", "1"), ("b", "2"), ("a", "3")]


def test_headers_are_equal_when_their_pairs_are() -> None:
    """Headers are a value."""
    assert Headers([("A", "1")]) == Headers((("A", "1"),))
    assert hash(Headers([("A", "1")])) == hash(Headers([("A", "1")]))
    assert Headers([("A", "1")]) != Headers([("a", "1")])
    assert Headers() != ()


def test_headers_do_not_show_credentials() -> None:
    """A log line or a report never has a token in it."""
    shown = repr(Headers([("Authorization", "Bearer s"), ("COOKIE", "s"), ("A", "b")]))
    assert shown == "Headers([('Authorization', '***'), ('COOKIE', '***'), ('A', 'b')])"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/ws?a=1&b=?", "/ws", "a=1&b=?"),
        ("//ws", "//ws", ""),
        ("http://host:1/ws?a", "/ws", "a"),
        ("http://host", "/", ""),
        ("http://host?a", "/", "a"),
        ("*", "/", ""),
    ],
)
def test_request_tells_path_from_query(target: str, path: str, query: str) -> None:
    """Both forms of a target that a server has to take (RFC 9112 3.2)."""
    request = Request("GET", target, "HTTP/1.1", Headers())
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("Sec-WebSocket-Key", 1), ("!#$%&'*+-.^_`|~", 1), ("", 0), ("a b", 0), ("a\n", 0)],
)
def test_token_is_told_from_other_text(text: str, answer: int) -> None:
    """Tokens have no blanks, and are not empty."""
    assert is_token(text) is bool(answer)


# Lists


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ()),
        ([""], ()),
        ([" , ,"], ()),
        (["a"], (Element("a"),)),
        (["a, b", "c"], (Element("a"), Element("b"), Element("c"))),
        ([",a ,, b ,"], (Element("a"), Element("b"))),
        (["a; b; c=d"], (Element("a", (("b", None), ("c", "d"))),)),
        (['a;b="c",d'], (Element("a", (("b", "c"),)), Element("d"))),
        (['a; b="c, \\"d\\"; e"'], (Element("a", (("b", 'c, "d"; e'),)),)),
        (["a; b=1; b=1"], (Element("a", (("b", "1"), ("b", "1"))),)),
        (["a ; b = c"], (Element("a", (("b", "c"),)),)),
    ],
)
def test_list_is_read_into_its_elements(
    values: list[str], expected: tuple[Element, ...]
) -> None:
    """Names and parameters in order, quotes taken off, empty elements left out."""
    assert parse_elements(values) == expected


@pytest.mark.parametrize(
    "value",
    [
        "a b",
        "a;",
        "a; =b",
        "a; b=",
        'a; b="c',
        "a; b=c d",
        "a=b",
        "ä",
        "a, ;",
        '"a"',
        "a;;b",
    ],
)
def test_list_is_refused_when_it_is_malformed(value: str) -> None:
    """What is not a list is None, whatever the other values are."""
    assert parse_elements(["fine", value]) is None


@pytest.mark.parametrize(
    "value",
    [
        " " * 16_000,
        "a" + " " * 16_000 + "b",
        "a;" + " " * 16_000,
        "a; b=" + '"' + "\\" * 16_000,
        'a; b="' + '\\"' * 8_000,
        "a; b" * 4_000,
        "a;b=c" * 3_000,
        "," * 16_000,
        "a," * 8_000,
        "a;" * 8_000,
    ],
)
def test_list_of_hostile_length_is_read_to_its_end(value: str) -> None:
    """Blanks, quotes and commas without end do not make the reader try again."""
    elements = parse_elements([value])
    assert elements is None or len(elements) <= 8_000


@given(st.lists(st.text(alphabet='ab;=,"\\ \t', max_size=30), max_size=3))
def test_list_takes_any_text(values: list[str]) -> None:
    """Hostile text never raises."""
    elements = parse_elements(values)
    assert elements is None or all(is_token(element.name) for element in elements)


# Writing

NAMES = st.text(alphabet="abcXYZ-_0", min_size=1, max_size=8)
VALUES = st.text(
    alphabet=st.characters(min_codepoint=0x20, max_codepoint=0xFF).filter(
        lambda character: not 0x7F <= ord(character) < 0x80
    ),
    max_size=20,
).map(lambda value: value.strip(" \t"))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=5)


@given(st.sampled_from(["GET", "POST"]), FIELDS)
def test_request_is_read_as_it_was_written(
    method: str, fields: list[tuple[str, str]]
) -> None:
    """A head survives the wire, in order and with its duplicates."""
    head = read(encode_request(method, "/a?b", fields))
    assert head == Request(method, "/a?b", "HTTP/1.1", Headers(fields))


@given(st.integers(200, 599), FIELDS)
def test_response_is_read_as_it_was_written(
    status: int, fields: list[tuple[str, str]]
) -> None:
    """The length of the body is added where a response may have one."""
    reader = HeadReader(of=Response)
    head = reader.feed(encode_response(status, fields, b"body"))
    assert isinstance(head, Response)
    assert head.status == status
    assert list(head.headers)[: len(fields)] == fields
    assert head.headers.get("Content-Length") == (None if status == 204 else "4")
    assert reader.rest == b"body"


def test_response_has_its_usual_phrase() -> None:
    """A status is written with the phrase that HTTP gives it."""
    assert encode_response(431).startswith(
        b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    )
    assert encode_response(299).startswith(b"HTTP/1.1 299 \r\n")
    assert encode_response(200, reason="Fine").startswith(b"HTTP/1.1 200 Fine\r\n")


@pytest.mark.parametrize("status", [101, 204])
def test_response_without_a_body_has_no_length(status: int) -> None:
    """Neither 1xx nor 204 may have Content-Length (RFC 9110 8.6)."""
    assert b"Content-Length" not in encode_response(status)


def test_response_keeps_the_length_that_it_is_given() -> None:
    """The answer to HEAD names the length of a body that it does not have."""
    head = encode_response(200, [("content-length", "5")])
    assert head.lower().count(b"content-length") == 1


@pytest.mark.parametrize(
    "field", [("A\r\nB", "c"), ("A", "b\r\nC: d"), ("A", "b\0"), ("", "b"), ("A", "€")]
)
def test_head_is_not_written_when_a_field_would_break_it(
    field: tuple[str, str],
) -> None:
    """No value can smuggle a second field in."""
    with pytest.raises(LocalError):
        encode_request("GET", "/", [field])
    with pytest.raises(LocalError):
        encode_response(200, [field])


@pytest.mark.parametrize(
    ("method", "target"),
    [("G T", "/"), ("GET", "/ HTTP/1.1\r\n"), ("GET", ""), ("", "/")],
)
def test_request_is_not_written_when_its_line_would_be_broken(
    method: str, target: str
) -> None:
    """Method and target cannot smuggle a second request in."""
    with pytest.raises(LocalError):
        encode_request(method, target, [])


def test_response_is_not_written_when_its_phrase_would_break_it() -> None:
    """Nor can a phrase."""
    with pytest.raises(LocalError):
        encode_response(200, reason="a\r\nB: c")


def test_request_is_written_whatever_it_is_when_it_is_not_checked() -> None:
    """A rude peer writes what HTTP forbids, on purpose."""
    head = encode_request(
        "G T", "/ä", [("A\r\n b", "€")], version="HTTP/9", checked=False
    )
    assert head == "G T /ä HTTP/9\r\nA\r\n b: €\r\n\r\n".encode()


def test_refusal_is_written_with_its_text_and_ends_the_connection() -> None:
    """Whoever reads it with plain eyes knows what to do."""
    refusal = Refusal(426, "use version 13", (("Sec-WebSocket-Version", "13"),))
    reader = HeadReader(of=Response)
    head = reader.feed(encode_refusal(refusal))
    assert isinstance(head, Response)
    assert (head.status, head.reason) == (426, "Upgrade Required")
    assert list(head.headers) == [
        ("Sec-WebSocket-Version", "13"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Connection", "close"),
        ("Content-Length", "15"),
    ]
    assert reader.rest == b"use version 13\n"
