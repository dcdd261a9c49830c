"""The log's file, open for writing.

It refuses to know threads, and what is done where writing fails.

subtle: each step of a statement gives the interpreter's lock away and has to wait
for it, up to 5 ms where the event loop is busy. So a batch of any size is one
statement of one step: an insert into a view, whose trigger does all the rest.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from sqlite3 import Connection

from wavetank.hub.aio.logs.backlog import Item
from wavetank.hub.aio.logs.base import Kept
from wavetank.hub.aio.logs.ledger import NEVER, Account, Ledger, Parcel, encode
from wavetank.hub.aio.logs.origins import find_keys, find_producers
from wavetank.hub.aio.logs.retention import Retention
from wavetank.hub.duplicates import MOST_SEQS
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Mark

__all__ = ["Store"]

_SPARE_PAGES = 64


def _columns(count: int, first: int = 0) -> str:
    """Return SQL for some items of the JSON array ``value``."""
    numbers = range(first, first + count)
    return ", ".join(f"json_extract(value, '$[{n}]')" for n in numbers)


_PRODUCERS = """json_each(NEW.counted) JOIN producers p
        ON p.topic = json_extract(value, '$[0]')
        AND p.who = json_extract(value, '$[1]')"""

_INTAKE = (
    "CREATE TEMP VIEW intake AS SELECT NULL AS entries, NULL AS payloads, "
    "NULL AS topics, NULL AS keyed, NULL AS producers, NULL AS counted",
    f"""CREATE TEMP TRIGGER take INSTEAD OF INSERT ON intake BEGIN
    INSERT INTO topics(id, name, epoch, level, top, tag, end, at)
        SELECT {_columns(8)} FROM json_each(NEW.topics) WHERE true
        ON CONFLICT(id) DO UPDATE SET
        top = excluded.top, tag = excluded.tag, end = excluded.end, at = excluded.at;
    INSERT INTO entries(topic, seq, tag, at, size, end, payload)
        SELECT {_columns(6)}, substr(NEW.payloads,
        json_extract(value, '$[6]'), json_extract(value, '$[7]'))
        FROM json_each(NEW.entries);
    INSERT INTO keyed(topic, seq, at, who)
        SELECT {_columns(4)} FROM json_each(NEW.keyed);
    INSERT INTO producers(topic, who, epoch, last, seq)
        SELECT {_columns(5)} FROM json_each(NEW.producers) WHERE true
        ON CONFLICT(topic, who) DO UPDATE SET
        epoch = excluded.epoch, last = excluded.last, seq = excluded.seq;
    INSERT OR REPLACE INTO counted(producer, epoch, number, seq)
        SELECT p.id, {_columns(3, 2)} FROM {_PRODUCERS};
    DELETE FROM counted WHERE (producer, epoch, number) IN (
        SELECT p.id, json_extract(value, '$[2]'),
        json_extract(value, '$[3]') - {MOST_SEQS} FROM {_PRODUCERS});
    DELETE FROM counted WHERE producer IN (
        SELECT p.id FROM {_PRODUCERS} WHERE json_extract(value, '$[3]') = 1)
        AND epoch <> (SELECT epoch FROM producers WHERE id = counted.producer);
    END""",
)

_TOPICS = """
SELECT t.id, name, epoch, level, base, base_tag, base_end, top, t.tag, t.end, t.at,
    coalesce(o.at, ?), coalesce(n.size, 0),
    (SELECT min(seq) FROM entries WHERE topic = t.id)
FROM topics t LEFT JOIN entries o ON o.topic = t.id AND o.seq = base + 1
    LEFT JOIN entries n ON n.topic = t.id AND n.seq = top AND top > base
"""

_LEVELS = """
UPDATE topics SET level = changed.level
FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS level
    FROM json_each(?)) AS changed
