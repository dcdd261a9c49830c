"""Plain HTTP requests."""

import pytest

from wavetank.wire import Headers, Request
from wavetank.wrecks.pages import answer


@pytest.mark.parametrize(
    ("method", "path", "line", "body"),
    [
        ("GET", "/healthz", b"HTTP/1.1 200 OK", b"ok\n"),
        ("GET", "/api/websocket/status", b"HTTP/1.1 200 OK", b'{"open": 3}'),
        ("POST", "/healthz", b"HTTP/1.1 405 Method Not Allowed", b"GET"),
        ("GET", "/nowhere", b"HTTP/1.1 404 Not Found", b"/nowhere"),
    ],
)
def test_pages_say_what_is_asked_for(
    method: str, path: str, line: bytes, body: bytes
) -> None:
    """Health and status are there; nothing else is, and nothing but GET."""
    response = answer(Request(method, path, "HTTP/1.1", Headers([])), {"open": 3})
    assert response.startswith(line + b"\r\n")
    assert body in response.partition(b"\r\n\r\n")[2]
