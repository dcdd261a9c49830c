"""Frames on their way through a chain, told by what goes in and comes out."""

import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wavetank.chaos.chain import Chain
from wavetank.chaos.fates import Crossing, Fate
from wavetank.chaos.reframing import make_frame
from wavetank.chaos.spec import make_toxic, read_spec
from wavetank.chaos.toxic import Bytes, Direction, Frame, Head, Item
from wavetank.chaos.toxics import TYPES
from wavetank.chaos.tracking import KEEPERS, Note, Tracker


class Way:
    """A chain that is tracked."""

    def __init__(self, *toxics: dict[str, Any]) -> None:
        self.notes: list[Note] = []
        self.types: dict[str, str] = {}
        self.tracker = Tracker(self.notes.append, self.types.get, keep=4)
        self.chain = Chain(self.tracker.watch)
        self.now = 0.0
        for toxic in toxics:
            spec = read_spec({"name": toxic["type"], **toxic})
            self.types[spec.name] = spec.type
            self.leave(self.chain.add(spec, 0.0, random.Random))

    def send(self, *items: Item) -> None:
        """Send items through."""
        for item in items:
            self.tracker.enter(item, self.now)
            self.leave(self.chain.receive(item, self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.leave(self.chain.wake(self.now))

    def heal(self, name: str) -> None:
        """Take a toxic out."""
        self.leave(self.chain.remove(name, self.now))

    def leave(self, items: list[Item]) -> None:
        """Tell the tracker what came out."""
        for item in items:
            self.tracker.leave(item, self.now)

    @property
    def crossings(self) -> list[Crossing]:
        """What is known."""
        return [note.crossing(1, Direction.UPSTREAM) for note in self.notes]

    @property
    def fates(self) -> list[tuple[int, Fate, str, float | None]]:
        """Number, fate, by whom, and when it left."""
        return [
            (each.number, each.fate, each.by, each.left_at) for each in self.crossings
        ]


def text(payload: bytes, first: int = 0x81) -> Frame:
    """Return a masked frame."""
    return make_frame(first, payload, b"mask")


def test_a_frame_is_noted_with_what_is_in_it() -> None:
    """Payload without its mask: digest of all of it, and its first bytes."""
    way = Way()
    way.send(Head(b"GET"), text(b"hello"), text(b"hello"), text(b"other", 0x09))
    first, second, third = way.crossings
    assert (first.opcode, first.fin, first.size) == (1, True, 5)
    assert (third.opcode, third.fin) == (9, False)
    assert first.start == b"hell"
    assert first.digest == second.digest != third.digest
    assert len(first.digest) == 16
    assert [each.number for each in way.crossings] == [1, 2, 3]
    assert repr(way.tracker) == "<Tracker 3 came, 0 inside>"


def test_a_frame_that_is_late_is_held_until_it_leaves() -> None:
    """Then it has passed, with both times."""
    way = Way({"type": "latency", "attributes": {"latency": 1000}})
    way.send(text(b"a"))
    assert way.fates == [(1, Fate.HELD, "", None)]
    way.wait(1)
    assert way.fates == [(1, Fate.PASSED, "", 1.0)]


def test_a_frame_that_a_toxic_keeps_is_held_by_it() -> None:
    """By name, until it leaves; what never leaves stays so."""
    way = Way({"type": "reorder", "attributes": {"window": 3, "pause": 1000}})
    way.send(text(b"a"), text(b"b"))
    assert way.fates[0] == (1, Fate.HELD, "reorder", None)
    way.wait(1)
    assert [fate[1:] for fate in way.fates] == [(Fate.PASSED, "", 1.0)] * 2
    way.send(text(b"c"))
    way.tracker.end()
    assert way.fates[2] == (3, Fate.HELD, "reorder", None)


def test_a_frame_that_is_swallowed_names_its_toxic() -> None:
    """The first one that swallows it."""
    way = Way({"type": "drop"}, {"type": "timeout"})
    way.send(text(b"a"))
    assert way.fates == [(1, Fate.DROPPED, "drop", None)]
    assert repr(way.tracker) == "<Tracker 1 came, 0 inside>"


def test_a_frame_in_fragments_is_one_that_was_changed() -> None:
    """It has left when its last fragment has."""
    way = Way(
        {"type": "fragment", "attributes": {"fragments": 3}},
        {"type": "latency", "attributes": {"latency": 1000}},
    )
    way.send(text(b"abc"))
    assert way.fates == [(1, Fate.CHANGED, "fragment", None)]
    way.wait(1)
    assert way.fates == [(1, Fate.CHANGED, "fragment", 1.0)]


def test_fragments_that_became_one_frame_were_changed() -> None:
    """All of them left with it, whenever it was put together."""
    way = Way({"type": "merge", "attributes": {"what": "fragments"}})
    way.send(text(b"a", 0x01), text(b"b", 0x00), text(b"c", 0x80))
    assert way.fates == [(number, Fate.CHANGED, "merge", 0.0) for number in (1, 2, 3)]
    way.send(text(b"d", 0x01), text(b"e", 0x00))
    way.heal("merge")
    assert way.fates[3:] == [(number, Fate.CHANGED, "merge", 0.0) for number in (4, 5)]


def test_frames_in_one_write_have_passed() -> None:
    """Their bytes are the same, in their order."""
    way = Way({"type": "merge", "attributes": {"what": "writes", "window": 2}})
    way.send(text(b"a"), text(b"b"))
    assert way.fates == [(number, Fate.PASSED, "", 0.0) for number in (1, 2)]


@pytest.mark.parametrize("delay", [0, 1000])
def test_a_copy_is_a_frame_that_was_added(delay: int) -> None:
    """The frame itself has passed."""
    way = Way({"type": "duplicate", "attributes": {"delay": delay}})
    way.send(text(b"a"))
    way.wait(1)
    assert [fate[:2] for fate in way.fates] == [(1, Fate.PASSED), (0, Fate.ADDED)]
    added = way.crossings[1]
    assert added.came_at is None
    assert added.left_at is not None


def test_a_forged_frame_names_its_toxic() -> None:
    """It stands beside one that it let by."""
    way = Way()
    frame, forged = text(b"a"), text(b"x", 0x88)
    way.tracker.enter(frame, 0)
    way.tracker.watch("forge", frame, [(0, frame), (0, forged), (0, forged)])
    way.leave([frame, forged])
    assert way.fates == [(1, Fate.PASSED, "", 0.0), (0, Fate.ADDED, "forge", 0.0)]


def test_a_frame_in_pieces_has_passed_when_its_last_byte_has() -> None:
    """However the pieces are cut, and whether its toxic goes on or is taken out."""
    way = Way({"type": "bandwidth", "attributes": {"rate": 1}})
    way.send(text(bytes(600)), text(bytes(600)))
    way.wait(0.1)
    assert [fate[1] for fate in way.fates] == [Fate.HELD] * 2
    way.wait(0.9)
    assert [fate[1] for fate in way.fates] == [Fate.PASSED, Fate.HELD]
    way.heal("bandwidth")
    assert [fate[1] for fate in way.fates] == [Fate.PASSED] * 2


def test_a_frame_that_stands_still_inside_has_passed_at_its_end() -> None:
    """Its bytes are all there, and in order."""
    way = Way({"type": "stall_inside", "attributes": {"bytes": 3, "delay": 1000}})
    way.send(text(b"abc"))
    assert way.fates == [(1, Fate.HELD, "", None)]
    way.wait(1)
    assert way.fates == [(1, Fate.PASSED, "", 1.0)]


def test_a_frame_whose_end_is_missing_was_changed() -> None:
    """The toxic that cut it is named."""
    way = Way({"type": "limit_data", "attributes": {"bytes": 4}})
    way.send(text(b"abc"))
    assert way.fates == [(1, Fate.CHANGED, "limit_data", 0.0)]


def test_pieces_that_are_lost_are_those_of_frames_that_were_dropped() -> None:
    """Which of them cannot be told: none is said to have passed."""
    way = Way(
        {"type": "slicer", "attributes": {"average_size": 2, "delay": 1000}},
        {"type": "timeout"},
    )
    way.send(Bytes(b"no frame"), text(b"abc"))
    way.wait(1)
    assert way.fates == [(1, Fate.DROPPED, "timeout", None)]


def test_bytes_that_belong_to_no_frame_are_not_noted() -> None:
    """They go by, and nobody counts them for one."""
    way = Way({"type": "noop"})
    way.send(Bytes(b"oversized"), text(b"a"), Bytes(b"more"))
    assert way.fates == [(1, Fate.PASSED, "", 0.0)]


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_toxics_that_keep_items_are_known(name: str) -> None:
    """A new type that keeps has to be named, or its frames would count as dropped."""
    toxic = make_toxic(read_spec({"type": name}), random.Random(1))
    assert hasattr(toxic, "kept") == (name in KEEPERS)


HARMLESS = (
    {"type": "latency", "attributes": {"latency": 3, "jitter": 3}},
    {"type": "slicer", "attributes": {"average_size": 7, "size_variation": 5}},
    {"type": "bandwidth", "attributes": {"rate": 1}},
    {"type": "stall_inside", "attributes": {"bytes": 3, "delay": 5}},
    {"type": "reorder", "attributes": {"window": 3, "pause": 5}},
    {"type": "stall"},
)


# One that is kept back whole, while the one behind it leaves in pieces.
@example([HARMLESS[2], HARMLESS[1], HARMLESS[4]], [b""] * 4)
@given(
    st.lists(st.sampled_from(HARMLESS), unique_by=lambda each: str(each["type"])),
    st.lists(st.binary(max_size=40), max_size=12),
)
def test_behind_harmless_toxics_every_frame_has_passed(
    toxics: list[dict[str, Any]], payloads: list[bytes]
) -> None:
    """Once they are all taken out, the log accuses nobody, and keeps nothing."""
    way = Way(*toxics)
    for payload in payloads:
        way.send(text(payload))
        way.wait(0.002)
    for toxic in toxics:
        way.heal(toxic["type"])
    assert [fate[:3] for fate in way.fates] == [
        (number + 1, Fate.PASSED, "") for number in range(len(payloads))
    ]
    assert repr(way.tracker).endswith(" 0 inside>")
