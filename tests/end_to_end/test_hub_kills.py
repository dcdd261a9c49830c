"""SIGKILL in the middle of publishing: nothing acknowledged is lost, nothing seen goes.

Seeds decide who publishes what where, and when the hub is killed; a failure names them.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from .hub.clients import Follower, Sender, collect_logs, gather
from .hub.process import HubProcess
from .hub.verdict import (
    Acknowledged,
    Began,
    Evidence,
    Log,
    Saw,
    Sent,
    Told,
    chain,
)

pytestmark = pytest.mark.anyio

TOPICS = ("orders.eu.paris", "orders.eu.rome", "orders.us", "audit.fills")
TARGETS = ("orders.us", "audit.fills", "orders.**", "orders.eu.**", "**")
FLAGS = ("--durability", "audit.**=fsync", "--ping", "250ms", "--ring-entries", "20")
ROUND = 120.0
"""Seconds that a round may take, at most."""


class Killer:
    """Kills the hub when some publications are acknowledged and others are not.

    Args:
        hub: Whom.
        senders: Whose publications.
        dice: How many.
    """

    def __init__(
        self, hub: HubProcess, senders: Sequence[Sender], dice: random.Random
    ) -> None:
        self._hub = hub
        self._senders = senders
        self._dice = dice
        self._events_left = 0
        self._is_armed = False
        self._least: int = 0
        self._target: int = 0
        self._has_struck = asyncio.Event()

    @property
    def _acknowledged(self) -> int:
        return sum(len(sender.acknowledged) for sender in self._senders)

    async def strike(self) -> None:
        """Wait for the moment and kill; it comes with an answer or with an event."""
        self._target = self._acknowledged + self._dice.randint(1, 250)
        self._least = self._dice.randint(1, 12)
        self._events_left = self._dice.choice((0, 0, self._dice.randint(1, 400)))
        self._has_struck.clear()
        self._is_armed = True
        async with asyncio.timeout(ROUND):
            await self._has_struck.wait()

    def hear_event(self) -> None:
        """Hear that a subscriber has got an event."""
        self._events_left -= 1
        self._consider()

    def hear_answer(self) -> None:
        """Hear that a publisher has got an answer."""
        self._consider()

    def _consider(self) -> None:
        waiting = sum(len(sender.unanswered) for sender in self._senders)
        is_time = self._acknowledged >= self._target and waiting >= self._least
        if self._is_armed and is_time and self._events_left <= 0:
            self._is_armed = False
            self._hub.kill()
            self._has_struck.set()


class Scene:
    """Publishers and subscribers around a hub that is killed again and again.

    Args:
        hub: It runs.
        seed: Of all dice.
    """

    def __init__(self, hub: HubProcess, seed: int) -> None:
        self.followers = [
            Follower(hub, f"s{n}", target) for n, target in enumerate(TARGETS)
        ]
        self.senders = [
            Sender(hub, f"p{n}", TOPICS, random.Random(f"{seed} {n}")) for n in range(3)
        ]
        self._hub = hub
        self._killer = Killer(hub, self.senders, random.Random(seed))
        for follower in self.followers:
            follower.on_event = self._killer.hear_event
        for sender in self.senders:
            sender.on_answer = self._killer.hear_answer

    async def play(self, rounds: int) -> Evidence:
        """Kill so often, let everybody finish, and return all that was seen."""
        async with asyncio.TaskGroup() as group:
            following = [group.create_task(each.run()) for each in self.followers]
            for follower in self.followers:
                await follower.subscribed()
            sending = [group.create_task(each.run()) for each in self.senders]
            for _ in range(rounds):
                await self._killer.strike()
                assert await self._hub.ended() == -9
                await self._hub.start()
            for sender in self.senders:
                sender.stop()
            await asyncio.wait(sending, timeout=ROUND)
            logs = await collect_logs(self._hub.url, TOPICS)
            tops = {topic: len(log.entries) for topic, log in logs.items()}
            # Who does not get there is judged by the caller.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND):
                    for follower in self.followers:
                        await follower.reach(tops)
            for task in (*following, *sending):
                task.cancel()
        return gather(self.senders, self.followers, logs)


@pytest.mark.parametrize(
    ("rounds", "seed"), [(3, 1), pytest.param(100, 2, marks=pytest.mark.long)]
)
async def test_a_hub_that_is_killed_while_it_is_published_to_loses_and_repeats_nothing(
    make_hub: Callable[..., HubProcess], rounds: int, seed: int
) -> None:
    """Every acknowledged and every seen event is in the log, for all in one order."""
    hub = make_hub(*FLAGS)
    await hub.start()
    scene = Scene(hub, seed)
    evidence = await scene.play(rounds)
    print(f"seed {seed}: {len(evidence)} things were seen")

    assert evidence.judge() == [], f"seed {seed}"
    assert [each.problems for each in (*scene.senders, *scene.followers)] == [[]] * 8
    assert all(follower.codes == [1006] * rounds for follower in scene.followers)
    assert hub.lives == rounds + 1
    # Of few kills it may be that none came between a write and its answer.
    again = sum(sender.duplicates for sender in scene.senders)
    assert again > 0 or rounds < 10, "nothing that was written was sent again"


async def test_the_same_scene_is_rejected_where_the_hub_keeps_its_log_in_memory(
    make_hub: Callable[..., HubProcess],
) -> None:
    """Whoever forgets what it has acknowledged is seen: the proof can fail."""
    hub = make_hub("--ping", "250ms", is_durable=False)
    await hub.start()
    problems = (await Scene(hub, 3).play(1)).judge()

    assert any("was acknowledged in epoch" in problem for problem in problems)


# The judge itself: a small history that is right, and each way to spoil it.

A, B, C = b'{"n":1}', b'{"n":2}', b'{"n":3}'
TAG_A = chain("00000000", 1, A)
TAG_B = chain(TAG_A, 2, B)
TAG_C = chain(TAG_B, 3, C)
STORY = (
    Began("e", 0, "00000000"),
    Saw(1, A),
    Told(1, TAG_A),
    Began("e", 1, TAG_A, recovered=True),
    Saw(2, B),
    Saw(3, C),
)
RIGHT = Evidence(
    sent=(
        Sent("t", A, True),
        Sent("t", B, True, ("p", 1)),
        Sent("t", C, True, ("p", 2)),
    ),
    acknowledged=tuple(
        Acknowledged("t", "e", seq, data) for seq, data in enumerate((A, B, C), 1)
    ),
    logs={"t": Log("e", TAG_C, ((1, A), (2, B), (3, C)))},
    stories={("s", "t"): STORY},
)


def log(*payloads: bytes, epoch: str = "e") -> dict[str, Log]:
    """Return the log of these payloads, with tags that are right."""
    tag = "00000000"
    entries = list(enumerate(payloads, start=1))
    for seq, payload in entries:
        tag = chain(tag, seq, payload)
    return {"t": Log(epoch, tag, entries)}


def story(*steps: Began | Saw | Told) -> dict[tuple[str, str], Any]:
    """Return what the only subscriber saw."""
    return {("s", "t"): steps}


def test_the_judge_accepts_a_history_that_is_right() -> None:
    """Otherwise it would prove nothing by rejecting others."""
    assert RIGHT.judge() == []


def test_the_judge_computes_the_tags_of_the_protocol_page() -> None:
    """The three payloads and tags of the page are what it computes."""
    tags = [chain("00000000", 1, b"1")]
    tags.append(chain(tags[-1], 2, b'{"a":1.0}'))
    tags.append(chain(tags[-1], 3, '"é"'.encode()))

    assert tags == ["aecc25d5", "2e6b08aa", "4434aedd"]


FIRST = STORY[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        # An acknowledged publication is gone, is another one, or of another epoch.
        ({"logs": log(A, B), "stories": {}}, "entry 3 of t: acknowledged"),
        ({"logs": log(A, C, B), "stories": {}}, "entry 2 of t: acknowledged"),
        ({"logs": log(A, B, C, epoch="f"), "stories": {}}, "in epoch e, now gone"),
        # Somebody was never answered.
        ({"acknowledged": RIGHT.acknowledged[:2]}, "never acknowledged"),
        # The log has a hole, a wrong tag, something strange, the same key twice.
        (
            {"logs": {"t": Log("e", TAG_C, ((1, A), (3, C)))}},
            "entry 3 stands at place 2",
        ),
        (
            {"logs": {"t": Log("e", TAG_B, RIGHT.logs["t"].entries)}},
            "its top has the tag",
        ),
        ({"logs": log(A, B, C, b"4"), "stories": {}}, "nobody sent entry 4"),
        ({"sent": (*RIGHT.sent[:2], Sent("u", C, True))}, "nobody sent entry 3 there"),
        ({"logs": log(A, B, C, A), "stories": {}}, "is there 2 times"),
        # A producer's numbers come in another order.
        ({"logs": log(A, C, B), "stories": {}}, "number 2 of p follows 0"),
        # Somebody saw what is not in the log, or in other words.
        (
            {"stories": story(*STORY, Saw(4, b"4"))},
            "event 4: b'4', in the log b'nothing'",
        ),
        ({"stories": story(FIRST, Saw(1, B), *STORY[1:])}, "event 1:"),
        # A hole, a repetition, another order; and none of it may be left out.
        ({"stories": story(FIRST, Saw(1, A), Saw(3, C))}, "event 3 follows 1"),
        ({"stories": story(*STORY[:2], *STORY[1:])}, "event 1 follows 1"),
        ({"stories": story(FIRST, Saw(2, B), Saw(1, A))}, "event 2 follows 0"),
        ({"stories": story(*STORY[:-1])}, "ended at (2,"),
        ({"stories": story()}, "ended at None"),
        ({"stories": story(*STORY[1:])}, "came before it began"),
        # A resume that is not one, and tags that do not fit.
        (
            {"stories": story(*STORY[:3], Began("e", 1, TAG_A, recovered=False))},
            "did not recover at 1",
        ),
        (
            {"stories": story(*STORY[:3], Began("e", 1, TAG_A), *STORY[4:])},
            "did not recover at 1",
        ),
        (
            {"stories": story(*STORY[:3], Began("e", 2, TAG_B, recovered=True))},
            "went on behind 2",
        ),
        (
            {"stories": story(*STORY[:3], Began("f", 1, TAG_A, recovered=True))},
            "began in epoch f",
        ),
        ({"stories": story(*STORY[:2], Told(1, TAG_B))}, "was told of 1"),
        ({"stories": story(*STORY[:2], Told(2, TAG_B))}, "was told of 2"),
    ],
)
def test_the_judge_rejects_a_history_that_is_spoiled(
    change: dict[str, Any], problem: str
) -> None:
    """Each promise of the protocol page, broken in one place, is seen."""
    assert any(problem in each for each in replace(RIGHT, **change).judge())


def test_the_judge_tells_the_first_of_many_problems() -> None:
    """A broken hub breaks everything; nobody reads a thousand lines."""
    nothing = replace(RIGHT, sent=[Sent("t", b"%d" % n) for n in range(1000)])

    assert 0 < len(nothing.judge()) <= 20
