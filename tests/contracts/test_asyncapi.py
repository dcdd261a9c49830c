"""AsyncAPI 3 documents: channels, operations, messages; all mistakes at once."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.contracts import Content, read_contract
from wavetank.errors import UsageError
from wavetank.protocol.asyncapi import document as hub_document

FEED = {
    "asyncapi": "3.0.0",
    "info": {"title": "Feed", "version": "1.2"},
    "channels": {
        "prices": {
            "address": "/prices/{symbol}",
            "messages": {
                "tick": {"$ref": "#/components/messages/tick"},
                "ask": {"payload": {"type": "object", "required": ["symbol"]}},
                "answer": {"payload": {"type": "string"}},
            },
        },
        "news": {
            "address": "/news",
            "messages": {
                "tick": {"$ref": "#/components/messages/tick"},
                "answer": {"contentType": "text/plain", "payload": {"maxLength": 9}},
            },
        },
    },
    "operations": {
        "publishTicks": {
            "action": "send",
            "channel": {"$ref": "#/channels/prices"},
            "messages": [{"$ref": "#/channels/prices/messages/tick"}],
        },
        "beAsked": {
            "action": "receive",
            "channel": {"$ref": "#/channels/prices"},
            "messages": [{"$ref": "#/channels/prices/messages/ask"}],
            "reply": {"messages": [{"$ref": "#/channels/prices/messages/answer"}]},
        },
        "tellNews": {"action": "send", "channel": {"$ref": "#/channels/news"}},
    },
    "components": {
        "messages": {"tick": {"payload": {"$ref": "#/components/schemas/Tick"}}},
        "schemas": {"Tick": {"type": "object", "properties": {"price": {}}}},
    },
}


@pytest.fixture
def feed():
    """A document that may be changed."""
    return copy.deepcopy(FEED)


def read(document, **options):
    """Read a document from its JSON."""
    return read_contract(json.dumps(document), name="feed.json", **options)


def problems(document):
    """Return what is wrong with a document, without the file's name."""
    with pytest.raises(UsageError) as caught:
        read(document)
    return [one.removeprefix("feed.json: ") for one in caught.value.problems]


def names(types):
    """Return the names of messages."""
    return [one.name for one in types]


def test_contract_says_what_the_application_sends_and_receives(feed):
    """A reply goes the other way; without messages, an operation has all."""
    contract = read(feed)
    assert (contract.title, contract.version) == ("Feed", "1.2")
    assert names(contract.sent) == ["tick", "answer", "news.answer"]
    assert names(contract.received) == ["ask"]
    prices, news = contract.channels
    assert (prices.sent, prices.received) == (("tick", "answer"), ("ask",))
    assert news.sent == ("tick", "news.answer")


def test_mirrored_contract_is_the_other_side(feed):
    """What a server sends, its client receives."""
    contract = read(feed).mirrored()
    assert names(contract.received) == ["tick", "answer", "news.answer"]
    assert names(contract.sent) == ["ask"]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/prices/btc-usd", ["tick", "answer"]),
        ("/prices/btc-usd?depth=5", ["tick", "answer"]),
        ("/news/", ["tick", "news.answer"]),
        ("/prices", ["tick", "answer", "news.answer"]),
        ("/prices/a/b", ["tick", "answer", "news.answer"]),
    ],
)
def test_contract_is_cut_to_the_channels_of_a_path(feed, path, sent):
    """A parameter is any one segment; where no address fits, all channels count."""
    assert names(read(feed).at(path).sent) == sent


def test_channel_without_an_address_is_no_path(feed):
    """Its address is only known at run time."""
    feed["channels"]["prices"]["address"] = None
    feed["channels"]["news"].pop("address")
    contract = read(feed)
    assert [one.address for one in contract.channels] == [None, None]
    assert contract.at("/news") == contract


def test_without_operations_each_message_goes_both_ways(feed):
    """Who does not say which way has nothing refused for it."""
    del feed["operations"]
    contract = read(feed)
    assert names(contract.sent) == names(contract.received)
    assert len(contract.sent) == 4


def test_operation_with_no_messages_at_all_moves_none(feed):
    """An empty list is a list."""
    feed["operations"]["publishTicks"]["messages"] = []
    assert names(read(feed).channels[0:1]) == ["prices"]
    assert read(feed).channels[0].sent == ("answer",)


def test_reply_on_another_channel_and_to_a_request_sent(feed):
    """A reply to what the application sends is what it receives."""
    feed["operations"]["publishTicks"]["reply"] = {
        "channel": {"$ref": "#/channels/news"},
        "messages": [{"$ref": "#/channels/news/messages/answer"}],
    }
    assert names(read(feed).received) == ["ask", "news.answer"]


def test_operation_may_name_a_message_where_it_is_defined(feed):
    """It is the same message, by whichever reference."""
    feed["operations"]["publishTicks"]["messages"] = [
        {"$ref": "#/components/messages/tick"}
    ]
    assert read(feed).channels[0].sent == ("tick", "answer")


