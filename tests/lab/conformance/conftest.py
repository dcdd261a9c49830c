"""Servers without sockets, that answer the opening handshakes of the tables."""

from collections.abc import Callable

import pytest
from websockets.uri import parse_uri

from wavetank.lab.conformance.asking import Ask, Reply, arguments, sent_key
from wavetank.net import opening_request
from wavetank.wire import (
    DeflateParameters,
    Frame,
    FrameReader,
    HeadReader,
    Opcode,
    Refusal,
    Request,
    Response,
    Upgrade,
    accept_key,
    encode_refusal,
    judge_request,
    switching_protocols,
)

URL = "ws://127.0.0.1:4711/chat?room=7"
KEY = "AAECAwQFBgcICQoLDA0ODw=="

Answering = Callable[[Ask], tuple[str, Reply]]


def request_of(ask: Ask) -> bytes:
    """Return what a case sends."""
    return opening_request(parse_uri(URL), KEY, **arguments(ask, URL)) + ask.after


def reply_of(answer: bytes, frames: tuple[Frame, ...] = (), ending: str = "") -> Reply:
    """Return what an answer is to whoever asked."""
    reader = HeadReader(of=Response)
    head = reader.feed(answer)
    assert isinstance(head, Response)
    return Reply(
        status=head.status,
        fields=tuple(head.headers),
        body=reader.rest,
        frames=frames,
        ending=ending,
    )


def opened(upgrade: Upgrade, rest: bytes) -> Reply:
    """Return a 101, and what comes of the frames behind the request."""
    reader = FrameReader(expect_mask=True, max_payload=125)
    pongs = tuple(Frame(Opcode.PONG, frame.payload) for frame in reader.feed(rest))
    ending = "fin" if reader.violation else ""
    return reply_of(switching_protocols(upgrade), pongs, ending)


@pytest.fixture
def wire() -> Callable[[Ask], bytes]:
    """Give the bytes that a case sends."""
    return request_of


@pytest.fixture
def soundly() -> Answering:
    """Answer as the parsers of the house do."""

    def answer(ask: Ask) -> tuple[str, Reply]:
        reader = HeadReader()
        head = reader.feed(request_of(ask))
        assert head is not None, "it is complete"
        judged = head
        if isinstance(head, Request):
            both = DeflateParameters()
            judged = judge_request(head, subprotocols=("chat",), deflate=both)
        if isinstance(judged, Refusal):
            return KEY, reply_of(encode_refusal(judged))
        assert isinstance(judged, Upgrade)
        return KEY, opened(judged, reader.rest)

    return answer


@pytest.fixture
def blindly() -> Answering:
    """Answer everything with a 101 that is right, as if nothing was wrong."""

    def answer(ask: Ask) -> tuple[str, Reply]:
        upgrade = Upgrade(accept=accept_key(sent_key(ask, KEY)), host="")
        return KEY, reply_of(switching_protocols(upgrade))

    return answer
