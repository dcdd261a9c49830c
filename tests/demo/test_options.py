"""The options of the demo, and its plan."""

from decimal import Decimal
from pathlib import Path

import pytest

from wavetank.demo.options import OPTIONS, DemoPlan, make_plan
from wavetank.errors import UsageError
from wavetank.settings import resolve


def plan(*words: str, **flags: object) -> DemoPlan:
    """Return the plan of words and flags."""
    return make_plan(list(words), "ws://h/ws", resolve(OPTIONS, flags=flags))


def test_without_a_word_it_is_the_whole_cycle() -> None:
    """Everything else is at its default."""
    assert plan() == DemoPlan(role="cycle", url="ws://h/ws")


def test_each_option_finds_its_way_into_the_plan() -> None:
    """What was typed is what is done."""
    made = plan(
        "feed",
        topic_prefix="a.b.",
        run="x",
        seed="7",
        rate="0.5",
        messages="9",
        seconds="2m",
        replay="f.csv",
        patience="1s",
        queue="5",
        spool="d",
        json=True,
    )
    assert made == DemoPlan(
        role="feed",
        url="ws://h/ws",
        prefix="a.b.",
        run="x",
        seed=7,
        rate=0.5,
        messages=9,
        seconds=120.0,
        replay=Path("f.csv"),
        patience=1.0,
        queue=5,
        spool=Path("d"),
        is_json=True,
    )
    assert plan("bot", capital="10.999").capital == Decimal("11.00")
    assert plan(kill_hub="3s", memory=True).kill_hub == 3.0


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("rate", "0", "not a number from 0.001"),
        ("rate", "nan", "not a number from 0.001"),
        ("rate", "x", "not a number from 0.001"),
        ("capital", "x", "not an amount"),
        ("capital", "0", "not an amount"),
        ("capital", "Infinity", "not an amount"),
        ("topic-prefix", "a b", "a b"),
        ("topic-prefix", "*", "*"),
        ("run", "", "not a name"),
        ("run", "a\nb", "not a name"),
        ("patience", "0", "too short"),
        ("messages", "0", "too small"),
    ],
)
def test_a_value_that_cannot_be_used_is_told(name: str, typed: str, words: str) -> None:
    """The problem names the option."""
    with pytest.raises(UsageError) as caught:
        plan("feed", **{name: typed})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"--{name}")
    assert words in caught.value.problems[0]


def test_an_unknown_role_is_told_with_the_nearest_one() -> None:
    """All mistakes are told at once."""
    with pytest.raises(UsageError) as caught:
        plan("dashbord", "more")
    assert caught.value.problems == (
        "dashbord: it is feed, bot, dashboard, or none; did you mean dashboard?",
        "more: one word too many",
    )


def test_an_option_that_a_role_has_no_use_for_is_told() -> None:
    """Nobody believes to have set what nothing reads."""
    with pytest.raises(UsageError) as caught:
        plan("dashboard", rate="5", memory=True)
    assert caught.value.problems == (
        "--rate: a dashboard has no use for it",
        "--memory: a dashboard has no use for it",
    )
    with pytest.raises(UsageError) as caught:
        plan(url="ws://x")
    assert caught.value.problems == (
        "--url: the whole cycle, with a hub of its own, has no use for it",
    )
