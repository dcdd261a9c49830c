"""Obligations: the rules for the frames that a server sends, and what came of them.

It refuses to know how frames are read, and on whose behalf.
"""

import enum
from collections import Counter

import msgspec

from wavetank.lab.conformance.case import Level

__all__ = [
    "BITS",
    "CLOSE",
    "CONTROL",
    "CUT",
    "DEFLATE",
    "LATE",
    "LENGTH",
    "MASK",
    "OPCODE",
    "ORDER",
    "PONG",
    "RULES",
    "TCP",
    "TEXT",
    "WIDE",
    "Blame",
    "Rule",
    "Tally",
    "Unit",
]

_MOST_EXAMPLES = 3


class Unit(enum.StrEnum):
    """What a rule is asked of; the words are those of the report."""

    FRAMES = "frames"
    BITS = "frames whose extensions are known"
    CONTROLS = "control frames"
    WIDE = "lengths of 64 bits"
    DATA = "data frames"
    TEXTS = "text messages"
    CLOSES = "close frames"
    PONGS = "pongs"
    DEFLATED = "compressed messages"
    CLOSINGS = "closing handshakes that went on to the end of TCP"
    ENDS = "connections that the target ended"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row.

    Attributes:
        id: Such as ``S.4``.
        title: The rule, as one sentence.
        clause: Where it stands.
        unit: What it is asked of.
        level: How much it binds.
    """

    id: str
    title: str
    clause: str
    unit: Unit
    level: Level = Level.MUST


MASK = Rule(
    id="S.1",
    title="A server's frames are not masked.",
    clause="RFC 6455 5.1",
    unit=Unit.FRAMES,
)
BITS = Rule(
    id="S.2",
    title="Reserved bits are 0, but for RSV1 where a compressed message begins.",
    clause="RFC 6455 5.2, RFC 7692 6",
    unit=Unit.BITS,
)
OPCODE = Rule(
    id="S.3",
    title="Opcodes are those that have a meaning.",
    clause="RFC 6455 5.2",
    unit=Unit.FRAMES,
)
CONTROL = Rule(
    id="S.4",
    title="Control frames have at most 125 bytes and are not fragmented.",
    clause="RFC 6455 5.5",
    unit=Unit.CONTROLS,
)
LENGTH = Rule(
    id="S.5",
    title="Lengths are written in their shortest form.",
    clause="RFC 6455 5.2",
    unit=Unit.FRAMES,
)
WIDE = Rule(
    id="S.6",
    title="The top bit of a length of 64 bits is 0.",
    clause="RFC 6455 5.2",
    unit=Unit.WIDE,
)
ORDER = Rule(
    id="S.7",
    title="Fragments continue a message that has begun, and no other begins before "
    "it has ended.",
    clause="RFC 6455 5.4",
    unit=Unit.DATA,
)
TEXT = Rule(
    id="S.8",
    title="Text is UTF-8.",
    clause="RFC 6455 5.6",
    unit=Unit.TEXTS,
)
CLOSE = Rule(
    id="S.9",
    title="A close frame has no body, or a code that may be sent and a reason in "
    "UTF-8.",
    clause="RFC 6455 5.5.1, 7.4",
    unit=Unit.CLOSES,
)
LATE = Rule(
    id="S.10",
    title="Nothing is sent behind a close frame.",
    clause="RFC 6455 5.5.1",
    unit=Unit.CLOSES,
)
PONG = Rule(
    id="S.11",
    title="A pong carries the payload of a ping, or nobody has asked for it.",
    clause="RFC 6455 5.5.3",
    unit=Unit.PONGS,
    # One that should have been an answer looks like one that nobody asked for.
    level=Level.MAY,
)
DEFLATE = Rule(
    id="S.12",
    title="Compressed messages can be inflated within the window that is agreed.",
    clause="RFC 7692 7.2",
    unit=Unit.DEFLATED,
)
TCP = Rule(
    id="S.13",
    title="The server ends TCP behind both close frames.",
    clause="RFC 6455 5.5.1, 7.1.1",
    unit=Unit.CLOSINGS,
)
CUT = Rule(
    id="S.14",
    title="A connection does not end within a frame.",
    clause="RFC 6455 7.1.7",
    unit=Unit.ENDS,
    level=Level.SHOULD,
)

RULES: tuple[Rule, ...] = (
    *(MASK, BITS, OPCODE, CONTROL, LENGTH, WIDE, ORDER),
    *(TEXT, CLOSE, LATE, PONG, DEFLATE, TCP, CUT),
)
"""All rules, in the order of their numbers."""


class Blame:
    """How often something was seen, and what it looked like at first."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []

    def add(self, example: str) -> None:
        """Count it, and keep it while there is room."""
        self.count += 1
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(example)

    def __repr__(self) -> str:
        """Show how often it was seen."""
        return f"<Blame {self.count} times>"


class Tally:
    """What was judged on some connections, and what was wrong with it.

    Attributes:
        judged: How many of each unit.
        faults: What broke a rule, by its id.
        notes: What is allowed, and yet worth a word, by the rule's id.
    """

    def __init__(self) -> None:
        self.judged: Counter[Unit] = Counter()
        self.faults: dict[str, Blame] = {}
        self.notes: dict[str, Blame] = {}

    def blame(self, rule: Rule, example: str) -> None:
        """Keep what broke a rule."""
        self.faults.setdefault(rule.id, Blame()).add(example)

    def note(self, rule: Rule, example: str) -> None:
        """Keep what did not break a rule, but is worth a word."""
        self.notes.setdefault(rule.id, Blame()).add(example)

    def __repr__(self) -> str:
        """Show how many frames were judged, and which rules were broken."""
        return f"<Tally {self.judged[Unit.FRAMES]} frames, faults {[*self.faults]}>"
