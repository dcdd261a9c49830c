"""Places in a document: references that lead somewhere, nowhere, out and around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.contracts.places import Reader, written

DOCUMENT = {
    "schemas": {"price": {"type": "number"}, "a/b~c d": {"type": "string"}},
    "list": [{"one": 1}, {"$ref": "#/schemas/price"}],
    "ways": {
        "near": {"$ref": "#/list/1"},
        "far": {"$ref": "#/ways/near"},
        "round": {"$ref": "#/ways/about"},
        "about": {"$ref": "#/ways/round"},
        "whole": {"$ref": "#"},
        "escaped": {"$ref": "#/schemas/a~1b~0c%20d"},
    },
}


def reader(document=DOCUMENT):
    """Return a reader of a document."""
    return Reader(document, name="api.json")


@pytest.mark.parametrize(
    ("place", "end"),
    [
        (("schemas", "price"), ("schemas", "price")),
        (("ways", "near"), ("schemas", "price")),
        (("ways", "far"), ("schemas", "price")),
        (("ways", "whole"), ()),
        (("ways", "escaped"), ("schemas", "a/b~c d")),
        (("not", "there"), ("not", "there")),
    ],
)
def test_reader_follows_references_to_their_end(place, end):
    """One reference or several, with RFC 6901's escapes."""
    opened = reader()
    assert opened.follow(place) == end
    assert opened.problems == ()


def test_reader_tells_a_reference_in_a_circle():
    """It ends, and says where the circle was entered."""
    opened = reader()
    assert opened.follow(("ways", "round")) is None
    assert opened.problems == (
        "api.json: ways.round: refers to itself; say there what it is",
    )


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (5, "a $ref is a text, such as #/components/schemas/Price"),
        (
            "http://127.0.0.1/price.json",
            "$ref 'http://127.0.0.1/price.json' is not in this document, and nothing "
            "is fetched; copy it here and refer to it as #/…",
        ),
        (
            "file:///etc/passwd",
            "$ref 'file:///etc/passwd' is not in this document, and nothing "
            "is fetched; copy it here and refer to it as #/…",
        ),
        (
            "#/schemas/prize",
            "$ref '#/schemas/prize' leads nowhere; did you mean price?",
        ),
        ("#/list/2", "$ref '#/list/2' leads nowhere"),
        ("#/list/one", "$ref '#/list/one' leads nowhere"),
        ("#/list/99999999999", "$ref '#/list/99999999999' leads nowhere"),
        ("#/list/²", "$ref '#/list/²' leads nowhere"),
    ],
)
def test_reader_tells_references_that_lead_nowhere_or_out(reference, problem):
    """Each with what to do; the same one is told once."""
    opened = reader({**DOCUMENT, "here": {"$ref": reference}})
    assert opened.follow(("here",)) is None
    assert opened.follow(("here",)) is None
    assert opened.problems == (f"api.json: here: {problem}",)


def test_reader_shortens_long_references():
    """A hostile text does not fill the terminal."""
    opened = reader({"$ref": "x" * 10_000})
    opened.follow(())
    assert len(opened.problems[0]) < 250


def test_reader_yields_the_entries_of_objects_alone():
    """What is missing is empty, and what is no object is a problem."""
    opened = reader()
    assert dict(opened.entries(("schemas",)))["price"] == ("schemas", "price")
    assert list(opened.entries(("none",))) == []
    assert opened.problems == ()
    assert list(opened.entries(("list",))) == []
    assert list(opened.entries(("list", "0", "one"))) == []
    assert opened.problems == (
        "api.json: list: has to be an object, not list",
        "api.json: list.0.one: has to be an object, not 1",
    )


def test_problem_of_the_whole_document_has_no_place():
    """Only its name stands before the sentence."""
    opened = reader()
    opened.problem((), "is empty")
    assert opened.problems == ("api.json: is empty",)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((), ""),
        (("data", "legs", 0, "price"), "data.legs.0.price"),
        (("a b", "$x-y"), '"a b".$x-y'),
        (("",), '""'),
        (("a." * 100,), f'"{"a." * 32}"'),
    ],
)
def test_places_are_written_with_dots(place, text):
    """Keys that would be misread stand in quotes, and long ones are cut."""
    assert written(place) == text


@given(st.text(), st.text())
def test_reader_survives_any_reference(reference, key):
    """Whatever is written there, it is followed or told."""
    opened = reader({"here": {"$ref": f"#/{reference}"}, key: [{}]})
    end = opened.follow(("here",))
    assert (end is None) == bool(opened.problems)
