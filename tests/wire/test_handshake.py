"""The opening handshake, judged from both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from wavetank.errors import LocalError
from wavetank.wire.deflate import ANY_BITS, DeflateParameters
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
from wavetank.wire.http import Headers, HeadReader, Refusal, Request, Response

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST = {
    "Host": "example:8765",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
RESPONSE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
}
Changes = list[tuple[str, str | None]]


def changed(fields: dict[str, str], changes: Changes) -> Headers:
    """Return fields with some replaced (or taken out), then those that are doubled."""
    names = [name for name, _ in changes]
    kept = [(name, value) for name, value in fields.items() if name not in names]
    return Headers(
        [*kept, *((name, value) for name, value in changes if value is not None)]
    )


def request(
    *changes: tuple[str, str | None],
    method: str = "GET",
    target: str = "/ws",
    version: str = "HTTP/1.1",
) -> Request:
    """Return a sound request, but for what is changed."""
    return Request(method, target, version, changed(REQUEST, list(changes)))


def response(
    *changes: tuple[str, str | None], status: int = 101, version: str = "HTTP/1.1"
) -> Response:
    """Return a sound response, but for what is changed."""
    headers = changed(RESPONSE, list(changes))
    return Response(status, "Switching Protocols", headers, version)


def refusal_of(judged: Upgrade | Refusal) -> Refusal:
    """Return the refusal."""
    assert isinstance(judged, Refusal)
    return judged


# Keys


def test_accept_answers_the_key_of_the_rfc() -> None:
    """The example of RFC 6455 1.3."""
    assert accept_key(KEY) == ACCEPT


def test_accept_answers_any_text() -> None:
    """A rude peer may send a key that is none."""
    assert accept_key("€ \xff") != ACCEPT


def test_key_is_made_of_16_bytes() -> None:
    """A key is base64 of 16 random bytes, which come from outside."""
    assert make_key(b"the sample nonce") == KEY
    with pytest.raises(LocalError, match="16 bytes"):
        make_key(b"short")


# The server judges


def test_server_takes_a_sound_request() -> None:
    """What a browser sends, and nothing more."""
    assert judge_request(request()) == Upgrade(accept=ACCEPT, host="example:8765")


def test_server_reads_a_higher_minor_version_as_its_own() -> None:
    """RFC 9110 2.5: HTTP/1.2 can be read by who knows HTTP/1.1."""
    assert judge_request(request(version="HTTP/1.2")) == judge_request(request())


@pytest.mark.parametrize(
    "changes",
    [
        [("Connection", "keep-alive, Upgrade")],  # Firefox
        [("Connection", "keep-alive"), ("Connection", "upgrade")],
        [("Connection", "UPGRADE,close")],
        [("Upgrade", "WebSocket")],
        [("Upgrade", "h2c, websocket")],
        [("Upgrade", "h2c"), ("Upgrade", "websocket")],
        [("Host", "[::1]:8765")],
        [("Content-Length", "0")],
        [("Sec-WebSocket-Extensions", "unknown; a=b")],
        [("Sec-WebSocket-Extensions", "")],
        [("X-Other", "\xe4")],
    ],
)
def test_server_takes_a_request_that_is_written_otherwise(changes: Changes) -> None:
    """Lists are lists, words ignore case, and what is unknown is left alone."""
    assert isinstance(judge_request(request(*changes)), Upgrade)


@pytest.mark.parametrize("target", ["/", "/a?b=c", "http://example/ws", "https://a/"])
def test_server_takes_both_forms_of_a_target(target: str) -> None:
    """A path, or a whole URL (RFC 6455 4.2.1)."""
    assert isinstance(judge_request(request(target=target)), Upgrade)


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (request(method="POST"), 405),
        (request(method="get"), 405),
        (request(version="HTTP/1.0"), 505),
        (request(version="HTTP/0.9"), 505),
        (request(version="HTTP/2.0"), 505),
        (request(target="*"), 400),
        (request(target="example:80"), 400),
        (request(target="/a#b"), 400),
        (request(("Host", None)), 400),
        (request(("Host", "")), 400),
        (request(("Host", "a"), ("Host", "b")), 400),
        (request(("Host", "a, b")), 400),
        (request(("Host", "a b")), 400),
        (request(("Upgrade", None)), 426),
        (request(("Upgrade", "h2c")), 426),
        (request(("Upgrade", "websockets")), 426),
        (request(("Connection", None)), 400),
        (request(("Connection", "close")), 400),
        (request(("Sec-WebSocket-Key", None)), 400),
        (request(("Sec-WebSocket-Key", "")), 400),
        (request(("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Key", KEY)), 400),
        (request(("Sec-WebSocket-Key", make_key(bytes(16))[:-4])), 400),  # 13 bytes
        (request(("Sec-WebSocket-Key", KEY[:-2])), 400),  # not padded
        (request(("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA=")), 400),  # 17 bytes
        (request(("Sec-WebSocket-Key", "*" * 22 + "==")), 400),
        (request(("Sec-WebSocket-Version", None)), 426),
        (request(("Sec-WebSocket-Version", "8")), 426),
        (request(("Sec-WebSocket-Version", "13, 8")), 426),
        (request(("Sec-WebSocket-Version", "013")), 426),
        (request(("Origin", "http://a"), ("Origin", "http://b")), 400),
        (request(("Content-Length", "5")), 400),
        (request(("Content-Length", "0"), ("Content-Length", "5")), 400),
        (request(("Transfer-Encoding", "chunked")), 400),
        (request(("Sec-WebSocket-Protocol", "a b")), 400),
        (request(("Sec-WebSocket-Protocol", "a;b")), 400),
        (request(("Sec-WebSocket-Protocol", "a, a")), 400),
        (request(("Sec-WebSocket-Protocol", "\xe4")), 400),
        (request(("Sec-WebSocket-Extensions", "a b")), 400),
        (request(("Sec-WebSocket-Extensions", "\xe4")), 400),
    ],
)
def test_server_refuses_a_request_with_the_status_that_names_the_mistake(
    bad: Request, status: int
) -> None:
    """Each mistake has its status, and a sentence for whoever reads it."""
    refusal = refusal_of(judge_request(bad))
    assert refusal.status == status
    assert refusal.text


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (request(method="POST"), ("Allow", "GET")),
        (request(("Upgrade", None)), ("Upgrade", "websocket")),
        (request(("Sec-WebSocket-Version", "8")), ("Sec-WebSocket-Version", "13")),
    ],
)
def test_server_says_what_it_would_take(bad: Request, field: tuple[str, str]) -> None:
    """405 names the method, 426 the protocol or the version (RFC 6455 4.4)."""
    assert field in refusal_of(judge_request(bad)).headers


@pytest.mark.parametrize(
    ("offered", "spoken", "chosen"),
    [
        ([], ["a"], None),
        (["a"], [], None),
        (["x, a"], ["a", "b"], "a"),
        (["b, a"], ["a", "b"], "b"),  # the client's order decides
        (["x", "b"], ["b"], "b"),
        (["A"], ["a"], None),
    ],
)
def test_server_chooses_a_subprotocol_that_was_offered(
    offered: list[str], spoken: list[str], chosen: str | None
) -> None:
    """One that both speak, or none; never one that was not offered."""
    fields = [("Sec-WebSocket-Protocol", value) for value in offered]
    upgrade = judge_request(request(*fields), subprotocols=spoken)
    assert isinstance(upgrade, Upgrade)
    assert upgrade.subprotocol == chosen
    assert ", ".join(upgrade.offered) == ", ".join(offered)


def test_server_hands_the_origin_on() -> None:
    """Whether an origin may connect is not decided here."""
    upgrade = judge_request(request(("Origin", "https://example.org")))
    assert isinstance(upgrade, Upgrade)
    assert upgrade.origin == "https://example.org"


def test_server_agrees_on_compression_only_when_it_wants_to() -> None:
    """Without a configuration every offer is declined."""
    offer = request(("Sec-WebSocket-Extensions", "permessage-deflate"))
    declined = judge_request(offer)
    taken = judge_request(offer, deflate=DeflateParameters())
    assert isinstance(declined, Upgrade)
    assert isinstance(taken, Upgrade)
    assert declined.deflate is None
    assert taken.deflate == DeflateParameters()


# The server answers


def test_server_switches_protocols_with_what_was_chosen() -> None:
    """The answer names the subprotocol and the extension, and nothing unasked."""
    upgrade = Upgrade(
        accept=ACCEPT,
        host="a",
        subprotocol="chat",
        deflate=DeflateParameters(server_no_context_takeover=True),
    )
    assert switching_protocols(upgrade, [("Server", "x")]) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n"
        b"Sec-WebSocket-Protocol: chat\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"
        b"Server: x\r\n\r\n"
    )


def test_server_answers_without_what_was_not_chosen() -> None:
    """No subprotocol and no extension means no field."""
    answer = switching_protocols(Upgrade(accept=ACCEPT, host="a"))
    assert b"Sec-WebSocket-Protocol" not in answer
    assert b"Sec-WebSocket-Extensions" not in answer


# The client asks


def test_client_asks_for_what_it_wants() -> None:
    """The request has what RFC 6455 4.1 asks for, in a fixed order."""
    asked = make_request(
        "example:8765",
        "/ws?a=1",
        KEY,
        subprotocols=["a", "b"],
        offers=[
            DeflateParameters(client_max_window_bits=ANY_BITS),
            DeflateParameters(),
        ],
        origin="http://example",
        headers=[("Authorization", "Bearer x")],
    )
    assert asked == (
        b"GET /ws?a=1 HTTP/1.1\r\n"
        b"Host: example:8765\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + KEY.encode() + b"\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Origin: http://example\r\n"
        b"Sec-WebSocket-Protocol: a, b\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, "
        b"permessage-deflate\r\n"
        b"Authorization: Bearer x\r\n\r\n"
    )


def test_client_does_not_ask_when_a_value_would_break_the_head() -> None:
    """A header of the caller cannot smuggle a second one in."""
    with pytest.raises(LocalError):
        make_request("a", "/", KEY, headers=[("A", "b\r\nC: d")])


# The client judges


def test_client_takes_a_sound_response() -> None:
    """101, the right words, and the answer to the key."""
    assert judge_response(response(), KEY) == Agreement()


def test_client_takes_what_it_offered() -> None:
    """Subprotocol and extension are part of the agreement."""
    answer = response(
        ("Sec-WebSocket-Protocol", "b"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=9"),
    )
    agreed = judge_response(
        answer, KEY, subprotocols=["a", "b"], offers=[DeflateParameters()]
    )
    assert agreed == Agreement(
        subprotocol="b", deflate=DeflateParameters(server_max_window_bits=9)
    )


@pytest.mark.parametrize("status", [200, 301, 401, 403, 429, 503])
def test_client_sees_a_refusal_when_the_status_is_not_101(status: int) -> None:
    """No is an answer: it keeps its status and its fields."""
    refusal = judge_response(response(("Retry-After", "1"), status=status), KEY)
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert ("Retry-After", "1") in refusal.headers


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (response(version="HTTP/1.0"), "101 in HTTP/1.0"),
        (response(("Upgrade", None)), "Upgrade is not websocket"),
        (response(("Upgrade", "h2c")), "Upgrade is not websocket"),
        (response(("Connection", None)), "Connection is not Upgrade"),
        (response(("Connection", "close")), "Connection is not Upgrade"),
        (response(("Sec-WebSocket-Accept", None)), "does not answer the key"),
        (response(("Sec-WebSocket-Accept", KEY)), "does not answer the key"),
        (response(("Sec-WebSocket-Accept", ACCEPT.lower())), "does not answer the key"),
        (
            response(("Sec-WebSocket-Accept", ACCEPT), ("Sec-WebSocket-Accept", "x")),
            "does not answer the key",
        ),
        (response(("Sec-WebSocket-Protocol", "x")), "is not what was offered"),
        (response(("Sec-WebSocket-Protocol", "")), "is not what was offered"),
        (response(("Sec-WebSocket-Protocol", "a, b")), "is not what was offered"),
        (
            response(("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")),
            "is not what was offered",
        ),
        (response(("Sec-WebSocket-Extensions", "x")), "is not what was offered"),
        (response(("Sec-WebSocket-Extensions", "a b")), "is malformed"),
        (
            response(
                ("Sec-WebSocket-Extensions", "permessage-deflate"),
                ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ),
            "is not what was offered",
        ),
        (
            response(("Sec-WebSocket-Extensions", "permessage-deflate; x")),
            "x is unknown",
        ),
    ],
)
def test_client_names_what_is_wrong_with_a_101(bad: Response, reason: str) -> None:
    """A yes against the rules fails the connection (RFC 6455 4.1)."""
    violation = judge_response(
        bad, KEY, subprotocols=["a", "b"], offers=[DeflateParameters()]
    )
    assert isinstance(violation, Violation)
    assert violation.code == 1002
    assert reason in violation.reason


def test_client_refuses_compression_that_it_did_not_offer() -> None:
    """Without an offer, even a sound answer is wrong."""
    answer = response(("Sec-WebSocket-Extensions", "permessage-deflate"))
    assert isinstance(judge_response(answer, KEY), Violation)


# Both sides, and beside websockets

TOKENS = st.lists(
    st.text(alphabet="abcXYZ-.1", min_size=1, max_size=6), unique=True, max_size=4
)
OFFERS = st.lists(
    st.builds(
        DeflateParameters,
        server_no_context_takeover=st.booleans(),
        client_no_context_takeover=st.booleans(),
        server_max_window_bits=st.none() | st.integers(8, 15),
        client_max_window_bits=st.none() | st.just(ANY_BITS) | st.integers(9, 15),
    ),
    max_size=3,
)


@given(TOKENS, TOKENS, OFFERS, st.binary(min_size=16, max_size=16))
def test_both_sides_come_to_the_same_agreement(
    offered: list[str], spoken: list[str], offers: list[DeflateParameters], seed: bytes
) -> None:
    """What the server accepted, the client agrees to."""
    key = make_key(seed)
    asked = HeadReader().feed(
        make_request("a", "/", key, subprotocols=offered, offers=offers)
    )
    assert isinstance(asked, Request)
    upgrade = judge_request(asked, subprotocols=spoken, deflate=DeflateParameters())
    assert isinstance(upgrade, Upgrade)
    answer = HeadReader(of=Response).feed(switching_protocols(upgrade))
    assert isinstance(answer, Response)
    agreed = judge_response(answer, key, subprotocols=offered, offers=offers)
    assert isinstance(agreed, Agreement)
    assert agreed.subprotocol == upgrade.subprotocol
    assert (agreed.deflate is None) is (upgrade.deflate is None)


def test_server_takes_the_request_of_websockets() -> None:
    """A real client's bytes are sound, and so is our answer to it."""
    client = ClientProtocol(parse_uri("ws://example:1/ws"), subprotocols=["a"])
    client.send_request(client.connect())
    asked = HeadReader().feed(b"".join(client.data_to_send()))
    assert isinstance(asked, Request)
    upgrade = judge_request(asked, subprotocols=["a"])
    assert isinstance(upgrade, Upgrade)
    client.receive_data(switching_protocols(upgrade))
    assert client.handshake_exc is None
    assert client.subprotocol == "a"


def test_client_takes_the_response_of_websockets() -> None:
    """A real server takes our request, and its bytes are sound."""
    server = ServerProtocol(subprotocols=["b"])
    server.receive_data(make_request("example", "/", KEY, subprotocols=["a", "b"]))
    (asked,) = server.events_received()
    server.send_response(server.accept(asked))
    answer = HeadReader(of=Response).feed(b"".join(server.data_to_send()))
    assert isinstance(answer, Response)
    agreed = judge_response(answer, KEY, subprotocols=["a", "b"])
    assert agreed == Agreement(subprotocol="b")
