"""The ledger: what a log's file holds of each topic, and the rows of a batch.

It refuses to know SQL, threads, and whether rows were written.
"""

from collections.abc import Callable, Sequence

import msgspec

from wavetank.errors import LocalError
from wavetank.hub.aio.logs.backlog import Item
from wavetank.hub.duplicates import Origin
from wavetank.hub.durability import Durability

__all__ = ["NEVER", "Account", "Ledger", "Parcel", "encode", "microseconds"]

NEVER = 2**62
"""A time that does not come, in microseconds."""

_LATEST = 4e12
"""Seconds; a hundred thousand years from now, and still a number for SQLite."""


def microseconds(at: float) -> int:
    """Return a time as it stands in the file; it comes back as the same float.

    Args:
        at: Seconds since 1970; times that no file can hold are brought near.
    """
    return round(max(-_LATEST, min(at, _LATEST)) * 1_000_000)


def encode(value: object) -> str:
    """Return a value as JSON text, which is how many rows go into one statement."""
    return msgspec.json.encode(value).decode()


class Account(msgspec.Struct, gc=False):
    """What is known of one topic; times are in microseconds, sizes in bytes.

    Attributes:
        id: In the file.
        name: Of the topic.
        epoch: Which life of it.
        level: Its durability.
        base: Seq of the entry that was removed last.
        base_tag: Its tag.
        base_end: Bytes of all frames up to and including it.
        top: Seq of the newest entry.
        tag: Its tag.
        end: Bytes of all frames up to and including it.
        at: When it was appended.
        oldest_at: When the oldest one was appended that is kept.
        newest: Size of the newest one.
    """

    id: int
    name: str
    epoch: str
    level: str
    base: int = 0
    base_tag: int = 0
    base_end: int = 0
    top: int = 0
    tag: int = 0
    end: int = 0
    at: int = 0
    oldest_at: int = NEVER
    newest: int = 0

    @property
    def size(self) -> int:
        """Bytes of the frames that are kept."""
        return self.end - self.base_end

    @property
    def spare(self) -> int:
        """Bytes of all that are kept but the newest."""
        return max(0, self.size - self.newest)


class Parcel:
    """The rows of one batch, ready to be written."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self._payloads: list[bytes] = []
        self._entries: list[tuple[int, ...]] = []
        self._keyed: list[tuple[int, int, int, str]] = []
        self._counted: list[tuple[int, str, int, int, int]] = []
        self._place = 1

    @property
    def is_synced(self) -> bool:
        """Whether it has to be on the disk."""
        levels = {one.level for one in self.accounts.values()}
        return Durability.FSYNC in levels

    def add(self, account: Account, item: Item) -> None:
        """Add an entry, and let its topic's account grow by it.

        Raises:
            LocalError: If it does not follow the last one.
        """
        _, entry, origin = item
        if entry.seq != account.top + 1:
            raise LocalError(f"entry {entry.seq} does not follow {account!r}")
        at, size = microseconds(entry.at), len(entry.frame)
        if account.top == account.base:
            account.oldest_at = at
        account.top, account.tag, account.at = entry.seq, entry.tag, at
        account.end += size
        account.newest = size
        payload = entry.payload
        where = (self._place, len(payload))
        row = (account.id, entry.seq, entry.tag, at, size, account.end, *where)
        self._entries.append(row)
        self._payloads.append(payload)
        self._place += len(payload)
        if origin is not None:
            self._add_origin(account, origin)

    def _add_origin(self, account: Account, origin: Origin) -> None:
        if origin.key is not None:
            who = encode((origin.user, origin.key))
            self._keyed.append((account.id, account.top, account.at, who))
        elif origin.producer is not None:
            producer = origin.producer
            who = encode((origin.user, producer.name))
            row = (account.id, who, producer.epoch, producer.seq, account.top)
            self._counted.append(row)

    def rows(self) -> tuple[str | bytes, ...]:
        """Return entries, payloads, topics, keys, producers and their numbers."""
        topics = [
            (one.id, one.name, one.epoch, one.level, one.top, one.tag, one.end, one.at)
            for one in self.accounts.values()
        ]
        newest = {row[:2]: row for row in self._counted}
        return (
            encode(self._entries),
            b"".join(self._payloads),
            encode(topics),
            encode(self._keyed),
            encode(list(newest.values())),
            encode(self._counted),
        )


class Ledger:
    """The accounts of all topics.

    Attributes:
        by_name: Topic -> its account.
        by_id: The same by the number in the file.
        size: Bytes of all frames that are kept.
        entries: How many are kept.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Account] = {}
        self.by_id: dict[int, Account] = {}
        self.size = 0
        self.entries = 0
        self._last_id = 0

    def enter(self, account: Account) -> None:
        """Add a topic, or put its new account in place of the old one."""
        before = self.by_name.get(account.name)
        if before is not None:
            self.size -= before.size
            self.entries -= before.top - before.base
        self.size += account.size
        self.entries += account.top - account.base
        self.by_name[account.name] = account
        self.by_id[account.id] = account
        self._last_id = max(self._last_id, account.id)

    def move_base(self, account: Account, seq: int, tag: int, end: int) -> None:
        """Note that everything of a topic up to ``seq`` is removed."""
        self.size -= end - account.base_end
        self.entries -= seq - account.base
        account.base, account.base_tag, account.base_end = seq, tag, end

    def pack(
        self, items: Sequence[Item], epoch: str, level_of: Callable[[str], Durability]
    ) -> Parcel:
        """Make rows of a batch; the ledger itself stays as it is until ``enter``.

        Args:
            items: In order of their appends.
            epoch: Of topics that are new.
            level_of: Durability of a topic.
        """
        parcel = Parcel()
        last = self._last_id
        for item in items:
            account = parcel.accounts.get(item.topic)
            if account is None:
                known = self.by_name.get(item.topic)
                if known is not None:
                    account = msgspec.structs.replace(known)
                else:
                    last += 1
                    level = level_of(item.topic).value
                    account = Account(last, item.topic, epoch, level)
                parcel.accounts[item.topic] = account
            parcel.add(account, item)
        return parcel

    def __repr__(self) -> str:
        """Show how much is kept."""
        return f"<Ledger {len(self.by_name)} topics, {self.entries} entries>"
