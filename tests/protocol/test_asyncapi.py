"""The AsyncAPI document against the official schema, and against real messages."""

import copy
import hashlib
import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from wavetank.protocol import (
    CLOSES,
    COMMANDS,
    ERRORS,
    PUSHES,
    REPLIES,
    Unsubscribed,
    decode_command,
    decode_push,
)
from wavetank.protocol.asyncapi import document

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "protocol.md"
SCHEMA = HERE / "data" / "asyncapi-3.0.0.json"
ORIGIN = HERE / "data" / "asyncapi-3.0.0.origin.md"


@pytest.fixture(scope="module")
def official():
    """The official schema of AsyncAPI 3.0.0."""
    return jsonschema_rs.validator_for(json.loads(SCHEMA.read_bytes()))


@pytest.fixture
def told():
    """The document as a reader gets it: through JSON."""
    return json.loads(json.dumps(document("1.2.3")))


def validator(told, name):
    """Return a draft 7 validator for one schema of the document."""
    return jsonschema_rs.Draft7Validator(
        {"$ref": f"#/components/schemas/{name}", "components": told["components"]}
    )


def examples():
    """Return every message of the documentation's blocks, as text."""
    decoder = json.JSONDecoder()
    for block in re.findall(r"```jsonc\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        place = 0
        while found := re.compile(r"[\s→]*(?=\{)").match(block, place):
            _, place = decoder.raw_decode(block, found.end())
            yield block[found.end() : place]


def test_the_schema_is_the_one_that_its_note_describes():
    """The vendored file is unchanged."""
    assert hashlib.sha512(SCHEMA.read_bytes()).hexdigest() in ORIGIN.read_text("utf-8")


def test_document_is_valid_asyncapi(official, told):
    """The official schema finds nothing wrong with it."""
    assert [error.message for error in official.iter_errors(told)] == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda told: told.update(asyncapi="2.6.0"),
        lambda told: told.pop("info"),
        lambda told: told["info"].pop("version"),
        lambda told: told["channels"]["hub"].update(adress="/ws"),
        lambda told: told["operations"]["publish"].update(action="publish"),
        lambda told: told["operations"]["publish"].pop("channel"),
        lambda told: told["operations"]["publish"].update(messages=["publish"]),
        lambda told: told["servers"]["hub"].pop("protocol"),
        lambda told: told["components"]["messages"]["publish"].update(payload=5),
        lambda told: told["components"]["schemas"]["Publish"].update(type="thing"),
    ],
)
def test_a_broken_document_is_refused(official, told, damage):
    """The schema does see mistakes of the kinds that we could make."""
    damage(told)
    assert not official.is_valid(told)


def test_document_names_the_version(told):
    """The version is the hub's."""
    assert told["info"]["version"] == "1.2.3"


def test_document_leads_from_operations_to_schemas(told):
    """Every reference points at something that is there."""

    def references(part):
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            part = list(part.values())
        if isinstance(part, list):
            for inner in part:
                yield from references(inner)

    found = set(references(told))
    assert len(found) > len((*COMMANDS, *REPLIES, *PUSHES)) * 2
    for reference in found:
        place = told
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_document_has_every_command_with_its_replies(told):
    """Each command is an operation that the hub receives, with an error as a reply."""
    operations = told["operations"]
    assert list(operations) == [
        command.__struct_config__.tag for command in COMMANDS
    ] + ["push"]
    replies = set()
    for command in COMMANDS:
        operation = operations[command.__struct_config__.tag]
        assert operation["action"] == "receive"
        named = {ref["$ref"].split("/")[-1] for ref in operation["reply"]["messages"]}
        assert "error" in named
        replies |= named
    assert len(replies) == len(REPLIES) + 1


def test_document_has_every_push(told):
    """What comes unasked is one operation that the hub sends."""
    push = told["operations"]["push"]
    assert push["action"] == "send"
    named = [ref["$ref"].split("/")[-1] for ref in push["messages"]]
    assert len(named) == len({*PUSHES, Unsubscribed})
    assert {"welcome", "event", "topicAdded", "unsubscribed"} <= set(named)


def test_document_lists_error_and_close_codes(told):
    """The two tables are there for clients that are generated from the document."""
    assert [row["code"] for row in told["x-error-codes"]] == list(ERRORS)
    assert {row["code"] for row in told["x-error-codes"] if row["fatal"]} == {
        rule.code for rule in ERRORS.values() if rule.fatal
    }
    assert [row["code"] for row in told["x-close-codes"]] == list(CLOSES)


def test_document_describes_fields_by_their_names_on_the_wire(told):
    """Descriptions come from the code's words but speak of JSON."""
    schemas = told["components"]["schemas"]
    gap = schemas["Gap"]
    assert gap["description"].startswith("Nothing from `from` to `to` will come")
    assert gap["properties"]["to"]["description"] == "Last seq that will not come."
    assert schemas["Event"]["properties"]["ts"]["description"] == (
        "Time of its append. Milliseconds since 1970 UTC, fractions allowed."
    )
    auth = schemas["Welcome"]["properties"]["auth"]["description"]
    assert auth.endswith(
        "(send `auth` first) or `accepted` (the handshake's token was good)."
    )
    text = json.dumps(schemas)
    assert "None" not in text
    assert "``" not in text
    assert "Attributes:" not in text


def test_schemas_accept_every_message_of_the_documentation(told):
    """Each example of the page fits the schema of its message."""
    seen = set()
    for text in examples():
        message = decode_command(text)
        if not isinstance(message, COMMANDS) or '"events"' in text:
            message = decode_push(text)
        name = type(message).__name__
        assert validator(told, name).is_valid(json.loads(text)), text
        seen.add(name)
    assert seen == {struct.__name__ for struct in (*COMMANDS, *REPLIES, *PUSHES)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ping", '{"type":"ping"}'),
        ("Ping", '{"type":"pong","id":1}'),
        ("Ping", '{"type":"ping","id":1.5}'),
        ("Publish", '{"type":"publish","topic":"a"}'),
        ("Heartbeat", '{"type":"heartbeat","ts":1,"tops":{"a":["00000000",1]}}'),
        ("Heartbeat", '{"type":"heartbeat","ts":1,"tops":{"a":[1]}}'),
        ("Heartbeat", '{"type":"heartbeat","ts":1,"tops":{"a":[1,"00000000",2]}}'),
        ("Event", '{"type":"event","topic":"a","seq":-1,"ts":1,"data":1}'),
    ],
)
def test_schemas_refuse_what_is_not_such_a_message(told, name, text):
    """A reader that trusts the schemas alone sees the same mistakes."""
    assert not validator(told, name).is_valid(json.loads(text))


def test_document_is_made_anew_each_time(told):
    """Nobody who changes a document changes the next one."""
    first = document("1.2.3")
    kept = copy.deepcopy(first)
    first["components"]["schemas"].clear()
    assert document("1.2.3") == kept
