"""Rules of a client's opening handshake."""

import base64
import random

import pytest

from wavetank.lab.conformance.requests import (
    RULES,
    Asked,
    is_about_websockets,
    judge_requests,
)
from wavetank.wire import Headers, HeadReader, Refusal, Request

RIGHT = (
    "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:7\r\nUpgrade: websocket\r\n"
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
DICE = random.Random(6455)


def asked(
    old: str = "", new: str = "", *, key: bytes = b"", early: bool = False
) -> Asked:
    """Return a right request, but for what is replaced in it."""
    made = base64.b64encode(key or DICE.randbytes(16)).decode()
    text = (
        RIGHT.format(key=made).replace(old, new, 1) if old else RIGHT.format(key=made)
    )
    head = HeadReader().feed(text.encode())
    assert isinstance(head, Request | Refusal)
    return Asked(head=head, port=7, is_early=early)


def verdicts(*requests: Asked) -> dict[str, str]:
    """Return the verdict on each rule, those that pass left out."""
    return {
        each.title.partition(" ")[0]: "NOTE" if each.note else str(each.verdict)
        for each in judge_requests(requests)
        if each.verdict != "PASS" or each.note
    }


def test_right_requests_keep_every_rule() -> None:
    """All of them are looked at."""
    findings = judge_requests([asked() for _ in range(20)])
    assert {each.verdict for each in findings} == {"PASS"}
    assert {each.seen for each in findings} == {"20 requests", "20 keys"}
    assert all(each.clause.startswith("RFC ") for each in findings)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("GET", "POST", "K.2"),
        ("HTTP/1.1", "HTTP/1.0", "K.3"),
        ("/chat", "/chat#top", "K.4"),
        ("/chat", "chat", "K.4"),
        ("Host: 127.0.0.1:7", "Host: 127.0.0.1", "K.5"),
        ("Host: 127.0.0.1:7", "Hosts: a", "K.5"),
        ("Host: 127.0.0.1:7", "Host: localhost:8", "K.5"),
        ("Host: 127.0.0.1:7", "Host: 128.0.0.1:7", "K.5"),
        ("websocket", "h2c", "K.6"),
        ("keep-alive, Upgrade", "keep-alive", "K.7"),
        ("==", "=", "K.8"),
        ("Version: 13", "Version: 8", "K.9"),
        ("Upgrade:", "Origin: a\r\nOrigin: a\r\nUpgrade:", "K.10"),
        ("a, b", "a, a", "K.12"),
        ("a, b", "a b", "K.12"),
        ("a, b", "a; q=1", "K.12"),
        ("permessage-deflate;", ";", "K.13"),
        ("client_max_window_bits", "client_max_window_bits=99", "K.14"),
        ("client_max_window_bits", "unknown", "K.14"),
    ],
)
def test_a_request_that_breaks_a_rule_is_found(old: str, new: str, rule: str) -> None:
    """One among many is enough; it is shown."""
    requests = [asked(), asked(old, new), asked()]
    found = verdicts(*requests)
    assert found.pop(rule) == "FAIL"
    assert found == {}


def test_what_cannot_be_read_is_a_rule_of_its_own() -> None:
    """The others say nothing about it."""
    assert verdicts(asked(), asked("Upgrade:", "Upgrade")) == {
        "K.1": "FAIL",
        "K.16": "SKIP",
        "K.17": "SKIP",
    }


def test_bytes_before_the_answer_are_found() -> None:
    """A client waits for it."""
    assert verdicts(asked(), asked(early=True)) == {"K.15": "FAIL"}


def test_a_body_is_noted() -> None:
    """No rule of WebSocket forbids it."""
    body = ("Upgrade:", "Content-Length: 3\r\nUpgrade:")
    assert verdicts(asked(), asked(*body)) == {"K.11": "NOTE"}
    empty = ("Upgrade:", "Content-Length: 0\r\nUpgrade:")
    assert verdicts(asked(), asked(*empty)) == {}


def test_what_no_request_has_is_skipped() -> None:
    """Nothing offered is nothing wrong."""
    plain = RIGHT.partition("Sec-WebSocket-Protocol")[0]
    requests = []
    for _ in range(2):
        text = plain.format(key=base64.b64encode(DICE.randbytes(16)).decode())
        head = HeadReader().feed((text + "\r\n").encode())
        assert isinstance(head, Request)
        requests.append(Asked(head=head, port=7))
    assert verdicts(*requests) == dict.fromkeys(("K.12", "K.13", "K.14"), "SKIP")


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "127.0.0.1"])
def test_a_client_that_was_told_the_port_alone_names_the_host(name: str) -> None:
    """Such a client says localhost as it likes, and failed K.5 for it once."""
    assert verdicts(asked("127.0.0.1", name), asked()) == {}


@pytest.mark.parametrize(
    ("field", "is_one"),
    [
        ("User-Agent", False),
        ("Connection", False),
        ("UPGRADE", True),
        ("sec-websocket-key", True),
        ("Sec-WebSocket-Version", True),
    ],
)
def test_an_opening_handshake_is_known_by_its_fields(field: str, is_one: bool) -> None:
    """Whatever is wrong with it; a page's icon is asked for without any of them."""
    request = Request("GET", "/", "HTTP/1.1", Headers([("Host", "a"), (field, "b")]))
    assert is_about_websockets(request) is is_one


@pytest.mark.parametrize(
    ("keys", "broken"),
    [
        ([b"a" * 16, b"a" * 16], {"K.16"}),
        ([number.to_bytes(16, "big") for number in (1, 2, 3)], {"K.17"}),
        ([number.to_bytes(16, "little") for number in (9, 6, 3)], {"K.17"}),
        ([b"same" + DICE.randbytes(12) for _ in range(8)], {"K.17"}),
        ([b"same" + DICE.randbytes(12) for _ in range(7)], set()),
        ([DICE.randbytes(16) for _ in range(500)], set()),
    ],
)
def test_keys_are_judged_over_all_of_a_run(keys: list[bytes], broken: set[str]) -> None:
    """Each is new, and none follows from those before."""
    found = verdicts(*(asked(key=key) for key in keys))
    assert found == dict.fromkeys(broken, "FAIL")


def test_one_key_says_nothing() -> None:
    """It may be any."""
    assert verdicts(asked()) == {"K.16": "SKIP", "K.17": "SKIP"}


def test_each_rule_is_there_once() -> None:
    """K.1 to K.15; K.16 and K.17 are about all keys."""
    assert {rule.id for rule in RULES} == {f"K.{number}" for number in range(1, 16)}
    assert len(RULES) == 15
