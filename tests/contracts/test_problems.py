"""Problems in words: where, what was expected, what stood there."""

import jsonschema_rs
import pytest

from wavetank.contracts.problems import Problem, problem_of, shortened


def told(schema, value, **options):
    """Return the sentences for all that is wrong with a value."""
    validator = jsonschema_rs.Draft202012Validator(
        schema, validate_formats=True, **options
    )
    return [str(problem_of(error, schema)) for error in validator.iter_errors(value)]


PRICE = {"properties": {"price": {"type": "number"}}, "required": ["price"]}


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"type": "integer"}, "a", 'expected an integer, saw "a"'),
        (
            {"type": ["null", "array"]},
            {},
            "expected a list or null, saw an empty object",
        ),
        (
            {"type": ["string", "boolean", "object"]},
            None,
            "expected true or false, a text or an object, saw null",
        ),
        ({"const": {"a": 1}}, [1, 2], "expected an object with a, saw a list of 2"),
        ({"enum": ["buy", "sell"]}, "bye", 'expected "buy" or "sell", saw "bye"'),
        ({"enum": [1, 2, 3, 4, 5, 6]}, 7, "expected 1, 2, 3, 4, 5 or …, saw 7"),
        (PRICE, {}, "expected a field price, saw none"),
        (PRICE, {"prise": 1}, "expected a field price, saw none, but prise"),
        (PRICE, {"volume": 1}, "expected a field price, saw none"),
        (
            {**PRICE, "additionalProperties": False},
            {"price": 1, "prices": 2, "z": 3},
            "expected only keys that the schema names, saw prices, z; "
            "did you mean price?",
        ),
        (
            {"properties": {"a": True}, "additionalProperties": False},
            {f"k{number}": 1 for number in range(9)},
            "expected only keys that the schema names, saw k0, k1, k2, k3, k4, …",
        ),
        (
            {**PRICE, "unevaluatedProperties": False},
            {"price": 1, "size": 2},
            "expected only keys that the schema names, saw size",
        ),
        ({"minimum": 3}, 1, "expected at least 3, saw 1"),
        ({"maximum": 3}, 4, "expected at most 3, saw 4"),
        ({"exclusiveMinimum": 0}, 0, "expected more than 0, saw 0"),
        ({"exclusiveMaximum": 0.5}, 0.5, "expected less than 0.5, saw 0.5"),
        ({"multipleOf": 2}, 3, "expected a multiple of 2, saw 3"),
        ({"minLength": 2}, "a", 'expected at least 2 characters, saw "a"'),
        ({"maxLength": 2}, "abc", 'expected at most 2 characters, saw "abc"'),
        ({"pattern": "^x"}, "y", 'expected a text like ^x, saw "y"'),
        ({"format": "date"}, "y", 'expected a text in the format date, saw "y"'),
        ({"minItems": 2}, [], "expected at least 2 items, saw a list of 0"),
        ({"maxItems": 0}, [1], "expected at most 0 items, saw a list of 1"),
        (
            {"uniqueItems": True},
            [1, 1],
            "expected a list without the same item twice, saw a list of 2",
        ),
        (
            {"contains": {"type": "null"}},
            [1],
            "expected a list with a certain kind of item, saw a list of 1",
        ),
        (
            {"minProperties": 2},
            {"a": 1},
            "expected at least 2 keys, saw an object with a",
        ),
        (
            {"maxProperties": 0},
            {"a": 1},
            "expected at most 0 keys, saw an object with a",
        ),
        (
            {"propertyNames": {"maxLength": 1}},
            {"ab": 1},
            "expected keys as the schema wants them, saw an object with ab",
        ),
        ({"not": {}}, 1, "expected anything but this, saw 1"),
        (False, 1, "expected nothing here, saw 1"),
        ({"additionalProperties": False}, {"a": 1}, "expected no keys, saw 1"),
        (
            {"oneOf": [True, True]},
            1,
            "expected one of several forms, not two at once, saw 1",
        ),
        (
            {"prefixItems": [True], "unevaluatedItems": False},
            [1, 2],
            "expected Unevaluated items are not allowed ('2' was unexpected), "
            "saw a list of 2",
        ),
    ],
)
def test_each_kind_of_problem_has_its_words(schema, value, sentence):
    """What was expected, then what stood there."""
    assert told(schema, value) == [f"the message: {sentence}"]


def test_path_leads_to_the_place():
    """Keys and indices, from the outside in."""
    schema = {"properties": {"legs": {"items": PRICE}}}
    value = {"legs": [{"price": 1}, {"price": "1"}]}
    assert told(schema, value) == ['legs.1.price: expected a number, saw "1"']


def test_keys_of_digits_are_no_indices():
    """A schema may name a key 0, and the problem stands behind it."""
    schema = {"properties": {"0": {**PRICE, "additionalProperties": False}}}
    assert told(schema, {"0": {"price": 1, "pric": 2}}) == [
        "0: expected only keys that the schema names, saw pric; did you mean price?"
    ]


FORMS = {
    "anyOf": [
        {"type": "null"},
        {
            "type": "object",
            "properties": {"type": {"const": "limit"}, "price": {"type": "number"}},
            "required": ["type", "price"],
        },
        {
            "type": "object",
            "properties": {"type": {"const": "market"}},
            "required": ["type"],
            "maxProperties": 1,
        },
    ]
}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            {"type": "limit", "price": "1"},
            'price: expected a number, saw "1"',
        ),
        (
            {"type": "market", "price": 1},
            "the message: expected at most 1 keys, saw an object with price, type",
        ),
        (
            {"type": "stop"},
            "the message: expected one of 3 forms, saw an object with type",
        ),
        ("x", 'the message: expected null or an object, saw "x"'),
    ],
)
def test_of_several_forms_the_nearest_is_told(value, sentence):
    """Who says which form it has is told what is wrong with that one."""
    assert told(FORMS, value) == [sentence]
    assert told({"oneOf": FORMS["anyOf"]}, value) == [sentence]


def test_a_form_that_is_never_right_is_one_of_several():
    """Where a form is not a kind of value, no kinds are listed."""
    assert told({"anyOf": [False, {"type": "null"}]}, 1) == [
        "the message: expected nothing here, saw 1"
    ]
    assert told({"anyOf": [{"const": 1}, {"enum": [2, 3]}]}, 4) == [
        "the message: expected 1 or 2 or 3, saw 4"
    ]


@pytest.mark.parametrize("wrapped", [False, True])
def test_pattern_that_takes_too_long_leaves_a_doubt(wrapped):
    """Who could not look says neither yes nor no."""
    schema = {"pattern": "^(a+)+(?=b)b$"}
    if wrapped:
        schema = {"anyOf": [{"type": "null"}, schema]}
    validator = jsonschema_rs.Draft202012Validator(
        schema, pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100)
    )
    (error,) = validator.iter_errors("a" * 1000)
    problem = problem_of(error, schema)
    assert not problem.certain
    assert problem.seen == "a pattern that takes too long on it"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 100, f'"{"x" * 60}…"'),
        (10**80, f"1{'0' * 59}…"),
        ("\x1b[2J", '"\\u001b[2J"'),
        (True, "true"),
    ],
)
def test_values_are_shortened(value, text):
    """The report stays readable, and its terminal whole."""
    assert shortened(value) == text


def test_problem_is_certain_unless_told():
    """The common case needs no word."""
    assert Problem(path="a", expected="b", seen="c").certain