def test_messages_of_the_same_name_are_kept_apart(feed):
    """Each name leads to one message, however they are called."""
    feed["channels"]["news"]["messages"]["news.answer"] = {"payload": True}
    feed["channels"]["news"]["messages"]["answer'"] = {"payload": True}
    assert len(set(names(read(feed).sent))) == 5
    entries = feed["channels"]["news"]["messages"]
    entries["answer"] = entries.pop("answer")
    assert "news.answer'" in names(read(feed).sent)


@pytest.mark.parametrize(
    ("kind", "content", "unread"),
    [
        ("application/json; charset=utf-8", Content.JSON, ""),
        ("application/vnd.feed+json", Content.JSON, ""),
        ("text/csv", Content.TEXT, ""),
        (
            "application/x-protobuf",
            Content.OPAQUE,
            "content of type application/x-protobuf is not read",
        ),
    ],
)
@pytest.mark.parametrize("where", ["message", "default", "trait"])
def test_content_is_told_by_its_media_type(feed, kind, content, unread, where):
    """Of the message, of one of its traits, or of the whole document."""
    tick = feed["components"]["messages"]["tick"]
    if where == "message":
        tick["contentType"] = kind
        tick["traits"] = [{"contentType": "text/plain"}]
        feed["defaultContentType"] = "text/plain"
    elif where == "default":
        feed["defaultContentType"] = kind
    else:
        tick["traits"] = [{"$ref": "#/components/messageTraits/kind"}, {"$ref": "#"}]
        feed["components"]["messageTraits"] = {"kind": {"contentType": kind}}
    found = read(feed).sent[0]
    assert (found.name, found.content, found.unread) == ("tick", content, unread)
    assert (found.schema is None) == (content is Content.OPAQUE)


@pytest.mark.parametrize(
    ("format", "unread"),
    [
        ("application/vnd.aai.asyncapi;version=3.0.0", ""),
        ("application/vnd.aai.asyncapi+json;version=3.0.0", ""),
        ("application/schema+json;version=draft-07", ""),
        ("application/schema+json", ""),
        ("application/schema+yaml; version=2020-12", ""),
        ("application/schema+json;version=draft-2019-09", ""),
        ("application/schema+json;version=5", "a schema of version 5 is not read"),
        (
            "application/vnd.apache.avro;version=1.9.0",
            "a schema in application/vnd.apache.avro;version=1.9.0 is not read",
        ),
    ],
)
def test_schema_may_be_in_another_format(feed, format, unread):
    """One that is no JSON Schema is not read, and the message says so."""
    feed["components"]["schemas"]["Tick"] = {
        "schemaFormat": format,
        "schema": {"type": "object"},
    }
    found = read(feed).sent[0]
    assert found.unread == unread
    assert (found.schema is None) == bool(unread)


def test_message_without_payload_is_anything(feed):
    """What a document does not describe, nobody checks."""
    feed["components"]["messages"]["tick"] = {}
    assert read(feed).sent[0].schema is None
    assert read(feed).sent[0].unread == ""


