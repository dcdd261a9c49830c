"""Chain: what goes in comes out, when it is due, and as the seed says."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.chain import Chain
from wavetank.chaos.spec import ToxicSpec, key_of, read_spec
from wavetank.chaos.toxic import (
    NEVER,
    Bytes,
    Direction,
    End,
    Frame,
    How,
    Item,
    Open,
    data_of,
)
from wavetank.errors import LocalError


def dice(link: int = 1, seed: int = 0) -> Callable[[str], random.Random]:
    """Return the dice of one stream of a link."""
    return lambda name: random.Random(key_of(seed, link, Direction.DOWNSTREAM, name))


DICE = dice()


def spec(kind: str, *, name: str = "", **attributes: object) -> ToxicSpec:
    """Return a toxic as it is asked for."""
    return read_spec({"type": kind, "name": name or kind, "attributes": attributes})


def chain_of(*specs: ToxicSpec) -> Chain:
    """Return a chain of toxics that were added at time 0."""
    chain = Chain()
    for one in specs:
        assert chain.add(one, 0.0, DICE) == []
    return chain


def run(chain: Chain, until: float = 1e9) -> list[tuple[float, Item]]:
    """Wake a chain whenever it wants to be; return what left, and when."""
    left: list[tuple[float, Item]] = []
    while chain.wakes_at <= until:
        now = chain.wakes_at
        left += [(now, item) for item in chain.wake(now)]
    return left


def joined(items: Sequence[Item]) -> bytes:
    """Return the bytes of items."""
    return b"".join(map(data_of, items))


def text(payload: bytes) -> Frame:
    """Return a text frame of less than 126 bytes."""
    return Frame(bytes([0x81, len(payload)]) + payload, 2)


# What goes by


def test_chain_without_toxics_lets_everything_by() -> None:
    """It need not even be asked."""
    chain = Chain()
    assert chain.is_empty
    assert (chain.wakes_at, chain.held, len(chain)) == (NEVER, 0, 0)
    assert chain.receive(Open(), 1.0) == [Open()]
    assert chain.receive(Bytes(b"x"), 1.0) == [Bytes(b"x")]
    assert chain.wake(2.0) == []
    assert not chain.wants_frames


def test_chain_adds_delays_up() -> None:
    """Two latencies are one of both."""
    chain = chain_of(
        spec("latency", name="a", latency=100), spec("latency", name="b", latency=50)
    )
    assert chain.receive(Bytes(b"x"), 1.0) == []
    assert not chain.is_empty
    assert chain.held == 1
    assert run(chain) == [(pytest.approx(1.15), Bytes(b"x"))]
    assert chain.held == 0


def test_chain_makes_no_delay_longer_because_it_was_woken_late() -> None:
    """What was due is dealt with as of then: the second delay began in time."""
    chain = chain_of(
        spec("latency", name="a", latency=100), spec("latency", name="b", latency=100)
    )
    chain.receive(Bytes(b"x"), 0.0)
    assert chain.wake(0.19) == []
    assert chain.wakes_at == pytest.approx(0.2)
    chain.receive(Bytes(b"y"), 0.5)
    assert chain.wake(5.0) == [Bytes(b"y")]


def test_chain_lets_out_what_was_due_before_what_comes() -> None:
    """A receive is a wake too."""
    chain = chain_of(spec("latency", latency=100))
    chain.receive(Bytes(b"x"), 0.0)
    assert chain.receive(Bytes(b"y"), 1.0) == [Bytes(b"x")]


def test_chain_is_over_behind_an_end() -> None:
    """What a toxic ended stays ended, whatever comes and whatever is taken out."""
    chain = chain_of(spec("finish", bytes=1))
    assert chain.receive(Bytes(b"abc"), 0.0) == [Bytes(b"a"), End(How.FIN)]
    assert chain.has_ended
    assert chain.receive(Bytes(b"d"), 1.0) == []
    assert chain.remove("finish", 2.0) == []
    assert chain.receive(Bytes(b"e"), 3.0) == []
    assert not chain.is_empty
    assert repr(chain) == "<Chain of [], ended>"


def test_chain_wakes_a_toxic_that_counts_from_when_it_was_added() -> None:
    """Whether anything comes or not."""
    chain = Chain()
    chain.add(spec("timeout", timeout=500), 10.0, DICE)
    assert chain.wakes_at == 10.5
    assert chain.receive(Bytes(b"x"), 10.1) == []
    assert run(chain) == [(10.5, End(How.CLOSE))]


# Added, changed, removed


def test_toxics_of_frames_stand_before_those_of_bytes() -> None:
    """Whatever the order of adding, which is kept within each kind."""
    chain = chain_of(
        spec("slicer", average_size=1),
        spec("drop"),
        spec("latency"),
        spec("swallow"),
    )
    names = ["drop", "swallow", "slicer", "latency"]
    assert list(chain.statistics()) == names
    assert chain.wants_frames
    chain.remove("drop", 0.0)
    chain.remove("swallow", 0.0)
    assert not chain.wants_frames


def test_toxic_that_is_added_does_not_touch_what_is_behind_it() -> None:
    """What has gone by its place leaves as it was to leave."""
    chain = chain_of(spec("latency", latency=1000))
    chain.receive(text(b"one"), 0.0)
    chain.add(spec("drop"), 0.1, DICE)
    chain.receive(text(b"two"), 0.2)
    assert run(chain) == [(1.0, text(b"one"))]


def test_toxic_that_is_removed_lets_everything_go_at_once() -> None:
    """In order, and before all that comes later."""
    chain = chain_of(spec("stall"), spec("latency", latency=100))
    for item in (Open(), Bytes(b"a"), End()):
        assert chain.receive(item, 0.0) == []
    assert chain.wakes_at == NEVER
    assert chain.remove("stall", 9.0) == [Open()]
    assert run(chain) == [(9.1, Bytes(b"a")), (9.1, End())]


def test_toxic_that_goes_on_keeps_what_it_has_when_it_is_changed() -> None:
    """What is on its way arrives when it was to arrive; then the new delay holds."""
    chain = chain_of(spec("latency", latency=1000))
    chain.receive(Bytes(b"a"), 0.0)
    assert chain.change(spec("latency", latency=10), 0.1) == []
    chain.receive(Bytes(b"b"), 0.1)
    chain.receive(Bytes(b"c"), 2.0)
    assert run(chain) == [(2.01, Bytes(b"c"))]


def test_toxic_that_cannot_go_on_is_healed_when_it_is_changed() -> None:
    """Nothing is lost, and nothing overtakes."""
    one, two = text(b"one"), text(b"two")
    chain = chain_of(spec("reorder", pause=1000), spec("latency", latency=100))
    chain.receive(one, 0.0)
    chain.change(spec("reorder", pause=10), 0.5)
    chain.receive(two, 0.5)
    assert [item for _, item in run(chain)] == [one, two]


def test_choice_goes_on_counting_unless_it_is_changed() -> None:
    """A count of one is one, however often the attributes are changed."""
    once = {"type": "drop", "when": {"count": 1}}
    chain = chain_of(read_spec(once))
    assert chain.receive(text(b"a"), 0.0) == []
    chain.change(read_spec(once), 0.0)
    assert chain.receive(text(b"b"), 0.0) == [text(b"b")]
    chain.change(read_spec({**once, "when": {"count": 2}}), 0.0)
    assert [chain.receive(text(b"c"), 0.0) for _ in range(3)] == [[], [], [text(b"c")]]


def test_toxic_that_is_removed_in_a_message_does_not_break_it() -> None:
    """It hurts nothing any more, its name is free, and what is late comes behind."""
    late, more = text(b"late"), text(b"more")
    first, last = Frame(b"\x01\x01a", 2), Frame(b"\x80\x01b", 2)
    asked = spec("delay", delay=5000, overtake=True)
    chain = chain_of(asked)
    assert chain.receive(late, 0.0) == []
    assert chain.receive(first, 0.0) == []
    assert chain.remove("delay", 1.0) == [first]
    assert chain.statistics() == {}
    assert chain.wants_frames
    assert chain.add(asked, 2.0, DICE) == []
    chain.remove("delay", 3.0)
    assert chain.receive(last, 9.0) == [last, late]
    assert chain.is_empty
    assert chain.receive(more, 9.0) == [more]


def test_chain_knows_what_is_on_its_way() -> None:
    """What waits for its time alone, and for nothing else, is told apart."""
    chain = chain_of(spec("latency", latency=100), spec("stall"))
    chain.receive(Bytes(b"123"), 0.0)
    assert (chain.held, chain.flying, chain.waiting) == (3, 3, 1)
    chain.wake(0.2)
    assert (chain.held, chain.flying, chain.waiting) == (3, 0, 1)
    chain.remove("stall", 0.3)
    assert (chain.held, chain.flying, chain.waiting) == (0, 0, 0)


def test_names_are_unique_and_known() -> None:
    """Whether the link has the toxic or not."""
    chain = chain_of(spec("noop"))
    assert "noop" in chain
    with pytest.raises(LocalError, match="there is a toxic noop already"):
        chain.add(spec("noop"), 0.0, DICE)
    chain.remove("noop", 0.0)
    assert "noop" not in chain
    with pytest.raises(LocalError, match="there is no toxic noop"):
        chain.remove("noop", 0.0)
    with pytest.raises(LocalError, match="there is no toxic noop"):
        chain.change(spec("noop"), 0.0)


def test_watcher_is_told_by_name_what_became_of_an_item() -> None:
    """So that a log can say who dropped a frame."""
    told: list[tuple[str, Item, int]] = []
    chain = Chain(lambda name, item, let_go: told.append((name, item, len(let_go))))
    chain.add(spec("noop"), 0.0, DICE)
    chain.add(spec("drop"), 0.0, DICE)
    chain.receive(text(b"x"), 0.0)
    chain.receive(Bytes(b"y"), 0.0)
    assert told == [
        ("drop", text(b"x"), 0),
        ("drop", Bytes(b"y"), 1),
        ("noop", Bytes(b"y"), 1),
    ]


# Toxicity


def with_toxicity(toxicity: float) -> ToxicSpec:
    """Return a toxic that a share of the links have."""
    return read_spec({"type": "stall", "name": "stall", "toxicity": toxicity})


def test_toxicity_is_the_share_of_links_that_have_the_toxic() -> None:
    """Thrown once for each link, and known again from its number."""
    chains = [Chain() for _ in range(1000)]
    for link, chain in enumerate(chains):
        chain.add(with_toxicity(0.3), 0.0, dice(link))
    had = [not chain.is_empty for chain in chains]
    assert sum(had) == pytest.approx(300, abs=50)
    again = Chain()
    again.add(with_toxicity(0.3), 5.0, dice(had.index(True)))
    assert not again.is_empty


def test_toxicity_takes_from_links_and_gives_when_it_is_changed() -> None:
    """A larger share has all links of the smaller one; what was held goes on."""
    chains = [Chain() for _ in range(40)]
    had: dict[float, set[int]] = {}
    for link, chain in enumerate(chains):
        chain.add(with_toxicity(0.2), 0.0, dice(link))
    for toxicity in (0.2, 0.6, 1.0, 0.5, 0.0):
        for chain in chains:
            out = chain.receive(Bytes(b"x"), 0.0)
            assert out == ([Bytes(b"x")] if chain.is_empty else [])
            held = chain.held
            out = chain.change(with_toxicity(toxicity), 0.0)
            assert len(joined(out)) == held - chain.held
        had[toxicity] = {link for link in range(40) if not chains[link].is_empty}
    assert set() == had[0.0] < had[0.2] < had[0.5] < had[0.6] < had[1.0]
    for chain in chains:
        assert chain.remove("stall", 0.0) == []


# Whatever happens

HARMLESS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "latency": {
        "latency": st.integers(0, 300),
        "jitter": st.integers(0, 400),
        "distribution": st.sampled_from(["uniform", "normal", "pareto"]),
    },
    "bandwidth": {"rate": st.sampled_from([0, 0.1, 1, 100])},
    "slicer": {
        "average_size": st.integers(1, 9),
        "size_variation": st.integers(0, 9),
        "delay": st.sampled_from([0, 10, 50_000]),
    },
    "slow_open": {"delay": st.integers(0, 900)},
    "slow_close": {"delay": st.integers(0, 900)},
    "stall": {},
    "noop": {},
    "limit_data": {"bytes": st.just(10**9)},
}
"""Toxics that lose nothing, by what may be said of them."""

SAFE = sorted(HARMLESS)


@st.composite
def harmless_specs(draw: st.DrawFn) -> ToxicSpec:
    """Make a toxic that loses nothing, one of a few names for each type."""
    kind = draw(st.sampled_from(SAFE))
    attributes = {name: draw(values) for name, values in HARMLESS[kind].items()}
    return spec(kind, name=f"{kind} {draw(st.integers(0, 1))}", **attributes)


items = st.one_of(
    st.binary(min_size=1, max_size=40).map(Bytes),
    st.binary(max_size=40).map(text),
)
waits = st.integers(0, 512).map(lambda count: count / 1024)
"""Seconds that add up without rounding."""

steps = st.lists(
    st.tuples(
        waits,
        st.one_of(
            items,
            harmless_specs(),
            st.sampled_from(SAFE).map(lambda kind: f"{kind} 0"),
            st.none(),
        ),
    ),
    max_size=40,
)


def do(chain: Chain, step: object, now: float) -> list[Item]:
    """Do one step: something comes, or a toxic is added, changed or taken out."""
    if isinstance(step, ToxicSpec):
        if step.name in chain:
            return chain.change(step, now)
        return chain.add(step, now, DICE)
    if isinstance(step, str):
        return chain.remove(step, now) if step in chain else chain.wake(now)
    if step is None:
        return chain.wake(now)
    return chain.receive(step, now)  # type: ignore[arg-type]


def play(
    plan: Sequence[tuple[float, object]], *, is_late: bool
) -> list[tuple[float, Item]]:
    """Play a plan; return what came out, and when.

    Args:
        plan: Seconds to wait, and what to do then.
        is_late: Whether nobody wakes the chain between two steps.
    """
    chain, now, names = Chain(), 0.0, set()
    out: list[tuple[float, Item]] = []
    come = 0
    for wait, step in [(0.0, Open()), *plan, (0.0, End())]:
        now += wait
        if not is_late:
            out += run(chain, now)
        out += [(now, item) for item in do(chain, step, now)]
        come += len(data_of(step)) if isinstance(step, Bytes | Frame) else 0
        assert chain.held == come - len(joined([item for _, item in out]))
        assert chain.wakes_at > now
        if isinstance(step, ToxicSpec):
            names.add(step.name)
    for name in sorted(names):
        if name in chain:
            out += [(now, item) for item in chain.remove(name, now)]
    assert chain.held == 0
    return out


@given(steps)
def test_chain_of_harmless_toxics_loses_nothing_and_keeps_the_order(
    plan: list[tuple[float, object]],
) -> None:
    """Whatever is added, changed and removed while bytes flow."""
    out = [item for _, item in play(plan, is_late=False)]
    sent = [step for _, step in plan if isinstance(step, Bytes | Frame)]
    assert joined(out) == joined(sent)
    assert out[0] == Open()
    assert out[-1] == End()
    assert sum(isinstance(item, Open | End) for item in out) == 2


@given(steps)
def test_chain_does_the_same_however_late_it_is_woken(
    plan: list[tuple[float, object]],
) -> None:
    """Nobody but the receiver sees that the machine stood still."""
    in_time = [item for _, item in play(plan, is_late=False)]
    assert [item for _, item in play(plan, is_late=True)] == in_time


@given(steps, st.integers(1, 4))
def test_chain_says_exactly_when_something_happens(
    plan: list[tuple[float, object]], parts: int
) -> None:
    """Whoever wakes it earlier gets nothing and changes nothing."""
    often: list[tuple[float, object]] = []
    for wait, step in plan:
        often += [(wait / 2**part, None) for part in range(1, parts)]
        often.append((wait / 2 ** (parts - 1), step))
    assert play(often, is_late=False) == play(plan, is_late=False)


FRAMES = [text(bytes([number])) for number in range(60)]


def survivors(others: Sequence[ToxicSpec], gaps: Sequence[float]) -> list[bytes]:
    """Return the frames that a toxic let by, whatever else was in the chain."""
    chain, now, out = Chain(), 0.0, b""
    chain.add(
        read_spec({"type": "drop", "name": "d", "when": {"probability": 0.5}}),
        now,
        DICE,
    )
    for other in others:
        chain.add(other, now, DICE)
    for frame, gap in zip(FRAMES, gaps, strict=True):
        now += gap
        out += joined(chain.receive(frame, now))
    for other in others:
        out += joined(chain.remove(other.name, now))
    return [frame.data for frame in FRAMES if frame.data in out]


@given(
    st.lists(harmless_specs(), max_size=4, unique_by=lambda one: one.name),
    st.lists(st.floats(0, 0.1), min_size=len(FRAMES), max_size=len(FRAMES)),
)
def test_toxic_has_the_same_faults_for_the_same_seed(
    others: list[ToxicSpec], gaps: list[float]
) -> None:
    """Whatever else is in its chain, and whenever the frames come."""
    alone = survivors([], [0.0] * len(FRAMES))
    assert 10 < len(alone) < 50
    assert survivors(others, gaps) == alone


def test_chain_has_a_stage_for_each_toxic() -> None:
    """Nothing where this link does not have it."""
    chain = chain_of(spec("latency", latency=5), spec("noop"))
    chain.receive(Bytes(b"abc"), 1.0)
    stage = chain.stage("latency")
    assert stage is not None
    assert (stage.seen, stage.hurt, stage.held) == (1, 1, 3)
    assert chain.stage("nobody") is None


def test_chain_drops_all_that_is_in_it() -> None:
    """Its stream is over; toxics may still be changed and taken out."""
    chain = chain_of(
        spec("latency", latency=5), spec("bandwidth", rate=1), spec("limit_time")
    )
    chain.receive(Bytes(b"abc"), 1.0)
    chain.drop(1.0)
    assert (chain.held, chain.waiting, chain.wakes_at) == (0, 0, NEVER)
    assert chain.statistics()["latency"]["hurt"] == 1
    assert chain.receive(Bytes(b"more"), 2.0) == []
    assert chain.change(spec("bandwidth", rate=2), 3.0) == []
    for name in ("latency", "bandwidth", "limit_time"):
        assert chain.remove(name, 4.0) == []
    assert not chain.is_empty
