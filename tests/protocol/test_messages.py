"""Bytes to messages and back: payloads untouched, nothing raised, times turned."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wavetank.protocol import (
    COMMANDS,
    MAX_NESTING,
    MAX_SEQ,
    PROTOCOL,
    PUSHES,
    REPLIES,
    After,
    Auth,
    Authenticated,
    CommandError,
    Entry,
    Error,
    ErrorCode,
    Event,
    Gap,
    Heartbeat,
    History,
    HistoryPage,
    Limits,
    MaxRate,
    Notice,
    Ping,
    Pong,
    Position,
    Producer,
    Publish,
    Published,
    Start,
    Subscribe,
    Subscribed,
    SubscribedPattern,
    TopicAdded,
    Unknown,
    Unsubscribe,
    Unsubscribed,
    Welcome,
    decode_command,
    decode_publish,
    decode_push,
    encode_command,
    encode_event,
    encode_payload,
    encode_push,
    encode_reply,
    event_head,
    messages,
)

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"

# Every message that there can be.

CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=20)
NAMES = st.text(CHARACTERS, min_size=1, max_size=36)
IDS = st.integers(-MAX_SEQ, MAX_SEQ) | st.text(CHARACTERS, max_size=36)
COUNTS = st.integers(0, MAX_SEQ)
TAGS = st.integers(0, 2**32 - 1).map("{:08x}".format)
TIMES = st.integers(0, 4 * 10**15).map(lambda micro: micro / 1000 / 1000)
"""Seconds up to the year 2096, to the microsecond, as the wire would give them."""
POSITIONS = st.builds(Position, NAMES, COUNTS, st.none() | TAGS)
AFTERS = st.builds(After, COUNTS, TAGS)
RAWS = st.sampled_from(["null", "1.0", '{"a": 1,"a":2}', '"\\u00e9 é"', "[1E+2]"]).map(
    lambda text: msgspec.Raw(text.encode())
)
REASONS = st.none() | TEXTS
START = {
    "epoch": NAMES,
    "seq": COUNTS,
    "tag": TAGS,
    "oldest": COUNTS,
    "recovered": st.none() | st.booleans(),
    "reason": REASONS,
    "after": AFTERS,
}
LIMITS = st.builds(
    Limits,
    message_bytes=st.none() | COUNTS,
    payload_bytes=st.none() | COUNTS,
    topics=st.none() | COUNTS,
    commands_per_s=st.none() | st.floats(0, 1e9),
    publish_per_s=st.none() | st.floats(0, 1e9),
    first_command=st.none() | TIMES,
)
DELIVERIES = st.sampled_from(["all", "latest"]) | st.builds(
    MaxRate, max_rate=st.floats(0.001, 1_000_000)
)
PRODUCERS = st.builds(Producer, name=NAMES, epoch=COUNTS, seq=st.integers(1, MAX_SEQ))

COMMAND = st.one_of(
    st.builds(Auth, id=IDS, token=TEXTS),
    st.builds(Subscribe, id=IDS, topic=st.just("a.b"), deliver=DELIVERIES),
    st.builds(
        Subscribe, id=IDS, topic=TEXTS.filter(lambda t: "*" not in t), since=POSITIONS
    ),
    st.builds(Subscribe, id=IDS, topic=TEXTS, since=st.just("earliest")),
    st.builds(Subscribe, id=IDS, topic=TEXTS, since_time=TIMES),
    st.builds(
        Subscribe,
        id=IDS,
        topic=st.just("a.**"),
        since_each=st.dictionaries(TEXTS, POSITIONS, max_size=3),
    ),
    st.builds(Unsubscribe, id=IDS, topic=TEXTS),
    st.builds(
        Publish,
        topic=TEXTS,
        data=RAWS,
        id=st.none() | IDS,
        key=st.none() | NAMES,
    ),
    st.builds(Publish, topic=TEXTS, data=RAWS, producer=PRODUCERS),
    st.builds(History, id=IDS, topic=TEXTS, since=st.none() | POSITIONS, limit=COUNTS),
    st.builds(History, id=IDS, topic=TEXTS, since_time=TIMES),
    st.builds(Ping, id=IDS),
)
REPLY = st.one_of(
    st.builds(Authenticated, id=IDS, user=TEXTS, expires_at=st.none() | TIMES),
    st.builds(Subscribed, id=IDS, topic=TEXTS, **START),
    st.builds(
        SubscribedPattern,
        id=IDS,
        topic=TEXTS,
        topics=st.dictionaries(TEXTS, st.builds(Start, **START), max_size=3),
    ),
    st.builds(Unsubscribed, id=IDS, topic=TEXTS),
    st.builds(
        Published,
        id=st.none() | IDS,
        topic=TEXTS,
        epoch=NAMES,
        seq=st.none() | COUNTS,
        duplicate=st.booleans(),
    ),
    st.builds(
        HistoryPage,
        id=IDS,
        topic=TEXTS,
        events=st.lists(st.builds(Entry, seq=COUNTS, at=TIMES, data=RAWS), max_size=3),
        more=st.booleans(),
        **START,
    ),
    st.builds(Pong, id=IDS, received_at=TIMES, sent_at=TIMES),
)
PUSH = st.one_of(
    st.builds(
        Welcome,
        protocol=st.just(PROTOCOL),
        connection=TEXTS,
        node=TEXTS,
        version=TEXTS,
        at=TIMES,
        auth=st.sampled_from(["none", "required", "accepted"]),
        ping_interval=TIMES,
        limits=LIMITS,
        features=st.lists(TEXTS, max_size=3),
    ),
    st.builds(
        Event,
        topic=TEXTS,
        seq=COUNTS,
        prev=st.none() | COUNTS,
        tag=st.none() | TAGS,
        at=TIMES,
        data=RAWS,
    ),
    st.builds(TopicAdded, topic=TEXTS, epoch=NAMES, after=AFTERS),
    st.builds(
        Gap,
        topic=TEXTS,
        first=COUNTS,
        last=COUNTS,
        reason=TEXTS,
        tag=st.none() | TAGS,
        epoch=st.none() | NAMES,
        seq=st.none() | COUNTS,
    ),
    st.builds(
        Heartbeat,
        at=TIMES,
        tops=st.dictionaries(TEXTS, st.tuples(COUNTS, TAGS), max_size=3),
    ),
    st.builds(
        Notice,
        code=TEXTS,
        deadline=st.none() | TIMES,
        reconnect_after=st.none() | TIMES,
    ),
    st.builds(
        Error,
        id=st.none() | IDS,
        code=TEXTS,
        message=TEXTS,
        retryable=st.booleans(),
        fatal=st.booleans(),
        at=TIMES,
        path=REASONS,
        topic=REASONS,
        bucket=REASONS,
        retry_after=st.none() | TIMES,
        expected=st.none() | COUNTS,
        supported=st.none() | st.lists(TEXTS, max_size=2),
        ref=REASONS,
    ),
    st.builds(Unsubscribed, topic=TEXTS, reason=REASONS),
)

# Every way to write JSON.

SPACE = st.text(" \t\r\n", max_size=2)
NUMBERS = st.sampled_from(
    ["0", "-0", "1.0", "1.10", "1e3", "1E+3", "-12.50", "1e999", "9" * 400, "0.1e-7"]
)
STRINGS = st.builds(
    lambda text, ascii: json.dumps(text, ensure_ascii=ascii),
    st.text(CHARACTERS, max_size=8),
    st.booleans(),
) | st.sampled_from([r'"\/"', r'"A"', r'"😀"', r'"\\\""', '"[{"'])


def arrays(parts):
    """Write arrays with any spacing."""
    items = st.lists(st.builds("{}{}{}".format, SPACE, parts, SPACE), max_size=4)
    return items.map(lambda texts: f"[{','.join(texts)}]")


def objects(parts):
    """Write objects with any spacing and with keys that may repeat."""
    keys = st.sampled_from(['"a"', '"type"', '"id"', '"data"']) | STRINGS
    item = st.builds("{}{}{}:{}{}{}".format, SPACE, keys, SPACE, SPACE, parts, SPACE)
    return st.lists(item, max_size=4).map(lambda texts: f"{{{','.join(texts)}}}")


JSON = st.recursive(
    st.sampled_from(["null", "true", "false"]) | NUMBERS | STRINGS,
    lambda parts: arrays(parts) | objects(parts),
    max_leaves=12,
)


def nested(depth):
    """Write arrays and objects in each other, so deep."""
    pairs = [("[", "]"), ('{"[\\"":', "}")]
    heads = "".join(pairs[level % 2][0] for level in range(depth - 1))
    tails = "".join(pairs[level % 2][1] for level in reversed(range(depth - 1)))
    return f"{heads}[]{tails}"


def depth_of(value):
    """Count how deep a value nests, the obvious way."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return 0
    return 1 + max(map(depth_of, value), default=0)


