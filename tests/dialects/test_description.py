"""What a user's table says, and what is wrong with it."""

import tomllib
from typing import Any

import pytest

from wavetank.dialects.base import Capability, Endpoint, Limits, Malformed, StatusPage
from wavetank.dialects.description import Description, Rule, describe
from wavetank.errors import UsageError

PLACE = "w.toml [dialect.x]"


def described(toml: str) -> Description:
    """Describe what stands in a TOML text."""
    return describe(tomllib.loads(toml), PLACE)


def problems(toml: str) -> tuple[str, ...]:
    """Return what is wrong with a TOML text, without the place of the table."""
    with pytest.raises(UsageError) as caught:
        described(toml)
    assert all(problem.startswith(PLACE) for problem in caught.value.problems)
    return tuple(
        problem.removeprefix(PLACE).lstrip() for problem in caught.value.problems
    )


def test_description_of_an_event_alone_leaves_the_rest_at_rest() -> None:
    """What is not described has no claim, no limit and no text."""
    description = described("[event]")
    assert description.endpoint == Endpoint()
    assert description.limits == Limits()
    assert description.status is None
    assert description.sends == {}
    assert description.rules == {"event": Rule()}
    assert description.capabilities == frozenset()


def test_description_reads_endpoint_limits_and_status() -> None:
    """Sizes and durations are numbers or words; keys take - for _."""
    description = described(
        """
        path = "/x"
        subprotocols = ["a", "b"]
        preamble = ["hi"]
        limits = { payload = 5, message = "1KiB", handshake = 1.5, liveness = "40s" }
        status = { path = "/s", connections = "sockets.0.open" }
        event = { payload-is = "string" }
        """
    )
    assert description.endpoint == Endpoint(
        path="/x", subprotocols=("a", "b"), preamble=("hi",)
    )
    assert description.limits == Limits(
        payload=5, message=1024, handshake=1.5, liveness=40.0
    )
    assert description.status == StatusPage(
        path="/s", connections=("sockets", "0", "open")
    )
    assert description.rules["event"].payload_is == "string"


def test_description_reads_conditions_in_every_spelling() -> None:
    """Bare dotted keys, quoted ones, several values and bare indices are the same."""
    rule = described(
        """
        [reply]
        where = { a.b = 1, "c.d" = [true, "x"], e-f = 2.5 }
        has = "g"
        lacks = ["h", "i.0"]
        id = 0
        """
    ).rules["reply"]
    assert rule == Rule(
        where=(
            (("a", "b"), (1,)),
            (("c", "d"), (True, "x")),
            (("e-f",), (2.5,)),
        ),
        has=(("g",),),
        lacks=(("h",), ("i", "0")),
        fields={"id": ("0",)},
    )


def test_description_tries_the_rules_in_a_fixed_order() -> None:
    """The order in the file does not matter; the event, which may fit all, is last."""
    rules = described(
        """
        [event]
        [reply]
        has = ["a"]
        [error]
        has = ["b"]
        [heartbeat]
        has = ["c"]
        [welcome]
        has = ["d"]
        """
    ).rules
    assert list(rules) == ["welcome", "heartbeat", "error", "reply", "event"]


SUBSCRIBE = "send.subscribe = '{}'\n"
PUBLISH = "send.publish = '[{payload}]'\n"
REPLY = "reply = { has = ['ok'], id = 'id' }\n"


@pytest.mark.parametrize(
    ("toml", "capabilities"),
    [
        ("event = {}", set()),
        (SUBSCRIBE + "reply.has = ['ok']", set()),
        (SUBSCRIBE + "event = {}", {Capability.SUBSCRIBE}),
        (PUBLISH, {Capability.PUBLISH}),
        (PUBLISH + REPLY, {Capability.PUBLISH}),
        (
            "send.publish = '[{id},{payload}]'\n" + REPLY,
            {Capability.PUBLISH, Capability.ACKNOWLEDGE},
        ),
        ("event.seq = 'n'", {Capability.SEQUENCE}),
        (
            "send.resume = '{seq}'\nevent.seq = 'n'",
            {Capability.SEQUENCE, Capability.RESUME},
        ),
        ("send.resume = '{seq}'\nevent = {}", set()),
        ("welcome.has = ['v']", {Capability.WELCOME}),
        ("error.has = ['e']", {Capability.ERRORS}),
        (
            "event = {}\nstatus = { path = '/s', connections = 'n' }",
            {Capability.STATUS},
        ),
        (  # a list replaces what would follow
            PUBLISH + REPLY + "error.has = ['e']\n"
            "capabilities = ['publish', 'acknowledge']",
            {Capability.PUBLISH, Capability.ACKNOWLEDGE},
        ),
        ("event.seq = 'n'\ncapabilities = []", set()),
        ("capabilities = ['echo']", {Capability.ECHO, Capability.VERBATIM}),
        (
            "send.call = '{payload}'\nanswer = { has = ['r'], payload = 'r' }",
            {Capability.ANSWER},
        ),
        ("answer.has = ['r']", set()),
    ],
)
def test_capabilities_follow_from_what_is_described(
    toml: str, capabilities: set[Capability]
) -> None:
    """Nothing is claimed that the table does not back."""
    assert described(toml).capabilities == capabilities


