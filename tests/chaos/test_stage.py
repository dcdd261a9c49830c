"""Stage: one toxic, what it let go, and in which order."""

import random

import pytest

from wavetank.chaos.chance import Chance, When
from wavetank.chaos.spec import ToxicSpec, make_toxic, read_spec
from wavetank.chaos.stage import Stage
from wavetank.chaos.toxic import (
    NEVER,
    Bytes,
    End,
    Frame,
    How,
    Item,
    Timed,
    data_of,
    size_of,
)
from wavetank.chaos.toxics.noop import Noop

SPEC = ToxicSpec(name="mine", type="noop")
PING, TEXT = Frame(b"\x89\x00", 2), Frame(b"\x81\x01x", 2)


class Script(Noop):
    """Lets items go at the times of a list; keeps those behind its end."""

    def __init__(self, *times: float) -> None:
        super().__init__()
        self.times = list(times)
        self.items: list[Item] = []

    @property
    def kept(self) -> int:
        """Bytes that it keeps."""
        return sum(map(size_of, self.items))

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Let it go when the list says so."""
        if self.times:
            return [(self.times.pop(0), item)]
        self.items.append(item)
        return []

    def heal(self, now: float) -> list[Timed]:
        """Give back what is kept."""
        return [(now, item) for item in self.items]


class Marking(Noop):
    """Marks what it hurts and what it sees go by."""

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Hurt it."""
        return [(now, Bytes(b"hurt"))]

    def pass_by(self, item: Item, now: float) -> list[Timed]:
        """See it."""
        return [(now, item), (now, Bytes(b"seen"))]


class Sleepless(Noop):
    """Wants to be woken for nothing, again and again."""

    def wake(self, now: float) -> list[Timed]:
        """Do nothing."""
        return []


def taken(stage: Stage, now: float) -> list[Item]:
    """Return what is due."""
    items = []
    while (item := stage.take_due(now)) is not None:
        items.append(item)
    return items


def pings(**when: object) -> Chance:
    """Return one that chooses pings."""
    return Chance(When(opcodes=(9,), **when), random.Random(0), 0.0)


def test_stage_lets_no_item_overtake_another() -> None:
    """A toxic's times are wishes: what is let go later leaves later."""
    stage = Stage(SPEC, Script(5.0, 1.0, 7.0), None)
    for text in (b"a", b"b", b"c"):
        stage.receive(Bytes(text), 0.0, None)
    assert stage.due == 5.0
    assert taken(stage, 4.9) == []
    assert taken(stage, 5.0) == [Bytes(b"a"), Bytes(b"b")]
    assert stage.due == 7.0
    assert taken(stage, 9.0) == [Bytes(b"c")]
    assert stage.due == NEVER


def test_stage_knows_what_it_and_its_toxic_hold() -> None:
    """In bytes; what has left is not held."""
    stage = Stage(SPEC, Script(5.0), None)
    stage.receive(Bytes(b"abc"), 0.0, None)
    stage.receive(Bytes(b"de"), 0.0, None)
    assert stage.held == 5
    assert repr(stage) == "<mine noop, 5 bytes held>"
    taken(stage, 5.0)
    assert stage.held == 2
    assert stage.clear(6.0) == [Bytes(b"de")]
    assert Stage(SPEC, Noop(), None).held == 0


def test_stage_gives_everything_back_in_order() -> None:
    """First what was let go and is not due, then what the toxic keeps."""
    stage = Stage(SPEC, Script(5.0, 6.0), None)
    for text in (b"a", b"b", b"c"):
        stage.receive(Bytes(text), 0.0, None)
    assert b"".join(map(data_of, stage.clear(1.0))) == b"abc"
    assert stage.due == NEVER


def test_stage_knows_what_only_waits_for_its_time() -> None:
    """What waits for ever, and all behind it, waits for something else."""
    stage = Stage(SPEC, Script(5.0, NEVER, 6.0), None)
    for text in (b"abc", b"de", b"f"):
        stage.receive(Bytes(text), 0.0, None)
    assert (stage.held, stage.flying, len(stage)) == (6, 3, 3)
    taken(stage, 5.0)
    assert (stage.held, stage.flying, len(stage)) == (3, 0, 2)
    stage.clear(6.0)
    assert (stage.held, stage.flying, len(stage)) == (0, 0, 0)


