"""Answers to a client's opening handshake, and what comes of them."""

from typing import Any

import pytest

from wavetank.lab.conformance import answers, offers
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.openings import (
    BEHIND,
    Opening,
    Reaction,
    agreement,
    answer_bytes,
    has_opened,
    judge_opening,
    reason_to_leave_out,
)
from wavetank.wire import (
    Agreement,
    DeflateParameters,
    Headers,
    HeadReader,
    Opcode,
    Request,
    Response,
    encode_frame,
    judge_response,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
ANOTHER = "AQIDBAUGBwgJCgsMDQ4PEA=="
PONG = encode_frame(Opcode.PONG, b"open?", mask=b"abcd")
CLOSE = encode_frame(Opcode.CLOSE, b"\x03\xea", mask=b"abcd")
OPENINGS = (*answers.OPENINGS, *offers.OPENINGS)


def asked(extensions: str = "", key: str = KEY, subprotocols: str = "") -> Request:
    """Return a client's request."""
    fields = [("Host", "a"), ("Sec-WebSocket-Key", key)]
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", subprotocols))
    if extensions:
        fields.append(("Sec-WebSocket-Extensions", extensions))
    return Request("GET", "/", "HTTP/1.1", Headers(fields))


def opening(*, opens: bool = True, **fields: Any) -> Opening:
    """Return a row."""
    return Opening(
        id="K.1", title="It is answered.", clause="RFC 6455 4.1", opens=opens, **fields
    )


def test_an_answer_is_right_where_nothing_is_changed() -> None:
    """As RFC 6455 1.3 has it for its own key."""
    assert answer_bytes(opening(), asked()) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


def test_an_answer_takes_the_first_subprotocol() -> None:
    """Unless it changes that: no browser that offers some opens without one."""
    chat = asked(subprotocols="chat, superchat")
    assert b"Sec-WebSocket-Protocol: chat\r\n" in answer_bytes(opening(), chat)
    for change in (None, "other"):
        changed = opening(change={"Sec-WebSocket-Protocol": change})
        assert b"chat" not in answer_bytes(changed, chat)
    (bare,) = [row for row in OPENINGS if row.id == "K.58"]
    assert answer_bytes(bare, chat).count(b"\r\n") == 2


@pytest.mark.parametrize(("offered", "bits"), [("", 10), ("=9", 9), ("=15", 10)])
def test_a_window_is_no_wider_than_offered(offered: str, bits: int) -> None:
    """A client that says 9 is right not to open on 10 (RFC 7692 7.1.2.2)."""
    request = asked(f"permessage-deflate; client_max_window_bits{offered}")
    (row,) = [row for row in OPENINGS if row.id == "K.98"]
    answer = answer_bytes(row, request)
    assert f"permessage-deflate; client_max_window_bits={bits}\r\n".encode() in answer


def test_an_answer_is_changed_line_by_line() -> None:
    """Fields are left out, replaced and added, and lines are written as they are."""
    changed = opening(
        line="HTTP/1.0 101 No",
        change={"upgrade": None, "Connection": ("a", "b"), "X": "{key} {swapped}"},
        lines=(b"raw\r\n",),
        line_end=b"\n",
    )
    assert answer_bytes(changed, asked()) == (
        b"HTTP/1.0 101 No\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n"
        b"Connection: a\nConnection: b\n"
        b"X: dGhlIHNhbXBsZSBub25jZQ== S3PplmbItXAq9KygZZHzrBk+XoO=\n"
        b"raw\r\n\n"
    )


def test_an_answer_may_be_none() -> None:
    """Silence, other bytes, a part of a head, and a head without an end."""
    assert answer_bytes(opening(is_silent=True), asked()) == b""
    assert answer_bytes(opening(raw=b"SSH"), asked()) == b"SSH"
    assert answer_bytes(opening(cut=2), asked()).endswith(b"xOo=\r\n")
    endless = answer_bytes(opening(filler=10_000), asked())
    assert 9_000 < len(endless) < 11_000
    assert b"\r\n\r\n" not in endless


@pytest.mark.parametrize(
    ("offer", "agreed"),
    [
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=12", "permessage-deflate"),
        (
            "x-other, permessage-deflate; server_no_context_takeover; "
            "server_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
        ),
    ],
)
def test_an_answer_agrees_to_what_is_offered_and_to_no_more(
    offer: str, agreed: str
) -> None:
    """What is wrong with an agreement is what the row adds to it."""
    answer = answer_bytes(opening(change={"X": "{agreed}"}), asked(offer))
    assert f"X: {agreed}\r\n".encode() in answer


@pytest.mark.parametrize(
    ("wants", "spared", "offer", "reason"),
    [
        ((), (), "", ""),
        (("a",), (), "", "the client does not offer a"),
        (("a",), (), "a", ""),
        ((), ("a",), "a", "the client offers a"),
        ((), ("bits",), "permessage-deflate; bits", "the client offers bits"),
        ((), ("bits",), "x-other; bits", ""),
        (("a",), (), "; broken", "the client does not offer a"),
    ],
)
def test_an_answer_is_left_out_where_it_says_nothing(
    wants: tuple[str, ...], spared: tuple[str, ...], offer: str, reason: str
) -> None:
    """What was not offered cannot be agreed to wrongly."""
    row = opening(wants=wants, spared=spared)
    assert reason_to_leave_out(row, asked(offer)) == reason


DEFLATE = "permessage-deflate"


@pytest.mark.parametrize(
    ("wanted", "offer", "agreed"),
    [
        (DEFLATE, DEFLATE, DeflateParameters()),
        (DEFLATE, "", "the client does not offer permessage-deflate"),
        (
            DEFLATE,
            f"{DEFLATE}; server_no_context_takeover",
            "the client wants a server that forgets between messages",
        ),
        (
            f"{DEFLATE}; server_no_context_takeover",
            f"{DEFLATE}; server_no_context_takeover",
            DeflateParameters(server_no_context_takeover=True),
        ),
        (
            DEFLATE,
            f"{DEFLATE}; server_max_window_bits=9",
            "the client wants a server with a smaller window",
        ),
        (
            f"{DEFLATE}; client_no_context_takeover",
            f"{DEFLATE}; client_max_window_bits=12",
            DeflateParameters(
                client_no_context_takeover=True, client_max_window_bits=12
            ),
        ),
    ],
)
def test_an_agreement_keeps_what_the_client_wants(
    wanted: str, offer: str, agreed: object
) -> None:
    """What would bind us more than a case can bear is none."""
    assert agreement(wanted, asked(offer)) == agreed


@pytest.mark.parametrize(
    ("data", "is_open"),
    [
        (b"", False),
        (PONG, True),
        (PONG[:4], False),
        (CLOSE, False),
        (CLOSE + PONG, True),
        (b"GET / HTTP/1.1\r\n\r\n", False),
    ],
)
def test_a_frame_says_that_a_client_takes_it_for_open(
    data: bytes, is_open: bool
) -> None:
    """But a close frame does not, and neither does another request."""
    assert has_opened(data) is is_open


GONE = Reaction(ending="fin")
STAYS = Reaction()
TALKS = Reaction(data=PONG)
CLOSES = Reaction(data=CLOSE, ending="fin")
ASKS = Reaction(data=b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("fields", "reaction", "verdict", "note"),
    [
        ({"opens": True}, TALKS, "PASS", ""),
        ({"opens": True}, GONE, "FAIL", ""),
        ({"opens": True}, STAYS, "FAIL", ""),
        ({"opens": True, "level": Level.SHOULD}, GONE, "PASS", "should open"),
        ({"opens": False}, GONE, "PASS", ""),
        ({"opens": False}, CLOSES, "PASS", "not even a close frame"),
        ({"opens": False}, TALKS, "FAIL", ""),
        ({"opens": False}, STAYS, "FAIL", ""),
        ({"opens": False, "level": Level.SHOULD}, STAYS, "PASS", "should end TCP"),
        ({"opens": False, "level": Level.SHOULD}, TALKS, "PASS", "should not open"),
        # Behind another answer it goes on as HTTP has it.
        ({"opens": False, "line": "HTTP/1.1 404 No"}, STAYS, "PASS", "should end TCP"),
        ({"opens": False, "line": "HTTP/1.1 302 No"}, ASKS, "PASS", ""),
        ({"opens": False, "line": "HTTP/1.1 404 No"}, TALKS, "FAIL", ""),
        ({"opens": False, "level": Level.MAY}, TALKS, "PASS", ""),
        ({"opens": False, "level": Level.MAY}, GONE, "PASS", ""),
        ({"opens": True, "level": Level.MAY}, STAYS, "FAIL", ""),
        ({"opens": False, "is_silent": True}, STAYS, "PASS", ""),
        ({"opens": False, "is_silent": True}, GONE, "PASS", ""),
        ({"opens": False, "is_silent": True}, TALKS, "FAIL", ""),
    ],
)
def test_a_client_is_judged_by_what_it_does(
    fields: dict[str, Any], reaction: Reaction, verdict: str, note: str
) -> None:
    """Whether it talks, and whether it leaves."""
    judgement = judge_opening(opening(**fields), reaction)
    assert judgement.verdict == verdict
    assert note in judgement.note
    assert bool(judgement.note) is bool(note)
    assert judgement.expected


@pytest.mark.parametrize(
    ("reaction", "words"),
    [
        (GONE, "it sent nothing, TCP ended by FIN"),
        (TALKS, "it sent frames: pong, TCP open"),
        (ASKS, "it sent b'GET / HTTP/1.1\\r\\n', TCP open"),
        (Reaction(data=b"\x8f\x80abcd"), "it sent frames: a frame, TCP open"),
    ],
)
def test_what_was_seen_is_told(reaction: Reaction, words: str) -> None:
    """In a few words."""
    assert judge_opening(opening(), reaction).seen == words


# The tables


def test_each_row_is_there_once() -> None:
    """K.20 to K.110, each with what it rests on."""
    assert [row.id for row in OPENINGS] == [f"K.{n}" for n in range(20, 111)]
    for row in OPENINGS:
        assert row.title.endswith("."), row.id
        assert row.clause.startswith("RFC "), row.id


OFFERED = "permessage-deflate; client_max_window_bits"
UNPARSED = {"K.38"}
"""Answers that begin with another one."""


def taken(row: Opening) -> bool:
    """Tell whether a strict client of ours opens on an answer."""
    offer = "" if DEFLATE in row.spared else OFFERED
    offer = DEFLATE if "client_max_window_bits" in row.spared else offer
    offers = [
        DeflateParameters(client_max_window_bits=0 if "client_max" in offer else None)
    ]
    answer = answer_bytes(row, asked(offer, ANOTHER))
    response = HeadReader(of=Response).feed(answer)
    if not isinstance(response, Response):
        return False
    agreed = judge_response(response, ANOTHER, offers=offers if offer else [])
    return isinstance(agreed, Agreement)


def test_a_strict_client_opens_where_it_has_to_and_nowhere_else() -> None:
    """So each wrong answer is wrong, and each right one is right."""
    for row in OPENINGS:
        if row.level is not Level.MAY and row.id not in UNPARSED:
            assert taken(row) is row.opens, row.id


def test_what_is_behind_an_answer_asks_for_a_reaction() -> None:
    """A ping, and a text for those that echo."""
    assert encode_frame(9, b"open?") + encode_frame(1, b"open?") == BEHIND
