"""Telling messages apart: by a field, by what fits, and those that nobody knows."""

import json
import re
from pathlib import Path

import pytest

from wavetank.contracts import (
    Content,
    MessageType,
    Teller,
    compile_schema,
    read_contract,
)
from wavetank.protocol.asyncapi import document

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def kind(name, schema=None, **options):
    """Return a message type with a schema."""
    compiled = None if schema is None else compile_schema(schema, name=name)
    return MessageType(name=name, schema=compiled, **options)


def of_type(name, /, *required, **properties):
    """Return a schema with a constant type."""
    return {
        "type": "object",
        "properties": {"type": {"const": name}, **properties},
        "required": ["type", *required],
    }


def told(types, message):
    """Return what a message is taken for, and the sentences about it."""
    found = Teller(types).tell(message)
    name = found.type.name if found.type else None
    return name, [str(one) for one in found.problems]


TYPES = [
    kind("price", of_type("price", "value", value={"type": "number"})),
    kind("gap", of_type("gap")),
    kind("short", of_type("ack", "ok")),
    kind("long", of_type("ack", "seq", "at")),
]


@pytest.mark.parametrize(
    ("message", "name", "problems"),
    [
        ('{"type":"price","value":1}', "price", []),
        (b'{"type":"gap"}', "gap", []),
        (
            '{"type":"price","value":"1"}',
            "price",
            ['value: expected a number, saw "1"'],
        ),
        # Two have the same type: the one that fits, or that lacks the least.
        ('{"type":"ack","ok":true}', "short", []),
        ('{"type":"ack","seq":1,"at":2}', "long", []),
        ('{"type":"ack"}', "short", ["the message: expected a field ok, saw none"]),
        (
            '{"type":"prize"}',
            None,
            ['type: expected a name of the contract, saw "prize"; did you mean price?'],
        ),
        ('{"type":7}', None, ["type: expected a name of the contract, saw 7"]),
        (
            '{"type":[]}',
            None,
            ["type: expected a name of the contract, saw a list of 0"],
        ),
        (
            '{"value":1}',
            None,
            ["the message: expected a field type, saw an object with value"],
        ),
        ("[1]", None, ["the message: expected a field type, saw a list of 1"]),
        ("{", None, ["the message: expected JSON, saw {"]),
        (b"\xff", None, ["the message: expected JSON, saw \\xff"]),
        ("[" * 99_999, None, [f"the message: expected JSON, saw {'[' * 60}…"]),
    ],
)
def test_message_is_told_by_its_type(message, name, problems):
    """One that says what it is, is that; one that says nothing is unknown."""
    assert told(TYPES, message) == (name, problems)


def test_names_are_proposed_to_a_bound():
    """A target that makes up names costs neither time nor memory without end."""
    teller = Teller(TYPES)
    for number in range(300):
        teller.tell(f'{{"type":"price{number}"}}')
    assert teller.tell('{"type":"price0"}').problems[0].seen.endswith("mean price?")
    assert teller.tell('{"type":"price299"}').problems[0].seen == '"price299"'


def test_field_is_the_one_that_tells_most_messages_apart():
    """It need not be called type, and a version that all share tells nothing."""
    schemas = [
        {
            "properties": {
                "v": {"const": 1},
                "op": {"const": name},
                "type": {"const": "m"},
            }
        }
        for name in ("a", "b")
    ]
    teller = Teller([kind(str(number), one) for number, one in enumerate(schemas)])
    assert teller.field == "op"
    assert teller.tell('{"op":"b","v":1}').type.name == "1"


def test_field_called_type_wins_where_several_do():
    """What most protocols call it."""
    one = {"properties": {"op": {"const": "a"}, "type": {"const": "a"}}}
    assert Teller([kind("a", one)]).field == "type"


def test_true_is_not_one():
    """JSON keeps them apart, so a field may have both."""
    types = [
        kind("yes", {"properties": {"ok": {"const": True}}, "required": ["ok"]}),
        kind("one", {"properties": {"ok": {"const": 1}}, "required": ["ok"]}),
    ]
    assert told(types, '{"ok":true}') == ("yes", [])
    assert told(types, '{"ok":1}') == ("one", [])


def test_message_without_a_field_of_its_own_is_the_one_that_fits():
    """Arrays, say, beside objects that have a type."""
    types = [*TYPES, kind("row", {"type": "array"}), kind("any", {"type": "string"})]
    assert told(types, "[1]") == ("row", [])
    assert told(types, '"x"') == ("any", [])
    assert told(types, "7")[0] is None
    shapes = types[-2:]
    assert told(shapes, "7") == (
        None,
        ["the message: expected one of the contract's messages, saw 7"],
    )
    assert Teller(shapes).tell("7").label == "no known form"