def test_stage_stays_until_nothing_is_left_of_a_toxic_that_lingers() -> None:
    """It is shown what comes, and hurts nothing any more."""

    class Lingering(Marking):
        is_empty = False

    toxic = Lingering()
    stage = Stage(SPEC, toxic, None)
    assert not stage.is_healed
    assert stage.heal(1.0) == []
    assert stage.is_healing
    assert not stage.is_healed
    stage.receive(TEXT, 2.0, None)
    toxic.is_empty = True
    assert not stage.is_healed
    assert taken(stage, 2.0) == [item for _, item in toxic.pass_by(TEXT, 2.0)]
    assert stage.is_healed
    alone = Stage(SPEC, Noop(), None)
    alone.heal(1.0)
    assert alone.is_healed


def test_stage_lets_nothing_go_behind_an_end() -> None:
    """Whatever a toxic says, and whatever comes."""

    class Ending(Noop):
        def receive(self, item: Item, now: float) -> list[Timed]:
            return [(now, End(How.RST)), (now, item)]

    stage = Stage(SPEC, Ending(), None)
    stage.receive(Bytes(b"a"), 0.0, None)
    stage.receive(Bytes(b"b"), 0.0, None)
    assert taken(stage, 0.0) == [End(How.RST)]
    assert stage.seen == 1


def test_stage_hands_only_chosen_frames_to_its_toxic() -> None:
    """Other frames go past it; what is no frame is always its."""
    stage = Stage(SPEC, Script(5.0, 1.0), pings())
    stage.receive(PING, 0.0, None)
    stage.receive(TEXT, 0.0, None)
    stage.receive(Bytes(b"x"), 0.0, None)
    assert taken(stage, 4.0) == []
    assert taken(stage, 5.0) == [PING, TEXT, Bytes(b"x")]
    assert stage.statistics() == {
        "seen": 3,
        "chosen": 1,
        "hurt": 2,
        "unread": 0,
        "held": 0,
    }


def test_stage_shows_other_frames_to_a_toxic_that_wants_to_see_them() -> None:
    """It is asked whether there is a way past it once."""
    stage = Stage(SPEC, Marking(), pings())
    stage.receive(PING, 0.0, None)
    stage.receive(TEXT, 0.0, None)
    assert taken(stage, 0.0) == [Bytes(b"hurt"), TEXT, Bytes(b"seen")]


def test_stage_tells_who_watches_what_became_of_an_item() -> None:
    """By the name of the toxic; what went past it is not told."""
    seen: list[tuple[str, Item, list[Timed]]] = []

    def watch(name: str, item: Item, let_go: list[Timed]) -> None:
        seen.append((name, item, let_go))

    stage = Stage(SPEC, Marking(), pings())
    stage.receive(TEXT, 1.0, watch)
    stage.receive(PING, 1.0, watch)
    assert seen == [("mine", PING, [(1.0, Bytes(b"hurt"))])]


def test_stage_wakes_its_toxic_when_that_is_due() -> None:
    """Not before."""

    class Clock(Noop):
        def wake(self, now: float) -> list[Timed]:
            self.wakes_at = NEVER
            return [(now + 1, Bytes(b"tick"))]

    toxic = Clock()
    toxic.wakes_at = 3.0
    stage = Stage(SPEC, toxic, None)
    stage.wake(2.0)
    assert stage.due == 3.0
    stage.wake(3.0)
    assert stage.due == 4.0
    assert taken(stage, 4.0) == [Bytes(b"tick")]


def test_stage_does_not_let_a_toxic_wake_for_ever() -> None:
    """A toxic that does nothing and wants to be woken at once is our own mistake."""
    toxic = Sleepless()
    toxic.wakes_at = 1.0
    with pytest.raises(AssertionError, match="mine wakes again and again"):
        Stage(SPEC, toxic, None).wake(1.0)


def test_stage_takes_another_toxic() -> None:
    """What was let go stays in its order before what the new one lets go."""
    stage = Stage(SPEC, Script(5.0), None)
    stage.receive(PING, 0.0, None)
    newer = ToxicSpec(name="mine", type="drop")
    stage.replace(newer, Marking(), pings())
    assert stage.spec is newer
    stage.receive(TEXT, 0.0, None)
    assert taken(stage, 5.0) == [PING, TEXT, Bytes(b"seen")]


