"""Gathering schemas: what is copied, closed, refused, and what it may cost."""

import pytest

from wavetank.contracts.gathering import constants, gather
from wavetank.contracts.places import Reader


def gathered(schema, **options):
    """Gather a schema that has to be fine."""
    reader = Reader(schema, name="s")
    found = gather(reader, (), **options)
    assert reader.problems == ()
    assert found is not None
    return found


def problems(schema, **options):
    """Gather a schema that has to be refused; return why."""
    reader = Reader(schema, name="s")
    assert gather(reader, (), **options) is None
    return list(reader.problems)


def root(found):
    """Return the first schema, and the others by name."""
    return found.schema["definitions"]["0"]


def test_gathered_schema_keeps_what_decides_and_drops_words():
    """Titles, examples, ids and unknown keys have no say."""
    schema = {
        "$id": "https://example.com/price",
        "title": "Price",
        "x-type": "t",
        "unit": "USD",
        "type": "object",
        "properties": {"title": {"type": "string", "description": "d"}, "a": True},
        "required": ["title"],
        "dependencies": {"a": ["title"], "b": {"minProperties": 2}},
        "items": [{"const": 1}],
        "additionalItems": False,
        "not": {"enum": [{"title": 1}]},
    }
    assert root(gathered(schema)) == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "a": True},
        "required": ["title"],
        "dependencies": {"a": ["title"], "b": {"minProperties": 2}},
        "items": [{"const": 1}],
        "additionalItems": False,
        "not": {"enum": [{"title": 1}]},
    }


def test_gathered_schema_takes_along_what_it_refers_to_and_nothing_else():
    """Each place once, even in circles."""
    document = {
        "$ref": "#/tree",
        "tree": {"properties": {"left": {"$ref": "#/tree"}, "to": {"$ref": "#/leaf"}}},
        "leaf": {"type": "integer"},
        "other": {"type": "broken"},
    }
    found = gathered(document)
    assert len(found.schema["definitions"]) == 3
    assert {"type": "integer"} in found.schema["definitions"].values()
    assert "broken" not in str(found.schema)


