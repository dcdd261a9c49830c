"""Toxiproxy's interface as values."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.control import (
    ROUTES,
    Action,
    Answer,
    Call,
    Needs,
    answer,
    populated,
    proxy_value,
    read_call,
    read_orders,
    refusal,
    toxic_refusal,
    toxic_value,
)
from wavetank.chaos.reading import ProxySpec
from wavetank.chaos.spec import read_spec
from wavetank.wire.http import Headers, Request


def ask(method: str, target: str, body: bytes = b"", agent: str = "") -> Call | Answer:
    """Read a request."""
    fields = [("User-Agent", agent)] if agent else []
    return read_call(Request(method, target, "HTTP/1.1", Headers(fields)), body)


def read(told: Call | Answer) -> Any:
    """Return what an answer says."""
    assert isinstance(told, Answer)
    return msgspec.json.decode(told.body)


@pytest.mark.parametrize(
    ("method", "target", "action"),
    [
        ("GET", "/proxies", Action.LIST_PROXIES),
        ("POST", "/proxies", Action.CREATE_PROXY),
        ("POST", "/populate", Action.POPULATE),
        ("GET", "/proxies/a", Action.SHOW_PROXY),
        ("POST", "/proxies/a", Action.CHANGE_PROXY),
        ("PATCH", "/proxies/a", Action.CHANGE_PROXY),
        ("DELETE", "/proxies/a", Action.DELETE_PROXY),
        ("GET", "/proxies/a/toxics", Action.LIST_TOXICS),
        ("POST", "/proxies/a/toxics", Action.ADD_TOXIC),
        ("GET", "/proxies/a/toxics/t", Action.SHOW_TOXIC),
        ("POST", "/proxies/a/toxics/t", Action.CHANGE_TOXIC),
        ("PATCH", "/proxies/a/toxics/t", Action.CHANGE_TOXIC),
        ("DELETE", "/proxies/a/toxics/t", Action.REMOVE_TOXIC),
        ("POST", "/reset", Action.RESET),
        ("GET", "/version", Action.VERSION),
        ("GET", "/metrics", Action.METRICS),
        ("GET", "/proxies/a/links", Action.LIST_LINKS),
        ("POST", "/proxies/a/cut", Action.CUT),
        ("GET", "/proxies/a/wirelog?x=1", Action.WIRE_LOG),
    ],
)
def test_each_path_of_toxiproxy_asks_for_one_thing(
    method: str, target: str, action: Action
) -> None:
    """Ours stand beside its own; names are taken from the path."""
    (route,) = [row for row in ROUTES if row.action is action]
    body = b"[]" if route.needs is Needs.LIST else b"{}"
    call = ask(method, target, body)
    assert isinstance(call, Call)
    assert call.action is action
    assert call.proxy == ("a" if "{proxy}" in route.path else "")
    assert call.toxic == ("t" if "{toxic}" in route.path else "")


def test_every_action_has_a_path() -> None:
    """None can be asked for in two ways, or in none."""
    assert sorted(row.action for row in ROUTES) == sorted(Action)


def test_names_may_have_any_sign() -> None:
    """They are percent-encoded in a path, a slash too."""
    call = ask("GET", "/proxies/a%2Fb%20%C3%A9")
    assert isinstance(call, Call)
    assert call.proxy == "a/b é"


@pytest.mark.parametrize("target", ["/", "/proxy", "/proxies/", "/proxies/a/b", "*"])
def test_what_is_nowhere_is_not_found(target: str) -> None:
    """A path without a row, or with an empty name."""
    assert read(ask("GET", target))["status"] == 404


def test_another_method_is_told_which_ones_there_are() -> None:
    """In the header that HTTP has for it."""
    told = ask("PUT", "/proxies/a")
    assert isinstance(told, Answer)
    assert told.status == 405
    assert told.headers == (("Allow", "DELETE, GET, PATCH, POST"),)


def test_a_browser_is_refused() -> None:
    """A page must not break links on the machine of whoever looks at it."""
    told = ask("POST", "/reset", agent="Mozilla/5.0 (X11)")
    assert isinstance(told, Answer)
    assert (told.status, told.body) == (403, b"User agent not allowed\n")
    assert isinstance(ask("POST", "/reset", agent="curl/8"), Call)


@pytest.mark.parametrize(
    ("target", "body", "words"),
    [
        ("/proxies", b"", "bad request body: "),
        ("/proxies", b"{", "bad request body: "),
        ("/proxies", b"[" * 10000, "bad request body: "),
        ("/proxies", b"\xff", "bad request body: "),
        ("/proxies", b"[]", "bad request body: it is not an object"),
        ("/populate", b"{}", "bad request body: it is not a list"),
        ("/proxies/a/cut", b"1", "bad request body: it is not an object, or nothing"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    target: str, body: bytes, words: str
) -> None:
    """In Toxiproxy's words, and with its status."""
    told = read(ask("POST", target, body))
    assert told["status"] == 400
    assert told["error"].startswith(words)