def test_stage_counts_all_that_came_where_all_are_meant() -> None:
    """Without a choice each one is chosen."""
    stage = Stage(SPEC, Noop(), None)
    stage.receive(TEXT, 0.0, None)
    assert stage.statistics() == {
        "seen": 1,
        "chosen": 1,
        "hurt": 0,
        "unread": 0,
        "held": 3,
    }


def made(kind: str, **attributes: object) -> Stage:
    """Return the stage of a toxic as a link has it, which has stood for a moment."""
    spec = read_spec({"type": kind, "attributes": attributes})
    stage = Stage(spec, make_toxic(spec, random.Random(1)), None)
    stage.wake(0.0)
    return stage


@pytest.mark.parametrize(
    ("kind", "attributes", "hurt"),
    [
        ("noop", {}, 0),
        ("latency", {"latency": 0}, 0),
        ("latency", {"latency": 1}, 3),
        ("bandwidth", {"rate": 1}, 3),
        ("slicer", {"average_size": 10}, 0),
        ("slicer", {"average_size": 1}, 2),
        ("limit_data", {"bytes": 100}, 0),
        ("limit_data", {"bytes": 2}, 1),
        ("timeout", {}, 2),
        ("stall", {}, 3),
        ("slow_close", {"delay": 5}, 1),
        ("drop", {}, 2),
        ("duplicate", {"delay": 1000}, 2),
        ("delay", {}, 2),
        ("delay", {"overtake": True}, 2),
        ("corrupt", {}, 1),  # the other one has no payload
        ("corrupt", {"part": "fin"}, 2),
        ("swallow", {"opcode": "text"}, 1),
        ("truncate", {"keep": 5}, 0),
    ],
)
def test_stage_counts_what_does_not_simply_go_on(
    kind: str, attributes: dict[str, object], hurt: int
) -> None:
    """Late, changed, kept, gone or more: a frame, one without payload, the end."""
    stage = made(kind, **attributes)
    for item in (TEXT, PING, End()):
        stage.receive(item, 1.0, None)
    assert stage.statistics()["hurt"] == hurt


@pytest.mark.parametrize("kind", ["limit_time", "timeout"])
def test_stage_counts_an_end_that_its_toxic_makes(kind: str) -> None:
    """Nothing has to come for that; it is counted once, also where it is healed."""
    name = "time" if kind == "limit_time" else kind
    stage = made(kind, **{name: 1000})
    stage.wake(0.5)
    assert stage.hurt == 0
    stage.wake(1.0)
    stage.heal(2.0)
    assert stage.hurt == 1


def test_stage_counts_an_end_that_healing_makes() -> None:
    """Unless there was one before: then nobody is harmed by it."""
    idle, over = made("timeout"), made("timeout")
    over.receive(End(), 1.0, None)
    for stage in (idle, over):
        stage.heal(2.0)
    assert (idle.hurt, over.hurt) == (1, 0)


def test_a_stage_that_is_healing_hurts_nothing() -> None:
    """What comes while something lingers goes by."""
    stage = made("delay", delay=1000, overtake=True)
    first = Frame(b"\x01\x01a", 2)
    for item in (TEXT, first):
        stage.receive(item, 1.0, None)
    before = stage.hurt
    stage.heal(1.0)
    assert not stage.is_healed
    stage.receive(Frame(b"\x80\x01b", 2), 1.0, None)
    assert stage.hurt == before


@pytest.mark.parametrize("kind", ["latency", "bandwidth", "delay", "stall", "merge"])
def test_stage_drops_all_that_it_holds(kind: str) -> None:
    """Where its stream is over; what it has done is still known, and nothing leaves."""
    stage = made(kind)
    stage.receive(TEXT, 1.0, None)
    stage.receive(TEXT, 1.0, None)
    hurt = stage.hurt
    stage.drop(2.0)
    assert (stage.held, len(stage), stage.hurt) == (0, 0, hurt)
    stage.receive(TEXT, 3.0, None)
    assert taken(stage, 1e9) == []