# Payloads.


@given(JSON, SPACE)
def test_a_publish_keeps_its_payload_byte_for_byte(payload, space):
    """Spelling of numbers, key order, doubled keys, spacing and escapes survive."""
    text = f'{{"type":"publish","data":{space}{payload}{space},"topic":"a"}}'
    told = decode_command(text)
    assert isinstance(told, Publish)
    assert told.payload == payload.encode()
    assert decode_command(text.encode()).payload == payload.encode()


@given(JSON, st.none() | COUNTS)
def test_an_event_keeps_its_payload_byte_for_byte(payload, prev):
    """What was published is what a subscriber reads, with or without a jump."""
    text = encode_event(
        event_head("a"), 7, b"1.000", payload.encode(), prev=prev, tag="0badcafe"
    )
    told = decode_push(text)
    assert isinstance(told, Event)
    assert told.payload == payload.encode()
    assert (told.prev, told.tag) == (prev, None if prev is None else "0badcafe")
    # json refuses no number but reads long ones as integers only up to its limit.
    assert json.loads(text)["seq"] == 7


@given(JSON)
def test_a_page_of_history_keeps_payloads_byte_for_byte(payload):
    """Past events are written as they came, too."""
    entry = Entry(seq=1, at=0.0, data=msgspec.Raw(payload.encode()))
    after = After(0, "00000000")
    start = Start(
        epoch="e",
        seq=1,
        tag="00000000",
        oldest=1,
        recovered=None,
        reason=None,
        after=after,
    )
    page = HistoryPage(
        id=1, topic="a", events=[entry], more=False, **msgspec.structs.asdict(start)
    )
    assert payload.encode() in encode_reply(page)


