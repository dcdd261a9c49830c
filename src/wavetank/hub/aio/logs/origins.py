"""Who has published what before, as the log's file keeps it.

It refuses to know what is a duplicate; `hub.duplicates` judges that.
"""

from collections.abc import Mapping, Sequence
from sqlite3 import Connection

import msgspec

from wavetank.hub.aio.logs.ledger import microseconds
from wavetank.hub.duplicates import (
    KEY_AGE,
    MOST_PRODUCERS,
    MOST_SEQS,
    NODE_NOTES,
    KeptKey,
    KeptProducer,
)

__all__ = ["find_keys", "find_producers", "forget_keys", "forget_producers"]

_KEYS = """
SELECT topic, seq, at, who FROM
    (SELECT * FROM keyed WHERE at >= ? ORDER BY id DESC LIMIT ?) ORDER BY id
"""

_OLD_KEYS = """
DELETE FROM keyed WHERE id IN (SELECT id FROM keyed ORDER BY id LIMIT ?) AND at < ?
"""

# A producer that was forgotten and came back has left higher numbers behind.
_PRODUCERS = """
SELECT p.topic, p.who, p.epoch, p.last, json_group_array(c.seq)
FROM producers p JOIN counted c ON c.producer = p.id AND c.epoch = p.epoch
    AND c.number > p.last - ? AND c.number <= p.last
GROUP BY p.id
"""

_QUIET_PRODUCERS = """
SELECT json_group_array(id) FROM (SELECT id,
    row_number() OVER (PARTITION BY topic ORDER BY seq DESC) AS place FROM producers)
WHERE place > ?
"""


def find_keys(
    connection: Connection, wall: float, *, most: int = NODE_NOTES
) -> Mapping[int, Sequence[KeptKey]]:
    """Return the keys of each topic, by its number, that still count.

    Args:
        connection: To the file.
        wall: Seconds since 1970.
        most: The newest of all topics together.
    """
    found: dict[int, list[KeptKey]] = {}
    oldest = microseconds(wall - KEY_AGE)
    for topic, seq, at, who in connection.execute(_KEYS, (oldest, most)):
        key = KeptKey(*_decode(who), seq, at / 1_000_000)
        found.setdefault(topic, []).append(key)
    return found


def find_producers(
    connection: Connection, *, most: int = NODE_NOTES
) -> Mapping[int, Sequence[KeptProducer]]:
    """Return the producers of each topic, by its number.

    Args:
        connection: To the file.
        most: Seqs of all of them together, roughly; each has one at least.
    """
    count = connection.execute("SELECT count(*) FROM producers").fetchone()[0]
    each = max(1, min(MOST_SEQS, most // max(1, count)))
    found: dict[int, list[KeptProducer]] = {}
    for topic, who, epoch, last, seqs in connection.execute(_PRODUCERS, (each,)):
        seen = sorted(msgspec.json.decode(seqs, type=list[int]))
        producer = KeptProducer(*_decode(who), epoch, last, seen)
        found.setdefault(topic, []).append(producer)
    return found


def forget_keys(connection: Connection, wall: float, most: int) -> None:
    """Forget keys that are too old.

    Args:
        connection: To the file.
        wall: Seconds since 1970.
        most: So many at once.
    """
    connection.execute(_OLD_KEYS, (most, microseconds(wall - KEY_AGE)))


def forget_producers(connection: Connection, *, most: int = MOST_PRODUCERS) -> None:
    """Forget those that were quiet for longest.

    Args:
        connection: To the file.
        most: So many stay of each topic.
    """
    gone = connection.execute(_QUIET_PRODUCERS, (most,)).fetchone()[0]
    listed = "IN (SELECT value FROM json_each(?))"
    # In this order: what is left of a producer must never become another one's.
    connection.execute(f"DELETE FROM counted WHERE producer {listed}", (gone,))
    connection.execute(f"DELETE FROM producers WHERE id {listed}", (gone,))


def _decode(who: str) -> tuple[str, str]:
    return msgspec.json.decode(who, type=tuple[str, str])
