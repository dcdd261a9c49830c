"""Volume: large messages, many fragments, small writes, and a thousand round trips.

It refuses to know how a volume is sent, and how fast is fast: no verdict is about time.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from wavetank.lab.conformance.case import Level, Need
from wavetank.lab.conformance.corpus import Material
from wavetank.wire import DeflateParameters, Opcode, encode_parameters

__all__ = ["VOLUMES", "Volume", "volume_needs"]

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB
_ROUND_TRIPS: Final = 1000

_MESSAGES: Final = "RFC 6455 6.2"
_FRAGMENTS: Final = "RFC 6455 5.4"


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what is sent, all of which has to come back.

    Attributes:
        id: Autobahn's number where it has the case.
        title: What is sent and what has to happen, as one sentence.
        clause: The rule, such as ``RFC 7692 7.2``.
        level: How much it binds.
        material: What messages are made of.
        size: Bytes of each message, before compression.
        count: Messages; None is as many as the run wants.
        fragment: Bytes of a frame's payload, after compression; 0 is one frame.
        chop: Bytes of a write; 0 is as it comes.
        in_turn: Whether a message waits for the echo of the one before it.
        offers: What is offered of permessage-deflate, the best first.
    """

    id: str
    title: str
    clause: str
    level: Level = Level.MUST
    material: Material
    size: int
    count: int | None = None
    fragment: int = 0
    chop: int = 0
    in_turn: bool = False
    offers: tuple[DeflateParameters, ...] = ()

    @property
    def opcode(self) -> Opcode:
        """How its messages go out."""
        return Opcode.TEXT if self.material.is_text else Opcode.BINARY

    @property
    def extensions(self) -> str:
        """What the opening handshake offers, as its header has it."""
        return ", ".join(map(encode_parameters, self.offers))


def volume_needs(volume: Volume) -> Need:
    """Return what has to come back for a volume to say anything."""
    return Need.ECHO if volume.material.is_text else Need.BINARY


def _kinds(text: Material, data: Material) -> tuple[tuple[int, str, Material], ...]:
    """Return the two halves of a group: Autobahn's odd numbers are texts."""
    return (0, "text", text), (1, "binary", data)


def _sizes() -> Iterator[Volume]:
    """Yield 9.1 and 9.2: one message, larger and larger."""
    sizes = (64 * _KIB, 256 * _KIB, _MIB, 4 * _MIB, 8 * _MIB, 16 * _MIB)
    for group, kind, material in _kinds(Material.LETTERS, Material.BYTES):
        for number, size in enumerate(sizes, 1):
            yield Volume(
                id=f"9.{1 + group}.{number}",
                title=f"A {kind} message of {size} bytes comes back.",
                clause=_MESSAGES,
                material=material,
                size=size,
                count=1,
            )


def _fragments() -> Iterator[Volume]:
    """Yield 9.3 and 9.4: 4 MiB in fragments, larger and larger."""
    for group, kind, material in _kinds(Material.STARS, Material.THORNS):
        for number in range(1, 10):
            part = 16 * 4**number
            yield Volume(
                id=f"9.{3 + group}.{number}",
                title=f"A {kind} message of 4 MiB in {part}-byte frames comes back.",
                clause=_FRAGMENTS,
                material=material,
                size=4 * _MIB,
                count=1,
                fragment=part,
            )


def _chops() -> Iterator[Volume]:
    """Yield 9.5 and 9.6: 1 MiB in small writes."""
    for group, kind, material in _kinds(Material.LETTERS, Material.BYTES):
        for number in range(1, 7):
            chop = 32 * 2**number
            yield Volume(
                id=f"9.{5 + group}.{number}",
                title=f"A {kind} message of 1 MiB in {chop}-byte writes comes back.",
                clause=_MESSAGES,
                material=material,
                size=_MIB,
                count=1,
                chop=chop,
            )


def _round_trips() -> Iterator[Volume]:
    """Yield 9.7 and 9.8: one message after the other, each behind the last echo."""
    for group, kind, material in _kinds(Material.STARS, Material.THORNS):
        for number, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            yield Volume(
                id=f"9.{7 + group}.{number}",
                title=f"{_ROUND_TRIPS} {kind} messages of {size} bytes come back.",
                clause=_MESSAGES,
                material=material,
                size=size,
                count=_ROUND_TRIPS,
                in_turn=True,
            )


VOLUMES: Final[tuple[Volume, ...]] = (
    *_sizes(),
    *_fragments(),
    *_chops(),
    *_round_trips(),
)
"""Autobahn's category 9."""
