"""Reading topics: where a subscription or an answer begins, and history.

It refuses to know who asks, and what is sent to whom.
"""

from collections.abc import Callable, Iterable
from typing import cast

import msgspec

from wavetank.hub.aio.fanout import PAGE_BYTES
from wavetank.hub.aio.logs.base import Log
from wavetank.hub.aio.topic import Subscriber, Topic
from wavetank.hub.log import Entry as LogEntry
from wavetank.hub.log import TopicLog
from wavetank.hub.recovery import Begin, Since, begin_at_time, find_begin, judge
from wavetank.protocol import (
    HISTORY_LIMIT,
    After,
    Entry,
    History,
    HistoryPage,
    Position,
    Subscribe,
    format_tag,
)

__all__ = ["HISTORY_MOST", "Reader"]

HISTORY_MOST = 500
"""Most events in one answer to ``history``."""


class Reader:
    """Reads topics from memory where that holds all, else from the log.

    Args:
        log: Keeps entries.
        view: Returns a topic as it is in memory; an empty one for an unknown name.
    """

    def __init__(self, log: Log, view: Callable[[str], TopicLog]) -> None:
        self._log = log
        self._view = view

    # Where to start.

    def find_begin(self, command: Subscribe | History) -> Begin | None:
        """Decide where to start; None where ``look_up`` has to be asked."""
        since: Since = command.since
        if isinstance(command, History) and command.since_time is None:
            since = since or "earliest"
        begin = find_begin(self._view(command.topic), since, command.since_time)
        if begin is not None and isinstance(command, History) and not _asks(command):
            # Nobody asked for a start, so nothing is claimed about one.
            return Begin(begin.after, begin.tag)
        return begin

    async def look_up(
        self, name: str, since: Since, time: float | None = None
    ) -> Begin:
        """Decide where to start with what the log knows and memory does not.

        Args:
            name: Of the topic.
            since: A position, where there is no time.
            time: Start with the first entry at or after it, in seconds since 1970.
        """
        if time is not None:
            after = await self._log.seek(name, time) - 1
        else:
            after = cast(Position, since).seq
        found = await self._log.since(name, after - 1, entries=1, size=0)
        tag = found[0].tag if found and found[0].seq == after else None
        view = self._view(name)
        if time is None:
            return judge(view, cast(Position, since), tag)
        begin = begin_at_time(view, after, tag)
        # Between the two questions retention has moved on: what is left is all.
        return begin or Begin(view.base.seq, view.base.tag, recovered=True)

    async def begin_each(
        self, names: Iterable[str], command: Subscribe
    ) -> dict[str, Begin]:
        """Decide where to start with the topics of a pattern, as far as that lasts.

        A topic that is left out has no start that could be missed: ``begin_new``.

        Args:
            names: Topics that match.
            command: The subscription to the pattern.
        """
        positions = command.since_each or {}
        begins = {}
        for name in names:
            since, time = positions.get(name), command.since_time
            if since is not None or time is not None:
                begin = find_begin(self._view(name), since, time)
                begins[name] = begin or await self.look_up(name, since, time)
        return begins

    def begin_new(self, name: str, command: Subscribe) -> Begin:
        """Decide where to start with a topic that ``begin_each`` left out.

        Who resumes gets all of what came up while it was away.
        """
        view = self._view(name)
        starts = (command.since, command.since_each, command.since_time)
        if all(start is None for start in starts):
            return Begin(view.visible, view.visible_tag)
        return Begin(view.base.seq, view.base.tag, recovered=True)

    # Heartbeats.

    def tops(
        self, subscriber: Subscriber, is_settled: Callable[[Subscriber, Topic], bool]
    ) -> dict[str, tuple[int, str]]:
        """Return seq and tag up to which somebody has got everything, by topic.

        Topics on which it lags or conflates are left out.
        """
        found = {}
        for name, topic in subscriber.topics.items():
            level = topic.cursors.level
            tag = topic.log.tag_at(level) if is_settled(subscriber, topic) else None
            if tag is not None:
                found[name] = (level, format_tag(tag))
        return found

    # History.

    def is_at_hand(self, command: History, begin: Begin) -> bool:
        """Tell whether memory holds all that an answer may need."""
        return self._view(command.topic).is_in_memory(begin.after)

    def read(self, command: History, begin: Begin) -> HistoryPage:
        """Answer ``history`` from memory."""
        log = self._view(command.topic)
        last = min(log.visible, begin.after + _most(command))
        entries: list[LogEntry] = []
        if last > begin.after:
            last = log.ring.reach(begin.after, last, PAGE_BYTES)
            entries = log.ring.between(begin.after, last)
        return _history_page(log, command, begin, entries)

    async def read_log(self, command: History, begin: Begin) -> HistoryPage:
        """Answer ``history`` from the log."""
        while True:
            entries: list[LogEntry] = []
            if _most(command):
                entries = await self._log.since(
                    command.topic, begin.after, entries=_most(command), size=PAGE_BYTES
                )
            log = self._view(command.topic)
            shown = [entry for entry in entries if entry.seq <= log.visible]
            is_whole = shown and shown[0].seq == begin.after + 1
            if is_whole or begin.after >= log.base.seq:
                return _history_page(log, command, begin, shown)
            # Between the two questions retention has moved on.
            if isinstance(command.since, Position):
                return _history_page(log, command, judge(log, command.since, None), [])
            begin = Begin(log.base.seq, log.base.tag, begin.recovered)

    def __repr__(self) -> str:
        """Show of which log."""
        return f"<Reader of {self._log!r}>"


def _asks(command: History) -> bool:
    return command.since is not None or command.since_time is not None


def _most(command: History) -> int:
    limit = HISTORY_LIMIT if command.limit is None else command.limit
    return min(limit, HISTORY_MOST)


def _history_page(
    log: TopicLog, command: History, begin: Begin, entries: list[LogEntry]
) -> HistoryPage:
    last = entries[-1].seq if entries else begin.after
    return HistoryPage(
        id=command.id,
        topic=command.topic,
        epoch=log.epoch,
        seq=log.visible,
        tag=format_tag(log.visible_tag),
        oldest=log.oldest,
        recovered=begin.recovered,
        reason=begin.reason,
        after=After(begin.after, format_tag(begin.tag)),
        events=[
            Entry(seq=entry.seq, at=entry.at, data=msgspec.Raw(entry.payload))
            for entry in entries
        ],
        more=last < log.visible,
    )
