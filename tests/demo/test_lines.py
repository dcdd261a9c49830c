"""Lines."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from wavetank.demo.ledger import Ledger
from wavetank.demo.lines import account_fields, json_line, text_lines
from wavetank.demo.messages import Message, encode, topic_of

Play = Callable[..., list[Message]]


def finished(messages: list[Message]) -> dict[str, object]:
    """Return the fields of a dashboard's last line."""
    ledger = Ledger("r")
    for message in messages:
        ledger.receive(topic_of(message), encode(message))
    return account_fields(ledger.judge())


def test_a_line_for_programs_is_one_object() -> None:
    """Its head says what, who and when; amounts are numbers."""
    line = json_line("fill", "bot", 1.5, {"price": Decimal("67000.10")})
    assert line == b'{"type":"fill","role":"bot","at":1500.0,"price":67000.10}\n'


def test_people_read_words_and_not_every_message() -> None:
    """What comes many times a second is for programs only."""
    assert text_lines("connected", "bot", {}) == ["bot        connected"]
    assert text_lines("received", "bot", {"topic": "t"}) == []


def test_a_hubs_words_cannot_drive_a_terminal() -> None:
    """Control characters become question marks."""
    told = text_lines("disconnected", "bot", {"reason": "\x1b[2Jgone"})
    assert told == ["bot        the hub is not heard (?[2Jgone); going on"]


@pytest.mark.parametrize(
    ("missed", "more"), [(0, ""), (None, ""), (3, ", 3 prices missed")]
)
def test_a_publisher_says_how_much_was_published(missed: int | None, more: str) -> None:
    """And the bot also what it missed."""
    fields = {"acknowledged": 4, "accepted": 5}
    if missed is not None:
        fields["missed"] = missed
    told = text_lines("finished", "bot", fields)
    assert told == [f"bot        finished: 4 of 5 published{more}"]


def test_an_account_ends_with_its_outcome(play: Play) -> None:
    """Problems stand before it, one a line; what was checked stands first."""
    whole = text_lines("finished", "dashboard", finished(play()))
    assert "identities checked: equity" in whole[0]
    assert whole[-1].endswith("nothing is missing, and all of it adds up")
    broken = text_lines("finished", "dashboard", finished([]))
    assert "identities checked: none" in broken[0]
    assert broken[-1].endswith("the account is not whole")
    assert len(broken) == 4


def test_an_account_is_an_object_too(play: Play) -> None:
    """Programs get all of it."""
    fields = finished(play())
    told = json.loads(json_line("finished", "dashboard", 1.0, fields))
    assert told["outcome"] == "whole"
    assert told["received"] == sum(each["received"] for each in told["topics"])
