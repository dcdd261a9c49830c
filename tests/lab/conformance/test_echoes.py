"""Ways to get a text back: what goes around it, what comes of it, what cannot be."""

import json

import pytest

from wavetank.dialects import (
    Bare,
    Capability,
    Echo,
    Hub,
    Limits,
    Template,
)
from wavetank.lab.conformance.case import (
    Binary,
    Case,
    Chopped,
    Frame,
    HalfClose,
    Heard,
    Need,
    Outcome,
    Pause,
    Raw,
    Step,
    Text,
    binary,
    close,
    continuation,
    frames_of,
    ping,
    text,
)
from wavetank.lab.conformance.echoes import (
    Dialogue,
    Mirror,
    Nowhere,
    Post,
    Way,
    reason_to_skip,
    way_of,
    wrapped,
)

TOPIC = "wavetank.conformance"
BEFORE = (
    b'{"type":"publish","topic":"wavetank.conformance","data":"wavetank.conformance '
)
BEHIND = b'","id":1}'
ALL = frozenset(Need)
JSON = "the text has characters that JSON writes in another way"
COMPRESSED = "a compressed frame cannot be put into a message of the dialect"


class Narrow(Hub):
    """A hub that takes little."""

    def __init__(self, *, payload: int | None, message: int | None) -> None:
        self.limits = Limits(payload=payload, message=message)


def case(*steps: Step, needs: frozenset[Need] = frozenset({Need.ECHO})) -> Case:
    """Return a case of which only that is told."""
    return Case(
        id="1.2.3",
        title="Something comes back.",
        clause="RFC 6455 5.2",
        steps=steps,
        outcomes=(Outcome(),),
        needs=needs,
    )


def event(data: str, topic: str = TOPIC) -> Text:
    """Return an event as the hub sends it."""
    return Text(
        f'{{"type":"event","topic":"{topic}","seq":1,'
        f'"ts":1790000000000,"data":{data}}}'.encode()
    )


@pytest.fixture
def post() -> Post:
    """A topic of the hub."""
    return Post(Hub(), TOPIC)


@pytest.fixture
def feed() -> Template:
    """A server with one feed, where every message is an event."""
    table = {
        "send": {"subscribe": '["{topic}"]', "publish": "{payload}"},
        "event": {},
    }
    return Template.parse(table, "[feed]")


@pytest.fixture
def rpc() -> Template:
    """A server that is called, and answers."""
    call = '{"id":{id},"method":"echo","params":"{payload}"}'
    table = {
        "send": {"call": call},
        "answer": {"has": ["id"], "payload": "result", "payload_is": "string"},
    }
    return Template.parse(table, "[rpc]", name="rpc")


# The ways.


@pytest.mark.parametrize("message", [Text(b"Hello"), Binary(b"\xff"), Text(b"")])
def test_a_mirror_gives_back_everything(message: Text | Binary) -> None:
    """An echo brings each message back, and nothing is put around it."""
    mirror = Mirror()
    assert mirror.read(message) is message
    assert mirror.needs == {Need.ECHO, Need.BINARY}
    assert (mirror.prefix, mirror.suffix, mirror.obstacle(b'"\x00')) == (b"", b"", "")


@pytest.mark.parametrize("message", [Text(b"Hello"), Binary(b"\xff")])
def test_nowhere_gives_back_nothing(message: Text | Binary) -> None:
    """Where nothing comes back, what comes all the same answers nothing."""
    nowhere = Nowhere()
    assert nowhere.read(message) is None
    assert nowhere.needs == frozenset()
    assert (nowhere.prefix, nowhere.suffix, nowhere.obstacle(b'"')) == (b"", b"", "")


