"""Schemas: values and raw messages held against them, and hostile ones refused."""

import contextlib
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.contracts import Problem, compile_schema
from wavetank.contracts.schema import text_of
from wavetank.errors import UsageError

PRICE = {
    "type": "object",
    "properties": {"price": {"type": "number"}, "at": {"format": "date-time"}},
    "required": ["price"],
}


def refused(schema, **options):
    """Return why a schema is refused."""
    with pytest.raises(UsageError) as caught:
        compile_schema(schema, **options)
    return list(caught.value.problems)


def test_schema_judges_values():
    """Formats count, too."""
    schema = compile_schema(PRICE, name="price.json")
    assert schema.is_valid({"price": 1.5, "at": "2026-01-02T03:04:05Z"})
    assert schema.problems({"price": 1}) == ()
    assert not schema.is_valid({"price": 1, "at": "yesterday"})
    assert schema.problems({"price": "1"}) == (
        Problem(path="price", expected="a number", seen='"1"'),
    )
    assert repr(schema) == "<Schema price.json>"


@pytest.mark.parametrize("encode", [str, str.encode])
def test_schema_reads_messages(encode):
    """Text or bytes give the value, and what is wrong with it."""
    schema = compile_schema(PRICE)
    assert schema.read(encode('{"price":1}')) == ({"price": 1}, ())
    value, problems = schema.read(encode('{"price":null}'))
    assert value == {"price": None}
    assert [one.path for one in problems] == ["price"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        b"\xff",
        b'"\xff"',
        "NaN",
        '"\\ud800"',
        "[" * 100_000,
        "1e999",
        "1" * 9999,
    ],
)
def test_what_is_not_json_is_one_problem(message):
    """Whatever the bytes are, the answer is a value."""
    value, (problem,) = compile_schema(True).read(message)
    assert value is None
    assert (problem.path, problem.expected, problem.certain) == ("", "JSON", True)
    assert len(problem.seen) < 300


def test_problems_are_told_to_a_bound():
    """A thousand mistakes are ten problems, or as many as are asked for."""
    schema = compile_schema({"items": {"type": "integer"}})
    assert len(schema.problems(["x"] * 1000)) == 10
    assert len(schema.problems(["x"] * 1000, most=3)) == 3


def test_closed_schema_takes_named_keys_alone():
    """An open one, which is JSON Schema's way, lets others by."""
    assert compile_schema(PRICE).is_valid({"price": 1, "prise": 2})
    assert not compile_schema(PRICE, closed=True).is_valid({"price": 1, "prise": 2})


@pytest.mark.parametrize(
    ("draft", "keyword", "counts"),
    [
        ("http://json-schema.org/draft-04/schema#", {"const": 1}, False),
        ("http://json-schema.org/draft-06/schema#", {"const": 1}, True),
        ("http://json-schema.org/draft-07/schema#", {"minContains": 1}, False),
        (
            "https://json-schema.org/draft/2019-09/schema",
            {"prefixItems": [False]},
            False,
        ),
        (
            "https://json-schema.org/draft/2020-12/schema",
            {"prefixItems": [False]},
            True,
        ),
        (None, {"prefixItems": [False]}, True),
    ],
)
def test_schema_is_read_in_the_draft_that_it_names(draft, keyword, counts):
    """What a draft does not know has no say; without a name it is the newest."""
    schema = compile_schema(keyword if draft is None else {"$schema": draft, **keyword})
    assert schema.is_valid([2]) != counts


def test_schema_of_an_unknown_draft_is_refused():
    """The nearest name is proposed."""
    assert refused({"$schema": "http://json-schema.org/draft-09/schema#"})[
        0
    ].startswith(
        'schema: $schema "http://json-schema.org/draft-09/schema#" is no draft of JSON '
        "Schema; did you mean http://json-schema.org/draft-0"
    )


