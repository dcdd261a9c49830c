"""Rules of a client's opening handshake, judged over all of a run.

They refuse to know how requests came, and what was answered.
"""

import base64
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Final

import msgspec

from wavetank.evidence import Finding, Verdict
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.openings import DEFLATE, EXTENSIONS, SUBPROTOCOL
from wavetank.wire import Headers, Refusal, Request, parse_elements, parse_parameters

__all__ = ["RULES", "Asked", "Rule", "is_about_websockets", "judge_requests"]

_CLIENT: Final = "RFC 6455 4.1"
_KEY: Final = "Sec-WebSocket-Key"
_VERSION: Final = "Sec-WebSocket-Version"
_LOOPBACK: Final = ("127.0.0.1", "localhost")
"""Who was told the port alone has named the host; both are right."""
_ONCE: Final = ("Host", "Origin", _KEY, _VERSION)
_SHOWN: Final = 80
_ENOUGH: Final = 8
"""Keys from which on a byte that never changes is no chance (256 ** -7)."""

_is_key = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An opening handshake of a client.

    Attributes:
        head: Its request, or why it is none.
        port: What ``Host`` has to end with.
        is_early: Whether more came before the answer.
    """

    head: Request | Refusal
    port: int
    is_early: bool = False


Problem = str | None
"""What breaks a rule, "" where nothing does; None where it says nothing."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that each request keeps or breaks.

    Attributes:
        id: Such as ``K.3``.
        title: As one sentence.
        clause: Where it stands.
        level: How much it binds.
        problem: What of a request breaks it.
    """

    id: str
    title: str
    clause: str
    level: Level = Level.MUST
    problem: Callable[[Asked], Problem]


def judge_requests(asked: Sequence[Asked]) -> list[Finding]:
    """Judge all opening handshakes of a run, rule by rule."""
    return [
        *(_judge(rule, asked) for rule in RULES),
        *(_judge_keys(title, clause, judge, asked) for title, clause, judge in _KEYS),
    ]


def _judge(rule: Rule, asked: Sequence[Asked]) -> Finding:
    problems = [rule.problem(each) for each in asked]
    told = [problem for problem in problems if problem is not None]
    broken = [problem for problem in told if problem]
    seen = f"{len(told)} requests"
    if broken:
        seen = f"{broken[0]} ({len(broken)} of {seen})"
    is_broken = bool(broken) and rule.level is Level.MUST
    verdict = Verdict.FAIL if is_broken else Verdict.PASS
    return Finding(
        verdict=verdict if told else Verdict.SKIP,
        title=f"{rule.id} {rule.title}",
        seen=seen if told else "no request has such a field",
        clause=f"{rule.clause} ({rule.level})",
        note=f"it should not be so: {broken[0]}" if broken and not is_broken else "",
    )


# One request.


def is_about_websockets(request: Request) -> bool:
    """Tell whether a request is an opening handshake, be it a wrong one."""
    names = {name.lower() for name, _ in request.headers}
    return "upgrade" in names or any(
        name.startswith("sec-websocket-") for name in names
    )


def _request(judge: Callable[[Request], Problem]) -> Callable[[Asked], Problem]:
    """Judge what could be read; what could not has a rule of its own."""
    return lambda asked: judge(asked.head) if isinstance(asked.head, Request) else None


def _values(request: Request, name: str) -> str:
    """Show the values of a field."""
    return f"{name}: {' | '.join(request.headers.all(name))[:_SHOWN] or 'none'}"


def _has_word(headers: Headers, name: str, word: str) -> bool:
    words = {part.strip(" \t").lower() for value in headers.all(name)
             for part in value.split(",")}  # fmt: skip
    return word in words


def _unreadable(asked: Asked) -> Problem:
    return asked.head.text if isinstance(asked.head, Refusal) else ""


def _method(request: Request) -> Problem:
    return "" if request.method == "GET" else f"the method is {request.method[:_SHOWN]}"


def _version(request: Request) -> Problem:
    return "" if request.version == "HTTP/1.1" else f"it is {request.version}"


def _target(request: Request) -> Problem:
    target = request.target
    is_right = target.startswith(("/", "http://", "https://")) and "#" not in target
    return "" if is_right else f"the target is {target[:_SHOWN]}"


def _host(asked: Asked) -> Problem:
    if isinstance(asked.head, Refusal):
        return None
    right = [f"{name}:{asked.port}" for name in _LOOPBACK]
    said = asked.head.headers.all("Host")
    is_right = len(said) == 1 and said[0].lower() in right
    return "" if is_right else f"{_values(asked.head, 'Host')}, not {right[0]}"


def _upgrade(request: Request) -> Problem:
    is_right = _has_word(request.headers, "Upgrade", "websocket")
    return "" if is_right else _values(request, "Upgrade")


def _connection(request: Request) -> Problem:
    is_right = _has_word(request.headers, "Connection", "upgrade")
    return "" if is_right else _values(request, "Connection")


def _key(request: Request) -> Problem:
    keys = request.headers.all(_KEY)
    return "" if len(keys) == 1 and _is_key(keys[0]) else _values(request, _KEY)


def _number(request: Request) -> Problem:
    is_right = request.headers.all(_VERSION) == ("13",)
    return "" if is_right else _values(request, _VERSION)


def _twice(request: Request) -> Problem:
    found = [name for name in _ONCE if len(request.headers.all(name)) > 1]
    return f"{', '.join(found)}: more than once" if found else ""


def _body(request: Request) -> Problem:
    lengths = set(request.headers.all("Content-Length")) - {"0"}
    if lengths or "Transfer-Encoding" in request.headers:
        return "it announces a body"
    return ""


def _subprotocols(request: Request) -> Problem:
    values = request.headers.all(SUBPROTOCOL)
    if not values:
        return None
    elements = parse_elements(values)
    names = [each.name for each in elements or () if not each.parameters]
    is_right = bool(names) and len(set(names)) == len(elements or ())
    return "" if is_right else _values(request, SUBPROTOCOL)


def _extensions(request: Request) -> Problem:
    if EXTENSIONS not in request.headers:
        return None
    is_right = bool(parse_elements(request.headers.all(EXTENSIONS)))
    return "" if is_right else _values(request, EXTENSIONS)


def _deflate(request: Request) -> Problem:
    elements = parse_elements(request.headers.all(EXTENSIONS)) or ()
    offers = [
        parse_parameters(each, in_offer=True)
        for each in elements
        if each.name == DEFLATE
    ]
    wrong = [offer for offer in offers if isinstance(offer, str)]
    return (wrong[0] if wrong else "") if offers else None


def _early(asked: Asked) -> Problem:
    return "more came before the answer" if asked.is_early else ""


_ROWS: tuple[tuple[int, str, str, Callable[[Asked], Problem]], ...] = (
    (1, "The request is HTTP that can be read.", _CLIENT, _unreadable),
    (2, "The method is GET.", _CLIENT, _request(_method)),
    (3, "The version of HTTP is 1.1.", _CLIENT, _request(_version)),
    (4, "The target is a path, or a whole URL, and no fragment.", _CLIENT,
     _request(_target)),
    (5, "Host is there once: name, and the port that is not 80.", _CLIENT, _host),
    (6, "Upgrade names websocket.", _CLIENT, _request(_upgrade)),
    (7, "Connection names Upgrade.", _CLIENT, _request(_connection)),
    (8, "The key is there once: 16 bytes in base64.", _CLIENT, _request(_key)),
    (9, "The version is there once: 13.", _CLIENT, _request(_number)),
    (10, "Host, Origin, key and version come once at most.", "RFC 6455 11.3",
     _request(_twice)),
    (12, "Subprotocols are tokens, each offered once.", _CLIENT,
     _request(_subprotocols)),
    (13, "Extensions keep the grammar.", "RFC 6455 9.1", _request(_extensions)),
    (14, "permessage-deflate is offered with legal parameters.", "RFC 7692 7.1",
     _request(_deflate)),
    (15, "Nothing is sent before the answer.", _CLIENT, _early),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *(
        Rule(id=f"K.{number}", title=title, clause=clause, problem=problem)
        for number, title, clause, problem in _ROWS
    ),
    Rule(
        id="K.11",
        title="The request has no body.",
        clause="RFC 9110 9.3.1",
        level=Level.SHOULD,
        problem=_request(_body),
    ),
)


# All keys.

_Judge = Callable[[list[bytes]], str]


def _judge_keys(
    title: str, clause: str, judge: _Judge, asked: Sequence[Asked]
) -> Finding:
    keys = [key for each in asked for key in _bytes_of(each)]
    told = len(keys) > 1
    problem = judge(keys) if told else ""
    verdict = Verdict.FAIL if problem else Verdict.PASS
    return Finding(
        verdict=verdict if told else Verdict.SKIP,
        title=title,
        seen=problem or (f"{len(keys)} keys" if told else "there are no two keys"),
        clause=f"{clause} ({Level.MUST})",
    )


def _bytes_of(asked: Asked) -> list[bytes]:
    """Return the key of a request, decoded; nothing where it has none."""
    if isinstance(asked.head, Refusal):
        return []
    keys = asked.head.headers.all(_KEY)
    return [base64.b64decode(key) for key in keys if _is_key(key)]


def _come_again(keys: list[bytes]) -> str:
    """Tell of keys that come more than once."""
    key, times = Counter(keys).most_common(1)[0]
    return f"{key.hex(' ')} came {times} times" if times > 1 else ""


def _are_guessed(keys: list[bytes]) -> str:
    """Tell of keys that follow from those before: counters, and bytes that stand."""
    numbers = [int.from_bytes(key) for key in keys]
    turned = [int.from_bytes(key, "little") for key in keys]
    for series in (numbers, turned):
        steps = Counter(later - before for before, later in pairwise(series))
        del steps[0]  # the same key again is a rule of its own
        step, times = max(steps.items(), key=itemgetter(1), default=(0, 0))
        if times > 1:
            return f"one key follows from another {times} times, by adding {step}"
    if len(keys) < _ENOUGH:
        return ""
    still = [place for place in range(16) if len({key[place] for key in keys}) == 1]
    return f"of 16 bytes {len(still)} are always the same" if still else ""


_KEYS: tuple[tuple[str, str, _Judge], ...] = (
    ("K.16 Each connection has a key of its own.", _CLIENT, _come_again),
    ("K.17 No key follows from those before it.", _CLIENT, _are_guessed),
)