def test_a_post_puts_a_text_into_a_publication(post: Post) -> None:
    """The text stands inside a JSON string, in the hub's own words."""
    assert (post.prefix, post.suffix) == (BEFORE, BEHIND)
    assert post.needs == {Need.ECHO}
    whole = json.loads(post.prefix + "水槽 𝄞".encode() + post.suffix)
    assert (whole["topic"], whole["data"]) == (TOPIC, f"{TOPIC} 水槽 𝄞")
    assert repr(post) == "<Post hub wavetank.conformance>"


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        (event('"Hello"'), Text(b"Hello")),
        (event('""'), Text(b"")),
        (event('"\u6c34\\u0041"'), Text(b"\xe6\xb0\xb4\\u0041")),
        # Byte for byte, though it is no text that we sent.
        (event("17"), Text(b"17")),
        (event('["a"]'), Text(b'["a"]')),
        (event('{"a":"b"}'), Text(b'{"a":"b"}')),
        # Somebody else's.
        (event('"Hello"', topic="another.topic"), None),
        (Text(b'{"type":"published","id":1,"topic":"a","epoch":"e","seq":1}'), None),
        (Text(b'{"type":"heartbeat","tops":{}}'), None),
        (Text(b"Hello"), None),
        (Text(b"\xff"), None),
        (Binary(event('"Hello"').data), None),
    ],
)
def test_a_post_takes_payloads_of_its_own_topic(
    post: Post, message: Text | Binary, heard: Heard | None
) -> None:
    """An event of the topic brings its payload back, all else brings nothing."""
    assert post.read(message) == heard


def test_a_post_knows_its_texts_on_a_feed_without_topics(feed: Template) -> None:
    """Where events do not name their topic, what others say is not ours."""
    way = Post(feed, TOPIC)
    assert way.read(Text(b'"wavetank.conformance Hello"')) == Text(b"Hello")
    assert way.read(Text(b'"wavetank.other Hello"')) is None


def test_a_text_may_come_back_written_in_another_way(feed: Template) -> None:
    """A server that reads JSON and writes it again changes no text."""
    written = json.dumps(f"{TOPIC} 水槽 𝄞").encode()
    assert b"\\u6c34" in written
    assert Post(feed, TOPIC).read(Text(written)) == Text("水槽 𝄞".encode())


def test_a_dialogue_puts_a_text_into_a_call(rpc: Template) -> None:
    """The answer brings it back; events and answers without it bring nothing."""
    way = Dialogue(rpc)
    sent = way.prefix + "水槽".encode() + way.suffix
    assert json.loads(sent) == {"id": 1, "method": "echo", "params": '"水槽"'}
    assert repr(way) == "<Dialogue rpc>"
    assert way.needs == {Need.ECHO}
    answer = json.dumps({"id": 1, "result": '"水槽"'}).encode()
    assert way.read(Text(answer)) == Text("水槽".encode())
    assert way.read(Text(b'{"id":1,"result":7}')) is None
    assert way.read(Text(b'{"push":1}')) is None
    assert way.read(Binary(answer)) is None


def test_the_best_way_of_a_dialect_is_taken(feed: Template, rpc: Template) -> None:
    """An echo, else calls, else publishing to oneself, else none."""
    ways = [type(way_of(each, TOPIC)) for each in (Echo(), rpc, feed, Hub(), Bare())]
    assert ways == [Mirror, Dialogue, Post, Post, Nowhere]


def test_a_filter_gives_back_what_is_nothing_else() -> None:
    """What the dialect knows is no echo; binary messages always are one."""
    table = {"capabilities": ["echo"], "heartbeat": {"has": ["price"]}}
    way = way_of(Template.parse(table, "[desk]", name="desk"), TOPIC)
    assert repr(way) == "<Filter desk>"
    assert way.needs == {Need.ECHO, Need.BINARY}
    assert way.read(Text(b"Hello")) == Text(b"Hello")
    assert way.read(Text(b'{"price":1}')) is None
    assert way.read(Binary(b'{"price":1}')) == Binary(b'{"price":1}')


@pytest.mark.parametrize(
    "missing", [Capability.SUBSCRIBE, Capability.PUBLISH, Capability.OWN]
)
def test_a_post_needs_each_of_its_capabilities(missing: Capability) -> None:
    """Without one of the three a text does not come back at all."""
    hub = Hub()
    hub.capabilities -= {missing}
    assert isinstance(way_of(hub, TOPIC), Nowhere)


# What cannot be sent.


@pytest.mark.parametrize(
    ("payload", "obstacle"),
    [
        (b"", ""),
        (b"Hello", ""),
        ("水槽".encode(), ""),
        # Not UTF-8 is what some cases are about.
        (b"\xed\xa0\x80\x7f", ""),
        (b'"', JSON),
        (b"\\", JSON),
        (b"\x00", JSON),
        (b"a\x1fb", JSON),
        (b"\n", JSON),
        (b" ", ""),
        # More for the marks and the topic: 31 fit.
        (b"a" * 8, ""),
        (b"a" * 9, "the target takes payloads of 31 bytes"),
    ],
)
def test_a_post_knows_what_does_not_come_through(payload: bytes, obstacle: str) -> None:
    """JSON writes some characters in another way, and payloads have a limit."""
    way = Post(Narrow(payload=31, message=None), TOPIC)
    assert way.obstacle(payload) == obstacle


