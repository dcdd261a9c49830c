"""One topic's log in memory: its newest entries, positions and retention."""

import json
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import LocalError
from wavetank.hub.log import Bounds, Entry, Mark, Run, TopicLog, make_gap
from wavetank.protocol import MAX_SEQ
from wavetank.wire import FrameReader

UNBOUND = Bounds()


def entry(seq: int, size: int = 10, at: float = 0.0) -> Entry:
    """Return an entry with a frame of that many bytes."""
    return Entry(seq, seq * 7, at or float(seq), b"x" * size, 1)


def run_of(first: int, last: int) -> Run:
    """Return a run of entries of 10 bytes each."""
    run = Run(first)
    for seq in range(first, last + 1):
        run.push(entry(seq))
    return run


def filled(count: int, ring: Bounds = UNBOUND) -> TopicLog:
    """Return a log with that many visible entries, handed out to everybody."""
    log = TopicLog("t", "epoch", ring=ring)
    for number in range(1, count + 1):
        log.reveal(log.append(b"%d" % number, wall=float(number)).seq)
        log.settle(log.visible)
    return log


def message(frame: bytes) -> dict[str, object]:
    """Return the JSON in a frame."""
    reader = FrameReader(expect_mask=False, max_payload=None)
    (only,) = reader.feed(frame)
    value: dict[str, object] = json.loads(only.payload)
    return value


# Runs.


def test_run_is_empty_at_first() -> None:
    """Nothing is held, and the first entry to come is known."""
    run = Run(5)
    assert (len(run), run.first, run.last, run.size, run.total) == (0, 5, 4, 0, 0)
    assert list(run) == []
    assert not run.holds(5)
    assert repr(run) == "<Run 5 to 4, 0 bytes>"


def test_run_holds_what_was_pushed() -> None:
    """Each entry is found by its seq."""
    run = run_of(5, 8)
    assert [each.seq for each in run] == [5, 6, 7, 8]
    assert run[7].seq == 7
    assert run.holds(8)
    assert not run.holds(9)
    assert not run.holds(4)


@pytest.mark.parametrize("seq", [4, 9, 0, -1])
def test_run_refuses_what_it_does_not_hold(seq: int) -> None:
    """An index never wraps around."""
    with pytest.raises(IndexError, match=f"entry {seq} is not in"):
        run_of(5, 8)[seq]


@pytest.mark.parametrize("seq", [7, 8, 10])
def test_run_refuses_a_hole(seq: int) -> None:
    """An entry has to follow the last one."""
    run = run_of(5, 8)
    with pytest.raises(LocalError, match="does not follow"):
        run.push(entry(seq))


def test_run_drops_its_oldest() -> None:
    """What was dropped is returned and no longer held."""
    run = run_of(5, 8)
    assert run.drop().seq == 5
    assert (run.first, run.last, run.size, run.total) == (6, 8, 30, 40)


def test_run_lets_go_of_what_it_dropped() -> None:
    """However many entries pass through, no more than twice those held are kept."""
    run = run_of(1, 3)
    for seq in range(4, 2000):
        run.push(entry(seq))
        run.drop()
        assert (run[seq].seq, run.offset(seq)) == (seq, seq * 10)
    assert run.offset(run.first - 1) == (run.first - 1) * 10
    assert len(run._entries) < 200


def test_run_joins_frames() -> None:
    """Frames behind one place up to another, as they will be written."""
    run = Run()
    for seq, frame in enumerate((b"a", b"bb", b"ccc"), start=1):
        run.push(Entry(seq, 0, 0.0, frame, 0))
    assert run.frames(0, 3) == b"abbccc"
    assert run.frames(1, 2) == b"bb"
    assert [each.seq for each in run.between(1, 3)] == [2, 3]
    assert run.between(3, 3) == []


def test_run_tells_how_far_some_bytes_reach() -> None:
    """At 10 bytes an entry, 35 bytes reach three entries, and 1 byte still one."""
    run = run_of(1, 9)
    assert run.reach(2, 9, 35) == 5
    assert run.reach(2, 9, 30) == 5
    assert run.reach(2, 4, 1000) == 4
    assert run.reach(2, 9, 1) == 3


def test_run_finds_a_time() -> None:
    """The first entry at or after it; one behind the last where there is none."""
    run = run_of(5, 8)
    run.drop()
    assert run.oldest_at == 6.0
    assert [run.seek(at) for at in (0.0, 6.0, 6.5, 8.0, 8.1)] == [6, 6, 7, 8, 9]


def test_empty_run_has_no_oldest_time() -> None:
    """Nothing is never too old."""
    run = run_of(1, 1)
    run.drop()
    assert not Bounds(age=1.0).is_exceeded(run, wall=1e9)
    assert run.seek(0.0) == 2


@given(st.lists(st.integers(-3, 12), max_size=300))
def test_run_agrees_with_a_plain_list(moves: list[int]) -> None:
    """However entries come and leave, places, bytes and joins stay right.

    A negative move drops an entry, another one pushes one of that many bytes.
    """
    run, model, gone = Run(), list[Entry](), 0
    for move in moves:
        if move < 0 and model:
            assert run.drop() == model.pop(0)
        elif move >= 0:
            new = entry(run.last + 1, size=move)
            gone += move
            run.push(new)
            model.append(new)
        assert list(run) == model
        assert (run.size, run.total) == (sum(len(e.frame) for e in model), gone)
        held = 0
        for each in reversed(model):
            assert run.offset(each.seq) == gone - held
            held += len(each.frame)
        assert run.offset(run.first - 1) == gone - held
        joined = b"".join(each.frame for each in model)
        if model:
            assert run.frames(run.first - 1, run.last) == joined


