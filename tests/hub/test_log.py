"""One topic's log in memory: its newest entries, positions and retention."""

import json
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import LocalError
from wavetank.hub.log import (
    Bounds,
    Entry,
    Mark,
    TopicLog,
    make_gap,
    make_leap,
)
from wavetank.hub.rings import Rings
from wavetank.protocol import MAX_SEQ
from wavetank.wire import FrameReader, Inflater

UNBOUND = Bounds()


def entry(seq: int, size: int = 10, at: float = 0.0) -> Entry:
    """Return an entry with a frame of that many bytes."""
    return Entry(seq, seq * 7, at or float(seq), b"x" * size, 1)


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


@pytest.mark.parametrize(
    ("seq", "is_known"), [(0, True), (1, False), (2, True), (3, True), (4, True)]
)
def test_log_knows_the_tags_of_places_in_memory(seq: int, is_known: bool) -> None:
    """The ring, the place before it and the base; not what memory has let go."""
    log, whole = filled(4, Bounds(entries=2)), filled(4)
    assert log.tag_at(seq) == (whole.tag_at(seq) if is_known else None)
    assert "memory from 3" in repr(log)


def test_resumed_log_knows_its_old_top_when_it_has_moved_on() -> None:
    """That is the position with which all clients come back."""
    log = TopicLog.resumed("t", "epoch", Mark(3), Mark(9, 99), at=5.0, ring=UNBOUND)
    log.reveal(log.append(b"1", 6.0).seq)
    assert (log.tag_at(8), log.tag_at(9), log.tag_at(10)) == (None, 99, log.tag)


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


# Resumed, taken back, newest.


def test_resumed_log_goes_on_where_it_ended() -> None:
    """The next entry follows the top and chains to its tag; the epoch stays."""
    log = TopicLog.resumed("t", "epoch", Mark(3, 33), Mark(9, 99), at=5.0, ring=UNBOUND)
    assert (log.oldest, log.top, log.visible, log.epoch) == (4, 9, 9, "epoch")
    assert (log.tag_at(9), log.tag_at(3), log.tag_at(5)) == (99, 33, None)
    assert not log.is_in_memory(8)
    assert log.is_in_memory(9)
    new = log.append(b"1", wall=4.0)
    assert (new.seq, new.at) == (10, 5.0)
    assert new.tag == crc32(struct.pack(">Q", 10) + b"1", 99)
    log.reveal(10)
    assert log.frames(9, 10, None) == new.frame


def test_resumed_log_remembers_its_newest_entry_once_it_was_read() -> None:
    """No other entry passes for it, and none that is not retained."""
    log = TopicLog.resumed("t", "epoch", Mark(3), Mark(9, 63), at=5.0, ring=UNBOUND)
    seen = [log.newest]
    for read in (8, 9):
        log.recall(entry(read))
        seen.append(log.newest)
    log.forget(Mark(9, 63))
    seen.append(log.newest)
    log.recall(entry(9))
    seen.append(log.newest)
    assert seen == [None, None, entry(9), None, None]


def test_log_takes_entries_back_that_nobody_saw() -> None:
    """Seq and tag go back, time does not; what follows gets their place."""
    log = filled(3)
    tag = log.tag
    for payload in (b"4", b"5", b"6"):
        last_kept = log.tag
        log.append(payload, 10.0)
    log.take_back(7)
    assert log.top == 6
    log.take_back(6)
    assert (log.top, log.tag) == (5, last_kept)
    log.take_back(4)
    assert (log.top, log.tag, log.ring.last, log.at) == (3, tag, 3, 10.0)
    again = log.append(b"again", 1.0)
    assert (again.seq, again.at) == (4, 10.0)
    assert again.tag == crc32(struct.pack(">Q", 4) + b"again", tag)


def test_log_takes_back_the_first_entries_of_all() -> None:
    """Of a new log, and of one whose memory is empty."""
    new = TopicLog("t", "epoch", ring=UNBOUND)
    resumed = TopicLog.resumed(
        "t", "epoch", Mark(9, 99), Mark(9, 99), at=0.0, ring=UNBOUND
    )
    for log, seq, tag in ((new, 0, 0), (resumed, 9, 99)):
        log.append(b"1", 1.0)
        log.take_back(seq + 1)
        assert (log.top, log.tag, len(log.ring)) == (seq, tag, 0)


def test_log_never_takes_back_what_was_seen() -> None:
    """That would be a promise broken."""
    log = filled(3)
    with pytest.raises(LocalError, match="was seen"):
        log.take_back(3)
    assert log.top == 3


@given(st.lists(st.integers(0, 3), max_size=60))
def test_log_keeps_one_chain_however_much_is_taken_back(moves: list[int]) -> None:
    """Entries come, are shown or taken back, and leave memory: the chain is whole."""
    log, model = TopicLog("t", "epoch", ring=Bounds(entries=2)), list[Entry]()
    for number, move in enumerate(moves):
        if move < 2:
            model.append(log.append(b"%d" % number, float(number)))
        elif move == 2:
            log.reveal(log.visible + 1)
            log.settle(log.visible)
        else:
            del model[log.visible :]
            log.take_back(log.visible + 1)
        tags = [0, *(each.tag for each in model)]
        assert (log.top, log.tag) == (len(model), tags[-1])
        assert log.visible_tag == tags[log.visible]
        assert (log.newest or entry(0)).seq == log.visible
        for seq, each in enumerate(model, start=1):
            chained = crc32(struct.pack(">Q", seq) + each.payload, tags[seq - 1])
            assert each.tag == chained
            assert seq < log.ring.first or log.ring[seq] == each


