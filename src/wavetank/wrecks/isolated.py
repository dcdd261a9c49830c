"""Wrecks that only an isolated target gives away: TCP without answers, a full disk.

They refuse to know how it is isolated.
"""

import errno
import os
import secrets
import socket
from pathlib import Path

from wavetank.wire import Request
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.durable import FileStore
from wavetank.wrecks.log import Entry, Store
from wavetank.wrecks.producers import Producer
from wavetank.wrecks.sound import SoundServer

__all__ = ["AcknowledgesUnwritten", "ImpatientTcp", "WritesNoMore"]

_UNACKNOWLEDGED = 100
"""Milliseconds after which `ImpatientTcp` gives a connection up."""


class ImpatientTcp(SoundServer):
    """A connection ends once TCP has had no acknowledgement for 100 ms."""

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Have TCP wait no longer than that."""
        plain: socket.socket = connection.transport.get_extra_info("socket")
        option = socket.TCP_USER_TIMEOUT
        plain.setsockopt(socket.IPPROTO_TCP, option, _UNACKNOWLEDGED)
        super().shake_hands(connection, request)


class AcknowledgesUnwritten(SoundServer):
    """A publication that the file of ``--data`` has no room for is acknowledged."""

    def make_store(self, data: Path | None) -> Store:
        """Keep in memory what the file does not take."""
        if data is None:
            return super().make_store(data)
        return _ForgivingStore(data, epoch=secrets.token_urlsafe(6))


class _ForgivingStore(FileStore):
    """Logs in a file, which may lack some of their entries."""

    def append(
        self, topic: str, data: bytes, now: float, producer: Producer | None = None
    ) -> Entry:
        """Keep the entry, whatever became of it."""
        try:
            return super().append(topic, data, now, producer)
        except OSError:
            return Store.append(self, topic, data, now, producer)


class WritesNoMore(SoundServer):
    """Once a write to the file of ``--data`` has failed, all later ones do."""

    def make_store(self, data: Path | None) -> Store:
        """Remember that one has failed."""
        if data is None:
            return super().make_store(data)
        return _BrokenStore(data, epoch=secrets.token_urlsafe(6))


class _BrokenStore(FileStore):
    """Logs in a file that is given up at the first error."""

    is_broken = False

    def write(self, record: bytes) -> None:
        """Write, unless that has failed before."""
        if self.is_broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        try:
            super().write(record)
        except OSError:
            self.is_broken = True
            raise
