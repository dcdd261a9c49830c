"""The table of heads: every row is what it says."""

from collections.abc import Callable

import pytest

from wavetank.evidence import Verdict
from wavetank.lab.conformance.asking import Ask, Reply, judge_answer
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.heads import ASKS
from wavetank.wire import Frame, Opcode

BY_ID = {ask.id: ask for ask in ASKS}
MUST_NOT_OPEN = {"H.67", "H.68", "H.70", "H.72", "H.74", "H.75", "H.76"}

Answering = Callable[[Ask], tuple[str, Reply]]


def test_there_are_16_rows_that_go_on_where_the_handshake_ends() -> None:
    """Ids go from H.65 on without a hole; each row has a sentence and a clause."""
    assert [ask.id for ask in ASKS] == [f"H.{number}" for number in range(65, 81)]
    assert all(ask.clause.startswith("RFC ") for ask in ASKS)
    assert all(ask.title.endswith(".") for ask in ASKS)
    assert len({ask.title for ask in ASKS}) == len(ASKS)
    assert all(not ask.answers[0].note for ask in ASKS)


def test_only_bare_line_feeds_are_left_open() -> None:
    """A recipient MAY take them; the other rules are a MUST."""
    assert [ask.id for ask in ASKS if ask.level is not Level.MUST] == ["H.71"]
    assert BY_ID["H.71"].level is Level.MAY


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.id)
def test_a_sound_server_passes_and_refuses_what_breaks_a_rule(
    ask: Ask, soundly: Answering
) -> None:
    """What the parsers of the house answer fits every row."""
    key, reply = soundly(ask)
    assert judge_answer(ask, key, reply).verdict is Verdict.PASS
    assert ask.id not in MUST_NOT_OPEN or reply.status != 101


def test_a_blind_server_fails_where_nothing_may_open(blindly: Answering) -> None:
    """A 101 to everything does not fit exactly where the head breaks a MUST."""
    verdicts = {ask.id: judge_answer(ask, *blindly(ask)).verdict for ask in ASKS}
    failed = {name for name, verdict in verdicts.items() if verdict is Verdict.FAIL}
    assert failed == MUST_NOT_OPEN


@pytest.mark.parametrize("name", ["H.65", "H.66"])
def test_a_body_that_is_read_as_frames_fails(name: str, blindly: Answering) -> None:
    """The body is a good ping: whoever answers it did not see that it is a body."""
    key, reply = blindly(BY_ID[name])
    pongs = {
        (b"behind",): Verdict.PASS,
        (): Verdict.PASS,
        (b"body",): Verdict.FAIL,
        (b"body", b"behind"): Verdict.FAIL,
    }
    for payloads, verdict in pongs.items():
        frames = tuple(Frame(Opcode.PONG, payload) for payload in payloads)
        heard = Reply(status=101, fields=reply.fields, frames=frames)
        assert judge_answer(BY_ID[name], key, heard).verdict is verdict


def test_an_error_of_the_server_fits_nowhere() -> None:
    """No head is a reason to fail inside."""
    for ask in ASKS:
        assert judge_answer(ask, "", Reply(status=500)).verdict is Verdict.FAIL


def test_only_a_head_that_may_not_be_complete_may_be_met_with_silence() -> None:
    """Who does not take LF for a line's end still waits for the end."""
    silent = {
        ask.id for ask in ASKS if judge_answer(ask, "", Reply()).verdict is Verdict.PASS
    }
    assert silent == {"H.71"}


def test_ending_tcp_is_a_refusal_with_a_note() -> None:
    """A connection may be closed at any time (RFC 9112 9.5), but a 400 says why."""
    for ask in ASKS:
        judgement = judge_answer(ask, "", Reply(ending="fin"))
        assert judgement.verdict is Verdict.PASS
        assert ("should say why" in judgement.note) is (ask.id != "H.71")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (
            "H.65",
            b"Content-Length: 10\r\n\r\n"
            b"\x89\x84\x01\x02\x03\x04cmg}\x89\x86\x01\x02\x03\x04cgkmof",
        ),
        (
            "H.66",
            b"Transfer-Encoding: chunked\r\n\r\na\r\n"
            b"\x89\x84\x01\x02\x03\x04cmg}\r\n0\r\n\r\n\x89\x86",
        ),
        ("H.67", b"Content-Length: 0\r\nContent-Length: 5\r\n"),
        ("H.69", b"X-Wavetank: folded\r\n over two lines\r\n\r\n"),
        ("H.70", b" HTTP/1.1\r\n Sec-WebSocket-Version: 13\r\nHost:"),
        ("H.71", b"GET /chat?room=7 HTTP/1.1\nHost: 127.0.0.1:4711\nUpgrade:"),
        ("H.72", b"X-Wavetank: a\rSec-WebSocket-Version: 13\r\n"),
        ("H.73", b"X-Wavetank: a\x00b\r\n"),
        ("H.74", b"X-Wavetank : a\r\n"),
        ("H.75", b"\r\nX-Wavetank\r\n"),
        ("H.76", b"X(Wavetank): a\r\n"),
    ],
)
def test_rows_send_what_they_say(
    name: str, part: bytes, wire: Callable[[Ask], bytes]
) -> None:
    """To the letter."""
    assert part in wire(BY_ID[name])


def test_bare_line_feeds_are_all_of_them(wire: Callable[[Ask], bytes]) -> None:
    """No CR is left."""
    assert b"\r" not in wire(BY_ID["H.71"])


@pytest.mark.parametrize("name", ["H.70", "H.72"])
def test_the_version_is_nowhere_but_where_no_line_begins(
    name: str, wire: Callable[[Ask], bytes]
) -> None:
    """A 101 shows that a line was read where none is."""
    sent = wire(BY_ID[name])
    assert sent.count(b"Sec-WebSocket-Version") == 1
    assert b"\r\nSec-WebSocket-Version" not in sent


@pytest.mark.parametrize(
    ("name", "size"), [("H.77", 2**13), ("H.78", 2**16), ("H.79", 2**20)]
)
def test_large_fields_have_their_size(
    name: str, size: int, wire: Callable[[Ask], bytes]
) -> None:
    """The value of one field has it; the head a little more."""
    assert size < len(wire(BY_ID[name])) < size + 1000


def test_the_head_of_many_fields_has_them(wire: Callable[[Ask], bytes]) -> None:
    """A thousand beside those of the handshake."""
    assert wire(BY_ID["H.80"]).count(b"\r\nX-Wavetank: x") == 1000