def test_a_payload_survives_its_receive_buffer():
    """A buffer that is used again does not reach into a command that was read."""
    buffer = bytearray(b'{"type":"publish","topic":"a","data":[1,2]}')
    told = decode_command(buffer)
    buffer[:] = b"x" * len(buffer)
    assert told.payload == b"[1,2]"
    event = bytearray(b'{"type":"event","topic":"a","seq":1,"ts":1,"data":[1,2]}')
    heard = decode_push(event)
    event[:] = b"x" * len(event)
    assert heard.payload == b"[1,2]"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("subscribe", ("since", "since_time", "since_each", "deliver")),
        ("history", ("since", "since_time", "limit")),
    ],
)
def test_an_optional_field_that_is_null_counts_as_left_out(kind, fields):
    """``"deliver":null`` and ``"limit":null`` were refused."""
    nulls = "".join(f',"{name}":null' for name in fields)
    text = f'{{"type":"{kind}","id":1,"topic":"a"{nulls}}}'
    command = decode_command(text)
    assert not isinstance(command, CommandError)
    assert all(getattr(command, name) is None for name in fields)


def test_null_is_a_payload_and_nothing_is_not():
    """A missing ``data`` is a mistake, ``"data":null`` is meant."""
    told = decode_command(b'{"type":"publish","topic":"a","data":null}')
    assert told.payload == b"null"
    told = decode_command(b'{"type":"publish","topic":"a"}')
    assert (told.code, told.path) == (ErrorCode.INVALID_MESSAGE, "data")