@pytest.mark.parametrize(
    ("schema", "beginning"),
    [
        ({"type": "objekt"}, 'schema: type: "objekt" is not valid'),
        ({"minimum": "3"}, 'schema: minimum: "3" is not of type "number"'),
        ({"required": "a"}, 'schema: required: "a" is not of type "array"'),
        ({"pattern": "(a"}, 'schema: pattern: "(a" is not a "regex"'),
        ({"pattern": f"(a{'x' * 500}"}, 'schema: pattern: "(axxx'),
        ({"pattern": "((a{1000}){1000}){1000}"}, 'schema: pattern: "((a{1000})'),
        ({"enum": [json.loads("[" * 300 + "]" * 300)]}, "schema: a value in it nests"),
    ],
)
def test_schema_that_makes_no_sense_is_refused(schema, beginning):
    """One sentence names the keyword and what is wrong with it."""
    (problem,) = refused(schema)
    assert problem.startswith(beginning)
    assert len(problem) < 400


def test_nothing_is_ever_fetched():
    """A reference to a server that would answer opens no connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/price.json"
        (problem,) = refused({"properties": {"a": {"$ref": url}}})
        assert "nothing is fetched" in problem
        refused({"$schema": url})
        compile_schema({"$id": url, "properties": {"a": {"$id": url}}})
        with pytest.raises(BlockingIOError):
            server.accept()


def test_pattern_that_takes_too_long_leaves_a_doubt():
    """A pattern that looks ahead is matched for a bounded number of steps."""
    schema = compile_schema({"pattern": "^(a|a)*(?=b)b$"})
    assert schema.is_valid("aab")
    assert not schema.is_valid("a" * 60)
    (problem,) = schema.problems("a" * 60)
    assert not problem.certain


def test_pattern_without_looking_around_never_takes_long():
    """What hangs other engines is matched in a step for each character."""
    schema = compile_schema({"pattern": "^(a+)+$"})
    (problem,) = schema.problems("a" * 100_000 + "b")
    assert problem.certain


def nested(levels):
    """Return lists in lists."""
    value = []
    for _ in range(levels):
        value = [value]
    return value


def test_value_deeper_than_a_recursive_schema_is_checked_leaves_a_doubt():
    """A hostile message cannot make a schema use up stack or time."""
    schema = compile_schema({"type": "array", "items": {"$ref": "#"}})
    assert schema.is_valid(nested(127))
    assert not schema.is_valid(nested(128))
    assert schema.problems(nested(128)) == (
        Problem(
            path="",
            expected="at most 128 levels",
            seen="more, which was not checked",
            certain=False,
        ),
    )
    assert schema.problems({"a": nested(200)})[0].expected == "at most 128 levels"


def test_value_may_be_deep_where_its_schema_is_not():
    """Nobody looks into it, so nobody minds."""
    assert compile_schema({"type": "array"}).is_valid(nested(500))


@pytest.mark.parametrize("value", ["\ud800", {1: 2}, object()])
def test_value_that_is_none_of_json_is_a_problem(value):
    """Decoded messages never are; a caller's mistake is told all the same."""
    schema = compile_schema({"type": "string", "properties": {"1": True}})
    assert not schema.is_valid(value)
    (problem,) = schema.problems(value)
    assert problem.expected == "a JSON value"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", "nothing"),
        (b"", "nothing"),
        ("short", "short"),
        (b"\xff\x00", "\\xff\x00"),
        ("x" * 300, f"{'x' * 200}…"),
        (b"x" * 300, f"{'x' * 200}…"),
    ],
)
def test_message_is_shown_by_its_beginning(message, text):
    """Bytes that are no text are shown as numbers."""
    assert text_of(message) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "items", "a", "$ref"]), inner)
    ),
    max_leaves=12,
)
KEYWORDS = st.sampled_from(
    [
        *("type", "items", "properties", "$ref", "allOf", "enum", "pattern", "format"),
        *("required", "not", "$schema", "if", "dependencies", "const", "minimum"),
    ]
)


@given(st.dictionaries(KEYWORDS, JSON, max_size=4) | JSON, JSON, st.booleans())
def test_any_schema_is_compiled_or_refused_and_any_value_judged(schema, value, closed):
    """Hostile documents end in problems, never in another exception."""
    compiled = None
    with contextlib.suppress(UsageError):
        compiled = compile_schema(schema, closed=closed)
    if compiled is None:
        assert refused(schema, closed=closed)
        return
    assert compiled.is_valid(value) == (not compiled.problems(value))
    assert compiled.read(json.dumps(value))[0] == value
