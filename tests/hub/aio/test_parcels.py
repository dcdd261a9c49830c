"""Parcels: the bytes of one write, made once for all who are at the same place."""

import json
from typing import Any

import pytest

from wavetank.hub.accounting import Fates
from wavetank.hub.aio.parcels import (
    JOINED_MOST,
    PAGE_BYTES,
    Page,
    Pages,
    Parcel,
    replay_page,
)
from wavetank.hub.aio.topic import Topic
from wavetank.hub.cursors import Place
from wavetank.hub.log import Bounds, Mark, TopicLog
from wavetank.wire import FrameReader, Inflater


def topic_of(count: int, *, size: int = 300, ring: int | None = None) -> Topic:
    """Return a topic with visible entries of so many bytes."""
    topic = Topic(TopicLog("t", "epoch", ring=Bounds(entries=ring)))
    for number in range(1, count + 1):
        digits = b"%d" % (number % 10)
        topic.log.reveal(topic.log.append(b'"%b"' % (digits * size), 1.0).seq)
    topic.log.settle(count)
    return topic


def place_at(seq: int, *, is_latest: bool = False) -> Place:
    """Return a place."""
    return Place(seq=seq, offset=0, at=0.0, is_live=True, is_latest=is_latest)


def messages(data: bytes) -> list[dict[str, Any]]:
    """Return messages, compressed or not."""
    reader = FrameReader(expect_mask=False, max_payload=None, rsv1=True)
    inflater = Inflater(None, context_takeover=False)
    texts = [
        inflater.inflate(frame.payload) if frame.rsv1 else frame.payload
        for frame in reader.feed(data)
    ]
    return [json.loads(text) for text in texts if isinstance(text, bytes)]


def seqs(data: bytes) -> list[int]:
    """Return the seqs of events."""
    return [message["seq"] for message in messages(data)]


def test_page_is_made_once_for_each_place_and_form() -> None:
    """All who are there get the same object."""
    topic, pages = topic_of(5), Pages()
    page = pages.page(topic, 2, None)
    assert pages.page(topic, 2, None) is page
    assert pages.page(topic, 3, None) is not page
    assert pages.page(topic, 2, 15) is not page
    assert seqs(page.data) == seqs(pages.page(topic, 2, 15).data) == [3, 4, 5]
    assert page.fates == Fates(delivered=3)
    assert repr(pages) == "<Pages 3>"
    pages.clear()
    assert pages.page(topic, 2, None) is not page


def test_page_ends_at_the_same_place_in_every_form() -> None:
    """Whoever is in step stays in step, however well it compresses."""
    topic, pages = topic_of(300, size=1000), Pages()
    plain, small = pages.page(topic, 0, None), pages.page(topic, 0, 15)
    assert plain.to == small.to < 300
    assert plain.size == small.size == len(plain.data) <= PAGE_BYTES
    assert len(small.data) < len(plain.data) / 5
    assert pages.deflated == plain.size
    pages.page(topic, 0, 15)
    assert pages.deflated == plain.size


def test_leap_brings_to_the_newest() -> None:
    """What lies between is conflated, and the event says behind what it comes."""
    topic, pages = topic_of(9), Pages()
    page = pages.leap(topic, 4, None)
    assert pages.leap(topic, 4, None) is page
    (event,) = messages(page.data)
    assert (event["seq"], event["prev"], event["tag"]) == (
        9,
        4,
        f"{topic.log.tag:08x}",
    )
    assert (page.to, page.fates) == (9, Fates(delivered=1, conflated=4))
    small = pages.leap(topic, 4, 15)
    assert len(small.data) < len(page.data)
    assert messages(small.data) == [event]


def test_leap_over_nothing_is_the_event_of_all_others() -> None:
    """In the form that the ring keeps already."""
    topic, pages = topic_of(9), Pages()
    assert pages.leap(topic, 8, None).data is topic.log.ring[9].frame
    assert pages.leap(topic, 8, 15).data is topic.log.frames(8, 9, 15)


def test_leap_over_nothing_beyond_the_ring_is_compressed_too() -> None:
    """The newest entry is at hand, whatever the ring keeps."""
    topic, pages = topic_of(9, ring=0), Pages()
    page = pages.leap(topic, 8, 15)
    assert not topic.log.ring.holds(9)
    assert messages(page.data)[0]["seq"] == 9
    assert "prev" not in messages(page.data)[0]


def test_leap_is_a_gap_where_even_the_newest_is_gone() -> None:
    """Nothing is skipped in silence."""
    topic, pages = topic_of(9), Pages()
    topic.log.forget(Mark(9, topic.log.tag))
    page = pages.leap(topic, 4, 15)
    (gap,) = messages(page.data)
    assert (gap["type"], gap["from"], gap["to"]) == ("gap", 5, 9)
    assert (page.to, page.fates) == (9, Fates(gapped=5))


