"""The reader: asks a log's file for entries, on a thread of its own.

It refuses to know what may be read; whoever asks says so.

subtle: as in ``store``, an answer is one row, however many entries there are.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from wavetank.hub.aio.logs.ledger import microseconds
from wavetank.hub.log import Entry, Mark, make_entry
from wavetank.protocol import event_head

__all__ = ["Reader"]

_PAGE = """
WITH RECURSIVE page(topic, seq, tag, at, payload, room) AS (
    SELECT * FROM (SELECT topic, seq, tag, at, payload, :size - size FROM entries
        WHERE topic = (SELECT id FROM topics WHERE name = :name)
        AND seq > :after AND seq <= :last ORDER BY seq LIMIT 1)
    UNION ALL
    SELECT e.topic, e.seq, e.tag, e.at, e.payload, page.room - e.size
    FROM page JOIN entries e ON e.topic = page.topic AND e.seq = page.seq + 1
    WHERE e.seq <= :last AND e.size <= page.room)
SELECT json_group_array(json_array(seq, tag, at, length(payload))),
    group_concat(payload, '') FROM (SELECT * FROM page ORDER BY seq)
"""

# An entry that is gone by now is older than all that are left.
_SEEK = """
WITH RECURSIVE narrowing(lo, hi) AS (
    SELECT :first, :last + 1
    UNION ALL
    SELECT CASE WHEN coalesce(e.at < :at, 1) THEN (lo + hi) / 2 + 1 ELSE lo END,
        CASE WHEN coalesce(e.at < :at, 1) THEN hi ELSE (lo + hi) / 2 END
    FROM narrowing LEFT JOIN entries e ON e.seq = (lo + hi) / 2
        AND e.topic = (SELECT id FROM topics WHERE name = :name)
    WHERE lo < hi)
SELECT lo FROM narrowing WHERE lo = hi
"""

_Rows = list[tuple[int, int, int, int]]
"""Seq, tag, time and length of the payload."""


class Reader:
    """The thread that reads; questions are answered one after the other.

    Args:
        connect: Opens the log's file.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wavetank-log-reader")

    async def since(
        self, topic: str, after: int, last: int, *, size: int
    ) -> list[Entry]:
        """Return entries behind ``after``, up to and including ``last``.

        Args:
            topic: Its name.
            after: A seq.
            last: A seq.
            size: About so many bytes of frames; one entry always fits.
        """
        loop = asyncio.get_running_loop()
        values = {"name": topic, "after": after, "last": last, "size": size}
        return await loop.run_in_executor(self._thread, self._read, values)

    def _read(self, values: dict[str, object]) -> list[Entry]:
        rows, payloads = self._ask(_PAGE, values)
        head, place = event_head(str(values["name"])), 0
        entries = []
        for seq, tag, at, length in msgspec.json.decode(rows, type=_Rows):
            payload = payloads[place : place + length]
            place += length
            entries.append(make_entry(head, Mark(seq, tag), at / 1_000_000, payload))
        return entries

    async def seek(self, topic: str, at: float, *, first: int, last: int) -> int:
        """Return the seq of the first entry at or after a time; last + 1 if none.

        Args:
            topic: Its name.
            at: Seconds since 1970.
            first: Seq of the oldest entry.
            last: Seq of the newest entry.
        """
        loop = asyncio.get_running_loop()
        values = {"name": topic, "at": microseconds(at), "first": first, "last": last}
        row = await loop.run_in_executor(self._thread, self._ask, _SEEK, values)
        return int(row[0])

    def _ask(self, question: str, values: dict[str, object]) -> tuple[bytes, ...]:
        if self._connection is None:
            connection = self._connect()
            connection.text_factory = bytes
            connection.execute("PRAGMA query_only=ON")
            self._connection = connection
        row: tuple[bytes, ...] = self._connection.execute(question, values).fetchone()
        return row

    async def close(self) -> None:
        """Answer what was asked, and end the thread."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __repr__(self) -> str:
        """Show whether it has read yet."""
        return f"<Reader {'open' if self._connection is not None else 'closed'}>"
