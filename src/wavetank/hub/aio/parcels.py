"""Parcels: the bytes of one write, made once for all who are at the same place.

They refuse to know who gets them, and when.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from wavetank.hub.accounting import Account, Fates
from wavetank.hub.aio.topic import Topic, TopicCursors, TopicPace
from wavetank.hub.cursors import Form, Place
from wavetank.hub.deflation import deflate_frame
from wavetank.hub.log import Entry, Mark, make_gap, make_leap
from wavetank.protocol import After, TopicAdded, encode_push, format_tag
from wavetank.wire import Opcode, encode_frame

__all__ = [
    "DEFLATED_AT_ONCE",
    "JOINED_MOST",
    "PAGES_AT_ONCE",
    "PAGE_BYTES",
    "REST_BYTES",
    "MakePage",
    "Page",
    "Pages",
    "Parcel",
    "replay_page",
]

PAGE_BYTES = 65_536
"""Most bytes in one write, one entry excepted, which may be larger."""

REST_BYTES = 32_768
"""Less than this behind a full page waits for the next sweep."""

PAGES_AT_ONCE = 64
"""Pages for those who replay or lag in one turn, so that live events go between."""

DEFLATED_AT_ONCE = 256 * 1024
"""Bytes of compressed pages for them in one turn; about 10 ms of work."""

JOINED_MOST = 16
"""Joined pages that are kept during a flush, for others who get just the same."""


class Page(msgspec.Struct, frozen=True):
    """What follows behind one place of a topic, as far as it goes in one write.

    Attributes:
        data: The bytes.
        to: The place behind it.
        fates: What becomes of the messages up to there.
        size: Bytes of the topic up to there, as they are when not compressed.
    """

    data: bytes
    to: int
    fates: Fates
    size: int = 0


MakePage = Callable[[Topic, int, Form], Page]
"""Makes the page behind a place, in a form."""


class Step(NamedTuple):
    """Whoever is in step in one place, to be moved to the top.

    Attributes:
        topic: Of them.
        cursors: That they share.
        make: Makes their pages.
        pace: Theirs, if they want only so many events a second.
    """

    topic: Topic
    cursors: TopicCursors
    make: MakePage
    pace: TopicPace | None = None


class Pages:
    """The pages of one flush: during it, nothing moves in any topic.

    Attributes:
        deflated: Bytes that were looked at for compressed pages.
    """

    __slots__ = ("_joined", "_made", "deflated")

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Page] = {}
        self._joined: dict[tuple[bytes, ...], bytes] = {}
        self.deflated = 0

    def page(self, topic: Topic, after: int, form: Form) -> Page:
        """Return the next events behind ``after``, which memory has to hold."""
        key = (topic, after, form)
        page = self._made.get(key)
        if page is None:
            log = topic.log
            to = log.ring.reach(after, log.visible, PAGE_BYTES)
            data = log.frames(after, to, form)
            size = log.ring.offset(to) - log.ring.offset(after)
            page = self._made[key] = Page(data, to, Fates(delivered=to - after), size)
            if form is not None:
                self.deflated += size
        return page

    def leap(self, topic: Topic, after: int, form: Form) -> Page:
        """Return the newest event for somebody who leaves out those before it.

        Where retention has taken even that one, it is a gap.
        """
        key = (topic, after, form, "leap")
        page = self._made.get(key)
        if page is None:
            page = self._made[key] = self._make_leap(topic, after, form)
        return page

    def _make_leap(self, topic: Topic, after: int, form: Form) -> Page:
        log = topic.log
        entry = log.newest
        if entry is None:
            return self.gap(topic, after)
        to = entry.seq
        if form is None:
            data = make_leap(log.head, entry, after)
        elif to == after + 1 and log.ring.holds(to):
            data = log.frames(after, to, form)
        else:
            data = deflate_frame(make_leap(log.head, entry, after), form)
        return Page(data, to, Fates(delivered=1, conflated=to - after - 1))

    def follow(self, topic: Topic, place: Place, form: Form) -> Page | None:
        """Return what comes next for somebody with a place of its own.

        Returns:
            None where that has to be read from the log first.
        """
        log, after = topic.log, place.seq
        if after >= log.visible:
            return Page(b"", after, Fates())
        if place.is_latest and log.newest is not None:
            # Not compressed: few others leave out just the same entries.
            return self.leap(topic, after, None)
        wanted = log.visible if place.is_latest else after + 1
        if wanted <= log.base.seq:
            return self.gap(topic, after)
        if place.is_latest or not log.is_in_memory(after):
            return None
        return self.page(topic, after, form)

    def gap(self, topic: Topic, after: int) -> Page:
        """Return the news that nothing up to the topic's base will come."""
        log = topic.log
        data = make_gap(log.topic, after + 1, log.base)
        return Page(data, log.base.seq, Fates(gapped=log.base.seq - after))

    def announced(self, topic: Topic, start: Mark, page: Page) -> Page:
        """Return a page with the topic's announcement before it."""
        key = (topic, start, page)
        found = self._made.get(key)
        if found is None:
            data = _make_announcement(topic, start) + page.data
            found = Page(data, page.to, page.fates, page.size)
            self._made[key] = found
        return found

    def join(self, parts: list[bytes]) -> bytes:
        """Return pages as one write, for all who get just these."""
        if len(parts) == 1:
            return parts[0]
        # Bytes know their hash, and the same parts are the same objects: looking
        # them up costs nothing beside joining them.
        key = tuple(parts)
        joined = self._joined.get(key)
        if joined is None:
            if len(self._joined) >= JOINED_MOST:
                self._joined.clear()
            joined = self._joined[key] = b"".join(parts)
        return joined

    def clear(self) -> None:
        """Forget all pages: the flush is over."""
        self._made.clear()
        self._joined.clear()
        self.deflated = 0

    def __repr__(self) -> str:
        """Show how many there are."""
        return f"<Pages {len(self._made)}>"


def replay_page(after: int, entries: list[Entry]) -> Page:
    """Return a page of entries that were read from the log.

    It is not compressed: it is for few, and would be compressed for each anew.
    """
    data = b"".join([entry.frame for entry in entries])
    to = entries[-1].seq
    return Page(data, to, Fates(delivered=to - after), len(data))


def _make_announcement(topic: Topic, start: Mark) -> bytes:
    """Return the frame that says that a topic is new to a pattern's subscription."""
    log = topic.log
    after = After(start.seq, format_tag(start.tag))
    added = TopicAdded(topic=log.topic, epoch=log.epoch, after=after)
    return encode_frame(Opcode.TEXT, encode_push(added))


class Parcel:
    """What one subscriber gets of several topics in one write.

    Attributes:
        parts: Its pages.
        starts: Where it began, for each topic and its cursors.
    """

    __slots__ = ("_accounts", "_size", "parts", "starts")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.starts: dict[tuple[Topic, TopicCursors], int] = {}
        self._accounts: list[tuple[Account, Fates]] = []
        self._size = 0

    def offer(self, topic: Topic, cursors: TopicCursors, page: Page) -> bool:
        """Add a page, if there is room; tell whether there was."""
        if self.parts and self._size + len(page.data) > PAGE_BYTES:
            return False
        self.parts.append(page.data)
        self._size += len(page.data)
        self._accounts.append((topic.account, page.fates))
        self.starts.setdefault((topic, cursors), cursors.level)
        return True

    def __iter__(self) -> Iterator[tuple[Account, Fates]]:
        """Iterate over what becomes of its messages, by account."""
        return iter(self._accounts)