@pytest.mark.parametrize(
    ("after", "base", "kind"),
    [(2, 0, "page"), (4, 3, "page"), (3, 3, "page"), (2, 3, "gap"), (9, 0, "nothing")],
)
def test_pages_follow_a_place_entry_by_entry(after: int, base: int, kind: str) -> None:
    """From memory, over a gap where retention has moved on, or not at all."""
    topic, pages = topic_of(9), Pages()
    topic.log.forget(Mark(base, 1))
    page = pages.follow(topic, place_at(after), 15)
    assert page is not None
    expected = {
        "page": Fates(delivered=9 - after),
        "gap": Fates(gapped=base - after),
        "nothing": Fates(),
    }
    assert page.fates == expected[kind]
    assert (page.data == b"") is (kind == "nothing")


def test_pages_follow_a_place_beyond_memory_by_reading() -> None:
    """Whoever jumps has the newest at hand, compressed for nobody."""
    topic, pages = topic_of(9, ring=2), Pages()
    assert pages.follow(topic, place_at(3), None) is None
    page = pages.follow(topic, place_at(3, is_latest=True), 15)
    assert page is not None
    assert page == pages.leap(topic, 3, None)


def test_pages_follow_one_who_jumps_in_a_resumed_log() -> None:
    """The newest has to be read; it is a gap where that is not retained."""
    pages = Pages()
    for base, is_known in ((4, False), (9, True)):
        log = TopicLog.resumed(
            "t", "epoch", Mark(base, 4), Mark(9, 9), at=0.0, ring=Bounds()
        )
        page = pages.follow(Topic(log), place_at(2, is_latest=True), None)
        assert (page is not None) is is_known
        assert page is None or page.fates == Fates(gapped=7)


def test_announcement_stands_before_the_page() -> None:
    """It is shared by all who begin at the same place."""
    topic, pages = topic_of(2), Pages()
    page = pages.page(topic, 0, None)
    first = pages.announced(topic, Mark(0, 0), page)
    assert pages.announced(topic, Mark(0, 0), page) is first
    added, *events = messages(first.data)
    assert added == {
        "type": "topic",
        "topic": "t",
        "epoch": "epoch",
        "after": {"seq": 0, "tag": "00000000"},
    }
    assert [event["seq"] for event in events] == [1, 2]
    assert (first.to, first.fates, first.size) == (page.to, page.fates, page.size)


def test_read_entries_make_a_plain_page() -> None:
    """With what they weigh."""
    entries = list(topic_of(4).log.ring)[1:]
    page = replay_page(1, entries)
    assert seqs(page.data) == [2, 3, 4]
    assert (page.to, page.fates) == (4, Fates(delivered=3))
    assert page.size == len(page.data)


def test_same_parts_are_joined_once() -> None:
    """A single one is not copied, and few joins are kept."""
    pages = Pages()
    one, two = b"one" * 10, b"two" * 10
    assert pages.join([one]) is one
    joined = pages.join([one, two])
    assert joined == one + two
    assert pages.join([one, two]) is joined
    assert pages.join([two, one]) == two + one
    for number in range(JOINED_MOST):
        pages.join([one, b"%d" % number])
    assert pages.join([one, two]) == joined
    assert pages.join([one, two]) is not joined
    assert len(pages._joined) <= JOINED_MOST


def test_parcel_takes_pages_until_it_is_full() -> None:
    """At most one page's bytes, one page excepted that is larger."""
    topic, other = topic_of(3), topic_of(3)
    topic.cursors.level, other.cursors.level = 1, 2
    parcel = Parcel()
    first = Page(b"x" * (PAGE_BYTES + 5), 3, Fates(delivered=2))
    assert parcel.offer(topic, topic.cursors, first)
    assert not parcel.offer(other, other.cursors, Page(b"y", 3, Fates(delivered=1)))
    assert parcel.parts == [first.data]
    assert parcel.starts == {(topic, topic.cursors): 1}
    assert list(parcel) == [(topic.account, first.fates)]


def test_parcel_knows_where_each_topic_began() -> None:
    """However many of its pages there are."""
    topic = topic_of(3)
    parcel = Parcel()
    for to in (1, 2):
        assert parcel.offer(topic, topic.cursors, Page(b"x", to, Fates(delivered=1)))
        topic.cursors.level = to
    assert parcel.starts == {(topic, topic.cursors): 0}
    assert len(list(parcel)) == 2
