"""Recovery: whether a subscription can go on where the last one ended."""

import pytest

from wavetank.hub.log import Bounds, Mark, TopicLog
from wavetank.hub.recovery import Begin, begin_at_time, find_begin, judge
from wavetank.protocol import Position, encode_ts, format_tag

EPOCH = "Kq3v9TzA"


def log_of(
    *, top: int, oldest: int = 1, in_memory: int | None = None, visible: int = 0
) -> TopicLog:
    """Return a log with entries 1 to top, one a second, of which some are left."""
    log = TopicLog("t", EPOCH, ring=Bounds(entries=in_memory))
    payloads = ((float(number), b"%d" % number) for number in range(1, top + 1))
    tags = [0, *(log.append(payload, wall).tag for wall, payload in payloads)]
    log.reveal(visible or top)
    log.forget(Mark(oldest - 1, tags[oldest - 1]))
    log.settle(log.visible)
    return log


def tag_of(seq: int) -> int:
    """Return the tag that entry has in every ``log_of``."""
    return log_of(top=seq).tag


def position(seq: int, *, epoch: str = EPOCH, tag: int | None = None) -> Position:
    """Return a position, with a tag where one is given."""
    return Position(epoch, seq, None if tag is None else format_tag(tag))


def test_begin_without_a_position_is_live() -> None:
    """Nothing was asked for, so nothing is claimed."""
    log = log_of(top=9)
    assert find_begin(log, None, None) == Begin(9, log.tag)


def test_begin_earliest_is_behind_all_that_was_removed() -> None:
    """Everything retained follows."""
    log = log_of(top=9, oldest=4)
    assert find_begin(log, "earliest", None) == Begin(3, tag_of(3), recovered=True)


@pytest.mark.parametrize("seq", [3, 4, 8, 9])
def test_position_inside_what_is_retained_is_recovered(seq: int) -> None:
    """From `oldest - 1` to the top, with the right tag or none at all."""
    log = log_of(top=9, oldest=4)
    recovered = Begin(seq, tag_of(seq), recovered=True)
    assert find_begin(log, position(seq, tag=tag_of(seq)), None) == recovered
    assert find_begin(log, position(seq), None) == recovered


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        (position(2), "truncated"),  # one before oldest - 1
        (position(0), "truncated"),
        (position(10), "ahead"),  # the log ends before it
        (position(5, epoch="other"), "epoch_changed"),
        (position(99, epoch="other"), "epoch_changed"),  # its seq means nothing
        (position(5, tag=0xBAD), "diverged"),
        (position(3, tag=0xBAD), "diverged"),  # the base's tag is known too
        (position(9, tag=0xBAD), "diverged"),
        (position(2, tag=0xBAD), "truncated"),  # what is gone cannot be compared
    ],
)
def test_position_elsewhere_is_not_recovered_and_says_why(
    since: Position, reason: str
) -> None:
    """Then the subscription goes on live, from the top."""
    log = log_of(top=9, oldest=4)
    assert find_begin(log, since, None) == Begin(
        9, log.tag, recovered=False, reason=reason
    )


def test_position_before_the_first_entry_is_recovered_by_everything() -> None:
    """Who subscribed to an empty topic misses nothing, not even the first entry."""
    log = log_of(top=3)
    assert find_begin(log, position(0, tag=0), None) == Begin(0, 0, recovered=True)


def test_position_in_an_empty_topic_is_recovered() -> None:
    """Its seq 0 is a place like any other."""
    log = TopicLog("t", EPOCH, ring=Bounds())
    assert find_begin(log, position(0), None) == Begin(0, 0, recovered=True)


def test_position_of_an_entry_not_yet_visible_is_ahead() -> None:
    """Nobody can have seen it."""
    log = log_of(top=9, visible=5)
    begin = find_begin(log, position(7), None)
    assert begin == Begin(5, tag_of(5), recovered=False, reason="ahead")