@pytest.mark.parametrize("depth", [MAX_NESTING - 1, MAX_NESTING, MAX_NESTING + 1, 200])
def test_a_payload_may_nest_as_deep_as_every_reader_goes(depth):
    """60 levels are accepted, 61 are refused, brackets in strings do not count."""
    text = f'{{"type":"publish","id":1,"topic":"a","data":{nested(depth)}}}'
    told = decode_command(text)
    if depth <= MAX_NESTING:
        assert told.payload == nested(depth).encode()
    else:
        assert told == CommandError(
            code=ErrorCode.INVALID_MESSAGE,
            message="nested too deeply",
            path="data",
            id=1,
        )


@given(
    st.recursive(
        st.none() | st.text('[]{}"\\', max_size=5),
        lambda parts: st.lists(parts, max_size=3) | st.dictionaries(TEXTS, parts),
        max_leaves=30,
    ),
    st.integers(40, 70),
)
def test_nesting_is_counted_as_the_obvious_way_counts(value, wrappers):
    """Runs of brackets and rounds of pairs give the depth of the value."""
    for _ in range(wrappers):
        value = [value, []]
    payload = json.dumps(value).encode()
    assert messages._is_deep(payload) == (depth_of(value) > MAX_NESTING)


def test_a_hundred_thousand_levels_are_an_answer():
    """Nesting that no reader could follow is refused without a crash."""
    for data in ("[" * 100_000 + "]" * 100_000, "[" * 100_000, '{"a":' * 100_000):
        for before in (
            '{"type":"publish","topic":"a","data":',
            '{"type":"ping","id":1,"ignored":',
            '{"type":"ping","id":[],"ignored":',
        ):
            told = decode_command(f"{before}{data}}}")
            assert told.code is ErrorCode.INVALID_MESSAGE
            assert told.message == "nested too deeply"
        for before in (
            '{"type":"event","topic":"a","seq":1,"ts":1,"data":',
            '{"type":"pong","id":[],"ignored":',
        ):
            assert isinstance(decode_push(f"{before}{data}}}"), Unknown)


def test_encode_payload_writes_what_a_publish_accepts():
    """A publisher in the same process gets the same payload as one on the wire."""
    payload = encode_payload({"price": 67123.45, "bids": [[1, 2]], "no": float("nan")})
    assert payload == b'{"price":67123.45,"bids":[[1,2]],"no":null}'


def test_encode_payload_refuses_what_a_publish_refuses():
    """Too deep, not JSON, not Unicode: the same bounds as on the wire."""
    value = []
    for _ in range(MAX_NESTING):
        value = [value]
    with pytest.raises(ValueError, match="nested more than 60 deep"):
        encode_payload(value)
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        encode_payload(value)
    with pytest.raises(TypeError):
        encode_payload(object())
    with pytest.raises(ValueError, match="surrogates"):
        encode_payload("\ud800")


# Round trips.


@given(COMMAND)
def test_commands_survive_the_wire(command):
    """A hub reads the command that a client wrote, times included."""
    assert decode_command(encode_command(command)) == command


@given(REPLY)
def test_replies_survive_the_wire(reply):
    """A client reads the reply that a hub wrote, times included."""
    assert decode_push(encode_reply(reply)) == reply


@given(PUSH)
def test_pushes_survive_the_wire(push):
    """A client reads the push that a hub wrote, times included."""
    assert decode_push(encode_push(push)) == push


@given(COMMAND | REPLY | PUSH, st.dictionaries(NAMES, TEXTS, max_size=3))
def test_unknown_fields_are_ignored_by_both_sides(message, more):
    """A field of a later version changes nothing."""
    decode = decode_command if isinstance(message, COMMANDS) else decode_push
    text = encode_push(message)
    extra = {f"x-{name}": value for name, value in more.items()}
    longer = text[:-1] + b"," + json.dumps(extra).encode()[1:] if extra else text
    assert decode(longer) == message