WHERE topics.id = changed.id AND topics.level <> changed.level
"""


class Store:
    """A log's file; used by one thread at a time.

    Args:
        connection: To a file that is ours, with the newest schema.
        retention: What is kept of each topic.
        total: Bytes of frames that are kept of all topics; None is "no limit".
        level_of: Durability of a topic.

    Attributes:
        epoch: Of topics that were never published to.
        connection: To the file.
        ledger: Its topics.
        retention: Removes what may go.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        retention: Bounds,
        total: int | None,
        level_of: Callable[[str], Durability],
    ) -> None:
        self.epoch = ""
        self.connection = connection
        self.ledger = Ledger()
        self.retention = Retention(connection, self.ledger, retention, total)
        self._level_of = level_of
        self._is_synced: bool | None = None

    def load(self, boot: str, new_epoch: Callable[[], str]) -> None:
        """Find out what is there, and begin a new run of the hub.

        After a power loss (another boot, and no mark of a clean stop) what was
        not synced may be lost, and its seqs would be given out again. So those
        topics begin a new epoch.

        Args:
            boot: Name of this boot of the machine; "" where that is not known.
            new_epoch: Makes one.
        """
        execute = self.connection.execute
        for statement in _INTAKE:
            execute(statement)
        meta = dict(execute("SELECT name, value FROM meta").fetchall())
        before = meta.get("boot") or boot
        is_lost = bool(boot) and not meta.get("clean") and before != boot
        self.epoch = new_epoch() if is_lost else meta.get("epoch") or new_epoch()
        # Before anything is appended the mark of a clean stop must be gone.
        self.sync(is_needed=True)
        execute("BEGIN IMMEDIATE")
        if is_lost:
            words = "UPDATE topics SET epoch = ? WHERE level <> ?"
            execute(words, (self.epoch, Durability.FSYNC.value))
        self._find_topics()
        levels = [(one.id, one.level) for one in self.ledger.by_id.values()]
        execute(_LEVELS, (encode(levels),))
        execute("DELETE FROM meta")
        marks = {"epoch": self.epoch, "boot": boot, "clean": ""}
        insert = "INSERT INTO meta VALUES(?, ?)"
        self.connection.executemany(insert, marks.items())
        execute("COMMIT")

    def _find_topics(self) -> None:
        for *values, first in self.connection.execute(_TOPICS, (NEVER,)).fetchall():
            account = Account(*values)
            level = self._level_of(account.name)
            if level is not Durability.MEMORY:
                account.level = level.value
            self.ledger.enter(account)
            self.retention.enter(account)
            if first is not None and first <= account.base:
                self.retention.doom(account, first)

    def kept(self, wall: float) -> list[Kept]:
        """Return what the hub goes on with; retention as it is now holds already.

        Args:
            wall: Seconds since 1970.
        """
        self.retention.trim(self.ledger.by_name.values(), wall)
        self.retention.level_out()
        keys = find_keys(self.connection, wall)
        producers = find_producers(self.connection)
        return [
            Kept(
                topic=one.name,
                epoch=one.epoch,
                base=Mark(one.base, one.base_tag),
                top=Mark(one.top, one.tag),
                at=one.at / 1_000_000,
                keys=keys.get(one.id, ()),
                producers=producers.get(one.id, ()),
            )
            for one in self.ledger.by_name.values()
        ]

    def sync(self, *, is_needed: bool) -> None:
        """Say whether what is written from now on has to be on the disk.

        Else the operating system has it, which outlives us.
        """
        if is_needed is not self._is_synced:
            level = "FULL" if is_needed else "NORMAL"
            self.connection.execute(f"PRAGMA synchronous={level}")
            self._is_synced = is_needed

    def write(self, items: Sequence[Item]) -> Parcel:
        """Write a batch: all of it or, with an exception, nothing.

        Args:
            items: In order of their appends.

        Returns:
            What was written.
        """
        parcel = self.ledger.pack(items, self.epoch, self._level_of)
        self.sync(is_needed=parcel.is_synced)
        words = "INSERT INTO intake VALUES(?, ?, ?, ?, ?, ?)"
        self.connection.execute(words, parcel.rows())
        for name, account in parcel.accounts.items():
            if name not in self.ledger.by_name:
                self.retention.enter(account)
            self.ledger.enter(account)
        return parcel

    def probe(self) -> None:
        """Write something and remove it again; a full disk is seen too."""
        execute = self.connection.execute
        execute("INSERT OR REPLACE INTO meta VALUES('probe', zeroblob(65536))")
        execute("DELETE FROM meta WHERE name = 'probe'")

    @property
    def is_wasteful(self) -> bool:
        """Whether more than a quarter of the file is unused.

        Less is used again: a file that grows and shrinks is slower.
        """
        execute = self.connection.execute
        free = execute("PRAGMA freelist_count").fetchone()[0]
        pages = execute("PRAGMA page_count").fetchone()[0]
        return bool(free > max(_SPARE_PAGES, pages // 4))

    def give_back_page(self) -> None:
        """Give one unused page back to the file system.

        More at once would be a step each, see above.
        """
        self.sync(is_needed=False)
        self.connection.execute("PRAGMA incremental_vacuum(1)")

    def mark_clean(self) -> None:
        """Note that all is written; nothing may be written after it."""
        self.sync(is_needed=True)
        words = "UPDATE meta SET value = 'yes' WHERE name = 'clean'"
        self.connection.execute(words)

    @property
    def file_size(self) -> int:
        """Bytes of the file and of its write-ahead log."""
        row = self.connection.execute("PRAGMA database_list").fetchone()
        files = (Path(row[2]), Path(row[2] + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def __repr__(self) -> str:
        """Show how much is kept."""
        return f"<Store {self.epoch} {self.ledger!r}>"
