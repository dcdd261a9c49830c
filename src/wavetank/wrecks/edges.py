"""Wrecks that stumble at the edges: bad commands, many at once, odd turns.

They refuse to know faults on the way, and what is in a payload.
"""

import collections
from typing import Any

from wavetank.wire import Request
from wavetank.wrecks.commands import Command, Fault
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.log import Entry
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "BigPayloadUnanswered",
    "DeafAfterErrors",
    "ErrorWithoutCode",
    "ErrorsStay",
    "HundredAtMost",
    "MemoryPerBadMessage",
    "OneMoreAfterUnsubscribe",
    "OneSeqForTwo",
    "SubscribedTwice",
]

_BURST = 20
"""Errors after which `ErrorsStay` is never well again."""
_MOST_LOST = 1_024
"""Pieces of 256 KiB that are thrown away at most: the machine stays whole."""


# Errors


class ErrorWithoutCode(SoundServer):
    """Error messages have no 'code'."""

    def error(self, fault: Fault) -> dict[str, Any]:
        """Leave it out."""
        error = super().error(fault)
        del error["code"]
        return error


class BigPayloadUnanswered(SoundServer):
    """A publication whose payload is over the limit is dropped without an answer."""

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Say nothing of sizes."""
        if fault.code != "payload_too_large":
            super().refuse(connection, fault)


class DeafAfterErrors(SoundServer):
    """After three errors on a connection its commands are done and not answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.errors: collections.Counter[Connection] = collections.Counter()

    def leave(self, connection: Connection) -> None:
        """Stop counting."""
        super().leave(connection)
        del self.errors[connection]

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Count."""
        super().refuse(connection, fault)
        self.errors[connection] += 1

    def reply(
        self, connection: Connection, type_: str, command: Command, **fields: Any
    ) -> None:
        """Answer as long as there were few."""
        if self.errors[connection] < 3:
            super().reply(connection, type_, command, **fields)


class ErrorsStay(SoundServer):
    """After twenty errors, on whichever connections, every command ends in an error."""

    errors = 0

    def on_command(self, connection: Connection, command: Command | Fault) -> None:
        """Count, and refuse for ever after."""
        self.errors += isinstance(command, Fault)
        if self.errors > _BURST and isinstance(command, Command):
            command = command.fault("internal", "something is wrong")
        super().on_command(connection, command)


class MemoryPerBadMessage(SoundServer):
    """Each command that is refused leaves 256 KiB of memory behind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lost: list[bytes] = []

    def refuse(self, connection: Connection, fault: Fault) -> None:
        """Lose some; bytes that nobody wrote to would cost nothing."""
        super().refuse(connection, fault)
        if len(self.lost) < _MOST_LOST:
            self.lost.append(b"\x01" * 262_144)


# Many at once


class HundredAtMost(SoundServer):
    """While 100 connections are open, the next is cut without a word."""

    def shake_hands(self, connection: Connection, request: Request) -> None:
        """Cut it in the middle of its opening handshake."""
        if len(self.open) >= 100:
            connection.transport.abort()
        else:
            super().shake_hands(connection, request)


class OneSeqForTwo(SoundServer):
    """Every tenth time that publishers take turns on a topic, one message is lost.

    It is acknowledged with the number of the other publisher's message before it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.turns: dict[str, tuple[str, int]] = {}

    def publish(self, connection: Connection, command: Command) -> None:
        """Count the turns, and let every tenth go wrong."""
        topic = command.topic
        if not self.store.may_append(topic):
            super().publish(connection, command)
            return
        last, turns = self.turns.get(topic, (connection.name, 0))
        turns += last != connection.name
        self.turns[topic] = connection.name, turns
        if last == connection.name or turns % 10:
            super().publish(connection, command)
        elif command.id is not None:
            self.acknowledge(connection, command, self.store.log(topic).top)


# Odd turns


class SubscribedTwice(SoundServer):
    """A subscription that is renewed is two: each live event comes twice."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.again: dict[Connection, set[str]] = {}

    def leave(self, connection: Connection) -> None:
        """Forget it."""
        super().leave(connection)
        self.again.pop(connection, None)

    def subscribe(self, connection: Connection, command: Command) -> None:
        """Note what is renewed."""
        if connection in self.audience(command.topic):
            self.again.setdefault(connection, set()).add(command.topic)
        super().subscribe(connection, command)

    def deliver(self, topic: str, entry: Entry) -> None:
        """Send it once more to who has two."""
        super().deliver(topic, entry)
        there = self.audience(topic)
        twice = [one for one in there if topic in self.again.get(one, ())]
        self.deliver_to(twice, topic, entry)


class OneMoreAfterUnsubscribe(SoundServer):
    """After unsubscribed, one more event of the topic comes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.latest: dict[Connection, str] = {}

    def leave(self, connection: Connection) -> None:
        """Forget it."""
        super().leave(connection)
        self.latest.pop(connection, None)

    def unsubscribe(self, connection: Connection, command: Command) -> None:
        """Note who has just gone from where."""
        if connection in self.audience(command.topic):
            self.latest[connection] = command.topic
        super().unsubscribe(connection, command)

    def deliver(self, topic: str, entry: Entry) -> None:
        """Send it to them, too, once."""
        super().deliver(topic, entry)
        there = self.audience(topic)
        gone = [one for one in self.latest if self.latest[one] == topic]
        for one in gone:
            del self.latest[one]
        self.deliver_to([one for one in gone if one not in there], topic, entry)
