"""Wrecks that recover wrongly: what a resume brings, and what a restart keeps.

They refuse to know the wire below messages.
"""

import collections
import dataclasses
import re
import secrets
from pathlib import Path

from wavetank.wrecks.commands import Command, Position
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.durable import FileStore
from wavetank.wrecks.log import Entry, Log, Store
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "AcknowledgesBeforeWriting",
    "ForgetsButKeepsEpoch",
    "GapUndeclared",
    "OldValuesReplayed",
    "RecoveredInWordOnly",
    "ReplayCorrupted",
    "ReplayEndsTwice",
    "ReplayLacksLast",
    "ReplayOverlaps",
    "ReplayedToAnybody",
    "corrupted",
]

_LETTER = re.compile(rb"[A-Za-z0-9]")
_UNWRITTEN = 10
"""Acknowledged publications that `AcknowledgesBeforeWriting` has yet to write."""


# What a resume brings


class ReplayLacksLast(SoundServer):
    """A replay leaves out the last event that was missed, the one before the resume."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """End one too early."""
        return log.after(seq)[:-1]


class ReplayEndsTwice(SoundServer):
    """The last event of a replay comes twice, as if it were live, too."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Append it again."""
        missed = log.after(seq)
        return [*missed, *missed[-1:]]


class ReplayOverlaps(SoundServer):
    """A replay begins up to five events before the position that was asked for."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Start too early; a live subscription replays nothing."""
        return log.after(seq - 5) if seq < log.top.seq else []


class RecoveredInWordOnly(SoundServer):
    """A resume is answered with recovered, and nothing is replayed."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Replay nothing."""
        return []


class OldValuesReplayed(SoundServer):
    """A replayed event has the payload of the event before it."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Shift the payloads by one, where there is one before."""
        return [
            dataclasses.replace(entry, data=log.at(entry.seq - 1).data or entry.data)
            for entry in log.after(seq)
        ]


class ReplayCorrupted(SoundServer):
    """A replayed event has one wrong letter or digit in its payload."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Change it in each."""
        return [
            dataclasses.replace(entry, data=corrupted(entry.data))
            for entry in log.after(seq)
        ]


def corrupted(data: bytes) -> bytes:
    """Change the first letter or digit of the second half; mostly it stays JSON."""
    found = _LETTER.search(data, len(data) // 2)
    if found is None:
        return data
    other = b"7" if found[0] != b"7" else b"8"
    return data[: found.start()] + other + data[found.end() :]


class GapUndeclared(SoundServer):
    """A resume that cannot be kept, such as one too old, is said to be recovered."""

    def resume(
        self, log: Log, since: Position | str | None
    ) -> tuple[Entry, bool | None, str | None]:
        """Go on from wherever there is something."""
        after, recovered, reason = super().resume(log, since)
        if recovered is not False:
            return after, recovered, reason
        assert isinstance(since, Position)
        seq = min(since.seq, log.top.seq)
        return dataclasses.replace(log.at(seq), seq=seq), True, None


class ReplayedToAnybody(SoundServer):
    """The right to a topic is asked for live events, and not for a replay."""

    def may(self, connection: Connection, command: Command) -> bool:
        """Let everybody resume everything."""
        return command.since is not None or super().may(connection, command)


# What a restart keeps


class ForgetsButKeepsEpoch(SoundServer):
    """A restart forgets all publications and goes on with the same epoch."""

    def make_store(self, data: Path | None) -> Store:
        """Begin anew, and do not say so."""
        return Store("keptever")


class AcknowledgesBeforeWriting(SoundServer):
    """The newest ten publications are acknowledged and not in the file of ``--data``.

    They are written as others follow, or in the end; SIGKILL loses them. What
    keeps no file loses nothing that a sound server would have kept.
    """

    def make_store(self, data: Path | None) -> Store:
        """Keep what is to be written for later."""
        if data is None:
            return super().make_store(data)
        return _LateStore(data, epoch=secrets.token_urlsafe(6))


class _LateStore(FileStore):
    """Logs in a file, the newest entries of which are not there yet."""

    def __init__(self, path: Path, *, epoch: str) -> None:
        self._unwritten: collections.deque[bytes] = collections.deque()
        super().__init__(path, epoch=epoch)

    def write(self, record: bytes) -> None:
        """Write the one that has waited long enough; the epoch comes first, at once."""
        if not self._size:
            super().write(record)
            return
        self._unwritten.append(record)
        if len(self._unwritten) > _UNWRITTEN:
            super().write(self._unwritten.popleft())

    def close(self) -> None:
        """Write the rest."""
        while self._unwritten:
            super().write(self._unwritten.popleft())
        super().close()
