"""Clients that come back after every end of the hub, and write down all they see.

They refuse to judge it.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed

from .process import HubProcess
from .talker import NO_HUB, Message, Talker, talk
from .verdict import Acknowledged, Began, Evidence, Log, Saw, Sent, Told, chain

__all__ = ["Follower", "Sender", "collect_logs", "gather"]

WINDOW = 16
"""Publications of one sender that wait for their answer."""

_SPELLINGS = (
    "1.10",
    "1e3",
    "-0",
    '"\\u00e9\\/"',
    '{"b": 1, "a":2}',
    "[ ]",
    "9007199254740993",
)
"""Values that come back in other bytes from everyone who reads and writes them."""


class Follower:
    """A subscriber that resumes with its positions on each new connection.

    Args:
        hub: Whose.
        name: Of this follower.
        target: Topic or pattern.

    Attributes:
        name: As given.
        stories: Topic -> all that was seen of it.
        places: Topic -> where it is: epoch, seq and chain tag.
        notices: All notices.
        codes: Close codes, one for each connection that ended.
        left_at: The seq of each topic at the end of each of them.
        problems: What it never should have got.
        on_event: Called after each event.
    """

    def __init__(self, hub: HubProcess, name: str, target: str) -> None:
        self.name = name
        self.stories: dict[str, list[Began | Saw | Told]] = {}
        self.places: dict[str, tuple[str, int, str]] = {}
        self.notices: list[Message] = []
        self.codes: list[int] = []
        self.left_at: list[dict[str, int]] = []
        self.problems: list[Message] = []
        self.on_event: Callable[[], None] = lambda: None
        self._hub = hub
        self._target = target
        self._has_moved = asyncio.Event()
        self._is_subscribed = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self._hub.up()
            try:
                async with talk(self._hub.url) as talker:
                    await self._follow(talker)
            except ConnectionClosed as error:
                self.codes.append(error.rcvd.code if error.rcvd else 1006)
                self.left_at.append({topic: at[1] for topic, at in self.places.items()})
            except NO_HUB:
                continue

    async def subscribed(self) -> None:
        """Wait until it was subscribed for the first time."""
        await self._is_subscribed.wait()

    def follows(self, topic: str) -> bool:
        """Tell whether it is subscribed to a topic."""
        is_below = self._target.endswith("**") and topic.startswith(self._target[:-2])
        return is_below or topic == self._target

    async def reach(self, tops: Mapping[str, int]) -> None:
        """Wait until it is at these tops, where it follows the topic."""
        wanted = {topic: seq for topic, seq in tops.items() if self.follows(topic)}
        while any(seq > self._seq(topic) for topic, seq in wanted.items()):
            self._has_moved.clear()
            await self._has_moved.wait()

    def _seq(self, topic: str) -> int:
        return self.places[topic][1] if topic in self.places else 0

    async def _follow(self, talker: Talker) -> None:
        await talker.send(**self._subscribe())
        while True:
            message = await talker.receive()
            match message["type"]:
                case "event":
                    self._see(message)
                case "heartbeat":
                    for topic, (seq, tag) in message["tops"].items():
                        self.stories[topic].append(Told(seq, tag))
                case "subscribed" if "topics" in message:
                    for topic, start in message["topics"].items():
                        self._begin(topic, start)
                    self._is_subscribed.set()
                case "subscribed" | "topic":
                    self._begin(message["topic"], message)
                    self._is_subscribed.set()
                case "notice":
                    self.notices.append(message)
                case _:
                    self.problems.append(message)

    def _subscribe(self) -> Message:
        command: Message = {"type": "subscribe", "id": 1, "topic": self._target}
        since = {
            topic: {"epoch": epoch, "seq": seq, "tag": tag}
            for topic, (epoch, seq, tag) in self.places.items()
        }
        if "*" in self._target:
            # An empty one says, too, that whatever is new starts at its oldest.
            return {**command, "since_each": since}
        return {**command, "since": since.get(self._target)}

    def _begin(self, topic: str, start: Message) -> None:
        after, epoch = start["after"], start["epoch"]
        began = Began(epoch, after["seq"], after["tag"], start.get("recovered"))
        self.stories.setdefault(topic, []).append(began)
        self.places[topic] = (epoch, after["seq"], after["tag"])

    def _see(self, event: Message) -> None:
        topic, seq, payload = event["topic"], event["seq"], event["payload"]
        if topic not in self.places:
            self.problems.append(event)
            return
        self.stories[topic].append(Saw(seq, payload))
        epoch, _, tag = self.places[topic]
        self.places[topic] = (epoch, seq, chain(tag, seq, payload))
        self._has_moved.set()
        self.on_event()

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<Follower {self.name} of {self._target} at {self.places}>"


class Sender:
    """A publisher that sends everything again that was not acknowledged.

    Of four publications two have a key, one a producer's number, and one neither.

    Args:
        hub: Where to.
        name: Of this sender, and of its producers.
        topics: Where publications go, at random.
        dice: Decide where to, and what is in them.

    Attributes:
        sent: All publications.
        unanswered: Those that wait for an answer, oldest first, by id.
        acknowledged: All acknowledgements.
        problems: Any other answer.
        on_answer: Called after each answer, with the next ones on their way.
    """

    def __init__(
        self, hub: HubProcess, name: str, topics: Sequence[str], dice: random.Random
    ) -> None:
        self.name = name
        self.sent: list[Sent] = []
        self.unanswered: dict[int, tuple[Sent, dict[str, Any]]] = {}
        self.acknowledged: list[Acknowledged] = []
        self.duplicates = 0
        self.problems: list[Message] = []
        self.on_answer: Callable[[], None] = lambda: None
        self._hub = hub
        self._topics = topics
        self._dice = dice
        self._numbers = dict.fromkeys(topics, 0)
        self._is_stopped = False

    async def run(self) -> None:
        """Publish until stopped and everything is acknowledged."""
        while self.unanswered or not self._is_stopped:
            await self._hub.up()
            try:
                async with talk(self._hub.url) as talker:
                    await self._publish(talker)
            except NO_HUB:
                continue

    def stop(self) -> None:
        """Begin no new publication."""
        self._is_stopped = True

    async def _publish(self, talker: Talker) -> None:
        for id, (sent, fields) in self.unanswered.items():
            await talker.publish(sent.payload, id=id, topic=sent.topic, **fields)
        while True:
            while len(self.unanswered) < WINDOW and not self._is_stopped:
                id, sent, fields = self._make()
                await talker.publish(sent.payload, id=id, topic=sent.topic, **fields)
            if not self.unanswered:
                return
            self._take(await talker.receive())
            self.on_answer()

    def _make(self) -> tuple[int, Sent, dict[str, Any]]:
        dice, number = self._dice, len(self.sent) + 1
        topic = dice.choice(self._topics)
        odd, pad = dice.choice(_SPELLINGS), "x" * int(dice.paretovariate(0.8) * 10)
        payload = (
            f'{{"by":"{self.name}", "n":{number},"odd":{odd},"pad":"{pad[:9000]}"}}'
        )
        fields: dict[str, Any] = {}
        counted = None
        if number % 2:
            fields["key"] = f"{self.name}-{number}"
        elif number % 4:
            self._numbers[topic] += 1
            counted = (self.name, self._numbers[topic])
            fields["producer"] = {
                "name": self.name,
                "epoch": 1,
                "seq": self._numbers[topic],
            }
        sent = Sent(topic, payload.encode(), bool(fields), counted)
        self.sent.append(sent)
        self.unanswered[number] = (sent, fields)
        return number, sent, fields

    def _take(self, message: Message) -> None:
        if message["type"] == "published":
            sent, _ = self.unanswered.pop(message["id"])
            self.duplicates += message["duplicate"]
            self.acknowledged.append(
                Acknowledged(
                    message["topic"], message["epoch"], message["seq"], sent.payload
                )
            )
        elif message["type"] not in {"heartbeat", "notice"}:
            # Not sent again, for the same would be said again.
            self.unanswered.pop(message.get("id"), None)
            self.problems.append(message)

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Sender {self.name}: {len(self.acknowledged)} of {len(self.sent)}>"


def gather(
    senders: Sequence[Sender], followers: Sequence[Follower], logs: dict[str, Log]
) -> Evidence:
    """Lay all that was seen together."""
    return Evidence(
        sent=[sent for sender in senders for sent in sender.sent],
        acknowledged=[each for sender in senders for each in sender.acknowledged],
        logs=logs,
        stories={
            (follower.name, topic): story
            for follower in followers
            for topic, story in follower.stories.items()
        },
    )


async def collect_logs(url: str, topics: Sequence[str]) -> dict[str, Log]:
    """Read what topics retain, by ``history``."""
    logs = {}
    async with talk(url) as talker:
        for topic in topics:
            *events, page = await talker.read_log(topic)
            entries = [(event["seq"], event["payload"]) for event in events]
            logs[topic] = Log(page["epoch"], page["tag"], entries)
    return logs
