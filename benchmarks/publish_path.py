"""What one publication costs the hub, from the bytes of its frame to its answer.

It refuses to know sockets: bytes in memory in, bytes to carriers that go nowhere.

    python benchmarks/publish_path.py [--json FILE] [--rounds N] [--publications N]
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from machine import describe_machine

from wavetank.hub.aio.lines import make_logger
from wavetank.hub.aio.member import Member
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.process import make_node
from wavetank.hub.aio.websocket import WebSocket
from wavetank.hub.config import HubConfig
from wavetank.hub.effects import Perform
from wavetank.hub.opening import Opening
from wavetank.hub.session import Session
from wavetank.protocol import (
    Publish,
    Published,
    decode_command,
    encode_event,
    encode_published,
    encode_reply,
    encode_ts,
)
from wavetank.wire import (
    MessageLimits,
    MessageReader,
    Opcode,
    Upgrade,
    encode_frame,
    encode_text,
)

TOPIC = "bench"
READ = 40
"""Publications that come with one read."""


class Nowhere:
    """A carrier whose bytes go nowhere."""

    def __init__(self) -> None:
        self.write: Callable[[bytes], None] = self._write
        self.try_write = None
        self.size = 0

    def _write(self, data: bytes) -> None:
        self.size += len(data)

    def wake(self, at: float) -> None:
        """Never call: no deadline is reached."""

    def hold(self) -> None:
        """Go on: nothing is read ahead here."""

    release = linger = end = hold
    cut_in = wake


class Track(NamedTuple):
    """A hub with one publisher, and one subscriber in step with it."""

    node: Node
    publisher: WebSocket
    answers: Nowhere
    events: Nowhere


def frames(count: int, size: int, rng: random.Random, *, has_id: bool) -> list[bytes]:
    """Return reads of masked publications whose payloads have one size in bytes."""
    single = [
        encode_frame(
            Opcode.TEXT, command(number, size, has_id=has_id), mask=rng.randbytes(4)
        )
        for number in range(1, count + 1)
    ]
    return [b"".join(single[at : at + READ]) for at in range(0, count, READ)]


def command(number: int, size: int, *, has_id: bool) -> bytes:
    """Return the text of one publication."""
    payload = b'{"n":%d,"pad":"' % number
    payload += b"x" * (size - len(payload) - 2) + b'"}'
    id = b'"id":%d,' % number if has_id else b""
    return b'{"type":"publish",%b"topic":"bench","data":%b}' % (id, payload)


def open_track() -> Track:
    """Return a hub in memory, as ``wavetank hub`` is without options."""
    node = make_node(HubConfig(), make_logger("error", sys.stderr))

    def connect(name: str) -> tuple[WebSocket, Nowhere]:
        carrier = Nowhere()
        socket = WebSocket(carrier, node, name)
        upgrade = Upgrade(accept="", host="localhost")
        socket.begin(Opening(upgrade, claims=None, is_echo=False))
        return socket, carrier

    subscriber, events = connect("subscriber")
    text = b'{"type":"subscribe","id":1,"topic":"bench"}'
    subscriber.feed(encode_frame(Opcode.TEXT, text, mask=b"\1\2\3\4"))
    publisher, answers = connect("publisher")
    return Track(node, publisher, answers, events)


async def take_all(track: Track, reads: Sequence[bytes], count: int) -> float:
    """Return the seconds that a hub takes for all publications and their answers."""
    node, publisher = track.node, track.publisher
    topic = node.topics.get(TOPIC)
    before = topic.log.visible if topic else 0
    begun = time.perf_counter()
    for read in reads:
        publisher.feed(read)
        # One turn in which the log tells, one in which answers are written.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    took = time.perf_counter() - begun
    seen = node.topics[TOPIC].log.visible - before
    if seen != count:
        raise SystemExit(f"{seen} of {count} publications were taken")
    return took


async def measure_paths(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return microseconds a publication, with and without an id, best of rounds."""
    rng = random.Random(arguments.seed)
    count, size = arguments.publications, arguments.size
    took: dict[str, list[float]] = {"without id": [], "with id": []}
    for _ in range(arguments.rounds):
        for name, seconds in took.items():
            track = open_track()
            reads = frames(count, size, rng, has_id=name == "with id")
            await take_all(track, reads[:1], min(READ, count))
            opened, heard = track.answers.size, track.events.size
            seconds.append(await take_all(track, reads, count))
            if track.events.size - heard < count * size:
                raise SystemExit("the subscriber was not in step")
            if (track.answers.size > opened) != (name == "with id"):
                raise SystemExit("answers do not fit to the publications")
            await track.node.close()
    return {
        name: {
            "best_us": min(seconds) / count * 1e6,
            "median_us": statistics.median(seconds) / count * 1e6,
        }
        for name, seconds in took.items()
    }


# The parts.


class Part(NamedTuple):
    """A step of the path, and the general way to do the same, if there is one."""

    name: str
    statement: str
    general: str = ""


PARTS = (
    Part("frame of a text", "encode_text(event)", "encode_frame(TEXT, event)"),
    Part(
        "answer",
        "encode_published(7, head, seq)",
        "encode_reply("
        "Published(id=7, topic=topic, epoch=epoch, seq=seq, duplicate=False))",
    ),
    Part(
        "judging",
        "session.lets_through(command)",
        "session.judge(command, at, at.wall)",
    ),
    Part(
        "judging and appending",
        "publish_at_once(command, at)",
        "publish_with_effects(command, at)",
    ),
    Part("reading a frame", "read(frame)"),
    Part("reading a command", "decode_command(text, most)"),
    Part("writing an event", "encode_event(event_head, seq, ts, payload)"),
)