def test_reference_stands_alone_up_to_draft_7():
    """Later drafts count what stands beside it, too."""
    schema = {"$ref": "#/definitions/a", "minimum": 3, "definitions": {"a": True}}
    assert list(root(gathered(schema, draft=7))) == ["$ref"]
    assert root(gathered(schema, draft=2020))["minimum"] == 3


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (5, "s: has to be a JSON Schema: an object, or true"),
        ({"items": 5}, "s: items: has to be a JSON Schema: an object, or true"),
        ({"allOf": {}}, "s: allOf: has to be a list of schemas"),
        ({"anyOf": []}, "s: anyOf: has to be a list of schemas"),
        ({"properties": []}, "s: properties: has to be an object of schemas"),
        (
            {"properties": {"a": {"requred": ["b"]}}},
            "s: properties.a: 'requred' is no keyword; did you mean required?",
        ),
        ({"$dynamicRef": "#x"}, "s: $dynamicRef is not read; write a $ref"),
        (
            {"properties": {"a": {"$ref": "#/definitions/b"}}},
            "s: properties.a: $ref '#/definitions/b' leads nowhere",
        ),
        ({"$ref": "#"}, "s: refers to itself without end; say there what it is"),
        (
            {"properties": {"a": {"$ref": "#/b"}}, "b": {"allOf": [{"$ref": "#/b"}]}},
            "s: refers to itself without end; say there what it is",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(schema, problem):
    """A schema that cannot be what its author meant is refused."""
    assert problems(schema) == [problem]


def test_all_mistakes_are_told_at_once():
    """One run of the reader is enough to mend them."""
    schema = {"properties": {"a": 1, "b": {"$ref": "x.json"}}, "anyOf": 3}
    assert len(problems(schema)) == 3


def test_key_of_an_object_that_is_like_a_keyword_is_a_key():
    """Only where a schema stands are words keywords."""
    gathered({"properties": {"requred": True, "x-requred": True}, "x-requird": 1})


def nested(levels):
    """Return schemas in schemas."""
    schema = True
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def test_schemas_nest_to_a_bound():
    """A schema in thousands of schemas is told in one short sentence."""
    gathered(nested(64))
    (problem,) = problems(nested(400))
    assert problem.endswith("schemas nest more than 64 deep; name parts")
    assert len(problem) < 120


def chain(links, *, times=1, below=False):
    """Return schemas that refer to the next one, so many times each."""
    definitions = {}
    for number in range(links):
        to = [{"$ref": f"#/definitions/{number + 1}"}] * times
        here = {"allOf": to}
        definitions[str(number)] = {"properties": {"a": here}} if below else here
    definitions[str(links)] = {"type": "integer"}
    return {"$ref": "#/definitions/0", "definitions": definitions}


def test_references_lead_on_to_a_bound():
    """A long way of references is refused, however it is nested."""
    gathered(chain(90))
    assert problems(chain(150)) == ["s: more than 100 references one after the other"]
    steep = chain(99)
    for schema in steep["definitions"].values():
        schema["not"] = nested(60)
        schema["allOf"] = [
            {"not": {"not": {"not": each}}} for each in schema.pop("allOf", [True])
        ]
    assert problems(steep) == ["s: references lead too deep; name fewer parts"]


@pytest.mark.parametrize("below", [True, False])
def test_references_that_multiply_are_refused(below):
    """Thirty steps that double the work each are a thousand million schemas."""
    gathered(chain(12, times=2, below=below))
    assert problems(chain(30, times=2, below=below)) == [
        "s: one value may have to be held against more than 100,000 schemas; refer "
        "to fewer alternatives"
    ]


def test_alternatives_for_different_keys_do_not_multiply():
    """A wide contract is no costly one: each key is another value."""
    leaf = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    layer = {"$ref": "#/definitions/0"}
    definitions = {"0": leaf}
    for number in range(1, 20):
        keys = {key: {"$ref": f"#/definitions/{number - 1}"} for key in "abcdefgh"}
        definitions[str(number)] = {
            "properties": keys,
            "patternProperties": {"^x": leaf},
        }
        layer = {"$ref": f"#/definitions/{number}"}
    assert gathered({**layer, "definitions": definitions}).depth is None


@pytest.mark.parametrize(
    ("schema", "depth"),
    [
        ({"items": {"type": "integer"}}, None),
        ({"items": {"$ref": "#"}}, 128),
        ({"prefixItems": [{"$ref": "#"}], "properties": {"a": {"$ref": "#"}}}, 20),
        (
            {"anyOf": [{"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}] * 10},
            6,
        ),
    ],
)
def test_depth_of_values_is_bounded_where_a_schema_is_recursive(schema, depth):
    """The more ways lead back, the fewer levels can be checked."""
    assert gathered(schema).depth == depth


def test_constants_are_found_through_references_and_all_of():
    """A field with one value says which message it is."""
    schema = {
        "allOf": [{"$ref": "#/base"}, {"properties": {"op": {"const": 7}}}],
        "properties": {"type": {"enum": ["a"]}, "free": True, "two": {"enum": [1, 2]}},
        "anyOf": [{"properties": {"maybe": {"const": 1}}}, False],
        "base": {"properties": {"v": {"const": True}, "list": {"const": [1]}}},
    }
    assert constants(gathered(schema)) == {"type": "a", "v": True, "op": 7}
    assert constants(gathered(True)) == {}


CLOSED = {"additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        ({"properties": {}}, True),
        ({"type": "object"}, False),
        ({"properties": {}, "additionalProperties": True}, False),
        ({"properties": {}, "patternProperties": {}}, False),
        ({"properties": {}, "allOf": [{"properties": {}}]}, False),
        ({"properties": {}, "if": True}, False),
    ],
)
def test_schema_is_closed_where_it_names_all_keys_itself(schema, closed):
    """Where keys may be named elsewhere, it stays as open as JSON Schema has it."""
    assert (
        root(gathered(schema, closed=True)).get("additionalProperties") is False
    ) == closed
    assert root(gathered(schema)).get("additionalProperties") == schema.get(
        "additionalProperties"
    )


def test_closing_goes_down_and_into_alternatives_but_into_no_condition():
    """Inner objects are closed; a part of a whole, and what is denied, is not."""
    thing = {"properties": {"a": True}}
    schema = {
        "anyOf": [thing, {"properties": {"b": thing}}],
        "not": thing,
    }
    copy = root(gathered(schema, closed=True))
    assert copy["anyOf"][0] == thing | CLOSED
    assert copy["anyOf"][1]["properties"]["b"] == thing | CLOSED
    assert copy["not"] == thing
    both = root(gathered({"allOf": [thing, {"properties": {"b": thing}}]}, closed=True))
    assert both["allOf"][0] == thing
    assert both["allOf"][1] == {"properties": {"b": thing | CLOSED}}


def test_schema_can_be_open_and_closed_in_the_same_document():
    """As a part of another it is open, as a value of its own it is closed."""
    schema = {
        "allOf": [{"$ref": "#/base"}],
        "properties": {"inner": {"$ref": "#/base"}},
        "base": {"properties": {"a": True}},
    }
    forms = gathered(schema, closed=True).schema["definitions"].values()
    assert {"properties": {"a": True}} in forms
    assert {"properties": {"a": True}} | CLOSED in forms
