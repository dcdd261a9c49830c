"""Answers to a client's opening handshake: those that open, and those that must not.

They refuse to know subprotocols and extensions, and how a client is judged.
"""

from typing import Any, Final

from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.openings import SUBPROTOCOL, Opening

__all__ = ["OPENINGS", "opening"]

_CLIENT: Final = "RFC 6455 4.1"
_ACCEPT: Final = "Sec-WebSocket-Accept"
_OTHERS: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The accept key of the example in RFC 6455 1.3; that key is nobody's but its own."""


def opening(
    number: int, title: str, clause: str, *, opens: bool, **how: Any
) -> Opening:
    """Return the row of an answer."""
    return Opening(id=f"K.{number}", title=title, clause=clause, opens=opens, **how)


# Answers that open.


def _named(name: str) -> dict[str, tuple[str, ...] | str | None]:
    """Return the fields of the handshake with their names in another case."""
    return {
        getattr("Upgrade", name)(): "websocket",
        getattr("Connection", name)(): "Upgrade",
        getattr(_ACCEPT, name)(): "{accept}",
    }


_RIGHT = (
    opening(20, "A right answer opens.", _CLIENT, opens=True),
    opening(
        21,
        "An answer with field names in lower case opens.",
        "RFC 9110 5.1",
        opens=True,
        change=_named("lower"),
    ),
    opening(
        22,
        "An answer with field names in upper case opens.",
        "RFC 9110 5.1",
        opens=True,
        change=_named("upper"),
    ),
    *(
        opening(
            number,
            f"An answer with `{name}: {value}` opens.",
            clause,
            opens=True,
            change={name: value},
        )
        for number, name, value, clause in (
            (23, "Upgrade", "WebSocket", _CLIENT),
            (24, "Upgrade", "WEBSOCKET", _CLIENT),
            (25, "Connection", "upgrade", _CLIENT),
            (26, "Connection", "UPGRADE", _CLIENT),
            (27, "Connection", "keep-alive, Upgrade", _CLIENT),
            (28, "Connection", "Upgrade,keep-alive", _CLIENT),
        )
    ),
    opening(
        29,
        "An answer with Connection in two lines opens.",
        "RFC 9110 5.3",
        opens=True,
        change={"Connection": ("keep-alive", "Upgrade")},
    ),
    opening(
        30,
        "An answer with spaces around the accept key opens.",
        _CLIENT,
        opens=True,
        change={_ACCEPT: "\t {accept} \t"},
    ),
    opening(
        31,
        "An answer without spaces behind the colons opens.",
        "RFC 9112 5",
        opens=True,
        change={"Upgrade": None, "Connection": None},
        lines=(b"Upgrade:websocket\r\n", b"Connection:Upgrade\r\n"),
    ),
    opening(
        32,
        "An answer with fields that the client does not know opens.",
        "RFC 9110 5.1",
        opens=True,
        change={
            "Server": "Wavetank",
            "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
            "X-Wavetank": ("one", "two", ""),
            "Set-Cookie": ("a=1; Path=/", "b=2; Path=/"),
        },
    ),
    opening(
        33,
        "An answer with a field of 4000 bytes opens.",
        "RFC 9110 5.4",
        level=Level.SHOULD,
        opens=True,
        change={"X-Wavetank": "*" * 4000},
    ),
    opening(
        34,
        "An answer with another reason phrase opens.",
        "RFC 9112 4",
        opens=True,
        line="HTTP/1.1 101 Web Socket Protocol Handshake",
    ),
    opening(
        35,
        "An answer with an empty reason phrase opens.",
        "RFC 9112 4",
        opens=True,
        line="HTTP/1.1 101 ",
    ),
    opening(
        36,
        "An answer in writes of one byte opens.",
        "RFC 9112 2.2",
        opens=True,
        piece=1,
    ),
    opening(
        37,
        "Frames in one write with the answer are read.",
        "RFC 6455 4.1",
        opens=True,
        is_joined=True,
    ),
    opening(
        38,
        "An interim answer before the right one is passed over.",
        "RFC 9110 15.2",
        level=Level.SHOULD,
        opens=True,
        line="HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
        "HTTP/1.1 101 Switching Protocols",
    ),
)

# Answers whose fields are wrong.