def test_a_body_may_be_left_out_where_nothing_has_to_be_said() -> None:
    """A cut of all links needs no words; other bodies are not looked at."""
    cut = ask("POST", "/proxies/a/cut", b" \n")
    assert isinstance(cut, Call)
    assert cut.given == {}
    assert isinstance(ask("POST", "/reset", b"\xff"), Call)


@given(st.text(max_size=40), st.binary(max_size=60))
def test_no_request_breaks_the_reader(path: str, body: bytes) -> None:
    """Whatever is asked, there is a call or an answer."""
    for target in (f"/{path}", "/proxies", "/populate"):
        told = ask("POST", target, body)
        if isinstance(told, Call) and told.action in {
            Action.CREATE_PROXY,
            Action.POPULATE,
        }:
            read_orders(told)


# Orders


def orders(given: object) -> Any:
    """Read what is to be created."""
    is_list = isinstance(given, list)
    action = Action.POPULATE if is_list else Action.CREATE_PROXY
    return read_orders(Call(action=action, given=given))


def test_proxies_are_ordered_with_what_toxiproxy_knows() -> None:
    """Its client sends toxics back too, which are passed over."""
    given = {
        "name": "a",
        "upstream": "b:1",
        "listen": "127.0.0.1:7",
        "enabled": False,
        "toxics": None,
    }
    wanted = ProxySpec(name="a", upstream="b:1", listen=("127.0.0.1", 7), enabled=False)
    assert orders(given) == (wanted,)
    assert orders([{**given, "toxics": [{"type": "nonsense"}]}]) == (wanted,)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "missing required field: name"),
        ({"name": "a", "upstream": None}, "missing required field: upstream"),
        ([{"name": "a", "upstream": "b:1"}, {}], "missing required field: name at pr"),
        ([{"name": "a"}], "missing required field: upstream at proxy 1"),
        ([7], "bad request body: a proxy is a table, not 7"),
        ({"name": [], "upstream": {}}, "bad request body: proxy, name: [] is neither"),
        ([{"name": "a", "upstream": "b:1"}] * 2, "bad request body: 2 proxies are"),
    ],
)
def test_orders_that_are_wrong_are_refused(given: object, error: str) -> None:
    """In Toxiproxy's words, where it has some."""
    told = read(orders(given))
    assert told["status"] == 400
    assert told["error"].startswith(error)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"type": "latncy"}, "invalid toxic type"),
        ({}, "invalid toxic type"),
        (
            {"type": "noop", "stream": "sideways"},
            "stream was invalid, can be either upstream or downstream",
        ),
        ({"type": [], "stream": "upstream"}, "bad request body: why; and why"),
    ],
)
def test_a_toxic_is_refused_in_toxiproxys_words(
    given: dict[str, object], error: str
) -> None:
    """And with a sentence for each mistake beside them."""
    told = read(toxic_refusal(given, ["why", "and why"]))
    assert told == {"error": error, "status": 400, "problems": ["why", "and why"]}


# Answers


def test_a_proxy_is_shown_as_toxiproxy_shows_it() -> None:
    """Five fields of its own, and three of ours behind them."""
    toxic = read_spec({"type": "latency", "attributes": {"latency": 1.5}})
    spec = ProxySpec(
        name="a", upstream="b:1", listen=("::1", 7), seed=3, toxics=(toxic,)
    )
    assert proxy_value(spec, is_enabled=True) == {
        "name": "a",
        "listen": "[::1]:7",
        "upstream": "b:1",
        "enabled": True,
        "toxics": [toxic_value(toxic)],
        "mode": "frames",
        "seed": 3,
        "wire_log": False,
    }


def test_whole_numbers_of_a_toxic_have_no_point() -> None:
    """Clients of languages with types read them as integers."""
    spec = read_spec({"type": "latency", "attributes": {"latency": 100.0}})
    body = answer(200, toxic_value(spec)).body.decode()
    assert re.search(r'"latency":100,"jitter":0,.*"toxicity":1}', body)


def test_a_toxic_that_is_shown_is_read_as_the_same_toxic() -> None:
    """With the frames that it is for."""
    given = {
        "type": "negotiation",
        "when": {"opcodes": ["text", 3], "since": 1.5, "json": {"a": True}},
    }
    spec = read_spec(given)
    shown = toxic_value(spec)
    assert shown["attributes"] == {}
    assert shown["when"] == given["when"]
    assert read_spec(shown) == spec


def test_a_refusal_says_error_and_status() -> None:
    """Problems are there where there is more to say."""
    assert read(refusal(409, "no")) == {"error": "no", "status": 409}


def test_populate_answers_with_those_that_stand() -> None:
    """Beside what went wrong, where something did."""
    assert (populated([1]).status, read(populated([1]))) == (201, {"proxies": [1]})
    told = populated([], refusal(400, "no"))
    assert (told.status, read(told)["proxies"]) == (400, [])
    assert read(told)["error"] == "no"
