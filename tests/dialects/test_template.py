"""The template dialect, and the guide that describes it."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.dialects import (
    Answer,
    Ask,
    Authenticate,
    Call,
    Dialect,
    Event,
    Foreign,
    Heard,
    Notice,
    Publish,
    Reply,
    Subscribe,
    Template,
    Unsubscribe,
    Welcome,
    named,
)
from wavetank.errors import LocalError, UsageError

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "describe-your-protocol.md"


def template(toml: str) -> Template:
    """Make a dialect of a TOML text."""
    return Template.parse(tomllib.loads(toml), "w.toml [dialect.x]", name="x")


# The guide: each table is parsed, each conversation is held.


def conversations() -> Iterator[Any]:
    """Yield each table of the guide with the conversation that follows it."""
    text = GUIDE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in blocks] == ["toml", "text"] * (len(blocks) // 2)
    for (_, toml), (_, talk) in zip(blocks[::2], blocks[1::2], strict=True):
        tables = tomllib.loads(toml)["dialect"]
        (name,) = tables
        yield pytest.param(tables, name, talk.splitlines(), id=name)


def asked(line: str) -> Ask:
    """Return the ask of a line such as ``subscribe 2 BTC-USD behind 42``."""
    verb, id, rest = line.split(" ", 2)
    topic, _, more = rest.partition(" ")
    match verb:
        case "authenticate":
            return Authenticate(id=int(id), token=rest)
        case "subscribe":
            seq = int(more.removeprefix("behind ")) if more else None
            return Subscribe(id=int(id), topic=topic, seq=seq)
        case "unsubscribe":
            return Unsubscribe(id=int(id), topic=topic)
        case "call":
            return Call(id=int(id), payload=rest)
    assert verb == "publish"
    return Publish(id=int(id), topic=topic, payload=more)


def in_words(heard: Heard) -> str:
    """Return what the guide says of a message."""
    match heard:
        case Welcome(problem=problem):
            return f"welcome, but {problem}" if problem else "welcome"
        case Notice():
            return heard.name
        case Foreign():
            return "foreign"
        case Answer():
            return f"answer: {heard.payload}"
        case Event():
            topic = f" on {heard.topic}" if heard.topic else ""
            seq = "" if heard.seq is None else f", number {heard.seq}"
            return f"event{topic}{seq}: {heard.payload}"
    assert isinstance(heard, Reply)
    return reply_in_words(heard)


def reply_in_words(heard: Reply) -> str:
    """Return what the guide says of the answer to an ask."""
    whom = "the oldest" if heard.id is None else heard.id
    seq = "" if heard.seq is None else f", number {heard.seq}"
    if heard.ok:
        return f"answer to {whom}: done{seq}"
    return f"answer to {whom}: refused, {heard.code}, {heard.text}"


@pytest.mark.parametrize(("tables", "name", "talk"), [*conversations()])
def test_guide_holds_its_conversations(
    tables: dict[str, Any], name: str, talk: list[str]
) -> None:
    """Every table of the guide does what the conversation below it shows."""
    dialect = named(name, tables)
    sent = said = ""
    for line in talk:
        mark, _, rest = line.partition(" ")
        rest = rest.strip()
        match mark:
            case "can":
                assert ", ".join(sorted(dialect.capabilities)) == rest
            case "ask":
                sent = dialect.encode(asked(rest))
            case ">":
                assert sent == rest
            case "<":
                said = rest
            case _:
                assert mark == "="
                assert in_words(dialect.decode(said)) == rest


def test_guide_describes_five_protocols_beside_the_smallest_one() -> None:
    """A ticker, an exchange made of arrays, a chat with ids, an echo, calls."""
    assert [param.id for param in conversations()] == [
        "feed",
        "ticker",
        "exchange",
        "chat",
        "desk",
        "rpc",
    ]


# The dialect itself.


def test_template_has_the_attributes_of_a_dialect() -> None:
    """What the table says of the endpoint and the limits is the dialect's."""
    dialect: Dialect = template(
        "path = '/x'\nlimits.payload = 7\nevent = {}\n"
        "status = { path = '/s', connections = 'n' }"
    )
    assert (dialect.name, dialect.endpoint.path) == ("x", "/x")
    assert dialect.limits.payload == 7
    assert dialect.status is not None
    assert repr(dialect) == "<Template x: status>"


def test_template_refuses_a_table_with_mistakes() -> None:
    """Parsing raises what is wrong, at its place."""
    with pytest.raises(UsageError, match=r"^w\.toml \[dialect\.x\]: describes no"):
        template("")