def test_position_beyond_memory_has_to_be_asked_for() -> None:
    """Memory holds 7 to 9 and knows the base, but not entry 4."""
    log = log_of(top=9, in_memory=3)
    assert find_begin(log, position(4), None) is None
    assert find_begin(log, position(7), None) is not None
    assert find_begin(log, position(4, epoch="other"), None) is not None


def test_position_beyond_memory_is_judged_by_the_tag_found() -> None:
    """The same rules; an entry that is gone meanwhile is truncated."""
    log = log_of(top=9, in_memory=3)
    since = position(4, tag=tag_of(4))
    assert judge(log, since, tag_of(4)) == Begin(4, tag_of(4), recovered=True)
    assert judge(log, since, 0xBAD).reason == "diverged"
    assert judge(log, since, None).reason == "truncated"


@pytest.mark.parametrize(
    ("time", "after"),
    [(0.0, 3), (4.0, 3), (4.5, 4), (9.0, 8), (9.5, 9)],
)
def test_time_begins_with_the_first_entry_at_or_after_it(
    time: float, after: int
) -> None:
    """All that was asked for follows, so `recovered` is true."""
    log = log_of(top=9, oldest=4)
    begin = Begin(after, tag_of(after), recovered=True)
    assert find_begin(log, None, time) == begin


@pytest.mark.parametrize("wall", [1790000000.1234567, 1790000000.1234572, 1e9 + 1 / 3])
def test_time_of_an_entry_as_it_stands_on_the_wire_begins_with_that_entry(
    wall: float,
) -> None:
    """`ts` has microseconds, the clock has more: rounding up missed the entry."""
    log = TopicLog("t", EPOCH, ring=Bounds(entries=2))
    for _ in range(3):
        log.reveal(log.append(b"1", wall).seq)
    assert find_begin(log, None, float(encode_ts(log.at)) / 1000) == Begin(
        0, 0, recovered=True
    )
    log.settle(3)
    assert find_begin(log, None, float(encode_ts(log.at)) / 1000) is None


def test_time_beyond_memory_has_to_be_asked_for() -> None:
    """Memory can tell only if it holds an entry before that time."""
    log = log_of(top=9, in_memory=3)
    assert find_begin(log, None, 7.0) is None
    assert find_begin(log, None, 7.5) == Begin(7, tag_of(7), recovered=True)


def test_time_in_an_empty_log_is_live() -> None:
    """Also where everything has been removed."""
    log = TopicLog("t", EPOCH, ring=Bounds())
    assert find_begin(log, None, 5.0) == Begin(0, 0, recovered=True)
    log = log_of(top=9, oldest=10)
    assert find_begin(log, None, 5.0) == Begin(9, tag_of(9), recovered=True)


def test_time_in_a_log_whose_entries_wait_to_be_written_and_forgotten_is_live() -> None:
    """Not retained any longer, but still in memory for somebody in step."""
    log = log_of(top=9)
    log.forget(Mark(9, tag_of(9)))
    assert find_begin(log, None, 0.5) == Begin(9, tag_of(9), recovered=True)


def test_time_in_a_log_that_memory_has_let_go_has_to_be_asked_for() -> None:
    """A ring of no bytes knows nothing but the top."""
    log = TopicLog("t", EPOCH, ring=Bounds(size=0))
    log.reveal(log.append(b"1", wall=1.0).seq)
    log.settle(1)
    assert find_begin(log, None, 0.5) is None


def test_time_looked_up_is_kept_inside_the_log() -> None:
    """Between question and answer retention may move on; then it is what is left."""
    log = log_of(top=9, oldest=4, in_memory=3)
    for after, tag, kept in ((1, None, 3), (5, tag_of(5), 5), (99, None, 9)):
        begin = Begin(kept, tag_of(kept), recovered=True)
        assert begin_at_time(log, after, tag=tag) == begin
    assert begin_at_time(log, 5, tag=None) is None