def test_only_kind_of_message_is_meant():
    """Where there is one, what does not fit is a bad one."""
    assert told([kind("row", {"type": "array"})], "7") == (
        "row",
        ["the message: expected a list, saw 7"],
    )


def test_message_without_schema_is_anything():
    """A document that does not describe it lets it by."""
    assert told([kind("any")], "7") == ("any", [])
    assert told([], "7")[0] is None
    assert told([], "x")[0] is None


def test_message_that_could_not_be_checked_is_no_unknown_one():
    """It may well fit: nobody can tell."""
    slow = {"type": "string", "pattern": "^(a|a)*(?=b)b$"}
    types = [kind("slow", slow), kind("row", {"type": "array"})]
    found = Teller(types).tell(json.dumps("a" * 60))
    assert found.type is types[0]
    assert not found.problems[0].certain


def test_text_is_held_against_the_schema_of_texts():
    """It sees one JSON string, whatever the text looks like."""
    text = kind("line", {"pattern": "^[A-Z]+$"}, content=Content.TEXT)
    assert told([text], "HELLO") == ("line", [])
    assert told([text], "hello") == (
        "line",
        ['the message: expected a text like ^[A-Z]+$, saw "hello"'],
    )
    assert told([text], "12")[0] == "line"
    assert told([text], b"\xff")[0] is None
    other = kind("number", {"pattern": "^[0-9]+$"}, content=Content.TEXT)
    assert told([text, other], "12") == ("number", [])
    assert told([text, other], "--")[0] is None
    assert told([kind("free", content=Content.TEXT)], "--") == ("free", [])
    assert told([*TYPES, text], "HELLO") == ("line", [])
    assert told([*TYPES, text], '{"type":"gep"}')[0] is None


def test_what_is_not_read_says_so():
    """A binary message may be any of those that nobody reads."""
    opaque = kind(
        "blob", content=Content.OPAQUE, unread="content of type x is not read"
    )
    found = Teller([*TYPES, opaque]).tell(b"\xff\x00")
    assert found.type is opaque
    assert found.unread == "content of type x is not read"
    assert found.problems == ()


# The hub's own document


@pytest.fixture(scope="module")
def hub():
    """The contract of the reference hub; its messages have no other keys."""
    return read_contract(json.dumps(document("1.0")), closed=True)


def examples():
    """Yield each message of the documentation, and whether the hub sends it."""
    decoder = json.JSONDecoder()
    blocks = re.findall(r"```jsonc\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for number, block in enumerate(blocks):
        place = 0
        while found := re.compile(r"[\s→]*(?=\{)").match(block, place):
            _, end = decoder.raw_decode(block, found.end())
            sent = number > 0 or "→" in found[0]
            yield sent, block[found.end() : end]
            place = end


EXAMPLES = list(examples())


def test_every_message_of_the_documentation_is_one_of_the_hubs_contract(hub):
    """Each example is valid in its direction, and all types are there."""
    seen = {True: set(), False: set()}
    for sent, text in EXAMPLES:
        types = hub.sent if sent else hub.received
        name, problems = told(types, text)
        assert (name is not None, problems) == (True, []), text
        seen[sent].add(name)
    assert seen[True] == {one.name for one in hub.sent}
    assert seen[False] == {one.name for one in hub.received}


@pytest.mark.parametrize(("sent", "text"), EXAMPLES, ids=str)
def test_every_message_of_the_documentation_is_seen_broken(hub, sent, text):
    """A field less, a field of another type, a field more: each is a problem."""
    teller = Teller(hub.sent if sent else hub.received)
    message = json.loads(text)
    fine = teller.tell(text).type
    required = {key for key in message if _needs(fine, {**message}, key)}
    assert "type" in required
    for key in message:
        less = {name: value for name, value in message.items() if name != key}
        assert bool(teller.tell(json.dumps(less)).problems) == (key in required), key
        if key != "data":
            other = {**message, key: [[True]]}
            assert teller.tell(json.dumps(other)).problems, key
    more = {**message, "extra_field": 1}
    found = teller.tell(json.dumps(more))
    assert "extra_field" in str(found.problems[0])


def _needs(fine, message, key):
    """Return whether the document says that a message needs a field."""
    schemas = document("1.0")["components"]["schemas"]
    return key in schemas[fine.name[0].upper() + fine.name[1:]]["required"]
