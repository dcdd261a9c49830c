"""Commands as values: what cannot be asked for."""

import msgspec
import pytest

from wavetank.protocol import (
    COMMANDS,
    History,
    MaxRate,
    Position,
    Producer,
    Publish,
    Subscribe,
)

PLACE = Position("Kq3v9TzA", 41, "9f3a6c21")


def test_commands_have_types_of_their_own():
    """No two commands share a type, and each is what the page calls it."""
    assert [command.__struct_config__.tag for command in COMMANDS] == [
        "auth",
        "subscribe",
        "unsubscribe",
        "publish",
        "history",
        "ping",
    ]


@pytest.mark.parametrize(
    "start",
    [
        {},
        {"since": PLACE},
        {"since": "earliest"},
        {"since_time": 1_790_000_000.0},
    ],
)
def test_subscribe_takes_one_start_of_a_topic(start):
    """Live, behind a position, everything retained, or from a time."""
    assert Subscribe(id=1, topic="a.b", **start).deliver == "all"


@pytest.mark.parametrize(
    "start",
    [{}, {"since": "earliest"}, {"since_time": 1.0}, {"since_each": {"a.b": PLACE}}],
)
def test_subscribe_takes_one_start_of_a_pattern(start):
    """The same, but each topic of a pattern has a position of its own."""
    assert Subscribe(id=1, topic="a.*", **start).topic == "a.*"


@pytest.mark.parametrize(
    ("topic", "start", "problem"),
    [
        ("a", {"since": PLACE, "since_time": 1.0}, "since: only one of"),
        ("a", {"since": "earliest", "since_time": 0.0}, "since: only one of"),
        ("a.*", {"since_time": 1.0, "since_each": {}}, "since: only one of"),
        ("a.*", {"since": PLACE}, "since: a pattern has no one position"),
        ("a", {"since_each": {"a": PLACE}}, "since_each: only for patterns"),
    ],
)
def test_subscribe_refuses_a_start_that_says_two_things(topic, start, problem):
    """Two starts, or one of the other kind, could only be guessed at."""
    with pytest.raises(ValueError, match=problem):
        Subscribe(id=1, topic=topic, **start)


def test_history_refuses_two_starts():
    """A position and a time could only be guessed at."""
    with pytest.raises(ValueError, match="since: not beside since_time"):
        History(id=1, topic="a", since="earliest", since_time=1.0)


def test_history_asks_for_a_hundred_events_unless_told():
    """The default is bounded; 0 asks for the position alone."""
    assert History(id=1, topic="a", since=PLACE).limit == 100
    assert History(id=1, topic="a", since_time=5.0, limit=0).limit == 0


def test_publish_refuses_two_ways_to_tell_a_duplicate():
    """A key and a counting producer could disagree."""
    with pytest.raises(ValueError, match="key: not beside producer"):
        Publish(
            topic="a",
            data=msgspec.Raw(b"1"),
            key="k",
            producer=Producer(name="p", epoch=0, seq=1),
        )


@pytest.mark.parametrize(
    "extra", [{"key": "k"}, {"producer": Producer(name="p", epoch=0, seq=1)}, {}]
)
def test_publish_gives_its_payload_as_bytes(extra):
    """The payload is a copy that stands by itself."""
    publish = Publish(topic="a", data=msgspec.Raw(b'{"x": 1.0}'), **extra)
    assert publish.payload == b'{"x": 1.0}'
    assert type(publish.payload) is bytes


@pytest.mark.parametrize("text", [b"0", b"-1", b"1e7", b"1e999", b'"5"', b"null"])
def test_max_rate_refuses_what_is_no_rate(text):
    """A rate is above 0 and at most a million a second."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"max_rate":%b}' % text, type=MaxRate)


@pytest.mark.parametrize("text", [b"0.2", b"1", b"1000000"])
def test_max_rate_takes_fractions(text):
    """One event in five seconds is a rate too."""
    rate = msgspec.json.decode(b'{"max_rate":%b}' % text, type=MaxRate)
    assert rate.max_rate == float(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"name":"","epoch":0,"seq":1}',
        b'{"name":"p","epoch":-1,"seq":1}',
        b'{"name":"p","epoch":0,"seq":0}',
        b'{"name":"p","epoch":0,"seq":9007199254740992}',
        b'{"name":"p","epoch":0}',
    ],
)
def test_producer_refuses_counts_out_of_bounds(text):
    """A producer has a name, counts from 1, and stays below 2^53."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Producer)