@pytest.mark.parametrize(
    ("ask", "send"),
    [
        (Authenticate(id=1, token="t"), "authenticate"),
        (Subscribe(id=1, topic="a"), "subscribe"),
        (Subscribe(id=1, topic="a", seq=0), "resume"),
        (Unsubscribe(id=1, topic="a"), "unsubscribe"),
        (Publish(id=1, topic="a", payload="1"), "publish"),
        (Call(id=1, payload="1"), "call"),
    ],
)
def test_template_refuses_an_ask_that_was_not_described(ask: Ask, send: str) -> None:
    """What the table has no text for cannot be asked, and the error names it."""
    with pytest.raises(LocalError, match=f"the x dialect does not say how to {send}$"):
        template("event = {}").encode(ask)


def test_template_resumes_behind_a_position() -> None:
    """Epoch, the last number seen and the next one can all be said."""
    dialect = template("send.resume = '[{epoch},{seq},{next_seq}]'\nevent = {}")
    ask = Subscribe(id=1, topic="a", epoch="e", seq=41)
    assert dialect.encode(ask) == '["e",41,42]'


def test_template_subscribes_live_when_the_epoch_that_it_needs_is_not_known() -> None:
    """A number without the life it is of is no place to start from."""
    dialect = template(
        "send.resume = '[{epoch},{seq}]'\nsend.subscribe = '[]'\nevent = {}"
    )
    assert dialect.encode(Subscribe(id=1, topic="a", seq=41)) == "[]"


def test_template_without_error_has_no_malformed_messages() -> None:
    """A server that does not answer mistakes is not asked to."""
    assert template("event = {}").malformed() == ()
    titles = [row.title for row in template("error.has = ['e']").malformed()]
    assert titles == ["a text that is not JSON"]


REPLY = "[reply]\nhas = ['ok']\nid = 'id'\nepoch = 'e'\nseq = 'n'\nrecovered = 'r'\n"


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        ('{"ok":1,"id":7}', Reply(id=7, ok=True)),
        ('{"ok":1,"id":"7"}', Reply(id=7, ok=True)),
        ('{"ok":1,"id":"req-7"}', Reply(id=7, ok=True)),
        ('{"ok":1,"id":"seven"}', Reply(id=None, ok=True)),
        ('{"ok":1,"id":true}', Reply(id=None, ok=True)),
        ('{"ok":1,"id":7.5}', Reply(id=None, ok=True)),
        ('{"ok":1}', Reply(id=None, ok=True)),
        ('{"ok":1,"e":"x","n":"41"}', Reply(id=None, ok=True, epoch="x", seq=41)),
        ('{"ok":1,"e":1700,"n":41}', Reply(id=None, ok=True, epoch="1700", seq=41)),
        ('{"ok":1,"r":true}', Reply(id=None, ok=True, recovered=True)),
        ('{"ok":1,"r":false}', Reply(id=None, ok=True, recovered=False)),
        ('{"ok":1,"r":"yes"}', Reply(id=None, ok=True, recovered=None)),
        ('{"ok":null}', Foreign(text='{"ok":null}')),
    ],
)
def test_template_reads_a_reply_however_ids_are_written(
    message: str, heard: Heard
) -> None:
    """Numbers may stand in texts, also behind a prefix; what is no number is none."""
    assert template(REPLY).decode(message) == heard


@pytest.mark.parametrize(
    ("condition", "message", "fits"),
    [
        ("where = { a = 1 }", '{"a":1}', True),
        ("where = { a = 1 }", '{"a":1.0}', True),
        ("where = { a = 1 }", '{"a":true}', False),
        ("where = { a = true }", '{"a":1}', False),
        ("where = { a = true }", '{"a":true}', True),
        ("where = { a = '1' }", '{"a":1}', False),
        ("where = { a = ['x', 'y'] }", '{"a":"y"}', True),
        ("where = { a = ['x', 'y'] }", '{"a":"z"}', False),
        ("where = { a = 1, b = 2 }", '{"a":1,"b":2}', True),
        ("where = { a = 1, b = 2 }", '{"a":1}', False),
        ("where = { a.0.b = 1 }", '{"a":[{"b":1}]}', True),
        ("where = { 0 = 'x' }", '["x"]', True),
        ("where = { 0 = 'x' }", '"x"', False),
        ("has = ['a']", '{"a":0}', True),
        ("has = ['a', 'b']", '{"a":0}', False),
        ("has = ['a']\nlacks = ['b']", '{"a":0,"b":null}', True),
        ("has = ['a']\nlacks = ['b']", '{"a":0,"b":1}', False),
    ],
)
def test_template_recognises_a_message_by_all_of_its_conditions(
    condition: str, message: str, *, fits: bool
) -> None:
    """Every field has to be as described; true is not 1, and null is nothing."""
    heard = template(f"[heartbeat]\n{condition}").decode(message)
    assert heard == (Notice(name="heartbeat") if fits else Foreign(text=message))