_FIELDS = (
    *(
        opening(
            number,
            f"An answer {what} does not open.",
            _CLIENT,
            opens=False,
            change={_ACCEPT: value},
        )
        for number, what, value in (
            (39, "without an accept key", None),
            (40, "with an empty accept key", ""),
            (41, "with the accept key of another key", _OTHERS),
            (42, "with the accept key in the other case", "{swapped}"),
            (43, "with the client's key as accept key", "{key}"),
            (44, "with an accept key and more behind it", "{accept}="),
            (45, "with an accept key in quotes", '"{accept}"'),
            (46, "with two accept keys in one line", f"{{accept}}, {_OTHERS}"),
        )
    ),
    opening(
        47,
        "An answer with a wrong accept key before the right one does not open.",
        "RFC 6455 11.3.3",
        opens=False,
        level=Level.SHOULD,
        change={_ACCEPT: (_OTHERS, "{accept}")},
    ),
    opening(
        48,
        "An answer with the right accept key twice does not open.",
        "RFC 6455 11.3.3",
        opens=False,
        level=Level.MAY,
        change={_ACCEPT: ("{accept}", "{accept}")},
    ),
    *(
        opening(
            number,
            f"An answer {what} does not open.",
            _CLIENT,
            opens=False,
            change={name: value},
        )
        for number, what, name, value in (
            (49, "without Upgrade", "Upgrade", None),
            (50, "with an empty Upgrade", "Upgrade", ""),
            (51, "with `Upgrade: h2c`", "Upgrade", "h2c"),
            (52, "with `Upgrade: websockets`", "Upgrade", "websockets"),
            (53, "without Connection", "Connection", None),
            (54, "with an empty Connection", "Connection", ""),
            (55, "with `Connection: keep-alive`", "Connection", "keep-alive"),
            (56, "with `Connection: close`", "Connection", "close"),
            (57, "with `Connection: Upgraded`", "Connection", "Upgraded"),
        )
    ),
    opening(
        58,
        "An answer without any field does not open.",
        _CLIENT,
        opens=False,
        change={"Upgrade": None, "Connection": None, _ACCEPT: None, SUBPROTOCOL: None},
    ),
)

# Answers of another status.

_STATUSES = (
    *(
        opening(
            number,
            f"An answer of {line.partition(' ')[2]} does not open, whatever its "
            "fields say.",
            _CLIENT,
            opens=False,
            line=line,
            change={"Content-Length": "0", **change},
        )
        for number, line, change in (
            (59, "HTTP/1.1 200 OK", {}),
            (60, "HTTP/1.1 201 Created", {}),
            (61, "HTTP/1.1 204 No Content", {"Content-Length": None}),
            (62, "HTTP/1.1 301 Moved Permanently", {"Location": "/moved"}),
            (63, "HTTP/1.1 302 Found", {"Location": "/found"}),
            (64, "HTTP/1.1 307 Temporary Redirect", {"Location": "/elsewhere"}),
            (65, "HTTP/1.1 400 Bad Request", {}),
            (66, "HTTP/1.1 401 Unauthorized", {"WWW-Authenticate": 'Basic realm="x"'}),
            (67, "HTTP/1.1 403 Forbidden", {}),
            (68, "HTTP/1.1 404 Not Found", {}),
            (69, "HTTP/1.1 426 Upgrade Required", {"Sec-WebSocket-Version": "99"}),
            (70, "HTTP/1.1 500 Internal Server Error", {}),
            (71, "HTTP/1.1 503 Service Unavailable", {"Retry-After": "1"}),
        )
    ),
    opening(
        72,
        "A right answer in HTTP/1.0 does not open.",
        _CLIENT,
        opens=False,
        level=Level.SHOULD,
        line="HTTP/1.0 101 Switching Protocols",
    ),
    *(
        opening(
            number,
            f"A right answer whose first line is {line!r} does not open.",
            "RFC 9112 4",
            opens=False,
            line=line,
        )
        for number, line in (
            (73, "HTTP/1.1 1010 Switching Protocols"),
            (74, "HTTP/1.1 1O1 Switching Protocols"),
            (75, "ICY 101 Switching Protocols"),
            (76, "101 Switching Protocols"),
        )
    ),
)

# What is no answer.

_BROKEN = (
    *(
        opening(
            number,
            f"{what} in place of an answer does not open.",
            _CLIENT,
            opens=False,
            raw=raw,
        )
        for number, what, raw in (
            (77, "A line of another protocol", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
            (
                78,
                "An alert of TLS",
                bytes.fromhex("15 03 01 00 02 02 46") + b"\r\n\r\n",
            ),
            (79, "A page without a head", b"<!doctype html><p>Hello</p>\r\n\r\n"),
            (80, "256 bytes of every value", bytes(range(256)) + b"\r\n\r\n"),
        )
    ),
    opening(
        81,
        "A right answer with a line that is no field does not open.",
        "RFC 9112 5",
        opens=False,
        level=Level.SHOULD,
        lines=(b"this is no field\r\n",),
    ),
    opening(
        82,
        "A right answer with a NUL in a field does not open.",
        "RFC 9110 5.5",
        opens=False,
        level=Level.SHOULD,
        lines=(b"X-Wavetank: a\x00b\r\n",),
    ),
    opening(
        83,
        "An answer that ends in the middle of its head does not open.",
        "RFC 9112 8",
        opens=False,
        cut=20,
    ),
    opening(
        84,
        "An answer that ends before its last empty line does not open.",
        "RFC 9112 8",
        opens=False,
        cut=2,
    ),
    opening(
        85,
        "An answer with fields of 1 MiB and no end is given up.",
        "RFC 6455 10.4",
        opens=False,
        level=Level.SHOULD,
        filler=2**20,
    ),
    opening(
        86,
        "A client without an answer sends nothing; it waits, or gives up.",
        _CLIENT,
        opens=False,
        is_silent=True,
    ),
)

OPENINGS: tuple[Opening, ...] = (*_RIGHT, *_FIELDS, *_STATUSES, *_BROKEN)
"""K.20 to K.38: right ones; K.39 to K.58: wrong fields; K.59 to K.76: another status;
K.77 to K.86: no answer at all."""
