"""Specs: what a user asks for, and every mistake in it."""

import random

import pytest

from wavetank.chaos.chance import When
from wavetank.chaos.spec import ToxicSpec, change_spec, key_of, make_toxic, read_spec
from wavetank.chaos.toxic import Bytes, Direction
from wavetank.chaos.toxics import TYPES
from wavetank.chaos.toxics.latency import Latency
from wavetank.errors import UsageError

LATENCY = {"latency": 100, "jitter": 0.0, "distribution": "uniform"}


def problems_of(
    given: dict[str, object], changed: ToxicSpec | None = None
) -> list[str]:
    """Return the mistakes in what a user asks for."""
    with pytest.raises(UsageError) as caught:
        read_spec(given) if changed is None else change_spec(changed, given)
    return list(caught.value.problems)


# Read


def test_spec_has_the_defaults_of_toxiproxy() -> None:
    """Downstream, on every link, named after type and stream."""
    assert read_spec({"type": "latency", "attributes": {"latency": 100}}) == ToxicSpec(
        name="latency_downstream",
        type="latency",
        stream=Direction.DOWNSTREAM,
        toxicity=1.0,
        attributes=LATENCY,
    )


def test_spec_is_read_whole() -> None:
    """Everything that may be said of a toxic of frames."""
    spec = read_spec(
        {
            "name": "lost acks",
            "type": "drop",
            "stream": "upstream",
            "toxicity": 0.5,
            "attributes": {},
            "when": {
                "opcodes": ["text", 2],
                "at_least": 1,
                "at_most": 9,
                "json": {"kind": "ack"},
                "probability": "0.5",
                "after": 3,
                "count": 4,
                "since": 1,
                "until": 2.5,
            },
        }
    )
    assert spec == ToxicSpec(
        name="lost acks",
        type="drop",
        stream=Direction.UPSTREAM,
        toxicity=0.5,
        when=When(
            opcodes=(1, 2),
            at_least=1,
            at_most=9,
            json={"kind": "ack"},
            probability=0.5,
            after=3,
            count=4,
            since=1.0,
            until=2.5,
        ),
    )
    assert spec.is_for_frames


def test_spec_takes_what_it_said_itself() -> None:
    """Null is as good as not said, so what an interface hands out can come back."""
    given = {"type": "negotiation", "attributes": None, "when": None, "toxicity": None}
    spec = read_spec(given)
    assert spec.attributes == {"extensions": None, "subprotocol": None}
    assert read_spec({"type": "negotiation", "attributes": spec.attributes}) == spec
    assert read_spec({"type": "drop", "when": {"json": None}}).when == When()


def test_spec_tells_all_mistakes_at_once() -> None:
    """Names, kinds and bounds, each with where it stands."""
    assert problems_of(
        {
            "name": "slow",
            "type": "latency",
            "strem": "up",
            "stream": "sideways",
            "toxicity": 2,
            "attributes": {"latensy": 1, "jitter": -1},
        }
    ) == [
        "toxic slow: nothing is known of 'strem'; did you mean stream?",
        "toxic slow, stream: 'sideways' is not one of upstream, downstream",
        "toxic slow, toxicity: 2 is too large; the most is 1",
        "toxic slow: nothing is known of 'latensy'; did you mean latency?",
        "toxic slow, jitter: -1 is too small; the least is 0",
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "toxic: its type is missing; it is one of noop, latency,"),
        ({"type": "latancy"}, "did you mean latency?"),
        ({"type": "noop", "attributes": 3}, "its attributes are a table"),
        ({"type": "noop", "when": {}}, "when is for toxics of frames, not for noop"),
        ({"type": "drop", "when": 3}, "when is a table"),
        ({"type": "drop", "when": {"opcode": 1}}, "did you mean opcodes?"),
        ({"type": "drop", "when": {"json": 3}}, "a table of paths and values"),
        ({"type": "drop", "when": {"json": {"a..b": 1}}}, "an empty name"),
        ({"type": "drop", "when": {"json": {"a": [1]}}}, "[1] is no word, number"),
        ({"type": "drop", "when": {"at_least": 2, "at_most": 1}}, "no size is between"),
        ({"type": "drop", "when": {"since": 2, "until": 2}}, "no time is between"),
        ({"type": "noop", "name": "a\nb"}, "printable"),
        ({"type": "noop", "name": "x" * 201}, "200"),
    ],
)
def test_spec_tells_each_mistake(given: dict[str, object], problem: str) -> None:
    """One sentence, in plain words."""
    problems = problems_of(given)
    assert len(problems) == 1
    assert problem in problems[0]


def test_spec_knows_what_may_be_said_of_a_type_that_is_wrong() -> None:
    """Where the type is not known, its attributes are not judged."""
    assert len(problems_of({"type": "x", "attributes": {"y": 1}, "when": {}})) == 1


# Change


def test_change_leaves_what_is_not_said() -> None:
    """As in Toxiproxy's interface, an update names what is to be another."""
    spec = read_spec(
        {
            "type": "duplicate",
            "toxicity": 0.5,
            "attributes": {"copies": 3, "delay": 5},
            "when": {"count": 1},
        }
    )
    changed = change_spec(spec, {"attributes": {"copies": 2}})
    assert changed.attributes == {"copies": 2, "delay": 5}
    assert (changed.toxicity, changed.when) == (0.5, When(count=1))
    assert change_spec(spec, {}) == spec
    assert change_spec(spec, {"when": None, "toxicity": 1}).when is None


def test_change_takes_the_same_name_type_and_stream() -> None:
    """They may be said again, as clients do that send the whole toxic."""
    spec = read_spec({"type": "noop"})
    same = {"name": spec.name, "type": "noop", "stream": "downstream"}
    assert change_spec(spec, same) == spec


def test_change_tells_all_mistakes_at_once() -> None:
    """What cannot be changed, and what is wrong beside it."""
    spec = read_spec({"type": "bandwidth"})
    assert problems_of({"type": "noop", "attributes": {"rate": "x"}}, spec) == [
        "toxic bandwidth_downstream: its type cannot be changed; "
        "remove it and add another",
        "toxic bandwidth_downstream, rate: 'x' is not a number",
    ]
    assert len(problems_of({"stream": "upstream"}, spec)) == 1
    assert "a table" in problems_of({"attributes": 5}, spec)[0]


# Make


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_made_from_its_defaults(name: str) -> None:
    """The rows of the table say what the constructors take."""
    toxic = make_toxic(read_spec({"type": name}), random.Random(0))
    assert isinstance(toxic.receive(Bytes(b"x"), 0.0), list)
    assert TYPES[name].name == name
    assert TYPES[name].help.endswith(".")


def test_toxic_gets_its_attributes_and_dice() -> None:
    """In the user's units: milliseconds here."""
    toxic = make_toxic(
        read_spec({"type": "latency", "attributes": {"latency": 100}}),
        random.Random(0),
    )
    assert isinstance(toxic, Latency)
    assert toxic.receive(Bytes(b"x"), 0.0)[0][0] == pytest.approx(0.1)


def test_dice_have_a_key_of_their_own_for_each_toxic_of_each_link() -> None:
    """Nothing that happens elsewhere changes them."""
    assert key_of(7, 3, Direction.UPSTREAM, "slow") == "7/3/upstream/slow"
