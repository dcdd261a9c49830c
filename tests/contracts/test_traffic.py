"""Traffic: counts for each type, examples, and bounds."""

import pytest

from wavetank.contracts import MessageType, Tally, Traffic, compile_schema


def kind(name, **properties):
    """Return a message type that is told by its name."""
    schema = {"properties": {"type": {"const": name}, **properties}}
    return MessageType(
        name=name, schema=compile_schema({**schema, "required": ["type"]})
    )


@pytest.fixture
def traffic():
    """Traffic of two types, one of them with a slow pattern, and one unread."""
    return Traffic(
        [
            kind("price", value={"type": "number"}),
            kind("slow", text={"pattern": "^(a|a)*(?=b)b$"}),
            MessageType(name="blob", unread="it is not read"),
        ]
    )


def test_traffic_counts_each_type(traffic):
    """Valid and invalid ones, with examples of the latter."""
    for message in ('{"type":"price","value":1}', '{"type":"price","value":null}') * 2:
        traffic.see(message)
    price, slow, _ = traffic.seen.types
    assert (price.seen, price.valid, price.invalid, price.unjudged) == (4, 2, 2, 0)
    assert [one.text for one in price.examples] == ['{"type":"price","value":null}'] * 2
    assert price.examples[0].problems[0].path == "value"
    assert slow == Tally(name="slow")
    assert traffic.seen.never == ("slow", "blob")
    assert traffic.seen.total == 4
    assert repr(traffic) == "<Traffic 4 messages>"


def test_traffic_counts_what_could_not_be_judged(traffic):
    """A pattern that took too long, and a type that is not read; with the reason."""
    text = "a" * 60
    traffic.see(f'{{"type":"slow","text":"{text}"}}')
    traffic.see(f'{{"type":"slow","text":"{text}b"}}')
    traffic.see("anything else")
    traffic.see("[1]")
    _, slow, blob = traffic.seen.types
    assert (slow.seen, slow.valid, slow.invalid, slow.unjudged) == (2, 1, 0, 1)
    assert slow.reason.startswith("text: expected a text whose pattern can be checked")
    assert len(slow.examples) == 1
    assert (blob.unjudged, blob.reason) == (1, "it is not read")


def test_one_certain_mistake_is_enough(traffic):
    """A message that is wrong in one place is wrong, whatever the others are."""
    both = Traffic([kind("both", a={"pattern": "^(a|a)*(?=b)b$"}, b={"minimum": 3})])
    both.see(f'{{"type":"both","a":"{"a" * 60}","b":1}}')
    (tally,) = both.seen.types
    assert (tally.invalid, tally.unjudged) == (1, 0)


def test_unknown_messages_are_counted_by_what_they_say():
    """With the same examples, and in the order of their first one."""
    traffic = Traffic([kind("price")])
    for message in ('{"type":"prize"}', "xx", '{"type":"prize"}', "{}", "[]"):
        assert traffic.see(message).type is None
    assert [(one.name, one.seen, one.invalid) for one in traffic.seen.unknown] == [
        ('type "prize"', 2, 2),
        ("no JSON", 1, 1),
        ("no type", 2, 2),
    ]
    assert traffic.seen.total == 5


def test_memory_of_traffic_is_bounded():
    """A target that makes up names and texts does not fill the lab's memory."""
    traffic = Traffic([kind("price")])
    for number in range(1000):
        traffic.see(f'{{"type":"n{number}","pad":"{"x" * 1000}"}}')
    seen = traffic.seen
    assert len(seen.unknown) == 21
    assert seen.unknown[-1].name == "others"
    assert seen.unknown[-1].seen == 980
    assert seen.total == 1000
    for tally in seen.unknown:
        assert len(tally.examples) <= 3
        assert all(len(one.text) <= 201 for one in tally.examples)