def test_text_that_is_not_json_is_always_malformed() -> None:
    """The user's own malformed messages come after it."""
    description = described(
        """
        [event]
        [[malformed]]
        title = "no method"
        message = "{}"
        codes = ["7"]
        """
    )
    first, second = description.malformed
    assert first.title == "a text that is not JSON"
    assert second == Malformed(title="no method", message="{}", codes=("7",))


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("", ": describes no message; it needs at least [event]"),
        ("evnt = {}\nevent = {}", "evnt: unknown key; did you mean event?"),
        ("event = 5", "event: has to be a table"),
        ("event.topik = 'a'", "event topik: unknown key; did you mean topic?"),
        (
            "event.topic = true",
            "event topic: has to be a dotted path such as data.0.seq",
        ),
        (
            "event.topic = 'a..b'",
            "event topic: 'a..b' has an empty name between its dots",
        ),
        (
            "event.payload_is = 'xml'",
            "event payload_is: 'xml' is neither json nor string",
        ),
        ("event.payload_is = 5", "event payload_is: has to be a string"),
        ("event.has = [1.5]", "event has: has to be a dotted path such as data.0.seq"),
        (
            "reply.id = 'id'",
            "reply: says nothing to recognise it by; give where or has",
        ),
        (
            "reply.where = 'op'",
            'reply where: has to be a table such as { op = "event" }',
        ),
        (
            "reply = { where = { op = [] }, has = 'a' }",
            "reply where: op has to be a plain value or several",
        ),
        (
            "reply = { where = { op = [[1], 2] }, has = 'a' }",
            "reply where: op has to be a plain value or several",
        ),
        (
            "reply = { where = { op = {} }, has = 'a' }",
            "reply where: op has to be a plain value or several",
        ),
        ("event = {}\npath = 'x'", "path: 'x' has to begin with /"),
        ("event = {}\npath = 5", "path: has to be a string"),
        (
            "event = {}\nsubprotocols = 'a'",
            "subprotocols: has to be a list of strings",
        ),
        ("event = {}\npreamble = [5]", "preamble: has to be a list of strings"),
        (
            "event = {}\npreamble = ['{token}']",
            "preamble: is sent as it is; {token} goes with authenticate",
        ),
        (
            "event = {}\nlimits.payload = '64k'",
            "limits payload: '64k' is not a size such as 65536, 64KiB or 1MiB",
        ),
        (
            "event = {}\nlimits.handshak = 5",
            "limits handshak: unknown key; did you mean handshake?",
        ),
        (
            "event = {}\nstatus.path = '/s'",
            "status connections: has to be a dotted path such as data.0.seq",
        ),
        (
            "event = {}\nstatus.connections = 'n'",
            "status path: '' has to begin with /",
        ),
        (
            "event = {}\nsend.subscrib = '{}'",
            "send subscrib: unknown key; did you mean subscribe?",
        ),
        (
            "send.subscribe = '{payload}'",
            "send subscribe: {payload} cannot be filled in here;"
            " there are {id}, {topic}",
        ),
        ("send.publish = '{}'", "send publish: has no place for {payload}"),
        (
            "send.resume = '{epoch}'",
            "send resume: has no place for {next_seq} or {seq}",
        ),
        ("send.authenticate = '{}'", "send authenticate: has no place for {token}"),
        (
            "event = {}\ncapabilities = ['publsh']",
            "capabilities: 'publsh' cannot be described; did you mean publish?",
        ),
        (
            "event = {}\ncapabilities = ['publish']",
            "capabilities: publish needs send.publish, not described",
        ),
        (
            "event = {}\ncapabilities = ['echo']",
            "capabilities: echo goes without event",
        ),
        ("event = {}\nmalformed = {}", "malformed: has to be a list of tables"),
        ("event = {}\nmalformed = ['{}']", "malformed: has to be a list of tables"),
        (
            "event = {}\nmalformed = [{ message = '{}' }]",
            "malformed.0 title: is missing",
        ),
        (
            "event = {}\nmalformed = [{ title = 'a', message = '{}', code = '7' }]",
            "malformed.0 code: unknown key; did you mean codes?",
        ),
    ],
)
def test_mistake_names_its_place_and_a_way_out(toml: str, problem: str) -> None:
    """Each mistake is one sentence with the key in front of it."""
    assert problem in problems(toml)


def test_mistakes_are_reported_all_at_once() -> None:
    """A table full of slips is mended in one go."""
    seen = problems(
        """
        path = "x"
        subprotocol = ["a"]
        capabilities = ["publish", "verbatim"]
        [limits]
        payload = "big"
        [send]
        subscribe = "{"
        [reply]
        id = "a."
        [event]
        payload_is = "xml"
        """
    )
    assert len(seen) == 9


def test_described_fields_may_be_empty_paths() -> None:
    """An empty path is the whole message."""
    rules: dict[str, Any] = described("event.payload = ''").rules
    assert rules["event"].fields == {"payload": ()}
