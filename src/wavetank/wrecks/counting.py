"""A server that counts the messages to each connection, and fails with some of them.

It refuses to know what is wrong with those; each wreck says it.
"""

import collections
from typing import Any

from wavetank.wrecks.connection import Connection
from wavetank.wrecks.sound import SoundServer

__all__ = ["EveryNth"]


class EveryNth(SoundServer):
    """Does something wrong with every so many messages to a connection.

    Attributes:
        each: How many; the last one of them goes wrong.
        pushed: Messages to each connection up to now.
    """

    each: int

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pushed: collections.Counter[Connection] = collections.Counter()

    def leave(self, connection: Connection) -> None:
        """Stop counting."""
        super().leave(connection)
        del self.pushed[connection]

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Count."""
        self.pushed[connection] += 1
        if self.pushed[connection] % self.each:
            super().push(connection, opcode, payload)
        else:
            self.fail(connection, opcode, payload)

    def fail(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Do it; here, nothing is sent."""
