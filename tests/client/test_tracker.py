"""Tracker: where a subscription is in one topic."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.client.items import Gap
from wavetank.client.tracker import Tracker, Verdict
from wavetank.protocol import After, Event, Position, Start, format_tag, next_tag
from wavetank.protocol import Gap as GapPush

PAYLOADS = [b"1", b'{"a":1.0}', '"é"'.encode()]
TAGS = [0x00000000, 0xAECC25D5, 0x2E6B08AA, 0x4434AEDD]
"""The chain that docs/protocol.md gives to compare with."""


def event(seq: int, payload: bytes = b"1", **more: Any) -> Event:
    """Make an event as it comes."""
    return Event(topic="t", seq=seq, at=1.0, data=msgspec.Raw(payload), **more)


def start(seq: int, tag: str, **more: Any) -> Start:
    """Make what a reply says of a topic."""
    values: dict[str, Any] = {
        "epoch": "e",
        "seq": 99,
        "tag": "00000000",
        "oldest": 1,
        "recovered": True,
        "reason": None,
    }
    return Start(**(values | more), after=After(seq, tag))


def offer(tracker: Tracker, each: Event) -> Verdict:
    """Offer an event."""
    return tracker.offer(each, each.payload)


def test_tracker_chains_the_tags_of_the_documentation() -> None:
    """Three events in a row give the three tags that the protocol promises."""
    tracker = Tracker("e", 0, 0)
    for seq, payload in enumerate(PAYLOADS, 1):
        assert offer(tracker, event(seq, payload)) is Verdict.EXPECTED
        assert tracker.tag == TAGS[seq]
    assert tracker.position == Position("e", 3, "4434aedd")
    assert repr(tracker) == "<Tracker e 3>"


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (event(6), Verdict.EXPECTED),
        (event(6, prev=5), Verdict.EXPECTED),
        (event(9, prev=5, tag="00000001"), Verdict.EXPECTED),  # conflated
        (event(9, prev=3, tag="00000001"), Verdict.EXPECTED),  # over what was seen
        (event(5), Verdict.DUPLICATE),
        (event(1), Verdict.DUPLICATE),
        (event(7), Verdict.HOLE),
        (event(9, prev=6, tag="00000001"), Verdict.HOLE),
        (event(9, prev=20, tag="00000001"), Verdict.HOLE),
        (event(6, tag="00000001"), Verdict.DIFFERENT),
    ],
)
def test_tracker_tells_what_is_next(given: Event, verdict: Verdict) -> None:
    """By `prev`, or `seq - 1`, and by the chain tag where both sides have it."""
    tracker = Tracker("e", 5, 0x77)
    assert offer(tracker, given) is verdict
    assert tracker.seq == (given.seq if verdict is Verdict.EXPECTED else 5)


def test_tracker_without_a_tag_takes_the_next_one_that_comes() -> None:
    """A jump without a tag leaves the chain unknown, until somebody names it."""
    tracker = Tracker("e", 5, 0x77)
    assert offer(tracker, event(9, prev=5)) is Verdict.EXPECTED
    assert tracker.position == Position("e", 9)
    assert tracker.compare(9, "0000000a") is Verdict.EXPECTED
    assert tracker.position == Position("e", 9, "0000000a")
    assert offer(tracker, event(12, prev=9, tag="0000000b")) is Verdict.EXPECTED
    assert tracker.tag == 0xB


@given(st.lists(st.binary(max_size=8), max_size=30), st.data())
def test_tracker_agrees_with_a_list(payloads: list[bytes], data: Any) -> None:
    """Whatever order events come in, it takes exactly what extends the list."""
    tags = [0]
    for seq, payload in enumerate(payloads, 1):
        tags.append(next_tag(tags[-1], seq, payload))
    tracker = Tracker("e", 0, 0)
    taken: list[int] = []
    for _ in range(2 * len(payloads)):
        seq = data.draw(st.integers(1, len(payloads)))
        each = event(seq, payloads[seq - 1], tag=format_tag(tags[seq]))
        verdict = offer(tracker, each)
        if seq == len(taken) + 1:
            assert verdict is Verdict.EXPECTED
            taken.append(seq)
        else:
            bad = Verdict.DUPLICATE if seq <= len(taken) else Verdict.HOLE
            assert verdict is bad
        assert tracker.seq == len(taken)
        assert tracker.tag == tags[tracker.seq]


@pytest.mark.parametrize(
    ("given", "verdict", "first", "last", "reason"),
    [
        (event(9), Verdict.HOLE, 6, 8, "lost"),
        (event(9, prev=7, tag="00000001"), Verdict.HOLE, 6, 7, "lost"),
        (event(9, prev=50, tag="00000001"), Verdict.HOLE, 6, 8, "lost"),
        (event(6, tag="00000001"), Verdict.DIFFERENT, 6, 5, "diverged"),
    ],
)
def test_tracker_steps_over_what_never_comes(
    given: Event, verdict: Verdict, first: int, last: int, reason: str
) -> None:
    """What it leaves out is told; after a differing tag nothing is left out."""
    tracker = Tracker("e", 5, 0x77)
    tracker.tries = 3
    gap = tracker.force(given, verdict)
    assert (gap.first, gap.last, gap.reason, gap.epoch) == (first, last, reason, "e")
    assert (tracker.seq, tracker.tries) == (given.seq, 0)
    assert tracker.tag == (1 if given.tag else None)


@pytest.mark.parametrize(
    ("first", "last", "more", "verdict"),
    [
        (6, 9, {}, Verdict.EXPECTED),
        (3, 9, {}, Verdict.EXPECTED),
        (1, 5, {}, Verdict.DUPLICATE),
        (7, 9, {}, Verdict.HOLE),
        (1, 0, {"epoch": "f", "seq": 0}, Verdict.EXPECTED),
        (6, 9, {"epoch": "e", "seq": 9}, Verdict.EXPECTED),
    ],
)
def test_tracker_judges_a_gap(
    first: int, last: int, more: dict[str, Any], verdict: Verdict
) -> None:
    """A new life of the log always counts; seqs of two lives are not compared."""
    push = GapPush(topic="t", first=first, last=last, reason="truncated", **more)
    assert Tracker("e", 5, 0x77).judge_gap(push) is verdict


def test_tracker_skips_a_gap_and_says_what_is_new_about_it() -> None:
    """What was seen already is not missing."""
    tracker = Tracker("e", 5, 0x77)
    push = GapPush(topic="t", first=3, last=9, reason="truncated", tag="000000aa")
    assert tracker.skip(push) == Gap(
        topic="t", epoch="e", first=6, last=9, reason="truncated", chain=0xAA
    )
    assert tracker.position == Position("e", 9, "000000aa")


def test_tracker_skips_into_a_new_life() -> None:
    """All of the new life up to `to` is missing; without a tag there is none."""
    tracker = Tracker("e", 5, 0x77)
    push = GapPush(topic="t", first=1, last=2, reason="epoch_changed", epoch="f", seq=2)
    assert tracker.skip(push) == Gap(
        topic="t", epoch="f", first=1, last=2, reason="epoch_changed"
    )
    assert tracker.position == Position("f", 2)


@pytest.mark.parametrize(
    ("seq", "tag", "verdict"),
    [
        (5, "00000077", Verdict.EXPECTED),
        (6, "00000077", Verdict.HOLE),
        (4, "00000077", Verdict.DIFFERENT),
        (5, "00000078", Verdict.DIFFERENT),
    ],
)
def test_tracker_compares_itself_with_a_top(
    seq: int, tag: str, verdict: Verdict
) -> None:
    """A higher top is loss; another tag means that something else was sent."""
    assert Tracker("e", 5, 0x77).compare(seq, tag) is verdict


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (start(5, "00000077"), None),
        (start(3, "00000001"), None),  # again, and dropped as duplicates
        (start(5, "00000078"), (6, 5, "diverged")),
        (start(8, "00000001"), (6, 8, "lost")),  # it said that all would come
        (
            start(8, "00000001", recovered=False, reason="truncated"),
            (6, 8, "truncated"),
        ),
        (start(3, "00000001", recovered=False, reason="ahead"), (4, 3, "ahead")),
        (start(2, "00000001", epoch="f", recovered=False), (1, 2, "epoch_changed")),
        (start(0, "00000000", epoch="f"), (1, 0, "epoch_changed")),
    ],
)
def test_tracker_resumes_and_says_what_that_leaves_out(
    reply: Start, expected: tuple[int, int, str] | None
) -> None:
    """The hub's word is compared with where we are, whatever it says of itself."""
    tracker = Tracker("e", 5, 0x77)
    gap = tracker.resume("t", reply)
    if expected is None:
        assert gap is None
        assert tracker.position == Position("e", 5, "00000077")
        return
    assert gap is not None
    assert (gap.first, gap.last, gap.reason) == expected
    assert (tracker.epoch, tracker.seq) == (reply.epoch, reply.after.seq)
    assert gap.position == tracker.position


@pytest.mark.parametrize("tag", ["00000077", None])
def test_tracker_stands_at_a_position(tag: str | None) -> None:
    """As somebody kept it, with or without a tag; or behind what a reply says."""
    place = Position("e", 5, tag)
    assert Tracker.at(place).position == place
    assert Tracker.behind(start(5, "00000077")).position == Position("e", 5, "00000077")
