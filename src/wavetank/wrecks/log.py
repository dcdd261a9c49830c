"""Topics' logs in memory: sequence numbers, chain tags, bounded retention.

It refuses to know connections, JSON commands and the time.
"""

import collections
import dataclasses
import zlib

from wavetank.wrecks.commands import Position
from wavetank.wrecks.producers import Producer, Producers

__all__ = ["Entry", "Log", "Store"]

_MOST_TOPS = 64
"""Topics that one heartbeat names."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One publication.

    Attributes:
        seq: Its place in the topic, from 1.
        tag: Chain checksum up to and with it.
        ts: When it was appended, in seconds since 1970 UTC.
        data: The payload.
    """

    seq: int
    tag: int
    ts: float
    data: bytes


class Log:
    """The retained publications of one topic."""

    def __init__(self) -> None:
        self.entries: collections.deque[Entry] = collections.deque()
        self._floor = Entry(seq=0, tag=0, ts=0.0, data=b"")

    @property
    def top(self) -> Entry:
        """The newest entry; before the first one, an empty entry with seq 0."""
        return self.entries[-1] if self.entries else self._floor

    @property
    def oldest(self) -> int:
        """Sequence number of the oldest entry; ``top + 1`` when there is none."""
        return self._floor.seq + 1

    def append(self, data: bytes, now: float) -> Entry:
        """Keep a payload and return its entry."""
        top = self.top
        seq = top.seq + 1
        tag = zlib.crc32(seq.to_bytes(8, "big") + data, top.tag)
        entry = Entry(seq=seq, tag=tag, ts=max(now, top.ts), data=data)
        self.entries.append(entry)
        return entry

    def forget(self) -> Entry:
        """Remove the oldest entry and return it."""
        self._floor = dataclasses.replace(self.entries.popleft(), data=b"")
        return self._floor

    def at(self, seq: int) -> Entry:
        """Return the entry at ``seq``, from ``oldest - 1`` to the top."""
        offset = seq - self.oldest
        return self._floor if offset < 0 else self.entries[offset]

    def after(self, seq: int) -> list[Entry]:
        """Return everything retained behind ``seq``, oldest first."""
        return [entry for entry in self.entries if entry.seq > seq]

    def refusal(self, since: Position, epoch: str) -> str | None:
        """Say why the log cannot go on from a position; None where it can."""
        if since.epoch != epoch:
            return "epoch_changed"
        if since.seq > self.top.seq:
            return "ahead"
        if since.seq < self.oldest - 1:
            return "truncated"
        if since.tag is not None and since.tag != self.at(since.seq).tag:
            return "diverged"
        return None

    def start(
        self, since: Position | str | None, epoch: str
    ) -> tuple[Entry, bool | None, str | None]:
        """Return where a subscription starts, whether the chain holds, and why not."""
        if since is None:
            return self.top, None, None
        if isinstance(since, str):
            return self.at(self.oldest - 1), True, None
        reason = self.refusal(since, epoch)
        if reason is not None:
            return self.top, False, reason
        return self.at(since.seq), True, None


class Store:
    """All logs of a server, bounded together.

    Args:
        epoch: Which life of the logs this is.
        max_topics: Topics that may have been published to.
        max_entries: Entries retained over all topics.
        max_bytes: Bytes of payload retained over all topics.

    Attributes:
        epoch: Which life of the logs this is.
        producers: Whose publications are in them.
    """

    def __init__(
        self,
        epoch: str,
        *,
        max_topics: int = 10_000,
        max_entries: int = 100_000,
        max_bytes: int = 8 * 1_048_576,
    ) -> None:
        self.epoch = epoch
        self.producers = Producers()
        self._max_topics = max_topics
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._logs: dict[str, Log] = {}
        self._order: collections.deque[tuple[Log, int]] = collections.deque()
        self._bytes = 0

    def log(self, topic: str) -> Log:
        """Return a topic's log; one never published to keeps no state."""
        return self._logs.get(topic) or Log()

    def may_append(self, topic: str) -> bool:
        """Tell whether the topic is known or there is room for one more."""
        return topic in self._logs or len(self._logs) < self._max_topics

    def append(
        self, topic: str, data: bytes, now: float, producer: Producer | None = None
    ) -> Entry:
        """Keep a payload, forget the oldest ones of all topics beyond the bounds.

        Args:
            topic: Its topic.
            data: The payload.
            now: Seconds since 1970 UTC.
            producer: Whose publication it is, where it says so.
        """
        log = self._logs.setdefault(topic, Log())
        entry = log.append(data, now)
        self.producers.note(topic, producer, entry.seq)
        self._order.append((log, len(data)))
        self._bytes += len(data)
        while len(self._order) > self._max_entries or self._bytes > self._max_bytes:
            oldest, size = self._order.popleft()
            oldest.forget()
            self._bytes -= size
        return entry

    def tops(self, told: dict[str, int]) -> dict[str, tuple[int, str]]:
        """Return the tops that moved since they were told, and note that they are."""
        tops: dict[str, tuple[int, str]] = {}
        for topic, seq in told.items():
            top = self.log(topic).top
            if top.seq != seq and len(tops) < _MOST_TOPS:
                tops[topic] = top.seq, f"{top.tag:08x}"
                told[topic] = top.seq
        return tops

    def close(self) -> None:
        """Let go of what keeps it, which here is nothing."""

    def __repr__(self) -> str:
        """Show how much is retained."""
        return (
            f"<Store epoch={self.epoch} topics={len(self._logs)} "
            f"entries={len(self._order)} bytes={self._bytes}>"
        )
