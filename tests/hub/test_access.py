"""Access: what a user may do, and from where a browser may come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.access import (
    ANONYMOUS,
    EVERYTHING,
    FEW,
    MOST_REMEMBERED,
    MOST_SHOWN,
    Action,
    Claims,
    Grant,
    host_problem,
    is_loopback,
    lost_rights,
    may,
    origin_problem,
    shown,
)
from wavetank.protocol import covers

READER = Claims(user="ann", subscribe=("prices.*",), publish=())
AUDITOR = Claims(user="eve", subscribe=("prices.*",), history=("prices.btc", "x.**"))


@pytest.mark.parametrize(
    ("claims", "action", "topic", "allowed"),
    [
        (ANONYMOUS, Action.SUBSCRIBE, "any.topic", True),
        (ANONYMOUS, Action.PUBLISH, "any.topic", True),
        (ANONYMOUS, Action.OPERATE, "", False),
        (READER, Action.SUBSCRIBE, "prices.btc", True),
        (READER, Action.SUBSCRIBE, "prices.btc.usd", False),
        (READER, Action.SUBSCRIBE, "orders.btc", False),
        (READER, Action.SUBSCRIBE, "prices.*", True),
        (READER, Action.SUBSCRIBE, "prices.**", False),
        (READER, Action.PUBLISH, "prices.btc", False),
        (READER, Action.HISTORY, "prices.btc", True),  # as subscribe
        (READER, Action.HISTORY, "orders.btc", False),
        (AUDITOR, Action.HISTORY, "prices.btc", True),
        (AUDITOR, Action.HISTORY, "prices.eth", False),
        (AUDITOR, Action.HISTORY, "x.y.z", True),
        (AUDITOR, Action.SUBSCRIBE, "x.y.z", False),
        (ANONYMOUS, Action.HISTORY, "any.topic", True),
        (Claims(user="none", subscribe=()), Action.HISTORY, "a", False),
        (Claims(user="none", history=()), Action.HISTORY, "a", False),
        (Claims(user="all", publish=("a", "**")), Action.PUBLISH, "b.c", True),
        (Claims(user="root", operator=True), Action.OPERATE, "", True),
    ],
)
def test_claims_allow_what_their_patterns_cover(
    claims: Claims, action: Action, topic: str, allowed: bool
) -> None:
    """A right is there where a pattern covers all that was asked for."""
    assert may(claims, action, topic) is allowed


SEGMENTS = st.sampled_from(["a", "b", "*"])
PATTERNS = st.builds(
    lambda body, last: ".".join([*body, last]),
    st.lists(SEGMENTS, max_size=3),
    SEGMENTS | st.just("**"),
)


@given(st.lists(PATTERNS, max_size=3 * FEW), st.lists(PATTERNS, max_size=10))
def test_grant_covers_what_one_of_its_patterns_covers(
    patterns: list[str], asked: list[str]
) -> None:
    """However many there are, and however often it is asked."""
    grant = Grant(patterns)
    for topic in asked + asked:
        assert grant.covers(topic) is any(covers(each, topic) for each in patterns)


def test_grant_remembers_a_bounded_number_of_answers() -> None:
    """Whoever asks for ever new topics makes nothing grow."""
    grant = Grant(f"team-{n}.*" for n in range(FEW + 1))
    for n in range(10 * MOST_REMEMBERED):
        assert grant.covers(f"team-1.topic-{n}")
        assert not grant.covers(f"team-x.topic-{n}")
    held = int(repr(grant).split(", ")[1].split()[0])
    assert 0 < held <= MOST_REMEMBERED


def test_claims_are_equal_whatever_they_were_asked() -> None:
    """What a grant remembers is no part of who somebody is."""
    asked, fresh = (
        Claims(user="ann", publish=("a.*",)),
        Claims(user="ann", publish=("a.*",)),
    )
    assert may(asked, Action.PUBLISH, "a.b")
    assert asked == fresh
    assert hash(asked) == hash(fresh)
    assert repr(asked) == repr(fresh)


def test_subscriptions_are_lost_that_new_claims_do_not_cover() -> None:
    """A refreshed token may allow less; a pattern has to be covered whole."""
    topics = ["prices.btc", "prices.*", "prices.**", "orders"]
    assert lost_rights(READER, topics) == ["prices.**", "orders"]
    assert lost_rights(Claims(user="ann", subscribe=EVERYTHING), topics) == []


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("LocalHost", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("192.168.1.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, is_local: bool) -> None:
    """A name is loopback if nobody else can stand behind it."""
    assert is_loopback(host) is is_local


@pytest.mark.parametrize(
    ("origin", "host", "loopback"),
    [
        (None, "hub.example", False),  # not a browser
        ("https://hub.example", "hub.example", False),  # the hub's own page
        ("https://hub.example", "hub.example:443", False),  # default port spelt out
        ("http://hub.example:8765", "hub.example:8765", False),
        ("http://HUB.example:8765", "hub.example:8765", False),
        ("https://app.example", "hub.example", False),  # on the list
        ("HTTPS://App.Example:443", "hub.example", False),  # the same, spelt otherwise
        ("https://typed.example:8443", "hub.example", False),
        ("http://plain.example", "hub.example", False),
        ("tauri://localhost", "hub.example", False),  # an app's own scheme
        ("http://localhost:3000", "127.0.0.1:8765", True),  # a developer's page
        ("http://[::1]:3000", "localhost:8765", True),
    ],
)
def test_origin_is_welcome(origin: str | None, host: str, loopback: bool) -> None:
    """No origin, the same place, the list, and loopback on loopback come in."""
    allowed = (
        "https://app.example",
        "https://Typed.Example:8443/",
        "http://plain.example:80",
        "tauri://localhost",
    )
    assert origin_problem(origin, host, loopback=loopback, allowed=allowed) == ""


@pytest.mark.parametrize(
    ("origin", "host", "loopback"),
    [
        ("https://evil.example", "hub.example", False),
        ("https://hub.example:444", "hub.example", False),  # another port
        ("http://hub.example", "hub.example:443", False),  # another port, unspelt
        ("http://localhost:3000", "hub.example", False),  # not a loopback listener
        ("https://evil.example", "127.0.0.1:8765", True),
        ("null", "127.0.0.1:8765", True),  # a sandboxed page
        ("", "hub.example", True),
        ("chrome-extension://abc", "127.0.0.1:8765", True),
        ("http://[::1", "127.0.0.1:8765", True),  # not a URL
        ("http://hub.example:99999", "hub.example", True),
        ("http://app.example", "hub.example", False),  # the list has it with TLS
        ("https://app.example:444", "hub.example", False),
        ("https://app.example.evil.example", "hub.example", False),
    ],
)
def test_origin_is_refused_by_its_name(origin: str, host: str, loopback: bool) -> None:
    """Any other page is refused, and the answer names the origin that was seen."""
    allowed = ("https://app.example",)
    problem = origin_problem(origin, host, loopback=loopback, allowed=allowed)
    assert f"origin {origin} is not allowed" in problem


def test_refused_origin_says_how_to_allow_it() -> None:
    """The sentence has the option to type; for null there is none."""
    problem = origin_problem("https://app.example", "hub.example", loopback=False)
    assert "--allow-origin 'https://app.example'" in problem
    assert "--allow-origin" not in origin_problem("null", "hub", loopback=True)


def test_refused_origin_is_shown_without_its_control_characters() -> None:
    """What a stranger wrote cannot break a log line or a terminal."""
    assert "\x1b" not in origin_problem("http://\x1b[2J", "hub.example", loopback=True)


@pytest.mark.parametrize(
    "origin",
    [
        "https://a.example';reboot;'",
        "x" * 16_000,
        "https://a b",
        "https://" + "a" * 300,
    ],
)
def test_refused_origin_gives_no_advice_that_would_be_unsafe(origin: str) -> None:
    """What a person may copy into a shell is an origin, whole and nothing else."""
    problem = origin_problem(origin, "hub.example", loopback=False)
    assert "--allow-origin" not in problem
    assert len(problem) < 2 * MOST_SHOWN + 100


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8765",
        "app.localhost:1",
        "LOCALHOST.",
        "127.0.0.1:8765",
        "[::1]:8765",
        "[::1]",
        "hub.example",  # of an allowed origin, whatever the port
        "Hub.Example:8765",
        "[2001:db8::1]:8765",
    ],
)
def test_host_of_a_loopback_listener_is_this_machine_or_allowed(host: str) -> None:
    """Names that nobody else can own come in, and those of allowed origins."""
    allowed = ("https://hub.example", "http://[2001:db8::1]", "app://no.host")
    assert host_problem(host, allowed=allowed) == ""


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "localhost.evil.example", "192.168.1.1"],
)
def test_host_that_a_page_made_its_own_is_refused_with_the_way_out(host: str) -> None:
    """DNS rebinding: the page's name is in Host; the text says how to allow it."""
    problem = host_problem(host)
    assert problem.startswith(f"host {host} is not a name of this machine")
    assert f"--allow-origin 'http://{host.partition(':')[0]}'" in problem


@pytest.mark.parametrize(
    "host",
    ["", "a@localhost", "localhost/x", "evil\\@localhost", "[::1", "a b", "a" * 300],
)
def test_host_that_is_none_is_refused_without_advice(host: str) -> None:
    """A URL's other parts do not make a loopback name of it."""
    problem = host_problem(host)
    assert problem
    assert "--allow-origin" not in problem


@given(st.text(max_size=500))
def test_shown_text_is_short_and_printable(text: str) -> None:
    """Whatever a stranger wrote breaks no log line and no terminal."""
    seen = shown(text)
    assert seen.isprintable()
    assert len(seen) <= MOST_SHOWN
    if text.isprintable() and len(text) <= MOST_SHOWN:
        assert seen == text


def test_shown_text_tells_that_it_was_cut() -> None:
    """Three dots stand for the rest."""
    assert shown("a" * 200) == "a" * 200
    assert shown("a" * 201) == "a" * 197 + "..."
    assert shown("\x00" * 100).endswith("...")