def test_a_post_knows_how_long_a_message_may_be() -> None:
    """The limit of messages counts what is put around the text, too."""
    frame = len(BEFORE + BEHIND)
    way = Post(Narrow(payload=None, message=frame + 7), TOPIC)
    assert way.obstacle(b"a" * 7) == ""
    most = f"the target takes messages of {frame + 7} bytes"
    assert way.obstacle(b"a" * 8) == most


def test_a_post_without_limits_takes_every_length() -> None:
    """A dialect that does not say how much it takes is not doubted."""
    way = Post(Narrow(payload=None, message=None), TOPIC)
    assert way.obstacle(b"a" * 10**6) == ""


# What is skipped.


@pytest.mark.parametrize(
    ("needs", "way", "abilities", "reason"),
    [
        (frozenset(), Nowhere(), frozenset(), ""),
        ({Need.ECHO}, Nowhere(), ALL - {Need.ECHO}, "the target has no echo"),
        ({Need.ECHO}, Mirror(), frozenset(), ""),
        ({Need.BINARY}, Mirror(), frozenset(), ""),
        (
            {Need.BINARY},
            Post(Hub(), TOPIC),
            frozenset(),
            "the target has no binary echo",
        ),
        ({Need.DEFLATE}, Mirror(), frozenset(), "the target has no deflate"),
        ({Need.DEFLATE}, Mirror(), {Need.DEFLATE}, ""),
        ({Need.PLAIN}, Mirror(), {Need.DEFLATE}, "the target has no plain"),
        # The first one in the alphabet is enough.
        (ALL, Nowhere(), frozenset(), "the target has no binary echo"),
    ],
)
def test_a_case_is_skipped_where_the_target_lacks_what_it_needs(
    needs: set[Need], way: Way, abilities: set[Need], reason: str
) -> None:
    """The way fulfils some needs, and the target the others."""
    skipped = case(text("Hello"), needs=frozenset(needs))
    assert reason_to_skip(skipped, way, frozenset(abilities)) == reason


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((), ""),
        ((text("12345678"),), ""),
        ((text("123456789"),), "the target takes payloads of 31 bytes"),
        # Each message by itself.
        ((text("12345678"), text("12345678")), ""),
        # And each with all its fragments, whatever stands between them.
        (
            (text("1234", fin=False), ping(b"\x00"), continuation("5678")),
            "",
        ),
        (
            (text("1234", fin=False), Pause(), continuation("56789")),
            "the target takes payloads of 31 bytes",
        ),
        (
            (Chopped((text("1234", fin=False), continuation("5678"))), text("\\")),
            JSON,
        ),
        ((text("a", fin=False), continuation(b"\x1f")), JSON),
        # What is no text, or stays as it is, has no obstacle.
        ((binary(bytes(11)), continuation(bytes(11))), ""),
        ((continuation(bytes(11)), close(1000, '"')), ""),
        ((Raw(bytes(11)), HalfClose()), ""),
        ((text("a", fin=False), binary(b"\x00"), continuation(b"\x00")), ""),
        ((text(bytes(11), rsv=4), continuation(bytes(11))), ""),
        ((Frame(opcode=1, payload=bytes(11), declared=100),), ""),
        ((Frame(opcode=1, payload=bytes(11), form=64),), ""),
    ],
)
def test_a_case_is_skipped_where_one_of_its_texts_does_not_come_through(
    steps: tuple[Step, ...], reason: str
) -> None:
    """Whole messages are looked at, and only texts."""
    way = Post(Narrow(payload=31, message=None), TOPIC)
    assert reason_to_skip(case(*steps), way, frozenset()) == reason
    assert reason_to_skip(case(*steps), Mirror(), frozenset()) == ""


