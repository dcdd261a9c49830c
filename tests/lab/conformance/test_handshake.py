"""The table of opening handshakes: every row is what it says."""

import base64
from collections.abc import Callable

import pytest

from wavetank.evidence import Verdict
from wavetank.lab.conformance.asking import OPENS, Ask, Reply, judge_answer
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.handshake import ASKS

BY_ID = {ask.id: ask for ask in ASKS}
MUST_OPEN = [*range(2, 12), 14, 15]
MUST_NOT_OPEN = [23, *range(25, 32), *range(35, 38), *range(39, 51), 53, *range(56, 65)]
SHOULD = [12, 16, 17, 18, 19, 20, 32, 33, 34, 38, 51, 52]

Answering = Callable[[Ask], tuple[str, Reply]]


def ids(numbers: list[int]) -> set[str]:
    """Return the ids of these numbers."""
    return {f"H.{number}" for number in numbers}


def test_there_are_64_rows_and_each_names_its_rule() -> None:
    """Ids go from H.1 on without a hole; each row has a sentence and a clause."""
    assert [ask.id for ask in ASKS] == [f"H.{number}" for number in range(1, 65)]
    assert all(ask.clause.startswith("RFC ") for ask in ASKS)
    assert all(ask.title.endswith(".") for ask in ASKS)
    assert len({ask.title for ask in ASKS}) == len(ASKS)


def test_the_first_answer_is_the_best() -> None:
    """What is expected can always be said without a note."""
    assert all(not ask.answers[0].note for ask in ASKS)


def test_rows_bind_as_their_rfc_does() -> None:
    """What the RFCs only advise is SHOULD, what they leave open MAY."""
    found = {ask.id for ask in ASKS if ask.level is Level.SHOULD}
    assert found == ids(SHOULD)
    assert {ask.id for ask in ASKS if ask.level is Level.MAY} == {"H.13"}


def test_only_variants_that_mean_the_same_have_to_open() -> None:
    """Every other row has more than one answer, or none that opens."""
    assert {ask.id for ask in ASKS if list(ask.answers) == [OPENS]} == ids(
        [number for number in MUST_OPEN if number != 3]
    )


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.id)
def test_a_sound_server_passes(ask: Ask, soundly: Answering) -> None:
    """What the parsers of the house answer fits every row."""
    key, reply = soundly(ask)
    assert judge_answer(ask, key, reply).verdict is Verdict.PASS


def test_a_sound_server_opens_what_it_must_and_nothing_that_it_must_not(
    soundly: Answering,
) -> None:
    """Each row that must not open breaks its rule, and the others break none."""
    opened = {ask.id for ask in ASKS if soundly(ask)[1].status == 101}
    assert ids(MUST_OPEN) <= opened
    assert not ids(MUST_NOT_OPEN) & opened


def test_a_blind_server_fails_where_nothing_may_open(blindly: Answering) -> None:
    """A 101 to everything does not fit exactly where the request breaks a MUST."""
    verdicts = {ask.id: judge_answer(ask, *blindly(ask)).verdict for ask in ASKS}
    failed = {name for name, verdict in verdicts.items() if verdict is Verdict.FAIL}
    assert failed == ids(MUST_NOT_OPEN)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_error_of_the_server_fits_nowhere(status: int) -> None:
    """No opening handshake is a reason to fail inside."""
    for ask in ASKS:
        assert judge_answer(ask, "", Reply(status=status)).verdict is Verdict.FAIL