def test_payloads_of_a_closed_contract_take_named_keys_alone(feed):
    """An open one lets others by."""
    assert read(feed).sent[0].schema.is_valid({"price": 1, "volume": 1})
    assert (
        not read(feed, closed=True).sent[0].schema.is_valid({"price": 1, "volume": 1})
    )


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            lambda told: told.update(asyncapi="2.6.0"),
            "asyncapi: version 2.6.0 is not read; convert the document to 3.0.0, for "
            "example with `asyncapi convert`",
        ),
        (
            lambda told: told.update(asyncapi=3),
            "asyncapi: version 3 is not read; convert the document to 3.0.0, for "
            "example with `asyncapi convert`",
        ),
        (
            lambda told: told.pop("asyncapi"),
            "not an AsyncAPI document but none; it begins with asyncapi: 3.0.0",
        ),
        (
            lambda told: (told.pop("asyncapi"), told.update(openapi="3.1.0")),
            "not an AsyncAPI document but an OpenAPI document; it begins with "
            "asyncapi: 3.0.0",
        ),
        (
            lambda told: told["info"].pop("version"),
            "info.version: is missing, and has to be a text",
        ),
        (
            lambda told: told.update(channels=[]),
            "channels: has to be an object, not list",
        ),
        (
            lambda told: told["channels"].update(other=5),
            "channels.other: has to be an object",
        ),
        (
            lambda told: told["channels"].update(
                other={"$ref": "channels.json#/other"}
            ),
            "channels.other: $ref 'channels.json#/other' is not in this document, and "
            "nothing is fetched; copy it here and refer to it as #/…",
        ),
        (
            lambda told: told["channels"]["news"].update(adress="/n"),
            "channels.news.adress: there is no such key; did you mean address?",
        ),
        (
            lambda told: told["operations"].update(other=None),
            "operations.other: has to be an object",
        ),
        (
            lambda told: told["operations"]["tellNews"].update(action="sends"),
            "operations.tellNews.action: has to be send or receive, not 'sends'; did "
            "you mean send?",
        ),
        (
            lambda told: told["operations"]["tellNews"].pop("channel"),
            "operations.tellNews.channel: is missing; refer to one, such as "
            "#/channels/NAME",
        ),
        (
            lambda told: told["operations"]["tellNews"].update(
                channel={"$ref": "#/channels/new"}
            ),
            "operations.tellNews.channel: $ref '#/channels/new' leads nowhere; did you "
            "mean news?",
        ),
        (
            lambda told: told["operations"]["tellNews"].update(
                channel={"$ref": "#/info"}
            ),
            "operations.tellNews.channel: refers to what is no channel; refer to "
            "#/channels/NAME",
        ),
        (
            lambda told: told["operations"]["tellNews"].update(messages="tick"),
            "operations.tellNews.messages: has to be a list of references",
        ),
        (
            lambda told: told["operations"]["tellNews"].update(
                messages=[{"$ref": "#/channels/prices/messages/ask"}]
            ),
            "operations.tellNews.messages.0: is no message of channel news",
        ),
        (
            lambda told: told["operations"]["tellNews"].update(
                messages=[{"$ref": "#/channels/news/messages/tack"}]
            ),
            "operations.tellNews.messages.0: $ref '#/channels/news/messages/tack' "
            "leads nowhere; did you mean tick?",
        ),
        (
            lambda told: told["operations"]["beAsked"].update(reply=3),
            "operations.beAsked.reply: has to be an object",
        ),
        (
            lambda told: told["operations"]["beAsked"].update(
                reply={"channel": {"$ref": "#/info"}}
            ),
            "operations.beAsked.reply.channel: refers to what is no channel; refer to "
            "#/channels/NAME",
        ),
        (
            lambda told: told["components"]["messages"].update(tick=1),
            "components.messages.tick: has to be an object",
        ),
        (
            lambda told: told["components"]["messages"]["tick"].update(payload=7),
            "components.messages.tick.payload: has to be a JSON Schema: an object, or "
            "true",
        ),
        (
            lambda told: told["components"]["messages"]["tick"].update(
                payload={"$ref": "#/components/schemas/Tack"}
            ),
            "components.messages.tick.payload: $ref '#/components/schemas/Tack' leads "
            "nowhere; did you mean Tick?",
        ),
        (
            lambda told: told["components"]["schemas"]["Tick"].update(required="price"),
            'components.schemas.Tick: required: "price" is not of type "array"',
        ),
    ],
)
def test_each_mistake_of_a_document_is_told(feed, damage, problem):
    """Where it is, what it is, and what is nearest to it."""
    damage(feed)
    found = problems(feed)
    assert found[0] == problem
    # What follows from it is told too where it stands elsewhere, never twice.
    assert len(found) == len(set(found)) <= 4


def test_all_mistakes_are_told_at_once(feed):
    """From the info down to the schemas."""
    del feed["info"]
    feed["operations"]["tellNews"]["action"] = "tell"
    feed["components"]["schemas"]["Tick"] = {"type": "objekt"}
    feed["channels"]["news"]["messages"]["answer"]["payload"] = {"$ref": "a.yaml"}
    assert [one.partition(":")[0] for one in problems(feed)] == [
        "info.title",
        "info.version",
        "components.schemas.Tick",
        "channels.news.messages.answer.payload",
        "operations.tellNews.action",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("asyncapi: 3.0.0\ninfo:", "YAML is not read; write the document as JSON"),
        ("# The feed\nasyncapi: 3.0.0", "YAML is not read; write the document as JSON"),
        (
            "id: urn:feed\nasyncapi: 3.0.0",
            "YAML is not read; write the document as JSON",
        ),
        (b"---\nasyncapi: 3.0.0", "YAML is not read; write the document as JSON"),
        ("{", "not JSON: "),
        (b"\xff\xfe", "not JSON: "),
        ("", "not JSON: "),
        ("[" * 100_000, "it nests too deep to be read"),
        ("[]", "not an AsyncAPI document but none"),
        ("null", "not an AsyncAPI document but none"),
    ],
)
def test_what_is_no_json_document_is_told_in_one_sentence(text, problem):
    """YAML is named as what it is."""
    with pytest.raises(UsageError) as caught:
        read_contract(text, name="feed.yaml")
    (sentence,) = caught.value.problems
    assert sentence.startswith(f"feed.yaml: {problem}")


def test_hubs_document_is_read():
    """The reference hub's own one, with every message that its page has."""
    contract = read_contract(json.dumps(hub_document("1.0")))
    assert len(contract.sent) == 14
    assert len(contract.received) == 6
    assert contract.at("/ws").channels == contract.channels


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["#/a", "send"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["$ref", "messages", "payload", "channel", "reply", "a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(st.data())
def test_any_document_is_read_or_refused(data):
    """Hostile parts anywhere end in problems, never in another exception."""
    told = copy.deepcopy(FEED)
    node = told
    while isinstance(node, dict) and node and data.draw(st.booleans(), label="deeper"):
        key = data.draw(st.sampled_from(sorted(node)))
        if not isinstance(node[key], dict) or not node[key]:
            break
        node = node[key]
    node[data.draw(st.sampled_from(sorted(node) or ["a"]))] = data.draw(JSON)
    try:
        contract = read(told)
    except UsageError:
        return
    assert contract.sent is not None