@pytest.mark.parametrize(
    ("needs", "rsv", "reason"),
    [
        ({Need.DEFLATE, Need.ECHO}, 4, COMPRESSED),
        ({Need.DEFLATE, Need.ECHO}, 0, ""),
        # It breaks a rule, and nothing has to come back for that.
        ({Need.DEFLATE}, 4, ""),
        ({Need.ECHO}, 4, ""),
    ],
)
def test_a_case_is_skipped_where_it_waits_for_a_compressed_text(
    post: Post, needs: set[Need], rsv: int, reason: str
) -> None:
    """Nothing can be put around what is compressed; an echo asks for no such thing.

    Such cases were once skipped, or failed, by the bytes that they happened to have.
    """
    compressed = case(text(b"\xf2\x48", rsv=rsv), needs=frozenset(needs))
    abilities = frozenset({Need.DEFLATE})
    assert reason_to_skip(compressed, post, abilities) == reason
    assert reason_to_skip(compressed, Mirror(), abilities) == ""


# What goes around.


@pytest.mark.parametrize("way", [Mirror(), Nowhere()])
def test_steps_stay_as_they_are_where_nothing_goes_around(way: Way) -> None:
    """An echo gets what the case says."""
    steps = (text("a", fin=False), Pause(), continuation("b"))
    assert wrapped(list(steps), way) == steps


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((text("a"),), (text(BEFORE + b"a" + BEHIND),)),
        ((text(),), (text(BEFORE + BEHIND),)),
        (
            (text("a"), text("b")),
            (text(BEFORE + b"a" + BEHIND), text(BEFORE + b"b" + BEHIND)),
        ),
        # Fragments: before the first, behind the last.
        (
            (
                text(fin=False),
                continuation("b", fin=False),
                ping(b"now"),
                Pause(),
                continuation("c"),
                continuation("d"),
            ),
            (
                text(BEFORE, fin=False),
                continuation("b", fin=False),
                ping(b"now"),
                Pause(),
                continuation(b"c" + BEHIND),
                continuation("d"),
            ),
        ),
        # A character that is cut stays cut.
        (
            (text(b"\xc3", fin=False), continuation(b"\xb6")),
            (text(BEFORE + b"\xc3", fin=False), continuation(b"\xb6" + BEHIND)),
        ),
        # A new text within a text.
        (
            (text("a", fin=False), text("b"), continuation("c")),
            (
                text(BEFORE + b"a", fin=False),
                text(BEFORE + b"b" + BEHIND),
                continuation("c"),
            ),
        ),
        # In pieces: across steps, too.
        (
            (Chopped((text("a", fin=False), ping()), size=3), continuation("b")),
            (
                Chopped((text(BEFORE + b"a", fin=False), ping()), size=3),
                continuation(b"b" + BEHIND),
            ),
        ),
        # The rest of a frame is left alone.
        (
            (Frame(opcode=1, payload=b"a", mask=b"abcd", is_masked=False),),
            (
                Frame(
                    opcode=1,
                    payload=BEFORE + b"a" + BEHIND,
                    mask=b"abcd",
                    is_masked=False,
                ),
            ),
        ),
    ],
)
def test_a_publication_goes_around_each_text(
    post: Post, steps: tuple[Step, ...], expected: tuple[Step, ...]
) -> None:
    """The frames stay the same in number and order, and make one publication each."""
    assert wrapped(steps, post) == expected


@pytest.mark.parametrize(
    "steps",
    [
        (binary(b"a", fin=False), continuation("b")),
        (continuation("a"), ping(b"a"), close(1000, "why")),
        (Raw(b"\x81\x00"), Pause(), HalfClose()),
        # Compressed, or reserved.
        (text("a", fin=False, rsv=4), continuation("b")),
        (text("a", rsv=1),),
        (Frame(opcode=3, payload=b"a"),),
        # What the header says of the length is what the case is about.
        (Frame(opcode=1, payload=b"a", declared=100),),
        (Frame(opcode=1, payload=b"a", form=16),),
    ],
)
def test_nothing_goes_around_what_is_no_plain_text(
    post: Post, steps: tuple[Step, ...]
) -> None:
    """All other frames and steps go out as the case has them."""
    assert wrapped(steps, post) == steps


def test_what_goes_around_a_text_comes_off_again(post: Post) -> None:
    """A text in fragments is one publication, whose event brings it back."""
    payload = "Hello-µ@ßöä".encode()
    steps = tuple(
        text(payload[:3], fin=False) if not start else continuation(part, fin=fin)
        for start, part, fin in (
            (0, b"", False),
            (3, payload[3:7], False),
            (7, payload[7:], True),
        )
    )
    whole = b"".join(frame.payload for frame in frames_of(wrapped(steps, post)))
    data = json.dumps(json.loads(whole)["data"], ensure_ascii=False)
    assert post.read(event(data)) == Text(payload)
