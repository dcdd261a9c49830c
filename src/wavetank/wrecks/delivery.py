"""Wrecks that deliver wrongly: routing, replay, order, number, payload.

They refuse to know the wire below messages.
"""

import asyncio
import json
import re
import struct
from typing import Any

from wavetank.wire import Opcode
from wavetank.wrecks.commands import Command
from wavetank.wrecks.connection import Connection
from wavetank.wrecks.log import Entry, Log
from wavetank.wrecks.sound import SoundServer

__all__ = [
    "DoubledEvent",
    "EventAfterUnsubscribe",
    "FifthSubscriberDeaf",
    "LostUnderLoad",
    "PartialReplay",
    "PrefixRouting",
    "ReencodedData",
    "ReplayRepeatsLast",
    "ReplaySkipsFirst",
    "SinglePrecisionNumbers",
    "SwappedNeighbours",
]

_CROWD = 5
"""Subscribers of one topic from which on a fan-out fault shows."""
_LOAD = 15
"""Open connections from which on `LostUnderLoad` loses."""
_HELD_FOR = 0.25
_NUMBER_OR_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+\.\d+(?:[eE][+-]?\d+)?')


class SinglePrecisionNumbers(SoundServer):
    """Numbers with a fraction pass through 32-bit floats."""

    def keep(self, data: bytes) -> bytes:
        """Round every number of the payload that has a fraction."""
        return _NUMBER_OR_STRING.sub(_single_precision, data)


def _single_precision(match: re.Match[bytes]) -> bytes:
    text = match[0]
    if text.startswith(b'"'):
        return text
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", float(text)))
    except OverflowError:
        return text
    return repr(rounded).encode()


class ReencodedData(SoundServer):
    """Payloads are decoded and encoded again: spacing and escapes change."""

    def keep(self, data: bytes) -> bytes:
        """Write the payload as Python's ``json`` would."""
        try:
            return json.dumps(json.loads(data)).encode()
        except (ValueError, RecursionError):
            return data


class PrefixRouting(SoundServer):
    """A subscription to 'a.b' also gets 'a.bc': topics match by prefix."""

    def audience(self, topic: str) -> list[Connection]:
        """Return everyone whose topic begins this one."""
        found: dict[Connection, None] = {}
        for prefix in (topic[:end] for end in range(len(topic), 0, -1)):
            found |= dict.fromkeys(super().audience(prefix))
        return list(found)


class FifthSubscriberDeaf(SoundServer):
    """The fifth subscriber of a topic gets none of its events."""

    def audience(self, topic: str) -> list[Connection]:
        """Leave the fifth one out."""
        subscribers = super().audience(topic)
        return subscribers[: _CROWD - 1] + subscribers[_CROWD:]


class LostUnderLoad(SoundServer):
    """With 15 connections open, every 400th message is lost."""

    pushed = 0

    def push(self, connection: Connection, opcode: int, payload: bytes) -> None:
        """Count while there is load, and lose."""
        if len(self.open) >= _LOAD:
            self.pushed += 1
            if self.pushed % 400 == 0:
                return
        super().push(connection, opcode, payload)


class DoubledEvent(SoundServer):
    """With five subscribers, the last of them gets every third event twice."""

    def deliver(self, topic: str, entry: Entry) -> None:
        """Send it once more."""
        super().deliver(topic, entry)
        subscribers = self.audience(topic)
        if len(subscribers) >= _CROWD and entry.seq % 3 == 0:
            self.push(subscribers[-1], Opcode.TEXT, self.event(topic, entry))


class SwappedNeighbours(SoundServer):
    """With five subscribers, the last of them gets every fifth event late.

    The event waits for the next one to overtake it, and not for ever: then it
    would be lost, which is another fault.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: dict[str, tuple[Connection, Entry]] = {}

    def deliver(self, topic: str, entry: Entry) -> None:
        """Hold the last subscriber's event back, or let it follow this one."""
        subscribers = self.audience(topic)
        if len(subscribers) < _CROWD or entry.seq % 5 or topic in self.held:
            super().deliver(topic, entry)
            self.release(topic)
            return
        for subscriber in subscribers[:-1]:
            self.push(subscriber, Opcode.TEXT, self.event(topic, entry))
        self.held[topic] = subscribers[-1], entry
        asyncio.get_running_loop().call_later(_HELD_FOR, self.release, topic)

    def release(self, topic: str) -> None:
        """Send what was held back."""
        held = self.held.pop(topic, None)
        if held is not None:
            subscriber, entry = held
            self.push(subscriber, Opcode.TEXT, self.event(topic, entry))


class ReplaySkipsFirst(SoundServer):
    """A replay leaves out the first event that was missed."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Start one too late."""
        return log.after(seq + 1)


class ReplayRepeatsLast(SoundServer):
    """A replay begins with the event that was seen last."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Start one too early; a live subscription replays nothing."""
        return log.after(seq - 1) if seq < log.top.seq else []


class PartialReplay(SoundServer):
    """A replay holds only the newest ten events and says that it is whole."""

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Leave out what is older."""
        return log.after(seq)[-10:]


class EventAfterUnsubscribe(SoundServer):
    """Unsubscribing is confirmed, and events go on."""

    def unsubscribe(self, connection: Connection, command: Command) -> None:
        """Reply, and nothing else."""
        if connection in self.audience(command.topic):
            self.reply(connection, "unsubscribed", command, topic=command.topic)
        else:
            super().unsubscribe(connection, command)