class Deaf:
    """A publisher that does not care what becomes of its publications."""

    def published(self, *what: Any, duplicate: bool) -> None:
        """Ignore it."""

    def refused(self, *what: Any, **more: Any) -> None:
        """Fail: nothing here may be refused."""
        raise SystemExit(f"refused: {what} {more}")


def session_of(track: Track) -> Session:
    """Return the publisher's session."""
    speaker = track.publisher.speaker
    assert isinstance(speaker, Member)  # it speaks wavetank.v1
    return speaker.session


def ways_to_publish(track: Track) -> dict[str, Callable[..., None]]:
    """Return the two ways from a command to the log, as a member takes them."""
    publications, deaf = track.node.publications, Deaf()
    session = session_of(track)

    def publish_at_once(command: Publish, at: Any) -> None:
        if session.lets_through(command):
            topic = publications.known(command.topic)
            if topic is not None:
                user = session.user
                publications.publish_to(topic, command, user, deaf, wall=at.wall)

    def publish_with_effects(command: Publish, at: Any) -> None:
        for effect in session.judge(command, at, at.wall):
            match effect:
                case Perform(Publish() as what):
                    publications.publish(what, session.user, deaf)

    return {
        "publish_at_once": publish_at_once,
        "publish_with_effects": publish_with_effects,
    }


async def measure_parts(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return nanoseconds of each part and of the general way, best of rounds."""
    track = open_track()
    rng = random.Random(arguments.seed)
    await take_all(track, frames(READ, arguments.size, rng, has_id=True), READ)
    names = names_of_parts(track, arguments.size)
    timers = {
        part: [timeit.Timer(way, globals=names) for way in part[1:3] if way]
        for part in PARTS
    }
    took: dict[Part, list[list[float]]] = {part: [] for part in PARTS}
    for _ in range(arguments.rounds):
        for part, ways in timers.items():
            took[part].append([way.timeit(arguments.calls) for way in ways])
            await asyncio.sleep(0)  # what was appended is told, and let go
    await track.node.close()
    return [_compare(part, took[part], arguments.calls) for part in PARTS]


def names_of_parts(track: Track, size: int) -> dict[str, Any]:
    """Return what the statements of ``PARTS`` speak of."""
    log = track.node.topics[TOPIC].log
    entry = log.newest
    assert entry is not None
    text = command(1, size, has_id=False)
    session = session_of(track)
    limits = MessageLimits(message_bytes=2**20, fragments=1024)
    return {
        **ways_to_publish(track),
        "Published": Published,
        "TEXT": Opcode.TEXT,
        "at": track.node.moment(),
        "command": decode_command(text, session.most_payload),
        "decode_command": decode_command,
        "encode_event": encode_event,
        "encode_frame": encode_frame,
        "encode_published": encode_published,
        "encode_reply": encode_reply,
        "encode_text": encode_text,
        "epoch": log.epoch,
        "event": encode_event(log.head, entry.seq, encode_ts(entry.at), entry.payload),
        "event_head": log.head,
        "frame": encode_frame(Opcode.TEXT, text, mask=b"\1\2\3\4"),
        "head": log.answer_head,
        "most": session.most_payload,
        "payload": bytes(entry.payload),
        "read": MessageReader(expect_mask=True, limits=limits).feed,
        "seq": 123_456,
        "session": session,
        "topic": TOPIC,
        "text": text,
        "ts": encode_ts(entry.at),
    }


def _compare(part: Part, rounds: list[list[float]], calls: int) -> dict[str, Any]:
    best = [min(each) / calls * 1e9 for each in zip(*rounds, strict=True)]
    row: dict[str, Any] = {"part": part.name, "statement": part.statement}
    row["ns"] = best[0]
    if part.general:
        row |= {"general": part.general, "general_ns": best[1]}
        row["times_as_long"] = best[1] / best[0]
    return row


# The end.


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything."""
    return {
        "machine": describe_machine(["msgspec", "uvloop"]),
        "loop": type(asyncio.get_running_loop()).__module__,
        "rounds": arguments.rounds,
        "publications": arguments.publications,
        "publications_a_read": READ,
        "payload_bytes": arguments.size,
        "publication": await measure_paths(arguments),
        "parts": await measure_parts(arguments),
    }


def show(result: dict[str, Any]) -> str:
    """Return the result as two small tables."""
    lines = [
        f"one publication of {result['payload_bytes']} bytes, {READ} a read, one "
        "subscriber, us",
        *(
            f"  {name:<11} {took['best_us']:>7.2f} best"
            f"  {took['median_us']:>7.2f} median"
            for name, took in result["publication"].items()
        ),
        f"{'parts, ns (best)':<24}{'short':>8}{'general':>9}{'times':>7}",
    ]
    for row in result["parts"]:
        line = f"  {row['part']:<22}{row['ns']:>8,.0f}"
        if "general" in row:
            line += f"{row['general_ns']:>9,.0f}{row['times_as_long']:>7.1f}"
        lines.append(line)
    return "\n".join(lines)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop that ``wavetank hub`` runs on."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it there, too")
    parser.add_argument("--rounds", type=int, default=12, help="the best one counts")
    parser.add_argument(
        "--publications", type=int, default=8000, help="publications a round"
    )
    parser.add_argument("--calls", type=int, default=10_000, help="calls of each part")
    parser.add_argument("--size", type=int, default=128, help="payload in bytes")
    parser.add_argument("--seed", type=int, default=1, help="of masks")
    arguments = parser.parse_args(argv)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        result = runner.run(measure(arguments))
    print(show(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
