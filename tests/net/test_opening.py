"""Opening handshakes in which any line may be wrong."""

import pytest
from websockets.uri import parse_uri

from wavetank.net.opening import opening_request
from wavetank.wire import HeadReader, Request, Upgrade, judge_request

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ADDRESS = parse_uri("ws://there:9000/ws?a=1")


def _lines(request: bytes) -> list[str]:
    return request.decode().split("\r\n")


def test_an_unchanged_request_is_a_sound_one() -> None:
    """Without changes a server has nothing to complain about."""
    request = HeadReader().feed(opening_request(ADDRESS, KEY))
    assert isinstance(request, Request)
    assert isinstance(judge_request(request), Upgrade)


def test_a_request_has_the_lines_of_the_handshake_and_then_ones_own() -> None:
    """The order of lines is fixed: request line, handshake, own headers."""
    assert _lines(opening_request(ADDRESS, KEY, [("Cookie", "a=b")])) == [
        "GET /ws?a=1 HTTP/1.1",
        "Host: there:9000",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        "Cookie: a=b",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ws://there/", "there"),
        ("ws://there:443/", "there:443"),
        ("wss://there/", "there"),
        ("wss://[::1]:80/", "[::1]:80"),
    ],
)
def test_the_host_has_a_port_when_it_is_not_the_usual_one(url: str, host: str) -> None:
    """RFC 6455 4.1: the port is left out where it is the scheme's own."""
    assert _lines(opening_request(parse_uri(url), KEY))[1] == f"Host: {host}"


def test_the_request_line_can_be_anything() -> None:
    """Method, target and version are replaced, unchecked."""
    request = opening_request(
        ADDRESS, KEY, method="POST", target="no path", version="HTTP/9"
    )
    assert _lines(request)[0] == "POST no path HTTP/9"


def test_each_header_can_be_left_out_replaced_doubled_or_added() -> None:
    """A change names a header in any case; its place stays the same."""
    request = opening_request(
        ADDRESS,
        KEY,
        [("Cookie", "a"), ("cookie", "b")],
        change={
            "host": None,
            "upgrade": "h2c",
            "Sec-WebSocket-Key": [KEY, "other"],
            "Cookie": "c",
            "X-New": ["1", "2"],
            "X-None": None,
        },
    )
    assert _lines(request)[1:-2] == [
        "Upgrade: h2c",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Key: other",
        "Sec-WebSocket-Version: 13",
        "Cookie: c",
        "X-New: 1",
        "X-New: 2",
    ]


def test_raw_lines_and_other_line_ends_are_sent_as_they_are() -> None:
    """What is no header at all can stand among them."""
    request = opening_request(
        ADDRESS,
        KEY,
        change={"Host": "a\r\nX: b"},
        lines=[b"\x00\xff\r"],
        line_end=b"\n",
    )
    assert b"\nHost: a\nX: b\n" in request
    assert request.endswith(b"Version: 13\n\x00\xff\r\n")
