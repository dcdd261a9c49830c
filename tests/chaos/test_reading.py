"""Proxies and toxics as users write them: words, TOML, Toxiproxy's JSON."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.bounds import MOST_PROXIES, MOST_TOXICS
from wavetank.chaos.chance import When
from wavetank.chaos.control import proxy_value
from wavetank.chaos.reading import (
    ProxySpec,
    address_text,
    change_proxy,
    listen_address,
    read_file,
    read_proxies,
    read_proxy,
    read_words,
)
from wavetank.chaos.spec import read_spec
from wavetank.errors import UsageError

NOOP = {"type": "noop"}

TOML = """
[run]
target = "ws://elsewhere"

[[proxy]]
name = "hub"
upstream = "ws://127.0.0.1:8765/ws"
listen = "[::1]:18765"
enabled = false
mode = "frames"
seed = 7
wire_log = true

[[proxy.toxic]]
type = "latency"
attributes = { latency = 100, jitter = 20 }

[[proxy.toxic]]
type = "drop"
stream = "upstream"
when = { opcodes = ["text"], json = { kind = "ack" }, count = 1 }

[[proxy]]
name = "prices"
upstream = "127.0.0.1:9"
mode = "bytes"
"""


def mistakes(file: str, content: str) -> list[str]:
    """Return what is wrong with a file."""
    problems: list[str] = []
    read_file(file, content, problems)
    return problems


def test_a_file_has_proxies_and_toxics() -> None:
    """Everything that is said is read; what is not said is as usual."""
    problems: list[str] = []
    hub, prices = read_file("faults.toml", TOML, problems)
    assert problems == []
    assert (hub.name, hub.upstream) == ("hub", "ws://127.0.0.1:8765/ws")
    assert (hub.listen, hub.enabled) == (("::1", 18765), False)
    assert (hub.seed, hub.wire_log) == (7, True)
    latency, drop = hub.toxics
    assert latency.name == "latency_downstream"
    assert latency.attributes["jitter"] == 20
    assert drop.when == When(opcodes=(1,), json={"kind": "ack"}, count=1)
    assert prices == ProxySpec(name="prices", upstream="127.0.0.1:9", mode="bytes")


def test_a_file_may_be_one_of_toxiproxy() -> None:
    """A list of proxies in JSON, where the name ends in .json."""
    text = '[{"name":"web","listen":"127.0.0.1:18080","upstream":"web:8080",'
    text += '"enabled":true,"toxics":[{"type":"noop"}]}]'
    problems: list[str] = []
    (web,) = read_file("toxiproxy.json", text, problems)
    assert (problems, web.listen) == ([], ("127.0.0.1", 18080))
    assert [toxic.type for toxic in web.toxics] == ["noop"]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a.toml", "a = ", "a.toml: not TOML"),
        ("a.json", "[", "a.json: not JSON"),
        ("a.json", "[" * 5000, "a.json: not JSON"),
        ("a.toml", "", "there is no proxy in it; write a table [[proxy]]"),
        ("a.json", "{}", "there is no proxy in it"),
        ("a.toml", "[[proxies]]", "[proxies]: unknown section; did you mean proxy?"),
        ("a.json", "[1]", "a.json a proxy is a table, not 1"),
        ("a.toml", "[proxy]\nname='a'", "there is no proxy in it"),
        ("a.json", '[{"upstream":"a:1"}]', "a.json proxy: its name is missing"),
        ("a.json", '[{"name":"a"}]', "a.json proxy a: its upstream is missing"),
        ("a.json", '[{"name":"a","upstrem":"b:1"}]', "did you mean upstream?"),
        ("a.json", '[{"name":"a\\n","upstream":"b:1"}]', "200 printable signs"),
        ("a.json", '[{"name":"a","upstream":"b:1","toxics":{}}]', "a toxic is a table"),
        ("a.json", '[{"name":"a","upstream":"b:1","toxics":[1]}]', "a toxic is a tab"),
    ],
)
def test_a_file_that_is_wrong_is_told(file: str, content: str, words: str) -> None:
    """In a sentence that names the place."""
    assert any(words in problem for problem in mistakes(file, content))


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    """Those of proxies, of toxics, and of names that come twice."""
    problems = mistakes(
        "f.toml",
        """
        [[proxy]]
        name = "a"
        upstream = "b:1"
        mode = "bites"
        [[proxy.toxic]]
        type = "latncy"
        [[proxy]]
        name = "a"
        upstream = "b:1"
        mode = "bytes"
        wire_log = true
        [[proxy.toxic]]
        type = "drop"
        [[proxy.toxic]]
        type = "drop"
        """,
    )
    expected = (
        "did you mean bytes?",
        "did you mean latency?",
        "2 proxies are called a",
        "2 toxics are called drop_downstream",
        "drop is for frames, and this proxy looks at bytes",
        "a wire log notes frames",
    )
    for words in expected:
        assert any(words in problem for problem in problems), words


def test_a_file_has_no_end_of_proxies() -> None:
    """What is above the bound is told, and not read."""
    problems: list[str] = []
    rows = [{"name": str(n), "upstream": "a:1"} for n in range(MOST_PROXIES + 1)]
    assert len(read_proxies(rows, "", problems)) == MOST_PROXIES
    assert problems == ["1001 proxies; the most is 1000"]


def test_what_is_shown_of_a_proxy_is_read_as_the_same_proxy() -> None:
    """A client may send back what it was answered."""
    problems: list[str] = []
    hub, _ = read_file("faults.toml", TOML, problems)
    shown = proxy_value(hub, is_enabled=hub.enabled)
    assert read_proxy(shown, "", problems) == hub
    assert problems == []


# Changing


def test_a_change_leaves_what_is_not_said() -> None:
    """As in Toxiproxy; null is not said, and the same name may be said again."""
    spec = ProxySpec(name="a", upstream="b:1", seed=3, toxics=(read_spec(NOOP),))
    given = {"name": "a", "upstream": "c:1", "enabled": False, "listen": None}
    changed = change_proxy(spec, given)
    assert (changed.upstream, changed.enabled, changed.seed) == ("c:1", False, 3)
    assert (changed.listen, changed.toxics) == (spec.listen, spec.toxics)


def test_a_change_tells_all_that_cannot_be() -> None:
    """A name stays, a target has to be one, and nobody knows other keys."""
    spec = ProxySpec(name="a", upstream="b:1")
    with pytest.raises(UsageError) as caught:
        change_proxy(spec, {"name": "b", "upstream": "", "sed": 3, "mode": "x"})
    told = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 4
    assert "its name cannot be changed" in told
    assert "did you mean seed?" in told


# Addresses


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:8474", ("localhost", 8474)),
        ("[::1]:65535", ("::1", 65535)),
        (":80", ("", 80)),
        ("8474", ("127.0.0.1", 8474)),
    ],
)
def test_an_address_is_read(typed: str, address: tuple[str, int]) -> None:
    """Host and port, or one of the two."""
    assert listen_address(typed) == address


@pytest.mark.parametrize("typed", ["", "a:", "a:b", "a:65536", "::1:80", "a:-1", "a:٣"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    """With an example of one."""
    with pytest.raises(ValueError, match="no host:port"):
        listen_address(typed)


@given(st.sampled_from(["127.0.0.1", "::1", "localhost", ""]), st.integers(0, 65535))
def test_an_address_that_is_written_is_read_again(host: str, port: int) -> None:
    """Brackets are where they are needed."""
    assert listen_address(address_text((host, port))) == (host, port)


# Words


def test_a_toxic_may_be_typed_in_words() -> None:
    """Its type, what every toxic has, and its attributes."""
    assert read_words("latency latency=100 jitter=20 stream=upstream") == read_spec(
        {
            "type": "latency",
            "stream": "upstream",
            "attributes": {"latency": 100, "jitter": 20},
        }
    )
    assert read_words("noop name='a b' toxicity=0.5").name == "a b"
    assert read_words("type=noop name=x") == read_words("noop name=x")


def test_words_say_which_frames_a_toxic_is_for() -> None:
    """Opcodes by commas; values of JSON as JSON has them, or as words."""
    typed = "drop when.opcodes=text,8 when.count=1 when.json.a.b=ack when.json.n=3"
    spec = read_words(f"{typed} when.json.ok=true when.json.x=[1] when.json.s='\"1\"'")
    wanted = {"a.b": "ack", "n": 3, "ok": True, "x": "[1]", "s": "1"}
    assert spec.when == When(opcodes=(1, 8), count=1, json=wanted)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "its type is missing"),
        ("latency 'a", "No closing quotation"),
        ("latency fast", "'fast' is not name=value"),
        ("latency latncy=3", "did you mean latency?"),
        ("latency latency=x stream=up", "'x' is not a number"),
        ("latency when.count=1", "when is for toxics of frames"),
    ],
)
def test_words_that_are_wrong_are_told(typed: str, words: str) -> None:
    """Each in a sentence."""
    with pytest.raises(UsageError, match=re.escape(words)):
        read_words(typed)


def test_a_proxy_has_no_end_of_toxics() -> None:
    """More than it may have is a mistake like others."""
    problems: list[str] = []
    toxics = [{"name": f"n{n}", "type": "noop"} for n in range(MOST_TOXICS + 1)]
    read_proxies([{"name": "a", "upstream": "a:1", "toxic": toxics}], "", problems)
    assert problems == ["proxy a: 257 toxics; the most is 256"]