# Times.


def test_times_are_milliseconds_on_the_wire():
    """Seconds in the values become milliseconds, to the microsecond."""
    pong = Pong(id=6, received_at=1_790_000_000.123456, sent_at=1_790_000_000.1235)
    assert encode_reply(pong) == (
        b'{"type":"pong","id":6,"ts_in":1790000000123.456,"ts_out":1790000000123.5}'
    )
    notice = Notice(code="going_away", deadline=30.0, reconnect_after=4.12)
    assert encode_push(notice) == (
        b'{"type":"notice","code":"going_away",'
        b'"deadline_ms":30000,"reconnect_after_ms":4120}'
    )


def test_every_time_of_the_wire_is_turned():
    """No field whose name says milliseconds or a moment is forgotten in the table."""
    structs = (*COMMANDS, *REPLIES, *PUSHES, Limits, Entry)
    pattern = re.compile(r"ts|ts_\w+|\w+_ms|since_time|\w+_at")
    for struct in structs:
        pairs = zip(
            struct.__struct_fields__, struct.__struct_encode_fields__, strict=True
        )
        timed = {name for name, wire in pairs if pattern.fullmatch(wire)}
        assert timed == set(messages._TIMES.get(struct, ())), struct


# Hostile input.

FRAGMENTS = st.sampled_from(
    [
        *(
            '{"type":"publish"',
            '{"type":"subscribe"',
            '"id":1',
            '"data":',
            '"topic":"a"',
        ),
        *('"since":', '"since_each":', '"deliver":', '"event"', '"\\ud800"', "\ud800"),
        *(
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            '"',
            "\\",
            "-",
            "NaN",
            "1e999",
            "\x00",
            "\ufeff",
        ),
    ]
)
HOSTILE = (
    st.binary(max_size=60)
    | st.text(max_size=60)
    | st.text(st.characters(), max_size=60)
    | st.lists(FRAGMENTS, max_size=20).map("".join)
    | COMMAND.map(encode_command).flatmap(
        lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut])
    )
)


@given(HOSTILE)
@example("\ud800")
@example(b"\xff")
@example(b'{"type":"ping","id":1}x')
def test_reading_never_raises(text):
    """Whatever comes is a value: a message, or what is wrong with it."""
    told = decode_command(text)
    assert isinstance(told, (*COMMANDS, CommandError))
    assert isinstance(decode_publish(text), (Publish, CommandError))
    assert isinstance(decode_push(text), (*REPLIES, *PUSHES, Unknown))
    if isinstance(told, CommandError):
        assert told.message
        assert len(told.message) <= 200


@given(JSON)
def test_json_that_is_no_command_is_answered(text):
    """Valid JSON is never called invalid, unless it has something JSON lacks."""
    told = decode_command(text)
    assert isinstance(told, CommandError)
    assert told.code in {ErrorCode.INVALID_MESSAGE, ErrorCode.UNKNOWN_TYPE}
    assert (told.code is ErrorCode.INVALID_MESSAGE) or text.startswith("{")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"type":"ping","id":1',
        '{"type":"ping","id":1} {}',
        '{"type":"ping","id":1,}',
        "{'type':'ping'}",
        '\ufeff{"type":"ping","id":1}',
        '{"type":"ping","id":NaN}',
        '{"type":"publish","topic":"a","data":NaN}',
        '{"type":"publish","topic":"a","data":[Infinity]}',
        '{"type":"publish","topic":"a","data":-}',
        '{"type":"publish","topic":"a","data":01}',
        '{"type":"publish","topic":"a","data":"\\ud800"}',
        '{"type":"publish","topic":"a","data":"\\udc00 and more text behind it"}',
        '{"type":"publish","topic":"a","data":"\ud800"}',
        '{"type":"publish","topic":"a","data":"\n"}',
        '{"type":"publish","topic":"a","data":}',
        b'{"type":"publish","topic":"a","data":"\xff"}',
        b'{"type":"ping","id":1,"ignored":"\xc0\xaf"}',
        b'{"type":5,"id":1,',
    ],
)
def test_what_is_not_json_is_invalid_json(text):
    """Broken, cut, not UTF-8, or with words that JSON lacks; it has no id either."""
    told = decode_command(text)
    assert (told.code, told.id, told.path) == (ErrorCode.INVALID_JSON, None, "")


