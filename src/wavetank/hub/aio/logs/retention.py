"""Retention: what of a log's file may go, and its going.

It refuses to know who is told.

What goes can be read no more at once, for its topic's base moves. The room is
freed later, many entries at a time, and only then the base is written down: a
start looks at the bounds anyway.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

import msgspec

from wavetank.hub.aio.logs.ledger import NEVER, Account, Ledger, encode, microseconds
from wavetank.hub.log import Bounds, Mark

__all__ = ["Retention"]

_ANY = -NEVER

_Range = tuple[int, int, int]
"""Topic, first and last seq."""

_Rows = list[tuple[int, int, int, int, int | None]]
"""Topic, base, its tag and end, and when the entry behind it came."""

# Which entry of a topic is the first that stays: the ones before it begin before
# `start` (bytes) or are from before `at`. Both grow with seq, so halving finds it.
_NARROW = """
WITH RECURSIVE narrowing(id, lo, hi, start, at) AS (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),
        json_extract(value, '$[2]'), json_extract(value, '$[3]'),
        json_extract(value, '$[4]') FROM json_each(?)
    UNION ALL
    SELECT n.id,
        CASE WHEN coalesce(e.end - e.size < n.start OR e.at < n.at, 1)
            THEN (n.lo + n.hi) / 2 + 1 ELSE n.lo END,
        CASE WHEN coalesce(e.end - e.size < n.start OR e.at < n.at, 1)
            THEN n.hi ELSE (n.lo + n.hi) / 2 END,
        n.start, n.at
    FROM narrowing n LEFT JOIN entries e
        ON e.topic = n.id AND e.seq = (n.lo + n.hi) / 2
    WHERE n.lo < n.hi)
SELECT json_group_array(json_array(n.id, b.seq, b.tag, b.end, o.at))
FROM narrowing n JOIN entries b ON b.topic = n.id AND b.seq = n.lo - 1
    LEFT JOIN entries o ON o.topic = n.id AND o.seq = n.lo
WHERE n.lo = n.hi
"""

_MOVE_BASE = """
UPDATE topics SET base = moved.seq, base_tag = moved.tag, base_end = moved.end
FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS seq,
    json_extract(value, '$[2]') AS tag, json_extract(value, '$[3]') AS end
    FROM json_each(?)) AS moved
WHERE topics.id = moved.id
"""

_CLEAR = """
WITH RECURSIVE gone(topic, seq, last) AS (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),
        json_extract(value, '$[2]') FROM json_each(?)
    UNION ALL
    SELECT topic, seq + 1, last FROM gone WHERE seq < last)
