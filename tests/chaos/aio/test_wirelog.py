"""The wire log, as a proxy fills it."""

import json
from pathlib import Path

import pytest

from wavetank.chaos.aio import Proxy, WireLog
from wavetank.chaos.fates import Crossing, Fate
from wavetank.chaos.reframing import make_frame
from wavetank.chaos.toxic import Direction, Frame
from wavetank.chaos.tracking import Note

from .wires import REQUEST, RESPONSE, Target, Wire, dial, frame, settled

pytestmark = pytest.mark.anyio


def note(number: int) -> Note:
    """Return the note of a frame."""
    return Note(number, Frame(frame(b"hello"), 2), 1.5, 3)


def test_a_log_is_bounded_and_counts_what_it_lost() -> None:
    """The oldest notes go."""
    log = WireLog(most=2)
    for number in (1, 2, 3):
        assert log.is_complete is (number < 4 and not log.dropped)
        log.add(1, Direction.UPSTREAM, note(number))
    assert [each.number for each in log] == [2, 3]
    assert log.dropped == 1
    assert not log.is_complete
    assert repr(log) == "<WireLog 2 frames, 1 dropped>"


def test_a_log_is_written_as_lines(tmp_path: Path) -> None:
    """One frame a line, in the order of coming."""
    log = WireLog()
    log.add(7, Direction.DOWNSTREAM, note(1))
    assert log.write(tmp_path / "wire.ndjson") == 1
    line = json.loads((tmp_path / "wire.ndjson").read_text())
    assert line["link"] == 7
    assert line["direction"] == "downstream"
    assert line["fate"] == "held"
    assert line["start"] == "aGVs"


def test_a_log_hands_out_each_frame_once_when_nothing_more_becomes_of_it() -> None:
    """Where somebody follows it, however few it keeps; else nothing is handed out."""
    log = WireLog(most=1, follows=True)
    first, second = note(1), note(2)
    first.parts = 1
    for each in (first, second):
        log.add(1, Direction.UPSTREAM, each)
    assert [each.number for each in log.take_settled()] == [2]
    first.parts = 0
    assert [each.number for each in log.take_settled()] == [1]
    assert log.take_settled() == []
    alone = WireLog()
    alone.add(1, Direction.UPSTREAM, first)
    assert alone.take_settled() == []


async def upgraded(proxy: Proxy, target: Target) -> tuple[Wire, Wire]:
    """Return both ends of a WebSocket through a proxy."""
    client = await dial(proxy.port)
    server = await target.guest()
    client.send(REQUEST)
    await server.reads(REQUEST)
    server.send(RESPONSE)
    await client.reads(RESPONSE)
    return client, server


def briefly(crossing: Crossing) -> tuple[object, ...]:
    """Return what a test wants to see of a frame."""
    return crossing.direction, crossing.number, crossing.start, crossing.fate


async def test_a_log_has_frames_of_both_directions() -> None:
    """Each with its number in its stream, its payload unmasked, and two times."""
    log = WireLog()
    async with Target() as target, Proxy(("127.0.0.1", target.port), log=log) as proxy:
        client, server = await upgraded(proxy, target)
        masked = make_frame(0x81, b"ask", b"mask").data
        client.send(masked[:4])
        await settled(lambda: proxy.links[1].upstream.received == len(REQUEST) + 4)
        client.send(masked[4:])
        await server.reads(masked)
        server.send(frame(b"one") + frame(b"two", 0x02))
        await client.reads(frame(b"one") + frame(b"two", 0x02))
        client.transport.abort()
        await client.gone()
    crossings = list(log)
    assert [briefly(each) for each in crossings] == [
        (Direction.UPSTREAM, 1, b"ask", Fate.PASSED),
        (Direction.DOWNSTREAM, 1, b"one", Fate.PASSED),
        (Direction.DOWNSTREAM, 2, b"two", Fate.PASSED),
    ]
    for each in crossings:
        assert each.came_at is not None
        assert each.left_at is not None
        assert each.came_at <= each.left_at
    assert [each.fin for each in crossings] == [True, True, False]
    assert [each.opcode for each in crossings] == [1, 1, 2]


@pytest.mark.parametrize(
    ("toxic", "fates"),
    [
        (
            {"type": "drop", "name": "t", "when": {"after": 1, "count": 1}},
            [(1, Fate.PASSED, ""), (2, Fate.DROPPED, "t"), (3, Fate.PASSED, "")],
        ),
        (
            {"type": "duplicate", "name": "t", "when": {"count": 1}},
            [
                (1, Fate.PASSED, ""),
                (0, Fate.ADDED, ""),
                (2, Fate.PASSED, ""),
                (3, Fate.PASSED, ""),
            ],
        ),
        (
            {"type": "fragment", "name": "t", "when": {"count": 1}},
            [(1, Fate.CHANGED, "t"), (2, Fate.PASSED, ""), (3, Fate.PASSED, "")],
        ),
        (
            {"type": "corrupt", "name": "t", "when": {"after": 2}},
            [(1, Fate.PASSED, ""), (2, Fate.PASSED, ""), (3, Fate.CHANGED, "t")],
        ),
        (
            {"type": "slicer", "name": "t", "attributes": {"average_size": 4}},
            [(1, Fate.PASSED, ""), (2, Fate.PASSED, ""), (3, Fate.PASSED, "")],
        ),
        (
            {"type": "stall", "name": "t"},
            [(1, Fate.HELD, ""), (2, Fate.HELD, ""), (3, Fate.HELD, "")],
        ),
        (
            {"type": "timeout", "name": "t"},
            [(1, Fate.DROPPED, "t"), (2, Fate.DROPPED, "t"), (3, Fate.DROPPED, "t")],
        ),
        (
            {"type": "reorder", "name": "t", "attributes": {"window": 3}},
            [(1, Fate.PASSED, ""), (2, Fate.PASSED, ""), (3, Fate.PASSED, "")],
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
async def test_a_log_knows_what_toxics_did(
    toxic: dict[str, object], fates: list[tuple[int, Fate, str]]
) -> None:
    """Whether frames left, as they came or otherwise, and which toxic did it."""
    log = WireLog()
    async with Target() as target, Proxy(("127.0.0.1", target.port), log=log) as proxy:
        client, server = await upgraded(proxy, target)
        proxy.add(toxic)
        payloads = [b"payload one", b"payload two", b"payload three"]
        server.send(b"".join(map(frame, payloads)))
        leaving = sum(fate is not Fate.DROPPED for _, fate, _ in fates)
        held = sum(fate is Fate.HELD for _, fate, _ in fates)

        def has_gone() -> bool:
            left = sum(each.left_at is not None for each in log)
            return len(log) == len(fates) and left == leaving - held

        await settled(has_gone)
        client.transport.abort()
        await client.gone()
    seen = [(each.number, each.fate, each.by) for each in log]
    assert sorted(seen) == sorted(fates)