@pytest.mark.parametrize(
    ("text", "code", "path", "id", "message"),
    [
        ("[]", "invalid_message", "", None, "the message is not an object"),
        ("1", "invalid_message", "", None, "the message is not an object"),
        ("{}", "invalid_message", "type", None, "type: missing"),
        ('{"id":4}', "invalid_message", "type", 4, "type: missing"),
        ('{"type":5,"id":4}', "invalid_message", "type", 4, "type: expected string"),
        ('{"type":"x","id":4}', "unknown_type", "type", 4, "no command is called 'x'"),
        ('{"type":"event"}', "unknown_type", "type", None, "no command is called"),
        (
            '{"type":"auth","type":"ping","id":4}',
            "invalid_message",
            "type",
            4,
            "type: invalid value 'ping'",
        ),
        ('{"type":"ping"}', "invalid_message", "id", None, "id: missing"),
        ('{"type":"ping","id":null}', "invalid_message", "id", None, "id: expected"),
        ('{"type":"ping","id":1.5}', "invalid_message", "id", None, "id: expected"),
        ('{"type":"x","id":[4]}', "unknown_type", "type", None, "no command is"),
        (
            '{"type":"unsubscribe","id":"q","topic":7}',
            "invalid_message",
            "topic",
            "q",
            "topic: expected string, got integer",
        ),
        (
            '{"type":"subscribe","id":4,"topic":"a","since":{"seq":1}}',
            "invalid_message",
            "since.epoch",
            4,
            "since.epoch: missing",
        ),
        (
            '{"type":"subscribe","id":4,"topic":"a","since":"latest"}',
            "invalid_message",
            "since",
            4,
            "since: invalid enum value 'latest'",
        ),
        (
            '{"type":"subscribe","id":4,"topic":"a.*","since_each":{"a.b":true}}',
            "invalid_message",
            "since_each[...]",
            4,
            "since_each[...]: expected object, got boolean",
        ),
        (
            '{"type":"subscribe","id":4,"topic":"a.*","since":{"epoch":"e","seq":1}}',
            "invalid_message",
            "since",
            4,
            "since: a pattern has no one position; use since_each",
        ),
        (
            '{"type":"publish","id":4,"topic":"a","data":1,"key":""}',
            "invalid_message",
            "key",
            4,
            "key: expected string of length >= 1",
        ),
    ],
)
def test_what_is_not_a_command_says_why(text, code, path, id, message):
    """The answer names the kind of mistake, the field, and the id where it can."""
    told = decode_command(text)
    assert (told.code, told.path, told.id) == (code, path, id)
    assert told.message.startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"%s","id":1}' % ("x" * 100_000),
        '{"type":"subscribe","id":1,"topic":"a","since":"%s"}' % ("`" * 100_000),
        '{"type":"subscribe","id":1,"topic":"a","since":"%s"}' % (" - at `$" * 10_000),
        '{"type":"ping","id":1,"id":"%s"}' % ("9" * 100_000),
        '{"type":"ping","id":%s}' % ("9" * 100_000),
    ],
)
def test_an_answer_never_quotes_much(text):
    """What a stranger sent cannot make the answer long."""
    told = decode_command(text)
    assert isinstance(told, CommandError)
    assert len(told.message) <= 200


def test_repeated_fields_count_with_their_last_value():
    """Doubled keys of one type are no mistake."""
    told = decode_command(b'{"type":"ping","id":1,"type":"ping","id":2}')
    assert told == Ping(id=2)


def test_a_publish_without_id_may_say_so():
    """A missing id and a null one are the same: fire and forget."""
    assert (
        decode_command(b'{"type":"publish","topic":"a","data":1,"id":null}').id is None
    )
    assert decode_command(b'{"type":"publish","topic":"a","data":1}').id is None