def test_template_shows_the_words_of_a_heartbeat() -> None:
    """The journal gets what the message says."""
    dialect = template("heartbeat = { has = ['up'], text = 'up' }")
    assert dialect.decode('{"up":[1, 2]}') == Notice(name="heartbeat", text="[1, 2]")


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        ('{"t":"a","n":1,"d":{}}', Event(payload="{}", topic="a", seq=1)),
        ('{"t":"a","n":1,"d":null}', Event(payload="null", topic="a", seq=1)),
        ('{"t":5,"n":1,"d":"x"}', Event(payload='"x"', topic="5", seq=1)),
        # without its number it is an event still: a checker will say what is wrong
        ('{"t":"a","d":1e400}', Event(payload="1e400", topic="a", seq=None)),
        ('{"t":"a","n":1}', None),
        ('{"n":1,"d":{}}', None),
        ('{"t":null,"n":1,"d":{}}', None),
        ("[]", None),
        ("null", None),
    ],
)
def test_template_takes_an_event_without_payload_or_topic_as_foreign(
    message: str, heard: Heard | None
) -> None:
    """An event needs what makes it one, where the table says it is."""
    dialect = template("[event]\ntopic = 't'\nseq = 'n'\npayload = 'd'")
    assert dialect.decode(message) == (heard or Foreign(text=message))


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        ('{"d":"a\\nb"}', Event(payload="a\nb")),
        ('{"d":5}', Foreign(text='{"d":5}')),
        ("{}", Foreign(text="{}")),
    ],
)
def test_template_takes_a_payload_out_of_its_string(message: str, heard: Heard) -> None:
    """Where the payload is said to be a string, anything else is no event."""
    dialect = template("[event]\npayload = 'd'\npayload_is = 'string'")
    assert dialect.decode(message) == heard


def test_template_takes_the_whole_message_where_no_payload_is_described() -> None:
    """A single feed of bare values is described by an empty table, null included."""
    dialect = template("event = {}")
    assert dialect.decode(' {"a": 1} ') == Event(payload='{"a": 1}')
    assert dialect.decode("null") == Event(payload="null")


def test_template_takes_a_binary_message_as_foreign() -> None:
    """A JSON protocol is spoken in text messages."""
    assert template("event = {}").decode(b"{}") == Foreign(text="b'{}'")


@pytest.mark.parametrize(
    ("payload_is", "message", "heard"),
    [
        ("json", '{"r":{"a": 1}}', Answer(payload='{"a": 1}')),
        ("json", '{"q":1}', Foreign(text='{"q":1}')),
        ("string", '{"r":"a"}', Answer(payload="a")),
        ("string", '{"r":7}', Foreign(text='{"r":7}')),
    ],
)
def test_template_reads_the_answer_to_a_call(
    payload_is: str, message: str, heard: Heard
) -> None:
    """The payload is taken as it came, or out of its string."""
    toml = f"[answer]\nhas = ['r']\npayload = 'r'\npayload_is = '{payload_is}'"
    assert template(toml).decode(message) == heard


@pytest.mark.parametrize("message", ["Hello", "{", '{"a":1}', ""])
def test_template_of_an_echo_takes_what_no_rule_fits_for_one(message: str) -> None:
    """What the rules know is no echo; all else is, whatever it looks like."""
    echo = template("capabilities = ['echo']\nheartbeat.has = ['up']")
    assert echo.encode(Publish(id=1, topic="", payload=message)) == message
    assert echo.decode(message) == Event(payload=message)
    assert echo.decode(b"\x00") == Event(payload="b'\\x00'")
    assert echo.decode('{"up":1}') == Notice(name="heartbeat")


EVERYTHING = """
welcome = { has = ["a"], requires = ["b"] }
heartbeat = { where = { a = 1 }, text = "b" }
error = { has = ["b"], id = "a", code = "b", text = "0" }
reply = { lacks = ["b"], has = ["0"], id = "0", seq = "0", recovered = "a" }
event = { topic = "a.0", seq = "b", payload = "-1", payload_is = "string" }
"""


@given(st.text() | st.binary())
def test_template_never_raises_on_a_strange_message(message: str | bytes) -> None:
    """Any message at all has some meaning."""
    template(EVERYTHING).decode(message)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner)
    ),
)


@given(VALUES)
def test_template_never_raises_on_strange_json(value: object) -> None:
    """Values of every type may stand where another one was described."""
    template(EVERYTHING).decode(json.dumps(value))


@pytest.mark.parametrize("message", ["[" * 500_000, '{"a":' * 100_000, "\ud800"])
def test_template_takes_what_cannot_be_read_as_foreign(message: str) -> None:
    """Nesting without end and broken Unicode crash nothing."""
    assert template(EVERYTHING).decode(message) == Foreign(text=message)
