"""Texts with blanks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.dialects.wording import Blank, parse_wording

NAMES = ("topic", "payload", "id")


def test_wording_knows_which_blanks_stand_inside_a_string() -> None:
    """Quotes and escapes are followed, and JSON's own braces are its own."""
    wording = parse_wording('{"a\\"{topic}":{"id":{id}}}', NAMES)
    assert wording.parts == (
        '{"a\\"',
        Blank("topic", True),
        '":{"id":',
        Blank("id", False),
        "}}",
    )
    assert wording.blanks == {"topic", "id"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ('{"t":"{topic}"}', '{"t":"say \\"hi\\""}'),
        ('{"t":{topic}}', '{"t":"say \\"hi\\""}'),
        ('{"t":"x.{topic}.y"}', '{"t":"x.say \\"hi\\".y"}'),
        ('{"d":{payload}}', '{"d":{ "n": 1.0 }}'),
        ('{"d":"{payload}"}', '{"d":"{ \\"n\\": 1.0 }"}'),
        ('{"i":{id}}', '{"i":7}'),
        ('{"i":"req-{id}"}', '{"i":"req-7"}'),
        ("[{id},{id}]", "[7,7]"),
        ("{payload}", '{ "n": 1.0 }'),
        ('{"ping":{}}', '{"ping":{}}'),
    ],
)
def test_wording_stays_json_when_it_is_filled_in(text: str, filled: str) -> None:
    """Values are escaped inside a string, quoted or left alone outside of one."""
    values: dict[str, str | int] = {
        "topic": 'say "hi"',
        "payload": '{ "n": 1.0 }',
        "id": 7,
    }
    assert parse_wording(text, NAMES).fill(values) == filled
    json.loads(filled)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"t":"{topc}"}',
            r"\{topc\} cannot be filled in here; there are \{id\}, \{payload\}, ",
        ),
        ('{"t":{token}}', r"\{token\} cannot be filled in here"),
        ('{"t":"{topic}"', "is not JSON once filled in: "),
        ("SUB {topic}", "is not JSON once filled in: "),
        ("", "is not JSON once filled in: "),
        ("[" * 100_000, "is not JSON once filled in: "),
        ('"\ud800"', "is not JSON once filled in: "),
    ],
    ids=["unknown", "elsewhere", "cut", "words", "empty", "deep", "surrogate"],
)
def test_wording_that_cannot_become_json_is_refused(text: str, problem: str) -> None:
    """An unknown blank and a text that is not JSON are told in plain words."""
    with pytest.raises(ValueError, match=problem):
        parse_wording(text, NAMES)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_topic_comes_back_from_the_filled_text(topic: str) -> None:
    """No text, whatever its quotes and braces, breaks out of its place."""
    wording = parse_wording('{"a":"{topic}","b":{topic}}', NAMES)
    filled = wording.fill({"topic": topic})
    assert json.loads(filled) == {"a": topic, "b": topic}