def test_decode_publish_reads_a_body_without_type():
    """Over HTTP the path says what is meant; any other type is refused."""
    told = decode_publish(b'{"topic":"a","data": 1.0 }')
    assert told.payload == b"1.0"
    assert decode_publish(b'{"type":"publish","topic":"a","data":1}').topic == "a"
    told = decode_publish(b'{"type":"ping","id":1}')
    assert (told.code, told.path) == (ErrorCode.INVALID_MESSAGE, "type")


# What a client hears.


@pytest.mark.parametrize(
    ("text", "type", "problem"),
    [
        (b'{"type":"weather","id":1}', "weather", "type: invalid value 'weather'"),
        (b'{"hello":1}', "", "type: missing"),
        (b'{"type":1}', "", "type: expected string"),
        (b"[]", "", "not a JSON object"),
        (b"hello", "", "not JSON: invalid character (byte 0)"),
        (b"\xff", "", "not UTF-8"),
        ("\ud800", "", "not UTF-8"),
        (b'{"type":"event","topic":"a","seq":1,"ts":2}', "event", "data: missing"),
        (b'{"type":"subscribed","id":1,"topic":"a","topics":[]}', "subscribed", ""),
        (b'{"type":"event","topic":"a","seq":"1"}', "event", "seq: expected integer"),
    ],
)
def test_what_a_client_does_not_know_is_a_value(text, type, problem):
    """An unknown message says its type, keeps its text and tells what is wrong."""
    told = decode_push(text)
    assert isinstance(told, Unknown)
    assert told.type == type
    assert told.problem.startswith(problem)
    assert told.problem
    assert told.text == (text if isinstance(text, bytes) else b"?")


# The documentation.


def blocks(heading):
    """Return the messages of one section's block: (from the hub, text)."""
    section = PAGE.read_text("utf-8").split(f"## {heading}")[1].split("\n## ")[0]
    (block,) = re.findall(r"```jsonc\n(.*?)```", section, re.DOTALL)
    decoder, place = json.JSONDecoder(), 0
    while found := re.compile(r"\s*(→?)\s*(?=\S)").match(block, place):
        _, place = decoder.raw_decode(block, found.end())
        yield bool(found[1]), block[found.end() : place]


def same(message, text):
    """Compare a message, written again, with its text, whatever the spacing."""
    return json.loads(encode_push(message)) == json.loads(text)


def test_every_command_and_reply_of_the_documentation_can_be_read():
    """The page's examples are what they claim to be, and nothing in them is ignored."""
    seen = set()
    for from_hub, text in blocks("Commands"):
        told = decode_push(text) if from_hub else decode_command(text)
        assert isinstance(told, REPLIES if from_hub else COMMANDS), (text, told)
        assert same(told, text), text
        seen.add(type(told))
    assert seen == {*COMMANDS, *REPLIES}


def test_every_push_of_the_documentation_can_be_read():
    """The page's examples are what they claim to be, and nothing in them is ignored."""
    seen = set()
    for _, text in blocks("Pushes"):
        told = decode_push(text)
        assert isinstance(told, (*PUSHES, Unsubscribed)), (text, told)
        assert same(told, text), text
        seen.add(type(told))
    assert seen == {*PUSHES, Unsubscribed}


def test_the_page_names_the_limits_that_the_code_has():
    """Nesting and the subprotocol are the same on the page and in the code."""
    page = PAGE.read_text("utf-8")
    assert f"`data` nests at most {MAX_NESTING} deep" in page
    assert f"`{PROTOCOL}`" in page


def test_payload_that_is_too_large_is_not_looked_at_for_its_depth() -> None:
    """It is refused for its size, which costs nothing to see."""
    deep = b'{"type":"publish","topic":"t","data":' + b"[" * 99 + b"]" * 99 + b"}"
    assert isinstance(decode_command(deep), CommandError)
    assert isinstance(decode_command(deep, 198), CommandError)
    assert isinstance(decode_command(deep, 197), Publish)
