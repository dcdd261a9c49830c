"""A trading cycle: what its processes told -> events of a history, and findings.

They refuse to know how the processes were started, and what was broken meanwhile.
"""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from wavetank.evidence import Finding, Histogram, Verdict
from wavetank.lab.checkers import history
from wavetank.lab.checkers.ids import write_id

__all__ = [
    "MARKET",
    "TOPICS",
    "Heard",
    "Line",
    "Spell",
    "away_spells",
    "id_of",
    "in_order",
    "judge_account",
    "judge_going_on",
    "judge_log",
    "publications",
    "way_times",
]

Line: TypeAlias = Mapping[str, Any]
"""What a process has told; ``at`` and ``made_at`` are in milliseconds."""

MARKET: Final = ("market.btc-usd", "market.status")
TOPICS: Final = (
    *MARKET,
    *("bot.indicators", "bot.decisions", "bot.orders"),
    *("bot.fills", "bot.positions", "bot.status"),
)
"""What is published in a cycle, without the prefix."""

_LONGEST = 86_400.0
_SHOWN = 3
_ERROR = re.compile(
    r"^Traceback \(most recent|^(?:ERROR|CRITICAL|FATAL)\b"
    r'|"level": ?"(?:error|critical)"'
)


class Spell(NamedTuple):
    """A time in which a process did not hear the target, in milliseconds."""

    began: float
    ended: float


# What came, and what was told


class Heard:
    """Takes what came to subscribers of a cycle, and gives each message its id.

    Args:
        prefix: What stands before each topic, with its dot.

    Attributes:
        events: All of it, in its order.
    """

    def __init__(self, *, prefix: str) -> None:
        self.events: list[history.Event] = []
        self._prefix = prefix

    def take(self, event: history.Event) -> None:
        """Take what has happened."""
        self.events.append(event)

    def listen(self, payload: str) -> None:
        """Take the payload of the message that was taken last."""
        event = self.events[-1]
        assert isinstance(event, history.Delivered), "a payload follows its message"
        topic = event.topic.removeprefix(self._prefix)
        try:
            message = json.loads(payload)
            id_ = id_of(message["run"], topic, message["number"])
        except (ValueError, TypeError, LookupError, RecursionError):
            id_ = ""
        self.events[-1] = event._replace(id=id_)

    def __repr__(self) -> str:
        """Show how much there was."""
        return f"<Heard {len(self.events)} events>"


def in_order(*told: Iterable[history.Event]) -> list[history.Event]:
    """Return events of several in the order of time.

    What was published comes first: clocks of two processes may differ a little, and
    nobody gets a message before it is made.
    """
    events = sorted(itertools.chain(*told), key=lambda event: event.at)
    return sorted(events, key=lambda one: not isinstance(one, history.PublishInvoked))


def id_of(run: str, topic: str, number: int) -> str:
    """Return the id of a message: of which run, in which topic, and which of them.

    Args:
        run: Characters of [0-9a-z].
        topic: Without the prefix.
        number: Its number in the topic, from 1 on.
    """
    return write_id(run, topic, number)


def publications(
    lines: Iterable[Line], *, run: str, prefix: str, offset: float
) -> list[history.Event]:
    """Return what a publisher told as events: each message, and what came of it.

    Args:
        lines: Its lines.
        run: Of the cycle.
        prefix: What stands before each topic, with its dot.
        offset: Seconds from 1970 to the beginning of the run.
    """
    events: list[history.Event] = []
    for line in lines:
        if line["type"] not in {"published", "failed"}:
            continue
        topic, at = line["topic"], line["at"] / 1000 - offset
        word = topic.removeprefix(prefix)
        id_ = id_of(run, word, line["number"])
        made_at = min(at, line["made_at"] / 1000 - offset)
        events.append(history.PublishInvoked(made_at, word, id_, topic))
        if line["type"] == "failed":
            events.append(history.PublishInfo(at, id_))
        else:
            seq, epoch = line["seq"], line["epoch"] or ""
            events.append(history.PublishOk(at, id_, seq, epoch))
    return events


def away_spells(lines: Iterable[Line]) -> list[Spell]:
    """Return the times in which a process was away; what has no end is left out."""
    spells, began = [], None
    for line in lines:
        if line["type"] == "disconnected" and began is None:
            began = line["at"]
        elif line["type"] == "connected" and began is not None:
            spells.append(Spell(began, line["at"]))
            began = None
    return spells


