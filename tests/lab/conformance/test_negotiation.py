"""The table of negotiation: every row is what it says."""

from collections.abc import Callable

import pytest

from wavetank.evidence import Verdict
from wavetank.lab.conformance.asking import (
    EXTENSIONS,
    SUBPROTOCOL,
    Ask,
    Reply,
    judge_answer,
)
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.negotiation import ASKS
from wavetank.wire import parse_elements, parse_parameters

BY_ID = {ask.id: ask for ask in ASKS}
LEGAL = range(26, 37)
ILLEGAL = range(37, 53)
BROKEN = {"N.22", "N.23", "N.24", "N.25"}

Answering = Callable[[Ask], tuple[str, Reply]]


def lines(ask: Ask, name: str) -> tuple[str, ...]:
    """Return the lines of a field that a case sends."""
    value = ask.change.get(name)
    return (value,) if isinstance(value, str) else value or ()


def echoed(ask: Ask, blindly: Answering, *names: str) -> tuple[str, Reply]:
    """Return a 101 that says whatever was offered."""
    key, reply = blindly(ask)
    more = tuple((name, line) for name in names for line in lines(ask, name))
    return key, Reply(status=101, fields=(*reply.fields, *more))


def test_there_are_55_rows_and_each_names_its_rule() -> None:
    """Ids go from N.1 on without a hole; each row has a sentence and a clause."""
    assert [ask.id for ask in ASKS] == [f"N.{number}" for number in range(1, 56)]
    assert all(ask.clause.startswith("RFC ") for ask in ASKS)
    assert all(ask.title.endswith(".") for ask in ASKS)
    assert len({ask.title for ask in ASKS}) == len(ASKS)
    assert all(not ask.answers[0].note for ask in ASKS)
    assert {ask.id for ask in ASKS if ask.level is Level.MAY} == {"N.9", "N.21"}
    assert all(ask.level is not Level.SHOULD for ask in ASKS)


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.id)
def test_a_sound_server_passes(ask: Ask, soundly: Answering) -> None:
    """What the parsers of the house answer fits every row."""
    key, reply = soundly(ask)
    assert judge_answer(ask, key, reply).verdict is Verdict.PASS


def test_a_server_that_speaks_nothing_passes_where_the_grammar_holds(
    blindly: Answering,
) -> None:
    """No offer has to be taken; only what is no list has to be refused."""
    verdicts = {ask.id: judge_answer(ask, *blindly(ask)).verdict for ask in ASKS}
    failed = {name for name, verdict in verdicts.items() if verdict is Verdict.FAIL}
    assert failed == BROKEN


def test_a_server_that_says_whatever_was_offered_is_found_out(
    blindly: Answering,
) -> None:
    """Only a legal answer to a legal offer passes."""
    passed = {
        ask.id
        for ask in ASKS
        if judge_answer(ask, *echoed(ask, blindly, SUBPROTOCOL, EXTENSIONS)).verdict
        is Verdict.PASS
    }
    # One subprotocol, or one extension, that is offered, and nothing more.
    offered_alone = {"N.1", "N.2", "N.14", "N.19"}
    taken = {f"N.{number}" for number in LEGAL} - {"N.33"}
    assert passed == offered_alone | taken


def test_an_unknown_subprotocol_that_is_taken_is_noted(blindly: Answering) -> None:
    """It may be that somebody speaks it, but nobody can know it."""
    ask = BY_ID["N.2"]
    judgement = judge_answer(ask, *echoed(ask, blindly, SUBPROTOCOL))
    assert judgement.verdict is Verdict.PASS
    assert judgement.note == "it takes a subprotocol that it cannot know"


@pytest.mark.parametrize("number", [*LEGAL])
def test_legal_offers_are_legal(number: int) -> None:
    """They are what RFC 7692 7.1 defines."""
    (offer,) = parse_elements(lines(BY_ID[f"N.{number}"], EXTENSIONS)) or ()
    assert offer.name == "permessage-deflate"
    assert not isinstance(parse_parameters(offer, in_offer=True), str)


@pytest.mark.parametrize("number", [*ILLEGAL])
def test_illegal_offers_are_lists_and_not_legal(
    number: int, blindly: Answering
) -> None:
    """The grammar holds; a parameter does not. To agree to it does not pass."""
    ask = BY_ID[f"N.{number}"]
    (offer,) = parse_elements(lines(ask, EXTENSIONS)) or ()
    assert offer.name == "permessage-deflate"
    assert isinstance(parse_parameters(offer, in_offer=True), str)
    key, reply = blindly(ask)
    agreed = (*reply.fields, (EXTENSIONS, "permessage-deflate"))
    judgement = judge_answer(ask, key, Reply(status=101, fields=agreed))
    assert judgement.verdict is Verdict.FAIL
    assert "its offer is not legal" in judgement.seen


@pytest.mark.parametrize("number", [*ILLEGAL])
def test_who_refuses_everything_for_an_offer_is_told(number: int) -> None:
    """The offer should be declined alone."""
    ask = BY_ID[f"N.{number}"]
    judgement = judge_answer(ask, "", Reply(status=400))
    assert judgement.verdict is Verdict.PASS
    assert judgement.note == "it should decline the offer alone, and open"


@pytest.mark.parametrize("number", [*LEGAL, 14, 15, 16, 17, 18, 19, 20, 53])
def test_a_legal_offer_is_no_reason_to_refuse(number: int) -> None:
    """A 400 to it does not pass."""
    judgement = judge_answer(BY_ID[f"N.{number}"], "", Reply(status=400))
    assert judgement.verdict is Verdict.FAIL


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_lists_are_broken(name: str) -> None:
    """They are no extension-list (RFC 6455 9.1)."""
    assert parse_elements(lines(BY_ID[name], EXTENSIONS)) is None


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("N.2", b"\r\nSec-WebSocket-Protocol: wavetank-nobody-speaks-this\r\n"),
        ("N.6", b"\r\nSec-WebSocket-Protocol: CHAT, Chat, chat\r\n"),
        ("N.9", b"\r\nSec-WebSocket-Protocol: \r\n"),
        ("N.21", b"\r\nSec-WebSocket-Extensions: \r\n"),
        ("N.24", b'permessage-deflate; server_max_window_bits="10\r\n'),
        ("N.32", b'permessage-deflate; server_max_window_bits="10"\r\n'),
        ("N.33", b"permessage-deflate; client_max_window_bits\r\n"),
        ("N.41", b"permessage-deflate; server_max_window_bits=015\r\n"),
        (
            "N.54",
            b"Extensions: permessage-deflate; server_max_window_bits=7, "
            b"permessage-deflate; server_max_window_bits=12\r\n",
        ),
        (
            "N.55",
            b"Extensions: permessage-deflate; server_no_context_takeover=0\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate; wavetank_level=9\r\n",
        ),
    ],
)
def test_rows_send_what_they_say(
    name: str, part: bytes, wire: Callable[[Ask], bytes]
) -> None:
    """A few of them to the letter."""
    assert part in wire(BY_ID[name])


def test_lists_over_several_lines_are_several_lines(
    wire: Callable[[Ask], bytes],
) -> None:
    """One subprotocol, or extension, in each."""
    assert wire(BY_ID["N.5"]).count(b"\r\nSec-WebSocket-Protocol: ") == 12
    assert wire(BY_ID["N.18"]).count(b"\r\nSec-WebSocket-Extensions: ") == 3
