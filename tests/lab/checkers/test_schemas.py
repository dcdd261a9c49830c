"""Schemas: what was seen of a contract's messages, as findings."""

import json
import re
from pathlib import Path

import pytest

from wavetank.contracts import Example, Problem, Seen, Tally, Traffic, read_contract
from wavetank.evidence import Verdict, merge
from wavetank.lab.checkers.schemas import judge_schemas
from wavetank.protocol.asyncapi import document

BAD = (
    Example(
        '{"type":"price"}',
        (Problem(path="", expected="a field value", seen="none"),) * 5,
    ),
)


def test_all_valid_passes_in_numbers() -> None:
    """Messages and types are counted; those that never came are a note."""
    types = (
        Tally(name="price", seen=6),
        Tally(name="gap", seen=1),
        Tally(name="welcome"),
    )
    (finding,) = judge_schemas("the target", Seen(types=types))
    assert finding.verdict is Verdict.PASS
    assert finding.title == "every message of the target fits its contract"
    assert finding.expected == "messages of 3 types that fit their schemas"
    assert finding.seen == "7 messages of 2 types, all valid"
    assert finding.note == "never seen: welcome"


def test_a_single_message_is_not_told_in_the_plural() -> None:
    """And nothing is noted where every type came."""
    (finding,) = judge_schemas("it", Seen(types=(Tally(name="price", seen=1),)))
    assert finding.seen == "1 message of 1 type, all valid"
    assert finding.note == ""


def test_nothing_seen_is_unknown() -> None:
    """Where nothing came, nothing was proved."""
    (finding,) = judge_schemas("it", Seen(types=(Tally(name="price"),)))
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.seen == "no messages"


def test_invalid_messages_fail_with_an_example() -> None:
    """One finding for all, one for each type, with the first problems."""
    types = (
        Tally(name="price", seen=5, invalid=2, unjudged=1, examples=BAD, reason="r"),
        Tally(name="gap", seen=1),
    )
    whole, price = judge_schemas("the target", Seen(types=types))
    assert whole.verdict is price.verdict is Verdict.FAIL
    assert whole.seen == "6 messages of 2 types, 2 invalid, 1 not checked"
    assert price.title == "messages price of the target fit their schema"
    assert price.expected == "5 valid messages"
    problem = "the message: expected a field value, saw none"
    assert price.seen == (
        f'2 invalid; {problem}; {problem}; {problem}; such as {{"type":"price"}}'
    )


def test_messages_that_could_not_be_checked_are_unknown() -> None:
    """They are not green, and the reason is told."""
    types = (Tally(name="blob", seen=2, unjudged=2, reason="avro is not read"),)
    whole, blob = judge_schemas("it", Seen(types=types))
    assert whole.verdict is blob.verdict is Verdict.UNKNOWN
    assert whole.seen == "2 messages of 1 type, 2 not checked"
    assert blob.seen == "2 not checked: avro is not read"


def test_unknown_types_fail() -> None:
    """A contract that does not name what is sent is broken, too."""
    unknown = (Tally(name='type "prize"', seen=3, invalid=3, examples=BAD),)
    seen = Seen(types=(Tally(name="price", seen=1),), unknown=unknown)
    whole, prize = judge_schemas("the target", seen)
    assert whole.verdict is prize.verdict is Verdict.FAIL
    assert whole.seen == "4 messages of 1 type, 3 of no type of the contract"
    assert prize.title == 'what the target sends is in its contract: type "prize"'
    assert prize.seen.startswith("3 messages; the message: expected a field value")


def test_many_types_that_never_came_are_shortened() -> None:
    """A large contract does not fill the report."""
    types = (Tally(name="a", seen=1), *(Tally(name=f"t{n}") for n in range(12)))
    (finding,) = judge_schemas("it", Seen(types=types))
    assert finding.note == (
        "never seen: t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more"
    )


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        (None, Verdict.PASS),
        ('{"type":"gap","topic":"a","from":"1","to":2,"reason":"x"}', Verdict.FAIL),
        ('{"type":"gup","topic":"a"}', Verdict.FAIL),
        ("hello", Verdict.FAIL),
    ],
)
def test_what_the_hubs_page_shows_passes_and_one_bad_message_fails(
    message: str | None, verdict: Verdict
) -> None:
    """The whole way from a document and its messages to a verdict."""
    contract = read_contract(json.dumps(document("1.0")), closed=True)
    page = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text("utf-8")
    pushes = re.findall(r"```jsonc\n(.*?)```", page, re.DOTALL)[1]
    # One push stands on two lines.
    lines = pushes.strip().replace(",\n", ",").splitlines()
    traffic = Traffic(contract.sent)
    for line in [*lines, *([message] if message else [])]:
        traffic.see(line)
    findings = judge_schemas("the hub", traffic.seen)
    assert merge(one.verdict for one in findings) is verdict