def way_times(bot: Sequence[Line], dashboard: Sequence[Line]) -> Histogram:
    """Return how long messages took from the bot to the dashboard, in seconds.

    Those on whose way one of both was away waited for that, and are left out.
    """
    came = {
        (line["topic"], line["number"]): line["at"]
        for line in dashboard
        if line["type"] == "received" and line["number"] is not None
    }
    spells = [*away_spells(bot), *away_spells(dashboard)]
    times = Histogram(highest=_LONGEST)
    for line in bot:
        if line["type"] != "published":
            continue
        at = came.get((line["topic"], line["number"]))
        made_at = line["made_at"]
        if at is None or any(s.began <= at and made_at <= s.ended for s in spells):
            continue
        times.record(max((at - made_at) / 1000, times.lowest))
    return times


# Findings


def judge_going_on(name: str, lines: Sequence[Line]) -> Finding:
    """Judge whether a publisher went on while the target was away.

    Args:
        name: Which one.
        lines: Its lines.
    """
    spells = away_spells(lines)
    made = [
        line
        for line in lines
        if line["type"] == "published"
        and any(s.began <= line["made_at"] <= s.ended for s in spells)
    ]
    away = sum(spell.ended - spell.began for spell in spells) / 1000
    verdict = Verdict.PASS if made else Verdict.FAIL
    return Finding(
        verdict=verdict if spells else Verdict.UNKNOWN,
        title=f"the {name} goes on while the target is away",
        expected="messages made meanwhile, and published afterwards",
        seen=f"{len(made)} made in {away:.2f} s" if spells else "it was never away",
    )


def judge_account(told: Line | None, *, has_forgotten: bool) -> list[Finding]:
    """Judge the account of a dashboard.

    What is missing counts as declared where the target has begun a new life of its
    logs and said so; then a publisher's retry may come twice, too.

    Args:
        told: Its last line; None where it did not come to an end.
        has_forgotten: Whether the target has said that its logs began anew.
    """
    title = "the dashboard comes to an account"
    if told is None:
        return [Finding(verdict=Verdict.UNKNOWN, title=title, seen="it told none")]
    topics: list[Line] = told["topics"]
    # What the hub says is missing is a sentence that begins with its topic.
    silent = [t for t in topics if not _is_declared(t["topic"], told["gaps"])]
    owed = silent if has_forgotten else topics
    ended = [problem for problem in told["problems"] if " has not said " in problem]
    checked = sum(told["checked"].values())
    return [
        _finding(title, ended, f"{told['received']:,} messages"),
        _finding(
            "nothing is missing at the dashboard",
            [f"{t['topic']}: {_holes(t['missing'])}" for t in owed if t["missing"]],
            "none",
            _note([t for t in topics if t["missing"]], "declared by the target"),
        ),
        _finding(
            "nothing comes to the dashboard twice or too late",
            [] if has_forgotten else list(_again(topics)),
            "none",
            _note(list(_again(topics)), "the target has forgotten who published what"),
        ),
        _finding("the account of the dashboard adds up", told["wrong"], f"{checked:,}")
        if checked or told["wrong"]
        else Finding(
            verdict=Verdict.UNKNOWN,
            title="the account of the dashboard adds up",
            seen="there was nothing to check",
        ),
    ]


def judge_log(whose: str, lines: Sequence[str]) -> Finding:
    """Judge what a process wrote: no traceback, and no line that is an error.

    Args:
        whose: Name of the process.
        lines: The last ones.
    """
    title = f"the log of {whose} tells of no error"
    found = [line.strip()[:200] for line in lines if _ERROR.search(line.strip())]
    return _finding(title, found, f"{len(lines)} lines")


def _finding(title: str, problems: Sequence[str], fine: str, note: str = "") -> Finding:
    more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Finding(
        verdict=Verdict.FAIL if problems else Verdict.PASS,
        title=title,
        expected="none" if problems else "",
        seen="; ".join(problems[:_SHOWN]) + more if problems else fine,
        note="" if problems else note,
    )


def _note(excused: Sequence[object], why: str) -> str:
    return f"{len(excused)} of them: {why}" if excused else ""


def _is_declared(topic: str, gaps: Sequence[str]) -> bool:
    return any(gap.startswith(f"{topic}: ") for gap in gaps)


def _holes(holes: Sequence[Sequence[int]]) -> str:
    count = sum(last - first + 1 for first, last in holes)
    shown = itertools.islice(holes, _SHOWN)
    return f"{count} missing, such as " + ", ".join(f"{a} to {b}" for a, b in shown)


def _again(topics: Iterable[Line]) -> Iterator[str]:
    for topic in topics:
        if topic["repeated"] or topic["late"]:
            yield f"{topic['topic']}: {topic['repeated']} twice, {topic['late']} late"