# Bounds.


@pytest.mark.parametrize(
    ("bounds", "is_exceeded"),
    [
        (UNBOUND, False),
        (Bounds(entries=4), False),
        (Bounds(entries=3), True),
        (Bounds(size=40), False),
        (Bounds(size=39), True),
        (Bounds(age=95.0), False),
        (Bounds(age=94.9), True),
    ],
)
def test_bounds_are_exceeded_beyond_not_at_them(
    bounds: Bounds, is_exceeded: bool
) -> None:
    """Four entries of 10 bytes, the oldest 95 s old."""
    assert bounds.is_exceeded(run_of(5, 8), wall=100.0) is is_exceeded


# The log of a topic.


def test_log_assigns_positions_and_chains_tags() -> None:
    """The tag is the CRC-32 of seq and payload, started from the tag before."""
    log = TopicLog("prices.btc-usd", "Kq3v9TzA", ring=UNBOUND)
    tag = 0
    for seq, payload in enumerate((b'{"x":1}', b"[2]", b'"three"'), start=1):
        tag = crc32(struct.pack(">Q", seq) + payload, tag)
        new = log.append(payload, wall=float(seq))
        assert (new.seq, new.tag, new.payload) == (seq, tag, payload)
    assert (log.top, log.tag) == (3, tag)


def test_log_makes_the_frame_of_each_entry_once() -> None:
    """It is the event as every subscriber gets it, the payload byte for byte."""
    log = TopicLog("a.b", "epoch", ring=UNBOUND)
    payload = b'{ "price": 1.10,\n "n": 1e3 }'
    new = log.append(payload, wall=1790000000.4567)
    assert message(new.frame) == {
        "type": "event",
        "topic": "a.b",
        "seq": 1,
        "ts": 1790000000456.7,
        "data": {"price": 1.1, "n": 1000.0},
    }
    assert payload in new.frame


def test_log_never_lets_time_go_back() -> None:
    """A clock that is set back does not put an event before the last one."""
    log = TopicLog("t", "epoch", ring=UNBOUND)
    assert [log.append(b"1", wall).at for wall in (5.0, 3.0, 6.0)] == [5.0, 5.0, 6.0]


def test_log_shows_nothing_before_it_is_revealed() -> None:
    """Appended is not visible; revealing never goes back nor beyond the top."""
    log = TopicLog("t", "epoch", ring=UNBOUND)
    first = log.append(b"1", 1.0)
    second = log.append(b"2", 2.0)
    assert (log.visible, log.visible_tag) == (0, 0)
    log.reveal(1)
    assert (log.visible, log.visible_tag) == (1, first.tag)
    log.reveal(9)
    log.reveal(1)
    assert (log.visible, log.visible_tag) == (2, second.tag)


def test_log_keeps_only_its_newest_entries_in_memory() -> None:
    """Beyond the ring's bounds entries leave memory, not the log."""
    log = filled(10, Bounds(entries=3))
    assert (log.ring.first, log.oldest, log.top) == (8, 1, 10)
    assert not log.is_in_memory(6)
    assert log.is_in_memory(7)


def test_log_keeps_what_was_not_handed_out() -> None:
    """Entries above the level stay in memory, whatever the bounds say."""
    log = TopicLog("t", "epoch", ring=Bounds(entries=1))
    for _ in range(5):
        log.append(b"1", 1.0)
    log.settle(level=2)
    assert log.ring.first == 3
    log.settle(level=5)
    assert log.ring.first == 5


def test_log_lets_go_of_what_is_not_retained() -> None:
    """Forgotten entries leave memory too, and the base keeps seq and tag."""
    log = filled(10)
    tag = log.ring[4].tag
    log.forget(Mark(4, tag))
    log.forget(Mark(2, 0))  # older news change nothing
    assert log.oldest == 5
    log.settle(log.visible)
    assert log.ring.first == 5
    assert log.tag_at(4) == tag


def test_log_that_forgot_everything_still_knows_where_it_is() -> None:
    """An empty log has `oldest = top + 1`, and its top keeps its tag."""
    log = filled(3)
    tag = log.tag
    log.forget(Mark(3, tag))
    log.settle(3)
    assert (log.oldest, log.top, len(log.ring)) == (4, 3, 0)
    assert log.tag_at(3) == tag
    assert log.is_in_memory(3)


@pytest.mark.parametrize(("seq", "is_known"), [(0, True), (1, False), (2, True)])
def test_log_knows_the_tags_of_places_in_memory(seq: int, is_known: bool) -> None:
    """The ring, the visible top and the base; not what memory has let go."""
    log = filled(3, Bounds(entries=2))
    assert (log.tag_at(seq) is not None) is is_known
    assert "memory from 2" in repr(log)


def test_log_ends_at_the_last_seq_that_json_readers_keep_exact() -> None:
    """Beyond 2**53 - 1 nothing is accepted."""
    log = TopicLog("t", "epoch", ring=UNBOUND)
    log.top = MAX_SEQ
    with pytest.raises(LocalError, match="no seq left"):
        log.append(b"1", 1.0)


def test_gap_says_what_will_not_come() -> None:
    """From the first missing entry to the base, with the tag to go on from."""
    assert message(make_gap("t", 3, Mark(7, 0xABC))) == {
        "type": "gap",
        "topic": "t",
        "from": 3,
        "to": 7,
        "reason": "truncated",
        "tag": "00000abc",
    }