DELETE FROM entries WHERE (topic, seq) IN (SELECT topic, seq FROM gone)
"""


class Retention:
    """Removes what is beyond the bounds.

    Args:
        connection: To the file.
        ledger: Of its topics.
        bounds: Of each topic.
        total: Bytes of frames that are kept of all topics; None is "no limit".

    Attributes:
        doomed: Entries that are removed, and still take room.
    """

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        bounds: Bounds,
        total: int | None,
    ) -> None:
        self.doomed = 0
        self._connection = connection
        self._ledger = ledger
        self._bounds = bounds
        self._total = total
        self._ranges: deque[_Range] = deque()
        self._moved: set[int] = set()
        self._ages: list[tuple[int, int]] = []

    def enter(self, account: Account) -> None:
        """Watch the age of a topic's oldest entry; once for each topic."""
        if self._bounds.age is not None:
            is_empty = account.top == account.base
            at = account.at if is_empty else account.oldest_at
            heapq.heappush(self._ages, (at, account.id))

    def doom(self, account: Account, first: int) -> None:
        """Note entries that still take room: from ``first`` up to the base."""
        self._ranges.append((account.id, first, account.base))
        self.doomed += account.base - first + 1

    def trim(self, accounts: Iterable[Account], wall: float) -> dict[str, Mark]:
        """Remove what is beyond the bounds of some topics.

        Args:
            accounts: Of topics that may have changed.
            wall: Seconds since 1970.

        Returns:
            Topic -> its new base, where that has moved.
        """
        accounts = list(accounts)
        oldest, size = self._oldest(wall), self._bounds.size
        asked = []
        for one in accounts:
            start = _ANY if size is None else one.end - size
            floor = one.base
            if self._bounds.entries is not None:
                floor = max(floor, one.top - self._bounds.entries)
            is_old = one.oldest_at < oldest and one.top > one.base
            if floor > one.base or one.base_end < start or is_old:
                asked.append((one.id, floor + 1, one.top + 1, start, oldest))
        moved = self._move(asked)
        return moved | self._give_up(accounts)

    def expire(self, wall: float, most: int) -> dict[str, Mark]:
        """Remove what is too old, of topics that nobody publishes to either.

        Args:
            wall: Seconds since 1970.
            most: Topics that are looked at in one go.

        Returns:
            Topic -> its new base, where that has moved.
        """
        oldest = self._oldest(wall)
        due: list[Account] = []
        while self._ages and self._ages[0][0] < oldest and len(due) < most:
            _, id = heapq.heappop(self._ages)
            due.append(self._ledger.by_id[id])
        try:
            return self.trim(due, wall)
        finally:
            # An empty topic is looked at again when an entry of now would be due.
            now = microseconds(wall)
            for one in due:
                at = now if one.top == one.base else one.oldest_at
                heapq.heappush(self._ages, (at, one.id))

    def level_out(self) -> None:
        """Bring all topics below the total, should that have been lowered.

        The largest give up their oldest until they are as large as the next ones.
        """
        accounts = self._ledger.by_name.values()
        if self._total is None or self._ledger.size <= self._total:
            return
        level = _find_level([one.size for one in accounts], self._total)
        shares = [(one, min(one.size - level, one.spare)) for one in accounts]
        self._move([_share(one, share) for one, share in shares if share > 0])

    def clear(self, most: int) -> None:
        """Free the room of entries that are removed, and write down the bases.

        Args:
            most: So many entries at once.
        """
        taken, left = self._take(most)
        execute = self._connection.execute
        moved = [
            (one.id, one.base, one.base_tag, one.base_end)
            for one in map(self._ledger.by_id.__getitem__, self._moved)
        ]
        execute("BEGIN IMMEDIATE")
        try:
            execute(_MOVE_BASE, (encode(moved),))
            execute(_CLEAR, (encode(taken),))
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._moved.clear()
        self._ranges = left
        self.doomed -= sum(last - first + 1 for _, first, last in taken)

    def _take(self, most: int) -> tuple[list[_Range], deque[_Range]]:
        """Return what is freed now, and what is left."""
        taken: list[_Range] = []
        left = self._ranges.copy()
        while left and most > 0:
            id, first, last = left.popleft()
            end = min(last, first + most - 1)
            most -= end - first + 1
            taken.append((id, first, end))
            if end < last:
                left.appendleft((id, end + 1, last))
        return taken, left

    def _oldest(self, wall: float) -> int:
        """Return the time from which on entries stay."""
        age = self._bounds.age
        return _ANY if age is None else microseconds(wall - age)

    def _give_up(self, accounts: Iterable[Account]) -> dict[str, Mark]:
        """Let topics that have grown give up their oldest, but for the newest."""
        over = 0 if self._total is None else self._ledger.size - self._total
        asked = []
        for one in accounts if over > 0 else ():
            share = min(over, one.spare)
            if share > 0:
                over -= share
                asked.append(_share(one, share))
        return self._move(asked)

    def _move(self, asked: Sequence[tuple[int, ...]]) -> dict[str, Mark]:
        """Find the new bases that were asked for, and move there."""
        if not asked:
            return {}
        text = self._connection.execute(_NARROW, (encode(asked),)).fetchone()[0]
        by_id = self._ledger.by_id
        moved = {}
        for id, seq, tag, end, oldest_at in msgspec.json.decode(text, type=_Rows):
            one = by_id[id]
            first = one.base + 1
            if seq < first:
                continue
            self._ledger.move_base(one, seq, tag, end)
            one.oldest_at = NEVER if oldest_at is None else oldest_at
            self.doom(one, first)
            self._moved.add(id)
            moved[one.name] = Mark(seq, tag)
        return moved

    def __repr__(self) -> str:
        """Show what is still to be freed."""
        return f"<Retention {self.doomed} doomed>"


def _share(account: Account, share: int) -> tuple[int, ...]:
    """Ask for the base with which a topic is smaller by so many bytes."""
    start = account.base_end + share
    return (account.id, account.base + 1, account.top + 1, start, _ANY)


def _find_level(sizes: Iterable[int], total: int) -> int:
    """Return the size down to which the largest must go to make the sum fit."""
    left = total
    ordered = sorted(sizes)
    for place, size in enumerate(ordered):
        others = len(ordered) - place
        if size * others > left:
            return left // others
        left -= size
    return left