def test_log_keeps_its_newest_entry_at_hand_beyond_the_ring() -> None:
    """Whoever jumps needs that one, as long as it is retained."""
    log = TopicLog("t", "epoch", ring=Bounds(size=1))
    new = log.append(b"1", 1.0)
    log.reveal(1)
    log.settle(1)
    assert len(log.ring) == 0
    assert log.newest is new
    log.forget(Mark(1, new.tag))
    assert log.newest is None


# Forms.


def test_log_gives_frames_compressed_to_those_who_want_that() -> None:
    """Each is deflated once, whatever page it is on, and inflates to the event."""
    log = TopicLog("t", "epoch", ring=UNBOUND)
    for number in range(1, 4):
        log.reveal(log.append(b'"%b"' % (b"%d" % number * 500), 1.0).seq)
    plain, small = log.frames(0, 3, None), log.frames(0, 3, 15)
    assert len(small) < len(plain) / 4
    assert log.frames(1, 2, 15) is log.frames(1, 2, 15)
    assert small == b"".join(log.frames(seq - 1, seq, 15) for seq in (1, 2, 3))
    assert log.frames(0, 1, 9) is not log.frames(0, 1, 15)
    reader = FrameReader(expect_mask=False, max_payload=None, rsv1=True)
    inflater = Inflater(None, context_takeover=False)
    frames = [frame for frame in reader.feed(small) if frame.rsv1]
    texts = [inflater.inflate(frame.payload) for frame in frames]
    assert texts == [log.ring[seq].frame[4:] for seq in (1, 2, 3)]


def test_log_drops_compressed_frames_with_their_entries() -> None:
    """They are bounded by the ring."""
    log = TopicLog("t", "epoch", ring=Bounds(entries=2))
    for number in range(1, 9):
        log.reveal(log.append(b'"%b"' % (b"%d" % number * 500), 1.0).seq)
        log.frames(number - 1, number, 15)
        log.settle(number)
        assert [len(kept) for kept in log._deflated.values()] == [min(number, 2)]


# Leaps.


def test_leap_tells_what_was_delivered_before() -> None:
    """`prev` says that leaving out was wished for, `tag` goes on with the chain."""
    log = filled(5)
    newest = log.ring[5]
    assert message(make_leap(log.head, newest, 2)) == {
        "type": "event",
        "topic": "t",
        "seq": 5,
        "prev": 2,
        "tag": f"{newest.tag:08x}",
        "ts": 5000.0,
        "data": 5,
    }


def test_leap_over_nothing_is_the_event_of_all_others() -> None:
    """The very same bytes."""
    log = filled(5)
    assert make_leap(log.head, log.ring[5], 4) is log.ring[5].frame


# What all topics have at hand together.


def test_log_sheds_what_was_handed_out_and_nothing_else() -> None:
    """It goes on as a log does that has just been resumed."""
    rings = Rings(10**6)
    log = TopicLog("t", "epoch", ring=UNBOUND, rings=rings)
    for number in range(1, 6):
        log.reveal(log.append(b"%d" % number, wall=float(number)).seq)
    log.settle(3)
    assert rings.size == log.held == log.ring.size
    tag = log.tag_at(3)
    log.shed()
    assert (log.ring.first, log.ring.last) == (4, 5)
    assert log.tag_at(3) == tag
    assert not log.is_in_memory(2)
    assert log.is_in_memory(3)
    assert log.newest is not None
    log.settle(5)
    log.shed()
    assert (log.held, log.newest) == (0, None)
    assert log.append(b"6", wall=6.0).seq == 6


def test_log_counts_the_newest_entry_that_was_read_again() -> None:
    """Many topics with one each are a lot, where nobody publishes any more."""
    rings = Rings(10**6)
    log = TopicLog("t", "epoch", ring=UNBOUND, rings=rings)
    entry = log.append(b"1", wall=1.0)
    log.reveal(entry.seq)
    log.settle(1)
    log.shed()
    assert not log.has_newest
    log.settle(1)
    assert rings.size == 0
    log.recall(entry)
    assert log.has_newest
    assert rings.size == log.held == len(entry.frame)
    log.shed()
    assert (log.held, log.has_newest) == (0, False)
    log.forget(Mark(1, entry.tag))
    assert log.has_newest


def test_logs_are_bounded_together() -> None:
    """However many topics there are: each held its newest entries for ever."""
    rings = Rings(5000)
    logs = [TopicLog(f"t.{n}", "epoch", ring=UNBOUND, rings=rings) for n in range(1000)]
    for log in logs:
        log.reveal(log.append(b"1" * 1000, wall=1.0).seq)
        log.settle(log.visible)
    assert sum(log.held for log in logs) == rings.size <= 5000
    assert logs[-1].held
    assert rings.shed > 900
