"""Commands of the wrecks: JSON in, a command or a fault out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.wrecks.commands import MAX_PAYLOAD, Command, Fault, Position, read_command
from wavetank.wrecks.producers import Producer

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_reader_knows_who_publishes() -> None:
    """Where that is said; nothing is as good as not said."""
    text = '{"type":"publish","id":1,"topic":"t","data":1,"producer":%s}'
    known = read_command(text % '{"name":"p","epoch":0,"seq":1}')
    unknown = read_command(text % "null")
    assert isinstance(known, Command)
    assert isinstance(unknown, Command)
    assert known.producer == Producer("p", 0, 1)
    assert unknown.producer is None


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type":"ping","id":1}', Command(type="ping", id=1)),
        (
            '{"type":"subscribe","id":"a","topic":"prices.btc-usd"}',
            Command(type="subscribe", id="a", topic="prices.btc-usd"),
        ),
        (
            '{"type":"subscribe","id":2,"topic":"t","since":"earliest"}',
            Command(type="subscribe", id=2, topic="t", since="earliest"),
        ),
        (
            '{"type":"subscribe","id":2,"topic":"t","since":{"epoch":"e","seq":4}}',
            Command(
                type="subscribe", id=2, topic="t", since=Position(epoch="e", seq=4)
            ),
        ),
        (
            '{"type":"subscribe","id":2,"topic":"t",'
            '"since":{"epoch":"e","seq":4,"tag":"0000001f"}}',
            Command(
                type="subscribe",
                id=2,
                topic="t",
                since=Position(epoch="e", seq=4, tag=31),
            ),
        ),
        (
            '{"type":"unsubscribe","id":3,"topic":"t","more":[]}',
            Command(type="unsubscribe", id=3, topic="t"),
        ),
        (
            ' { "type" : "publish" , "topic" : "t" , "data" : [ 1.50, "\\u00e9" ] } ',
            Command(type="publish", id=None, topic="t", data=b'[ 1.50, "\\u00e9" ]'),
        ),
    ],
)
def test_reader_understands_a_good_command(text: str, command: Command) -> None:
    """A good command is read whole; fields that nobody knows are passed over."""
    assert read_command(text) == command


@pytest.mark.parametrize(
    ("text", "code", "id_"),
    [
        ("", "invalid_json", None),
        ("{", "invalid_json", None),
        ("nonsense", "invalid_json", None),
        ("[]", "invalid_json", None),
        ("{} {}", "invalid_json", None),
        ('{"a":1,}', "invalid_json", None),
        ("{1:2}", "invalid_json", None),
        ('{"type" "ping"}', "invalid_json", None),
        ('{"type":"ping","id":NaN}', "invalid_json", None),
        ('{"data":' + "[" * 200_000, "invalid_json", None),
        ("{}", "invalid_message", None),
        ('{"type":7,"id":1}', "invalid_message", 1),
        ('{"type":"dance","id":1}', "unknown_type", 1),
        ('{"type":"dance","id":[]}', "unknown_type", None),
        ('{"type":"ping"}', "invalid_message", None),
        ('{"type":"ping","id":true}', "invalid_message", None),
        ('{"type":"ping","id":1.5}', "invalid_message", None),
        ('{"type":"ping","id":' + "9" * 5_000 + "}", "invalid_message", None),
        ('{"type":"ping","id":"' + "x" * 37 + '"}', "invalid_message", None),
        ('{"type":"publish","id":[],"topic":"t","data":1}', "invalid_message", None),
        ('{"type":"subscribe","id":1}', "invalid_message", 1),
        ('{"type":"subscribe","id":1,"topic":1}', "invalid_message", 1),
        ('{"type":"subscribe","id":1,"topic":""}', "invalid_topic", 1),
        ('{"type":"subscribe","id":1,"topic":"a..b"}', "invalid_topic", 1),
        ('{"type":"subscribe","id":1,"topic":"a.*"}', "invalid_topic", 1),
        ('{"type":"subscribe","id":1,"topic":"a\\n"}', "invalid_topic", 1),
        (
            '{"type":"subscribe","id":1,"topic":"' + "a" * 256 + '"}',
            "invalid_topic",
            1,
        ),
        ('{"type":"subscribe","id":1,"topic":"t","since":1}', "invalid_message", 1),
        ('{"type":"subscribe","id":1,"topic":"t","since":{}}', "invalid_message", 1),
        (
            '{"type":"subscribe","id":1,"topic":"t","since":{"epoch":"e","seq":-1}}',
            "invalid_message",
            1,
        ),
        (
            '{"type":"subscribe","id":1,"topic":"t",'
            '"since":{"epoch":"e","seq":1,"tag":"x"}}',
            "invalid_message",
            1,
        ),
        (
            '{"type":"subscribe","id":1,"topic":"t","since_time":1}',
            "invalid_message",
            1,
        ),
        ('{"type":"publish","id":1,"topic":"t"}', "invalid_message", 1),
        *(
            (
                f'{{"type":"publish","id":1,"topic":"t","data":1,"producer":{given}}}',
                "invalid_message",
                1,
            )
            for given in (
                "1",
                "{}",
                '{"name":"","epoch":1,"seq":1}',
                '{"name":"p","epoch":-1,"seq":1}',
                '{"name":"p","epoch":true,"seq":1}',
                '{"name":"p","epoch":1}',
                '{"name":"p","epoch":1,"seq":0}',
            )
        ),
        (
            '{"type":"publish","id":1,"topic":"t","data":"' + "x" * MAX_PAYLOAD + '"}',
            "payload_too_large",
            1,
        ),
    ],
)
def test_reader_names_what_is_wrong_with_a_bad_command(
    text: str, code: str, id_: int | None
) -> None:
    """A bad command comes out as the error code of the protocol, and its id."""
    fault = read_command(text)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.id, fault.fatal) == (code, id_, False)


def test_reader_takes_a_payload_at_the_limit() -> None:
    """A payload of exactly the limit is good."""
    data = '"' + "x" * (MAX_PAYLOAD - 2) + '"'
    command = read_command('{"type":"publish","id":1,"topic":"t","data":' + data + "}")
    assert isinstance(command, Command)
    assert len(command.data) == MAX_PAYLOAD


def test_command_makes_a_fault_of_its_own() -> None:
    """A good command that cannot be done is refused under its id."""
    fault = Command(type="ping", id=9).fault("unavailable", "no")
    assert fault == Fault(id=9, code="unavailable", message="no")


@given(JSON, st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]))
def test_reader_keeps_every_payload_byte_for_byte(
    value: object, separators: tuple[str, str]
) -> None:
    """Whatever the payload is, its text is taken as it came."""
    data = json.dumps(value, separators=separators)
    command = read_command('{"data":' + data + ',"type":"publish","topic":"t"}')
    assert isinstance(command, Command)
    assert command.data == data.encode()


@given(st.text())
def test_reader_never_raises(text: str) -> None:
    """Any text at all is a command or a fault."""
    assert isinstance(read_command(text), Command | Fault)
