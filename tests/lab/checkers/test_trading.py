"""A trading cycle: what its processes told, and what that means."""

from typing import Any

import pytest

from wavetank.evidence import Verdict
from wavetank.lab.checkers import history
from wavetank.lab.checkers.trading import (
    Heard,
    Spell,
    away_spells,
    id_of,
    in_order,
    judge_account,
    judge_going_on,
    judge_log,
    publications,
    way_times,
)


def line(kind: str, at: float, **fields: Any) -> dict[str, Any]:
    """Return a line, at so many milliseconds."""
    return {"type": kind, "at": at, **fields}


def published(
    number: int, at: float, *, topic: str = "x.bot.status", **more: Any
) -> Any:
    """Return a line of a message that was made ten milliseconds before."""
    fields: dict[str, Any] = {
        "topic": topic,
        "number": number,
        "made_at": at - 10,
        "epoch": "e",
        "seq": number,
    }
    return line("published", at, **(fields | more))


def account(**changes: Any) -> dict[str, Any]:
    """Return the last line of a dashboard; all is well unless changed."""
    topic = {"topic": "bot.fills", "missing": [], "repeated": 0, "late": 0}
    told: dict[str, Any] = {
        "topics": [topic | changes.pop("topic", {})],
        "problems": [],
        "wrong": [],
        "gaps": [],
        "checked": {"fills": 3},
        "received": 12,
    }
    return told | changes


def verdicts(told: dict[str, Any] | None, *, has_forgotten: bool = False) -> list[Any]:
    """Return what the findings of an account come to."""
    found = judge_account(told, has_forgotten=has_forgotten)
    return [each.verdict for each in found]


def test_publications_are_told_with_what_came_of_them() -> None:
    """One that failed may have arrived all the same; nobody knows."""
    lines = [
        line("started", 1000.0),
        published(1, 2000.0, epoch=None, seq=None),
        line(
            "failed", 3000.0, topic="x.bot.status", number=2, made_at=2990.0, epoch=None
        ),
    ]
    events = publications(lines, run="r", prefix="x.", offset=1.0)
    first, second = (id_of("r", "bot.status", number) for number in (1, 2))
    assert events == [
        history.PublishInvoked(
            pytest.approx(0.99), "bot.status", first, "x.bot.status"
        ),
        history.PublishOk(1.0, first, None, ""),
        history.PublishInvoked(
            pytest.approx(1.99), "bot.status", second, "x.bot.status"
        ),
        history.PublishInfo(2.0, second),
    ]


def test_whoever_hears_messages_gives_them_their_ids() -> None:
    """What is no message of a cycle has none."""
    heard = Heard(prefix="x.")
    payloads = ('{"run":"r","number":4}', "[]", '{"run":"r","number":0}', "{")
    for payload in payloads:
        heard.take(history.Delivered(1.0, "w", "w/1", "x.bot.fills", "", 1, "e"))
        heard.listen(payload)
    ids = [event.id for event in heard.events if isinstance(event, history.Delivered)]
    assert ids == [id_of("r", "bot.fills", 4), "", "", ""]
    assert repr(heard) == "<Heard 4 events>"


def test_events_are_put_in_the_order_of_time_behind_what_was_published() -> None:
    """Clocks of two processes may differ a little."""
    came = history.Delivered(1.0, "w", "w/1", "t", "i")
    made = history.PublishInvoked(1.1, "p", "i", "t")
    known = history.PublishOk(0.9, "i")
    assert in_order([came], [made, known]) == [made, known, came]


def test_a_process_is_away_from_its_word_to_its_word() -> None:
    """What has no end is left out, and the first connection ends nothing."""
    kinds = ["connected", "disconnected", "disconnected", "connected", "disconnected"]
    lines = [line(kind, float(at)) for at, kind in enumerate(kinds)]
    assert away_spells(lines) == [Spell(1.0, 3.0)]


def test_times_are_of_messages_that_nothing_was_in_the_way_of() -> None:
    """Who waits for a target that is away waits for that."""
    bot = [line("disconnected", 500.0), line("connected", 900.0), published(1, 700.0)]
    bot += [published(number, 1000.0 * number) for number in (2, 3)]
    dashboard = [
        line("received", at, topic="x.bot.status", number=number)
        for at, number in ((950.0, 1), (2040.0, 2))
    ]
    dashboard.append(line("received", 1.0, topic="x.bot.status", number=None))
    times = way_times(bot, dashboard)
    assert times.count == 1
    assert times.percentile(50) == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([], Verdict.UNKNOWN),
        ([line("disconnected", 1.0), line("connected", 90.0)], Verdict.FAIL),
        (
            [line("disconnected", 1.0), line("connected", 90.0), published(1, 95.0)],
            Verdict.PASS,
        ),
    ],
)
def test_who_goes_on_makes_messages_while_it_is_away(
    lines: list[Any], verdict: Verdict
) -> None:
    """Who was never away has shown nothing."""
    assert judge_going_on("bot", lines).verdict is verdict


def test_a_whole_account_passes_and_none_is_unknown() -> None:
    """Nothing to check is no account that adds up."""
    assert set(verdicts(account())) == {Verdict.PASS}
    assert verdicts(None) == [Verdict.UNKNOWN]
    assert Verdict.UNKNOWN in verdicts(account(checked={}))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"problems": ["the bot has not said that it is done"]}, 0),
        ({"topic": {"missing": [[3, 4], [6, 6], [8, 8], [9, 9]]}}, 1),
        ({"topic": {"repeated": 1}}, 2),
        ({"topic": {"late": 1}}, 2),
        ({"wrong": ["a", "b", "c", "d"]}, 3),
        ({"wrong": ["a"], "checked": {}}, 3),
    ],
)
def test_each_thing_that_is_wrong_with_an_account_is_a_finding_of_its_own(
    changes: dict[str, Any], place: int
) -> None:
    """The others do not suffer from it."""
    found = verdicts(account(**changes))
    assert found.pop(place) is Verdict.FAIL
    assert set(found) == {Verdict.PASS}


def test_what_a_target_has_declared_lost_is_told_and_no_failure() -> None:
    """Where it has forgotten, and has said so of that topic; else it is one."""
    told = account(topic={"missing": [[3, 4]], "repeated": 1})
    said = told | {"gaps": ["bot.fills: the hub says that 2 will not come"]}
    assert Verdict.FAIL in verdicts(said)
    assert verdicts(told, has_forgotten=True)[1] is Verdict.FAIL
    found = judge_account(said, has_forgotten=True)
    assert {each.verdict for each in found} == {Verdict.PASS}
    assert "declared by the target" in found[1].note


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (["sound listens on ws://h", "an error of no importance"], Verdict.PASS),
        (["Traceback (most recent call last):"], Verdict.FAIL),
        (["ERROR it broke"], Verdict.FAIL),
        (['{"event":"x","level":"error"}'], Verdict.FAIL),
    ],
)
def test_a_log_with_an_error_in_it_is_noticed(
    lines: list[str], verdict: Verdict
) -> None:
    """By tracebacks, by first words, and by the level of structured lines."""
    assert judge_log("the bot", lines).verdict is verdict
