"""The hub dialect."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank import protocol
from wavetank.dialects import (
    Ask,
    Authenticate,
    Call,
    Capability,
    Dialect,
    Documented,
    Event,
    Foreign,
    Heard,
    Hub,
    Malformed,
    Notice,
    Publish,
    Reply,
    StatusPage,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from wavetank.errors import LocalError

LIMITS = (
    '"limits":{"message_bytes":1048576,"payload_bytes":65536,"topics":128,'
    '"commands_per_s":null,"publish_per_s":null,"first_command_ms":10000}'
)
WELCOME = (
    '{"type":"welcome","protocol":"PROTOCOL","connection":"c-7f3k","node":"hub-1",'
    '"version":"0.1.0","ts":1790000000123.4,"auth":"none","ping_interval_ms":20000,'
    f'{LIMITS},"features":["recovery"]}}'
)
STAND = '"topic":"a","epoch":"Kq3v9TzA","seq":57,"tag":"9f3a6c21","oldest":12'
AFTER = '"after":{"seq":41,"tag":"9f3a6c21"}'


@pytest.mark.parametrize(
    ("ask", "command"),
    [
        (Authenticate(id=1, token="t"), {"type": "auth", "id": 1, "token": "t"}),
        (
            Subscribe(id=2, topic="a"),
            {"type": "subscribe", "id": 2, "topic": "a"},
        ),
        (
            Subscribe(id=2, topic="a", epoch="Kq3v9TzA", seq=41),
            {
                "type": "subscribe",
                "id": 2,
                "topic": "a",
                "since": {"epoch": "Kq3v9TzA", "seq": 41},
            },
        ),
        (  # a number without the epoch that it is of is no position
            Subscribe(id=2, topic="a", seq=41),
            {"type": "subscribe", "id": 2, "topic": "a"},
        ),
        (  # and an epoch alone is none either
            Subscribe(id=2, topic="a", epoch="Kq3v9TzA"),
            {"type": "subscribe", "id": 2, "topic": "a"},
        ),
        (
            Unsubscribe(id=3, topic="a"),
            {"type": "unsubscribe", "id": 3, "topic": "a"},
        ),
        (
            Publish(id=4, topic="a", payload='{"x":1}'),
            {"type": "publish", "id": 4, "topic": "a", "data": {"x": 1}},
        ),
    ],
)
def test_hub_dialect_writes_each_ask_as_its_command(
    ask: Ask, command: dict[str, object]
) -> None:
    """Every ask becomes the command of PROTOCOL, which the hub itself can read."""
    text = Hub().encode(ask)
    assert json.loads(text) == command
    assert not isinstance(protocol.decode_command(text), protocol.CommandError)


def test_hub_dialect_publishes_a_payload_as_it_is() -> None:
    """Spacing and digits of the payload reach the hub untouched."""
    payload = '{ "price" : 67123.450 }'
    assert payload in Hub().encode(Publish(id=1, topic="a", payload=payload))


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        (WELCOME.replace("PROTOCOL", "wavetank.v1"), Welcome()),
        (
            WELCOME.replace("PROTOCOL", "wavetank.v9"),
            Welcome(problem="it speaks 'wavetank.v9', not 'wavetank.v1'"),
        ),
        (
            '{"type":"event","topic":"a","seq":58,"ts":1.5,"data":{ "x" : 1.50 }}',
            Event(payload='{ "x" : 1.50 }', topic="a", seq=58),
        ),
        (
            '{"type":"authenticated","id":1,"user":"42","expires_at":null}',
            Reply(id=1, ok=True),
        ),
        (
            f'{{"type":"subscribed","id":2,{STAND},"recovered":true,"reason":null,'
            f"{AFTER}}}",
            Reply(id=2, ok=True, epoch="Kq3v9TzA", seq=57, recovered=True),
        ),
        (
            f'{{"type":"subscribed","id":2,{STAND},"recovered":false,'
            f'"reason":"truncated",{AFTER}}}',
            Reply(
                id=2,
                ok=True,
                epoch="Kq3v9TzA",
                seq=57,
                recovered=False,
                code="truncated",
            ),
        ),
        (
            '{"type":"subscribed","id":2,"topic":"a.*","topics":{}}',
            Reply(id=2, ok=True),
        ),
        ('{"type":"unsubscribed","id":3,"topic":"a"}', Reply(id=3, ok=True)),
        (
            '{"type":"unsubscribed","topic":"a","reason":"forbidden"}',
            Notice(name="unsubscribed", text="a: forbidden"),
        ),
        (
            '{"type":"published","id":4,"topic":"a","epoch":"e","seq":58,'
            '"duplicate":false}',
            Reply(id=4, ok=True, epoch="e", seq=58),
        ),
        (
            f'{{"type":"history","id":5,{STAND},"recovered":null,"reason":null,'
            f'{AFTER},"events":[],"more":false}}',
            Reply(id=5, ok=True),
        ),
        ('{"type":"pong","id":6,"ts_in":1.0,"ts_out":2.0}', Reply(id=6, ok=True)),
        (
            '{"type":"error","id":5,"code":"topic_forbidden","message":"no",'
            '"retryable":false,"fatal":false,"ts":1.0}',
            Reply(id=5, ok=False, code="topic_forbidden", text="no"),
        ),
        (
            '{"type":"error","id":null,"code":"of_tomorrow","message":"",'
            '"retryable":false,"fatal":true,"ts":1.0}',
            Reply(id=None, ok=False, code="of_tomorrow"),
        ),
        (
            '{"type":"gap","topic":"a","from":60,"to":64,"reason":"truncated"}',
            Notice(
                name="gap",
                text="a: 60 to 64, truncated",
                topic="a",
                first=60,
                last=64,
            ),
        ),
        (
            '{"type":"gap","topic":"a","from":1,"to":12,"reason":"epoch_changed",'
            '"epoch":"new","seq":12,"tag":"e0a9f7d5"}',
            Notice(
                name="gap",
                text="a: 1 to 12, epoch_changed",
                topic="a",
                first=1,
                last=12,
                epoch="new",
            ),
        ),
        (
            f'{{"type":"topic","topic":"a.b","epoch":"e",{AFTER}}}',
            Notice(name="topic", text="a.b"),
        ),
        (
            '{"type":"heartbeat","ts":1.0,"tops":{"a":[58,"9f3a6c21"]}}',
            Notice(name="heartbeat"),
        ),
        (
            '{"type":"notice","code":"going_away","deadline_ms":30000}',
            Notice(name="going_away"),
        ),
    ],
)
def test_hub_dialect_knows_each_push_and_reply(message: str, heard: Heard) -> None:
    """Every message of PROTOCOL has its meaning."""
    assert Hub().decode(message) == heard


def test_hub_dialect_hears_a_welcome_that_is_not_one() -> None:
    """A welcome without its fields is a welcome with a problem, not a stranger."""
    heard = Hub().decode('{"type":"welcome","protocol":"wavetank.v1"}')
    assert isinstance(heard, Welcome)
    assert heard.problem


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "[]",
        '{"type":"advert"}',
        '{"type":"event","topic":"a"}',
        '{"type":"pong","id":"x-1","ts_in":1.0,"ts_out":2.0}',  # no id of ours
        "\ud800",
        "[" * 100_000,
    ],
    ids=["word", "array", "unknown", "incomplete", "foreign id", "surrogate", "deep"],
)
def test_hub_dialect_passes_what_it_does_not_know_as_foreign(message: str) -> None:
    """A message without a meaning is evidence, as it came."""
    assert Hub().decode(message) == Foreign(text=message)


def test_hub_dialect_takes_a_binary_message_as_foreign() -> None:
    """The hub sends text only, even where the bytes would be a fine message."""
    assert Hub().decode(b'{"type":"heartbeat"}') == Foreign(
        text='b\'{"type":"heartbeat"}\''
    )


@given(st.text() | st.binary())
def test_hub_dialect_never_raises(message: str | bytes) -> None:
    """Any message at all has some meaning."""
    Hub().decode(message)


@pytest.mark.parametrize("row", Hub().malformed(), ids=lambda row: row.title)
def test_hub_dialect_knows_what_a_malformed_message_is_answered_with(
    row: Malformed,
) -> None:
    """The protocol refuses the message with a code of the row, where it can see it."""
    command = protocol.decode_command(row.message)
    if isinstance(command, protocol.CommandError):
        assert command.code in row.codes
    elif row.codes == ("invalid_topic",):
        assert isinstance(command, protocol.Publish)
        assert protocol.topic_problem(command.topic)
    else:
        assert row.codes == ("not_subscribed",)
        assert isinstance(command, protocol.Unsubscribe)


def test_hub_dialect_sends_few_malformed_messages() -> None:
    """The hub closes after 20 errors in 10 s, so the whole table fits well below."""
    rows = Hub().malformed()
    assert 10 <= len(rows) <= 15
    assert len({row.title for row in rows}) == len(rows)


def test_hub_dialect_has_no_calls() -> None:
    """The hub answers no command with its payload."""
    with pytest.raises(LocalError, match="cannot call"):
        Hub().encode(Call(id=1, payload="1"))


def test_hub_dialect_knows_where_and_what_its_document_is() -> None:
    """A server that speaks as the hub and serves none owes the same messages."""
    hub: Dialect = Hub()
    assert isinstance(hub, Documented)
    assert hub.document == "/asyncapi.json"
    document = json.loads(hub.contract())
    assert document["asyncapi"] == "3.0.0"
    assert {"welcome", "event", "error"} <= set(document["components"]["messages"])


def test_hub_dialect_prompts_with_commands_of_the_protocol() -> None:
    """Each can be read, none is outside the topic, and no id is one that asks have."""
    commands = [protocol.decode_command(one) for one in Hub().prompts("a.b")]
    assert {type(command) for command in commands} == {
        *(protocol.Subscribe, protocol.Publish, protocol.History),
        *(protocol.Ping, protocol.Unsubscribe),
    }
    ids = [command.id for command in commands]
    assert len({*ids}) == len(ids)
    assert all(isinstance(id, int) and id > 1_000_000 for id in ids)
    topics = {getattr(command, "topic", "a.b.new") for command in commands}
    assert topics == {"a.b.new", "a.b.*"}


def test_hub_dialect_claims_everything_but_an_echo_and_calls() -> None:
    """Endpoint, limits and status page are those of PROTOCOL."""
    hub: Dialect = Hub()
    assert hub.capabilities == set(Capability) - {Capability.ECHO, Capability.ANSWER}
    assert hub.endpoint.path == "/ws"
    assert hub.endpoint.subprotocols == ("wavetank.v1",)
    assert (hub.limits.payload, hub.limits.message) == (65536, 1048576)
    assert hub.limits.handshake == 10.0
    assert hub.limits.liveness == 40.0
    assert hub.status == StatusPage(
        path="/api/websocket/status", connections=("connections", "open")
    )
