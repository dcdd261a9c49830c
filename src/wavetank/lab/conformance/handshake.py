"""The opening handshake as a table: what opens a WebSocket, and what must not.

It refuses to know subprotocols and extensions, and how HTTP is cut into lines.
"""

from typing import Final

from wavetank.evidence import Verdict
from wavetank.lab.conformance.asking import (
    ENDS,
    OPENED,
    OPENS,
    REFUSED,
    REFUSES,
    Answer,
    Ask,
    row,
)
from wavetank.lab.conformance.case import Level
from wavetank.wire import Opcode, encode_frame

__all__ = ["ASKS"]

_KEY: Final = "Sec-WebSocket-Key"
_VERSION: Final = "Sec-WebSocket-Version"

_SAMPLE: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of RFC 6455 1.3, answered with s3pPLMBiTxaQ9kYGzzhZRbK+xOo=."""

_EARLY: Final = encode_frame(Opcode.PING, b"early", mask=bytes.fromhex("01020304"))

_PLAIN: Final = {"Upgrade": None, "Connection": None, _KEY: None, _VERSION: None}
"""Leaves a GET that asks for no WebSocket."""

# A server may pass over Upgrade (RFC 9110 7.8) and answer the GET that is left; what
# it cannot do is fail at it.
_HTTP: Final = frozenset(range(200, 500))

# A server may send clients away, whatever they ask for (RFC 6455 4.2.2, steps 3, 4).
_ELSEWHERE = Answer(
    statuses=frozenset({301, 302, 303, 307, 308, 403}),
    note="it does not want us, or not there",
    verdict=Verdict.UNKNOWN,
)
_NOT_OPENED = Answer(statuses=_HTTP)
_OTHER_METHOD = Answer(statuses=_HTTP | {501})
_BAD_HOST = (
    Answer(statuses=frozenset({400})),
    Answer(statuses=REFUSED, note="it should be a 400 (RFC 9112 3.2)"),
)
_OTHER_VERSION = Answer(statuses=REFUSED, has=((_VERSION, "13"),))
_DRAFT = Answer(statuses=OPENED, note="it speaks an Internet-Draft of 2011")
_UNREAD_KEY = Answer(statuses=OPENED, note="it should see that the key is not 16 bytes")
_MAY_REFUSE = Answer(statuses=REFUSED, note="it refuses what is legal")


_OPENING = (
    row(
        "H.1",
        "A plain opening handshake is answered with 101 and the accept key to its key.",
        "RFC 6455 4.2.2",
        OPENS,
        _ELSEWHERE,
    ),
    row(
        "H.2",
        "The key of the RFC's example is answered with the accept key of the RFC.",
        "RFC 6455 1.3",
        OPENS,
        change={_KEY: _SAMPLE},
    ),
    row(
        "H.3",
        "A 101 has neither Content-Length nor Transfer-Encoding.",
        "RFC 9110 8.6, RFC 9112 6.1",
        Answer(statuses=OPENED, lacks=("Content-Length", "Transfer-Encoding")),
    ),
    row(
        "H.4",
        "Names of fields in other cases mean the same.",
        "RFC 9110 5.1",
        OPENS,
        change=_PLAIN,
        lines=(
            b"uPGRADE: websocket\r\n",
            b"CONNECTION: Upgrade\r\n",
            b"sec-websocket-key: " + _SAMPLE.encode() + b"\r\n",
            b"SEC-WEBSOCKET-VERSION: 13\r\n",
        ),
        key=_SAMPLE,
    ),
    row(
        "H.5",
        "Upgrade and Connection in other cases mean the same.",
        "RFC 6455 4.2.1",
        OPENS,
        change={"Upgrade": "WebSocket", "Connection": "UPGRADE"},
    ),
    row(
        "H.6",
        "Connection may name other options beside Upgrade.",
        "RFC 6455 4.2.1",
        OPENS,
        change={"Connection": "keep-alive, Upgrade"},
    ),
    row(
        "H.7",
        "Connection over two lines is one list.",
        "RFC 9110 5.3",
        OPENS,
        change={"Connection": ("keep-alive", "Upgrade")},
    ),
    row(
        "H.8",
        "Empty elements of Connection are passed over.",
        "RFC 9110 5.6.1.2",
        OPENS,
        change={"Connection": ", keep-alive,,Upgrade ,"},
    ),
    row(
        "H.9",
        "Spaces and tabs around values are no part of them.",
        "RFC 9110 5.5",
        OPENS,
        change={"Upgrade": " \twebsocket\t ", _KEY: f"\t {_SAMPLE} ", _VERSION: "13  "},
    ),
    row(
        "H.10",
        "No space is needed behind a colon.",
        "RFC 9112 5",
        OPENS,
        change={"Upgrade": None, _VERSION: None},
        lines=(b"Upgrade:websocket\r\n", b"Sec-WebSocket-Version:13\r\n"),
    ),
    row(
        "H.11",
        "Unknown fields are passed over.",
        "RFC 6455 4.2.1",
        OPENS,
        change={"X-Wavetank": "unknown", "Sec-WebSocket-Wavetank": ("a", "b")},
    ),
    row(
        "H.12",
        "Upgrade may name other protocols beside websocket.",
        "RFC 9110 7.8",
        OPENS,
        Answer(statuses=_HTTP, note="it should find websocket in the list"),
        level=Level.SHOULD,
        change={"Upgrade": "wavetank/1, websocket"},
    ),
    row(
        "H.13",
        "Upgrade twice the same opens or is refused.",
        "RFC 9110 7.8",
        OPENS,
        _NOT_OPENED,
        level=Level.MAY,
        change={"Upgrade": ("websocket", "websocket")},
    ),
    row(
        "H.14",
        "A target in absolute form is taken.",
        "RFC 9112 3.2.2",
        OPENS,
        target="{origin}{path}",
    ),
    row(
        "H.15",
        "A request that comes byte by byte is read.",
        "RFC 9112 2.2",
        OPENS,
        piece=1,
    ),
    row(
        "H.16",
        "An empty line in front of the request is passed over.",
        "RFC 9112 2.2",
        OPENS,
        Answer(statuses=REFUSED, note="it should pass over an empty line"),
        Answer(statuses=frozenset(), note="it should pass over an empty line"),
        level=Level.SHOULD,
        method="\r\nGET",
    ),
    row(
        "H.17",
        "A request line of 8000 bytes is read.",
        "RFC 9112 3",
        OPENS,
        Answer(statuses=REFUSED, note="it should read 8000 bytes of a request line"),
        Answer(statuses=frozenset(), note="it should answer with 414 (RFC 9112 3)"),
        level=Level.SHOULD,
        target="{path}{and}wavetank=" + "x" * 7900,
    ),
    row(
        "H.18",
        "Bytes above ASCII in the value of an unknown field are passed over.",
        "RFC 9110 5.5",
        OPENS,
        Answer(statuses=REFUSED, note="it should take them as they are"),
        level=Level.SHOULD,
        change={"X-Wavetank": "\x80\xa0\xe4\xff"},
    ),
    row(
        "H.19",
        "Content-Length: 0 opens.",
        "RFC 9110 8.6",
        OPENS,
        _MAY_REFUSE,
        level=Level.SHOULD,
        change={"Content-Length": "0"},
    ),
    row(
        "H.20",
        "HTTP/1.2 is read like HTTP/1.1.",
        "RFC 9110 2.5",
        OPENS,
        Answer(statuses=REFUSED | {505}, note="it should read it like HTTP/1.1"),
        Answer(statuses=frozenset(), note="it should read it like HTTP/1.1"),
        level=Level.SHOULD,
        version="HTTP/1.2",
    ),
    # The client has to wait (4.1), so whether early frames are read is left open. That
    # nothing is sent in front of the 101 is not.
    row(
        "H.21",
        "A ping in the same write as the request is not answered in front of the 101.",
        "RFC 6455 4.2.2",
        Answer(statuses=OPENED, pongs=(b"early",)),
        Answer(statuses=OPENED, pongs=(), note="what is behind the request is lost"),
        REFUSES,
        after=_EARLY,
    ),
    row(
        "H.22",
        "A second request behind the first fails the connection: it is no frame.",
        "RFC 6455 4.2.2",
        Answer(statuses=OPENED, fails=True),
        REFUSES,
        Answer(statuses=OPENED, note="what is behind the request is lost"),
        Answer(statuses=frozenset(), note="it should answer the first request first"),
        after=b"GET / HTTP/1.1\r\nHost: wavetank.invalid\r\n\r\n",
    ),
)

_LINE = (
    row(
        "H.23",
        "A GET that asks for no WebSocket is answered without 101 and without 5xx.",
        "RFC 9110 7.8 and 15.5.22",
        Answer(statuses=_HTTP - {426}),
        Answer(statuses=frozenset({426}), has=(("Upgrade", "websocket"),)),
        change=_PLAIN,
    ),
    row(
        "H.24",
        "A path that nobody serves is refused with 4xx.",
        "RFC 6455 4.2.2",
        REFUSES,
        Answer(statuses=frozenset(range(300, 400))),
        OPENS,
        target="/wavetank/nobody/serves/this",
    ),
    row(
        "H.25",
        "POST does not open, and a 405 tells in Allow what does.",
        "RFC 6455 4.2.1, RFC 9110 15.5.6",
        Answer(statuses=_HTTP - {405} | {501}),
        Answer(statuses=frozenset({405}), has=(("Allow", ""),)),
        method="POST",
    ),
    *(
        row(f"H.{number}", f"{name} does not open.", clause, _OTHER_METHOD, method=name)
        for number, name, clause in (
            (26, "PUT", "RFC 6455 4.2.1"),
            (27, "HEAD", "RFC 6455 4.2.1"),
            (28, "OPTIONS", "RFC 6455 4.2.1"),
            (29, "get", "RFC 9110 9.1"),
        )
    ),
    row(
        "H.30",
        "HTTP/1.0 does not open.",
        "RFC 9110 7.8",
        Answer(statuses=_HTTP | {505}),
        ENDS,
        version="HTTP/1.0",
    ),
    row(
        "H.31",
        "HTTP/0.9 does not open.",
        "RFC 6455 4.2.1",
        Answer(statuses=REFUSED | {505}),
        Answer(statuses=frozenset()),
        version="HTTP/0.9",
    ),
    row(
        "H.32",
        "HTTP/2.0 in the words of HTTP/1.1 is refused.",
        "RFC 9110 2.5",
        Answer(statuses=REFUSED | {505}),
        Answer(statuses=OPENED, note="it takes HTTP/2.0 for HTTP/1.1"),
        ENDS,
        level=Level.SHOULD,
        version="HTTP/2.0",
    ),
    *(
        row(
            f"H.{number}",
            f"{what} in the target is refused.",
            "RFC 9112 3",
            Answer(statuses=REFUSED | {301}),
            Answer(statuses=OPENED, note="it should refuse the request line"),
            ENDS,
            level=Level.SHOULD,
            target=target,
        )
        for number, what, target in (
            (33, "A fragment", "{path}#fragment"),
            (34, "A space", "{path} x"),
        )
    ),
)

_HOST = (
    row(
        "H.35",
        "A request without Host is refused with 400.",
        "RFC 9112 3.2",
        *_BAD_HOST,
        change={"Host": None},
    ),
    row(
        "H.36",
        "Two lines of Host are refused with 400.",
        "RFC 9112 3.2",
        *_BAD_HOST,
        change={"Host": ("one.invalid", "two.invalid")},
    ),
    row(
        "H.37",
        "A Host that is none is refused with 400.",
        "RFC 9112 3.2",
        *_BAD_HOST,
        change={"Host": "a b/c"},
    ),
    row(
        "H.38",
        "An empty Host is refused.",
        "RFC 6455 4.2.1",
        REFUSES,
        Answer(statuses=OPENED, note="it should want to be named"),
        level=Level.SHOULD,
        change={"Host": ""},
    ),
)

_UPGRADE = tuple(
    row(
        f"H.{number}",
        f"{what} does not open.",
        "RFC 6455 4.2.1",
        _NOT_OPENED,
        change=change,
    )
    for number, what, change in (
        (39, "A request without Upgrade", {"Upgrade": None}),
        (40, "An empty Upgrade", {"Upgrade": ""}),
        (41, "Upgrade to another protocol", {"Upgrade": "wavetank/1"}),
        (42, "Upgrade to websockets", {"Upgrade": "websockets"}),
        (43, "A request without Connection", {"Connection": None}),
        (44, "An empty Connection", {"Connection": ""}),
        (45, "Connection without Upgrade", {"Connection": "keep-alive"}),
        (46, "Connection with NoUpgrade", {"Connection": "NoUpgrade"}),
    )
)

_KEYS = (
    *(
        row(f"H.{number}", f"{what} is refused.", clause, REFUSES, change={_KEY: key})
        for number, what, clause, key in (
            (47, "A request without key", "RFC 6455 4.2.1", None),
            (48, "An empty key", "RFC 6455 4.3", ""),
            (49, "A key that is no base64", "RFC 6455 4.3", "!!! this is no key !!!!!"),
            (
                50,
                "A second key",
                "RFC 6455 11.3.1",
                (_SAMPLE, "MTIzNDU2Nzg5MDEyMzQ1Ng=="),
            ),
        )
    ),
    # "It is not necessary for the server to base64-decode the value" (4.2.2).
    *(
        row(
            f"H.{number}",
            f"A key of {count} bytes is refused.",
            "RFC 6455 4.2.1",
            REFUSES,
            _UNREAD_KEY,
            level=Level.SHOULD,
            change={_KEY: key},
        )
        for number, count, key in (
            (51, 15, "MTIzNDU2Nzg5MDEyMzQ1"),
            (52, 17, "MTIzNDU2Nzg5MDEyMzQ1Njc="),
        )
    ),
)

_VERSIONS = (
    *(
        row(
            f"H.{number}",
            f"Version {version} is refused, and Sec-WebSocket-Version tells 13.",
            "RFC 6455 4.2.2 and 4.4",
            _OTHER_VERSION,
            *drafts,
            change={_VERSION: version},
        )
        for number, version, drafts in (
            (53, "0", ()),
            (54, "7", (_DRAFT,)),
            (55, "8", (_DRAFT,)),
            (56, "12", ()),
            (57, "14", ()),
            (58, "99", ()),
        )
    ),
    *(
        row(
            f"H.{number}",
            f"{what} is refused.",
            clause,
            REFUSES,
            change={_VERSION: version},
        )
        for number, what, clause, version in (
            (59, "A request without version", "RFC 6455 4.2.1", None),
            (60, "An empty version", "RFC 6455 4.3", ""),
            (61, "A version with a leading zero", "RFC 6455 4.3", "013"),
            (62, "Version 13, 13", "RFC 6455 4.3", "13, 13"),
            (63, "Version 13, 8", "RFC 6455 4.3", "13, 8"),
            (64, "A second line of the version", "RFC 6455 11.3.5", ("13", "13")),
        )
    ),
)

ASKS: tuple[Ask, ...] = (
    *_OPENING,
    *_LINE,
    *_HOST,
    *_UPGRADE,
    *_KEYS,
    *_VERSIONS,
)
