"""Frames that are put off come later, and break nothing by that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.chaos.frame_toxic import MOST_BYTES, MOST_FRAMES
from wavetank.chaos.lateness import LateToxic
from wavetank.chaos.reframing import make_frame
from wavetank.chaos.toxic import NEVER, Bytes, End, Frame, Head, Item, Timed, data_of
from wavetank.wire.frames import FrameReader

LATE, LATER = make_frame(0x81, b"late", None), make_frame(0x81, b"later", None)
PING = make_frame(0x89, b"", None)
TEXT = make_frame(0x81, b"text", None)
FIRST, MIDDLE, LAST = (make_frame(first, b"x", None) for first in (0x01, 0x00, 0x80))
CLOSE = make_frame(0x88, b"", None)


def keeping(*frames: tuple[Frame, float]) -> LateToxic:
    """Return a toxic that keeps frames until they are due."""
    toxic = LateToxic()
    for frame, due in frames:
        assert toxic.may_be_late(frame)
        toxic.put_off(frame, due)
    return toxic


def items(timed: list[Timed]) -> list[Item]:
    """Return the items without their times."""
    return [item for _, item in timed]


def test_late_frame_comes_when_it_is_due() -> None:
    """It waits for its time, and others overtake it."""
    toxic = keeping((LATE, 2.0))
    assert toxic.wakes_at == 2.0
    assert toxic.kept == len(LATE.data)
    assert toxic.receive(TEXT, 1.0) == [(1.0, TEXT)]
    assert toxic.wake(2.0) == [(2.0, LATE)]
    assert toxic.wakes_at == NEVER
    assert toxic.kept == 0


def test_late_frames_come_in_the_order_in_which_they_are_due() -> None:
    """Equal times keep the order of coming."""
    toxic = keeping((LATER, 3.0), (LATE, 2.0), (TEXT, 2.0))
    assert items(toxic.wake(2.5)) == [LATE, TEXT]
    assert toxic.wakes_at == 3.0
    assert items(toxic.heal(2.6)) == [LATER]
    assert toxic.wakes_at == NEVER


def test_late_message_waits_for_the_end_of_a_fragmented_one() -> None:
    """No other data frame may stand between fragments (RFC 6455 5.4)."""
    toxic = keeping((LATE, 2.0))
    assert items(toxic.receive(FIRST, 1.0)) == [FIRST]
    assert toxic.wakes_at == NEVER
    assert items(toxic.receive(MIDDLE, 3.0)) == [MIDDLE]
    assert items(toxic.receive(LAST, 4.0)) == [LAST]
    assert toxic.wakes_at == 2.0
    assert items(toxic.wake(4.0)) == [LATE]


def test_late_control_frame_comes_between_fragments() -> None:
    """A control frame may stand there."""
    toxic = keeping((PING, 2.0), (LATE, 1.5))
    toxic.receive(FIRST, 1.0)
    assert toxic.wakes_at == 2.0
    assert items(toxic.receive(MIDDLE, 3.0)) == [PING, MIDDLE]


def test_late_frames_never_come_inside_a_frame_in_pieces() -> None:
    """Where a frame that is too large ends, only the next frame tells."""
    toxic = keeping((LATE, 2.0), (PING, 2.0))
    assert items(toxic.receive(Bytes(b"\x82\x7f"), 1.0)) == [Bytes(b"\x82\x7f")]
    assert toxic.wakes_at == NEVER
    assert items(toxic.pass_by(Bytes(b"more"), 3.0)) == [Bytes(b"more")]
    assert items(toxic.receive(TEXT, 4.0)) == [PING, LATE, TEXT]


def test_late_message_waits_behind_pieces_of_a_fragment() -> None:
    """A continuation behind the pieces says that the message goes on."""
    toxic = keeping((LATE, 2.0), (PING, 2.0))
    toxic.receive(Bytes(b"\x02\x7f"), 1.0)
    assert items(toxic.receive(LAST, 3.0)) == [PING, LAST]
    assert items(toxic.wake(toxic.wakes_at)) == [LATE]


def test_control_frame_behind_pieces_tells_nothing_of_their_message() -> None:
    """It may stand in the middle of a message."""
    toxic = keeping((LATE, 2.0))
    toxic.receive(Bytes(b"\x02\x7f"), 1.0)
    assert items(toxic.receive(PING, 3.0)) == [PING]
    assert toxic.wakes_at == NEVER


@pytest.mark.parametrize("last", [CLOSE, End()])
def test_late_frames_come_before_the_last_item(last: Item) -> None:
    """Behind a close frame, and behind the end, they would be lost."""
    toxic = keeping((LATE, 2.0), (PING, 1.0))
    assert items(toxic.receive(last, 0.5)) == [PING, LATE, last]
    assert toxic.kept == 0


def test_late_message_stays_where_it_would_break_one_that_is_healed() -> None:
    """A toxic that is taken out makes no fault of its own: the message goes behind."""
    toxic = keeping((LATER, 9.0), (LATE, 8.0), (PING, 7.0))
    toxic.receive(FIRST, 1.0)
    assert items(toxic.heal(2.0)) == [PING]
    assert not toxic.is_empty
    assert items(toxic.pass_by(LAST, 3.0)) == [LAST]
    assert items(toxic.wake(toxic.wakes_at)) == [LATE, LATER]
    assert toxic.is_empty
    assert (toxic.kept, toxic.wakes_at) == (0, NEVER)


def test_nothing_goes_into_a_frame_in_pieces_when_a_toxic_is_healed() -> None:
    """Not even a control frame; all of it goes before the next frame."""
    toxic = keeping((LATE, 9.0), (PING, 8.0))
    toxic.receive(Bytes(b"\x82\x7f"), 1.0)
    assert items(toxic.heal(2.0)) == []
    assert items(toxic.pass_by(TEXT, 3.0)) == [PING, LATE, TEXT]


def test_what_is_late_is_taken_over_in_its_place() -> None:
    """A toxic that is changed in the middle of a message does not break it."""
    old = keeping((LATE, 2.0), (PING, 3.0))
    old.receive(FIRST, 1.0)
    new = LateToxic()
    new.take_over(old)
    assert new.kept == len(LATE.data) + len(PING.data)
    assert items(new.wake(3.0)) == [PING]
    assert items(new.receive(LAST, 4.0)) == [LAST]
    assert items(new.wake(new.wakes_at)) == [LATE]


def test_head_goes_by() -> None:
    """What comes before all frames changes nothing."""
    toxic = keeping()
    assert items(toxic.receive(Head(b"GET"), 0.0)) == [Head(b"GET")]


@pytest.mark.parametrize("frame", [FIRST, MIDDLE, LAST, CLOSE])
def test_fragments_and_close_frames_are_never_late(frame: Frame) -> None:
    """What belongs together stays together."""
    assert not LateToxic().may_be_late(frame)


def test_frames_are_not_late_where_there_is_no_room() -> None:
    """Bytes and frames that are kept are bounded."""
    large = make_frame(0x82, bytes(MOST_BYTES - 12), None)
    assert not keeping((large, 1.0)).may_be_late(TEXT)
    many = keeping(*[(PING, 1.0)] * MOST_FRAMES)
    assert not many.may_be_late(PING)


@settings(deadline=None, database=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["text", "ping", "fragments", "large"]),
            st.booleans(),
            st.floats(0, 2),
        ),
        max_size=20,
    )
)
def test_stream_with_late_frames_keeps_the_rules(
    events: list[tuple[str, bool, float]],
) -> None:
    """Whatever is late, a receiver reads each frame once, and no rule is broken."""
    toxic = LateToxic()
    now, sent, gone = 0.0, [], b""
    for number, (kind, is_late, wait) in enumerate(events):
        for item in stream_of(kind, bytes([number])):
            sent.append(data_of(item))
            while toxic.wakes_at <= now:
                gone += b"".join(data_of(out) for out in items(toxic.wake(now)))
            if is_late and isinstance(item, Frame) and toxic.may_be_late(item):
                toxic.put_off(item, now + 3)
            else:
                gone += b"".join(map(data_of, items(toxic.receive(item, now))))
            now += wait
    gone += b"".join(map(data_of, items(toxic.receive(End(), now))))
    reader = FrameReader(expect_mask=False, max_payload=None, strict=False)
    seen = reader.feed(gone)
    assert [frame.violations for frame in seen if frame.violations] == []
    whole = FrameReader(expect_mask=False, max_payload=None, strict=False)
    expected = whole.feed(b"".join(sent))
    assert sorted(frame.encode() for frame in seen) == sorted(
        frame.encode() for frame in expected
    )


def stream_of(kind: str, mark: bytes) -> list[Item]:
    """Return what a splitter makes of a message."""
    if kind == "fragments":
        return [make_frame(first, mark, None) for first in (0x02, 0x00, 0x80)]
    if kind == "large":
        data = make_frame(0x82, mark * 100, None).data
        return [Bytes(data[:60]), Bytes(data[60:])]
    return [make_frame(0x82 if kind == "text" else 0x89, mark, None)]
