"""Negotiation alters what both sides offer and agree on."""

import pytest

from wavetank.chaos.toxic import Head
from wavetank.chaos.toxics.negotiation import Negotiation, extensions, subprotocols
from wavetank.wire.deflate import DeflateParameters
from wavetank.wire.handshake import (
    Agreement,
    Upgrade,
    accept_key,
    judge_request,
    judge_response,
    make_key,
    make_request,
    switching_protocols,
)
from wavetank.wire.header import Violation
from wavetank.wire.http import HeadReader, Request, Response

from .streams import Stream, text

OFFER = (
    b"GET /ws HTTP/1.1\r\n"
    b"Host: a\r\n"
    b"upgrade: websocket\r\n"
    b"sec-websocket-extensions: permessage-deflate\r\n"
    b"Sec-WebSocket-Protocol: chat\r\n"
    b"Sec-WebSocket-Extensions: x-other; a=1\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"\r\n"
)
"""A client's offer, with one field twice."""


def altered(head: bytes, **settings: str) -> bytes:
    """Return what becomes of a head, chosen or not."""
    toxic = Negotiation(
        extensions=settings.get("extensions"), subprotocol=settings.get("subprotocol")
    )
    ((_, item),) = toxic.receive(Head(head), 0.0)
    assert toxic.pass_by(Head(head), 0.0) == [(0.0, item)]
    assert isinstance(item, Head)
    return item.data


@pytest.mark.parametrize("new", ["", "permessage-deflate; client_max_window_bits=9"])
def test_extensions_of_an_offer_are_replaced(new: str) -> None:
    """All fields of the name go, whatever its letters; all other bytes stay."""
    lines = [line for line in OFFER.split(b"\r\n") if b"xtensions" not in line]
    if new:
        lines.insert(-2, b"Sec-WebSocket-Extensions: " + new.encode())
    assert altered(OFFER, extensions=new) == b"\r\n".join(lines)


def test_subprotocol_of_an_offer_is_replaced() -> None:
    """Another one is offered, and extensions are left alone."""
    gone = altered(OFFER, subprotocol="v1.chat, v2.chat")
    request = HeadReader(of=Request).feed(gone)
    assert isinstance(request, Request)
    assert request.headers.all("Sec-WebSocket-Protocol") == ("v1.chat, v2.chat",)
    assert len(request.headers.all("Sec-WebSocket-Extensions")) == 2


def test_nothing_is_altered_where_nothing_is_said() -> None:
    """None leaves a field as it is."""
    assert altered(OFFER) == OFFER


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 401 Unauthorized\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_heads_without_upgrade_go_by(head: bytes) -> None:
    """A refusal, and a request for something else, are none of its business."""
    assert altered(head, extensions="permessage-deflate", subprotocol="a") == head


def test_stripped_offer_makes_both_sides_agree_on_less() -> None:
    """The target sees no offer; its answer still proves that it read the key."""
    key, offers = make_key(bytes(16)), [DeflateParameters()]
    offer = make_request("a", "/", key, subprotocols=["chat"], offers=offers)
    gone = altered(offer, extensions="", subprotocol="")
    request = HeadReader(of=Request).feed(gone)
    assert isinstance(request, Request)
    upgrade = judge_request(request, subprotocols=["chat"], deflate=offers[0])
    assert isinstance(upgrade, Upgrade)
    response = HeadReader(of=Response).feed(switching_protocols(upgrade))
    assert isinstance(response, Response)
    agreed = judge_response(response, key, subprotocols=["chat"], offers=offers)
    assert agreed == Agreement()


def test_altered_answer_is_seen_by_the_client() -> None:
    """It is told a subprotocol that it never offered, by a right accept key."""
    key = make_key(bytes(16))
    upgrade = Upgrade(accept=accept_key(key), host="a", subprotocol="chat")
    gone = altered(switching_protocols(upgrade), subprotocol="other")
    response = HeadReader(of=Response).feed(gone)
    assert isinstance(response, Response)
    judged = judge_response(response, key, subprotocols=["chat"])
    assert isinstance(judged, Violation)
    assert judged.reason == "Sec-WebSocket-Protocol is not what was offered"
    other = judge_response(response, key, subprotocols=["other"])
    assert other == Agreement(subprotocol="other")


def test_frames_go_by() -> None:
    """Behind the handshake there is nothing to alter."""
    toxic = Negotiation(extensions="", subprotocol="")
    assert Stream(toxic).send(text("a")) == text("a")


@pytest.mark.parametrize(
    "typed", ["", "permessage-deflate", 'a; b="c d", x-webkit-deflate-frame']
)
def test_list_of_extensions_is_taken(typed: str) -> None:
    """Names, parameters and nothing at all are fine."""
    assert extensions(typed) == typed


@pytest.mark.parametrize("typed", [" ", ";", "a b", "a\r\nX: y", "a; b=(", "ü"])
def test_malformed_extensions_are_refused(typed: str) -> None:
    """Nothing gets into the head that would make it another one."""
    with pytest.raises(ValueError, match="is no list of extensions"):
        extensions(typed)


@pytest.mark.parametrize("typed", ["", "chat", "chat, v2.chat"])
def test_list_of_subprotocols_is_taken(typed: str) -> None:
    """Names and nothing at all are fine."""
    assert subprotocols(typed) == typed


@pytest.mark.parametrize("typed", [" ", "a b", "a,", "a\r\nX: y", "a\n", "ü"])
def test_malformed_subprotocols_are_refused(typed: str) -> None:
    """Nothing gets into the head that would make it another one."""
    with pytest.raises(ValueError, match="is no list of subprotocols"):
        subprotocols(typed)
