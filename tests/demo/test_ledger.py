"""The ledger."""

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec
import pytest

from wavetank.demo import ledger as module
from wavetank.demo.ledger import Account, Ledger, Outcome
from wavetank.demo.messages import (
    TOPICS,
    Fill,
    Message,
    Position,
    Status,
    encode,
    topic_of,
)

Play = Callable[..., list[Message]]


def fill(ledger: Ledger, messages: Iterable[Message]) -> None:
    """Hand in messages as they come over a connection."""
    for message in messages:
        ledger.receive(topic_of(message), encode(message))


def judge(messages: Iterable[Message]) -> Account:
    """Return the account of messages."""
    ledger = Ledger("r")
    fill(ledger, messages)
    return ledger.judge()


def test_a_run_of_which_all_came_is_whole(play: Play) -> None:
    """It is complete with its last message, and not before."""
    messages = play()
    ledger = Ledger("r")
    fill(ledger, messages[:-1])
    assert ledger.has_finished("feed")
    assert not ledger.has_finished("bot")
    assert not ledger.is_complete
    fill(ledger, messages[-1:])
    assert ledger.is_complete
    account = ledger.judge()
    assert account.outcome is Outcome.WHOLE
    assert account.received == len(messages)
    assert {each.topic for each in account.topics} == set(TOPICS)
    assert all(each.expected == each.received for each in account.topics)
    assert repr(ledger).startswith("<Ledger ")


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_each_message_that_is_missing_is_found(play: Play, topic: str) -> None:
    """Whichever topic it is of, the first or the last one: the account is broken."""
    messages = play()
    places = [n for n, each in enumerate(messages) if topic_of(each) == topic]
    for gone in {places[0], places[-1]}:
        account = judge(each for n, each in enumerate(messages) if n != gone)
        assert account.outcome is Outcome.BROKEN


def test_what_is_missing_is_said_by_its_numbers(play: Play) -> None:
    """A sentence per topic, with the holes."""
    gone = {2, 3, 7, 20, 30, 40, 50}
    account = judge(
        each
        for each in play()
        if topic_of(each) != "bot.indicators" or each.number not in gone
    )
    assert account.problems == [
        "bot.indicators: 7 missing: 2 to 3, 7, 20, 30, 40 and others"
    ]


def test_a_message_that_comes_twice_or_late_is_found(play: Play) -> None:
    """It is told as that, and not counted into the sums again."""
    messages = play()
    fills = [n for n, each in enumerate(messages) if isinstance(each, Fill)]
    account = judge([*messages, messages[fills[0]]])
    assert account.problems == ["bot.fills: 1 came more than once"]
    late = messages.pop(0)
    account = judge([*messages, late])
    assert "market.btc-usd: 1 came after a later one" in account.problems


def test_a_run_that_was_never_finished_is_broken(play: Play) -> None:
    """Without the totals nobody knows what is missing."""
    account = judge(play()[:-20])
    assert account.outcome is Outcome.BROKEN
    assert account.problems[:2] == [
        "the feed has not said that it is done, nor how much there was",
        "the bot has not said that it is done, nor how much there was",
    ]
    assert judge([]).outcome is Outcome.BROKEN


def test_more_messages_than_there_were_are_found(play: Play) -> None:
    """The last status is the measure both ways."""
    messages = play()
    extra = [each for each in messages if isinstance(each, Fill)][-1]
    more = msgspec.structs.replace(extra, number=extra.number + 1)
    account = judge([*messages, more])
    assert "bot.fills: 1 more than there were" in account.problems


def test_a_run_without_anything_to_check_is_unknown(play: Play) -> None:
    """Two publishers that did nothing prove nothing."""
    ends = [
        msgspec.structs.replace(each, number=1, totals={topic_of(each): 1}, ticks=0)
        for each in play()
        if isinstance(each, Status)
    ]
    account = judge(ends)
    assert account.outcome is Outcome.UNKNOWN


def test_messages_of_other_runs_and_no_messages_are_told_apart(play: Play) -> None:
    """Another run's leftovers are counted; what is no message breaks the account."""
    ledger = Ledger("r")
    fill(ledger, play(run="other"))
    assert ledger.foreign == len(play())
    fill(ledger, play())
    assert ledger.receive("bot.fills", b"{}") is None
    assert ledger.receive("nowhere", b"{}") is None
    account = ledger.judge()
    assert account.outcome is Outcome.BROKEN
    assert len(account.problems) == 2


def test_a_gap_that_the_hub_declares_is_noted(play: Play) -> None:
    """By itself it breaks nothing: what counts is what did not come."""
    ledger = Ledger("r")
    fill(ledger, play())
    ledger.note_gap("bot.fills", 0, "epoch_changed")
    ledger.note_gap("bot.fills", 3, "truncated")
    account = ledger.judge()
    assert account.outcome is Outcome.WHOLE
    assert account.gaps == [
        "bot.fills: the hub says that some may not come: epoch_changed",
        "bot.fills: the hub says that 3 will not come: truncated",
    ]


def test_problems_are_bounded_and_the_rest_is_counted(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile hub fills no memory."""
    monkeypatch.setattr(module, "_MOST_PROBLEMS", 2)
    ledger = Ledger("r")
    for _ in range(5):
        ledger.receive("bot.fills", b"{")
        ledger.note_gap("bot.fills", 1, "x")
    fill(
        ledger,
        [
            msgspec.structs.replace(each, cash=each.cash + Decimal(1))
            if isinstance(each, Position)
            else each
            for each in play()
        ],
    )
    account = ledger.judge()
    assert len(account.gaps) == 2
    assert account.problems[-1] == "and 3 more"
