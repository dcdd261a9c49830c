"""A publisher that goes on, and what it tells the history."""

import json
import random
from typing import Any

import pytest

from wavetank.dialects import Capability
from wavetank.lab.checkers import history
from wavetank.lab.checkers.ids import digest_of
from wavetank.lab.conversation import Refused
from wavetank.lab.keeping import Patience
from wavetank.lab.publishing import (
    Publisher,
    intended_of,
    make_payload,
    publish_last,
)

from .talks import LOST, Talk, Talks, until

pytestmark = pytest.mark.anyio

SOON = Patience(base=0.0, cap=0.0, ping_every=3600.0)


class Tale:
    """A publisher and what it has told; time goes on with each look at the clock."""

    def __init__(self, *talks: Any, step: float = 0.001, **more: Any) -> None:
        self.events: list[history.Event] = []
        self.at = 0.0
        self.step = step
        given = {"patience": SOON, "rate": 1e9, "topics": ("t",)}
        given |= more
        self.publisher = Publisher(
            "p",
            run="r",
            open=Talks(*talks).open,
            take=self.events.append,
            now=self.now,
            rng=random.Random(1),
            **given,  # type: ignore[arg-type]
        )

    def now(self) -> float:
        """Let time pass."""
        self.at += self.step
        return self.at

    async def until_done(self) -> None:
        """Wait until everything was sent."""
        await until(lambda: self.publisher.is_done and not self.publisher.is_busy)

    def of(self, kind: type) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


async def test_a_publisher_sends_numbered_messages_to_its_topics_in_turn() -> None:
    """Each is told before it is sent, and again when it is acknowledged."""
    talk = Talk()
    tale = Tale(talk, limit=3, topics=("t", "u"), size=200)
    async with tale.publisher as publisher:
        assert repr(publisher) == "<Publisher p away: not yet, 0 sent>"
        await tale.until_done()
        publisher.check()
    ids = ["w-r-p.1-1", "w-r-p.1-2", "w-r-p.1-3"]
    invoked = tale.of(history.PublishInvoked)
    assert [event.id for event in invoked] == ids
    assert [event.topic for event in invoked] == ["t", "u", "t"]
    payloads = [payload for _, _, payload in talk.asked]
    assert [event.digest for event in invoked] == list(map(digest_of, payloads))
    assert [json.loads(payload)["id"] for payload in payloads] == ids
    assert {len(payload) for payload in payloads} == {200}
    acknowledged = tale.of(history.PublishOk)
    assert [(event.id, event.seq, event.epoch) for event in acknowledged] == [
        (id_, number, "e") for number, id_ in enumerate(ids, 1)
    ]
    assert publisher.statistics() == {
        "opened": 1,
        "sent": 3,
        "acknowledged": 3,
        "refused": 0,
        "unknown": 0,
        "late": 0,
    }


async def test_a_publisher_is_another_one_once_nobody_knows() -> None:
    """A lost message is not tried again; what two connections send has no order."""
    first, second = Talk(TimeoutError()), Talk()
    tale = Tale(first, second, limit=2)
    async with tale.publisher as publisher:
        await tale.until_done()
        assert publisher.why == "TimeoutError"
    assert [event.id for event in tale.of(history.PublishInvoked)] == [
        "w-r-p.1-1",
        "w-r-p.2-1",
    ]
    assert [event.id for event in tale.of(history.PublishInfo)] == ["w-r-p.1-1"]
    assert (publisher.unknown, publisher.acknowledged) == (1, 1)


async def test_a_publisher_goes_on_after_a_refusal() -> None:
    """On the same connection: no is an answer."""
    tale = Tale(Talk(Refused("no")), limit=2)
    async with tale.publisher as publisher:
        await tale.until_done()
    assert [event.id for event in tale.of(history.PublishFailed)] == ["w-r-p.1-1"]
    assert not tale.of(history.PublishInfo)
    assert (publisher.refused, publisher.acknowledged, publisher.unknown) == (1, 1, 0)


async def test_what_nobody_acknowledges_nobody_knows() -> None:
    """That it was sent is no acknowledgement."""
    tale = Tale(Talk().lacks(Capability.ACKNOWLEDGE), limit=2)
    async with tale.publisher as publisher:
        await tale.until_done()
    assert len(tale.of(history.PublishInfo)) == 2
    assert not tale.of(history.PublishOk)
    assert (publisher.unknown, publisher.acknowledged) == (2, 0)


async def test_a_publisher_sends_late_what_it_could_not_send_in_time() -> None:
    """An open model: the moments stay what they were, and the late are counted."""
    first, second = Talk(LOST), Talk()
    tale = Tale(first, second, limit=3, rate=1e9)

    def jump(event: history.Event) -> None:
        tale.events.append(event)
        if isinstance(event, history.PublishInfo):
            tale.at += 60.0

    tale.publisher._take = jump
    async with tale.publisher as publisher:
        await tale.until_done()
        assert publisher.late == 2
    moments = [intended_of(payload) for _, _, payload in second.asked]
    assert [moment is not None and moment < 1 for moment in moments] == [True, True]


async def test_an_idle_publisher_pings() -> None:
    """A dead link is noticed though nothing is to be sent."""
    first, second = Talk(), Talk()
    patience = SOON._replace(ping_every=0.0)
    tale = Tale(first, second, rate=1e-9, patience=patience)
    async with tale.publisher as publisher:
        await until(lambda: publisher.sent == 1 or first.peer.pings > 2)
        first.peer.ping_fails = TimeoutError()
        await until(lambda: publisher.conversation is second)
        await until(lambda: publisher.is_connected)
        assert repr(publisher).startswith("<Publisher p connected, ")


async def test_a_publisher_that_waits_can_be_stopped() -> None:
    """What is under way is finished, and nothing more is begun."""
    tale = Tale(Talk(), rate=1e-6, step=0.0)
    async with tale.publisher as publisher:
        await until(lambda: publisher.acknowledged == 1)
        publisher.stop()
        assert publisher.is_done
        await until(lambda: not publisher.is_connected)
    assert publisher.sent == 1


@pytest.mark.parametrize(
    ("payload", "at"),
    [
        (make_payload("w-r-p-1", at=1.25), 1.25),
        ('{"at" : 3}', 3.0),
        ('{"at":"never"}', None),
        ("", None),
    ],
)
def test_a_payload_says_when_it_was_to_be_sent(payload: str, at: float | None) -> None:
    """Also where the target has written it anew."""
    assert intended_of(payload) == at


@pytest.mark.parametrize(
    ("talk", "was_taken", "is_closed"),
    [
        (Talk(), True, False),
        (Talk(Refused("no")), False, False),
        (Talk().lacks(Capability.ACKNOWLEDGE), True, True),
    ],
)
async def test_the_last_message_is_published_on_a_connection_of_its_own(
    talk: Talk, was_taken: bool, is_closed: bool
) -> None:
    """Where nobody answers, a closing handshake shows that it has come."""
    events: list[history.Event] = []
    talk.peer.close_fails = TimeoutError()
    assert was_taken is await publish_last(
        Talks(talk).open, "t", "w-r-last.1-1", take=events.append, now=lambda: 1.0
    )
    assert isinstance(events[0], history.PublishInvoked)
    assert talk.peer.is_closed is is_closed
    assert talk.peer.is_aborted