def test_silence_fits_nowhere() -> None:
    """Each of these requests is complete, and wants an answer or an end."""
    for ask in ASKS:
        assert judge_answer(ask, "", Reply()).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("H.2", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        ("H.4", b"\r\nuPGRADE: websocket\r\n"),
        ("H.6", b"\r\nConnection: keep-alive, Upgrade\r\n"),
        ("H.7", b"\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n"),
        ("H.9", b"\r\nUpgrade:  \twebsocket\t \r\n"),
        ("H.10", b"\r\nUpgrade:websocket\r\n"),
        ("H.14", b"GET http://127.0.0.1:4711/chat?room=7 HTTP/1.1\r\n"),
        ("H.16", b"\r\nGET /chat?room=7 HTTP/1.1\r\n"),
        ("H.18", b"X-Wavetank: \x80\xa0\xe4\xff\r\n"),
        ("H.21", b"\r\n\r\n\x89\x85\x01\x02\x03\x04dcqhx"),
        ("H.29", b"get /chat?room=7 HTTP/1.1\r\n"),
        ("H.32", b"GET /chat?room=7 HTTP/2.0\r\n"),
        ("H.33", b"GET /chat?room=7#fragment HTTP/1.1\r\n"),
        ("H.34", b"GET /chat?room=7 x HTTP/1.1\r\n"),
        ("H.36", b"\r\nHost: one.invalid\r\nHost: two.invalid\r\n"),
        ("H.62", b"\r\nSec-WebSocket-Version: 13, 13\r\n"),
        ("H.64", b"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n"),
    ],
)
def test_rows_send_what_they_say(
    name: str, line: bytes, wire: Callable[[Ask], bytes]
) -> None:
    """A few of them to the letter."""
    assert line in wire(BY_ID[name])


@pytest.mark.parametrize(
    ("name", "field"),
    [("H.35", b"Host"), ("H.39", b"Upgrade"), ("H.43", b"Connection")],
)
def test_rows_leave_out_what_they_say(
    name: str, field: bytes, wire: Callable[[Ask], bytes]
) -> None:
    """A field that is missing is not there at all."""
    assert b"\r\n" + field + b":" not in wire(BY_ID[name])


def test_a_plain_get_has_no_field_of_the_handshake(
    wire: Callable[[Ask], bytes],
) -> None:
    """What is left is what any client of HTTP sends."""
    assert wire(BY_ID["H.23"]) == (
        b"GET /chat?room=7 HTTP/1.1\r\nHost: 127.0.0.1:4711\r\n\r\n"
    )


def test_the_long_request_line_has_about_8000_bytes(
    wire: Callable[[Ask], bytes],
) -> None:
    """It is within what RFC 9112 3 recommends to support."""
    line = wire(BY_ID["H.17"]).partition(b"\r\n")[0]
    assert 7900 <= len(line) <= 8000


@pytest.mark.parametrize(("name", "size"), [("H.51", 15), ("H.52", 17)])
def test_keys_have_the_bytes_that_they_should_not(name: str, size: int) -> None:
    """They are base64, and nothing else is wrong with them."""
    key = BY_ID[name].change["Sec-WebSocket-Key"]
    assert isinstance(key, str)
    assert len(base64.b64decode(key, validate=True)) == size


@pytest.mark.parametrize("name", ["H.53", "H.54", "H.55", "H.56", "H.57", "H.58"])
def test_another_version_is_answered_with_ours(name: str) -> None:
    """A 400 without Sec-WebSocket-Version leaves a client no way on."""
    fields = (("Sec-WebSocket-Version", "13, 8"),)
    good = Reply(status=400, fields=fields)
    assert judge_answer(BY_ID[name], "", good).verdict is Verdict.PASS
    assert judge_answer(BY_ID[name], "", Reply(status=400)).verdict is Verdict.FAIL


def test_statuses_that_ask_for_a_field_have_it() -> None:
    """A 426 says to what, and a 405 says what else."""
    for name, status, field in (
        ("H.23", 426, ("Upgrade", "websocket")),
        ("H.25", 405, ("Allow", "GET")),
    ):
        good = Reply(status=status, fields=(field,))
        assert judge_answer(BY_ID[name], "", good).verdict is Verdict.PASS
        assert (
            judge_answer(BY_ID[name], "", Reply(status=status)).verdict is Verdict.FAIL
        )


def test_who_is_sent_away_at_the_door_knows_nothing() -> None:
    """A redirect, or a 403, to a plain opening handshake is UNKNOWN."""
    for status in (302, 403):
        reply = Reply(status=status)
        assert judge_answer(BY_ID["H.1"], "", reply).verdict is Verdict.UNKNOWN


def test_early_frames_may_be_lost_but_not_come_first(blindly: Answering) -> None:
    """Whether a ping behind the request is read is open; a pong before the 101 is not.

    websockets 17.4 answers the ping before its opening handshake.
    """
    ask = BY_ID["H.21"]
    assert judge_answer(ask, *blindly(ask)).verdict is Verdict.PASS
    first = Reply(broken="this is not HTTP: b'\\x8a\\x05early'")
    assert judge_answer(ask, "", first).verdict is Verdict.FAIL
