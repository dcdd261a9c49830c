"""Opening handshakes as values, right and wrong, and how their answers are judged.

They refuse to know sockets, time, and what a connection is used for.
"""

import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from wavetank.evidence import Verdict
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.judge import Judgement
from wavetank.wire import (
    DeflateParameters,
    Element,
    Frame,
    Opcode,
    accept_key,
    parse_elements,
    parse_parameters,
)

__all__ = [
    "ENDS",
    "EXTENSIONS",
    "OPENED",
    "OPENS",
    "REFUSED",
    "REFUSES",
    "SUBPROTOCOL",
    "UNHEARD",
    "Answer",
    "Ask",
    "Reply",
    "arguments",
    "is_evidence",
    "judge_answer",
    "row",
    "sent_key",
]

SUBPROTOCOL: Final = "Sec-WebSocket-Protocol"
EXTENSIONS: Final = "Sec-WebSocket-Extensions"
_KEY: Final = "Sec-WebSocket-Key"

OPENED: Final = frozenset({101})
REFUSED: Final = frozenset(range(400, 500))
"""Error codes that are appropriate where the client is wrong (RFC 6455 4.2.1)."""

UNHEARD: Final = "x-wavetank-"
"""How extensions begin that nobody can speak, because nobody ever defined them."""

_LOCKED: Final = frozenset({401, 407, 429, 503})
"""Statuses that are about who asks, or about how often, whatever is wrong besides."""
_DEFLATE: Final = "permessage-deflate"
_USES_RSV1: Final = frozenset({_DEFLATE, "x-webkit-deflate-frame", "deflate-frame"})
_TOO_BIG: Final = 1009
_SHOWN: Final = 80
"""Characters of an answer that a sentence shows."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One way to answer an opening handshake well.

    A 101 has to be a good one besides (RFC 6455 4.2.2): accept key, ``Upgrade``,
    ``Connection``, subprotocol and extensions are judged whatever stands here.

    Attributes:
        statuses: That fit; none is TCP ended without an answer.
        may_wait: Likewise TCP left open without an answer.
        has: Fields that it has to have, each with a word of its list; "" is any.
        lacks: Fields that it must not have.
        pongs: Payloads of exactly the pongs behind a 101; None is whatever.
        fails: Whether the connection is failed behind the 101.
        note: What it should have done instead; then it is a PASS with that note.
        verdict: UNKNOWN where nothing can be said of the rule.
    """

    statuses: frozenset[int]
    may_wait: bool = False
    has: tuple[tuple[str, str], ...] = ()
    lacks: tuple[str, ...] = ()
    pongs: tuple[bytes, ...] | None = None
    fails: bool = False
    note: str = ""
    verdict: Verdict = Verdict.PASS


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One row: an opening handshake, and how it may be answered.

    ``method`` to ``line_end`` are arguments of ``wavetank.net.opening_request``.

    Attributes:
        id: Such as ``H.4`` or ``N.12``.
        title: What is sent and what has to happen, as one sentence.
        clause: The rule, such as ``RFC 6455 4.2.1``.
        level: How much it binds.
        method: Instead of GET.
        target: Instead of path and query of the URL. ``{path}`` stands for these,
            ``{origin}`` for what is before them, ``{and}`` for what begins or
            goes on with a query.
        version: Instead of HTTP/1.1.
        change: Fields by name: None leaves one out, several texts are several
            lines. ``Sec-WebSocket-Protocol`` and ``-Extensions`` count as offered
            only where they are named here.
        lines: Raw lines behind the fields, their ends included.
        line_end: What ends every other line.
        piece: Bytes of a write; None is everything in one.
        after: Bytes sent right behind the request, in the same write.
        key: The key, where ``lines`` have it.
        answers: That fit; the first is the best.
    """

    id: str
    title: str
    clause: str
    level: Level = Level.MUST
    method: str = "GET"
    target: str | None = None
    version: str = "HTTP/1.1"
    change: Mapping[str, str | tuple[str, ...] | None] = {}
    lines: tuple[bytes, ...] = ()
    line_end: bytes = b"\r\n"
    piece: int | None = None
    after: bytes = b""
    key: str = ""
    answers: tuple[Answer, ...]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an opening handshake.

    Attributes:
        status: Of the answer; None where none came.
        version: Of the answer, such as ``HTTP/1.1``.
        fields: Of the answer, in their order.
        body: Its first bytes.
        ending: How TCP was ended, ``fin`` or ``reset``; "" while it was not.
        frames: Behind a 101.
        broken: What is wrong with what came, where it is no answer of HTTP.
        unreached: Why nothing could be sent at all.
    """

    status: int | None = None
    version: str = "HTTP/1.1"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    ending: str = ""
    frames: tuple[Frame, ...] = ()
    broken: str = ""
    unreached: str = ""


# Answers that nearly every case is made of.

OPENS = Answer(statuses=OPENED)
REFUSES = Answer(statuses=REFUSED)
ENDS = Answer(statuses=frozenset(), note="it should say why, with a 400 (RFC 9112 2.2)")


def row(
    name: str,
    title: str,
    clause: str,
    *answers: Answer,
    level: Level = Level.MUST,
    **wrong: Any,
) -> Ask:
    """Return a case of which this is wrong with the request; ``name`` is its id."""
    return Ask(
        id=name, title=title, clause=clause, level=level, answers=answers, **wrong
    )


def arguments(ask: Ask, url: str) -> dict[str, Any]:
    """Return what ``wavetank.net.opening_request`` has to be told of a case.

    Args:
        ask: The case.
        url: Of the target.
    """
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    scheme = "https" if parts.scheme == "wss" else "http"
    origin = f"{scheme}://{parts.netloc.rpartition('@')[2]}"
    target = ask.target
    if target is not None:
        target = target.replace("{and}", "&" if parts.query else "?")
        target = target.replace("{origin}", origin).replace("{path}", path)
    return {
        "method": ask.method,
        "target": target,
        "version": ask.version,
        "change": ask.change,
        "lines": ask.lines,
        "line_end": ask.line_end,
    }


def sent_key(ask: Ask, key: str) -> str:
    """Return the key that a case sends, given the one that was made for it."""
    changed = ask.change.get(_KEY)
    return ask.key or (changed.strip(" \t") if isinstance(changed, str) else key)


def judge_answer(ask: Ask, key: str, reply: Reply) -> Judgement:
    """Judge what came of a case.

    Args:
        ask: The case.
        key: That was made for it.
        reply: What came.
    """
    expected, came = _expected(ask), _seen(reply)
    if reply.unreached or reply.status in _LOCKED:
        seen = f"{came}; nothing can be said of the rule"
        return Judgement(verdict=Verdict.UNKNOWN, expected=expected, seen=seen)
    flaws = []
    for answer in ask.answers:
        if not _takes(answer, reply):
            continue
        flaw = next(_flaws(answer, ask, key, reply), "")
        if not flaw:
            return _fitting(answer, expected, came)
        flaws.append(flaw)
    but = f", but {flaws[0]}" if flaws else ""
    return Judgement(verdict=Verdict.FAIL, expected=expected, seen=f"{came}{but}")


def is_evidence(reply: Reply) -> bool:
    """Tell whether what came is about the case, and not about the rush.

    Who was not reached, was sent away, or waited in vain, may have come at a bad time.
    """
    if reply.unreached or reply.status in _LOCKED:
        return False
    return reply.status is not None or bool(reply.ending or reply.broken)


def _fitting(answer: Answer, expected: str, came: str) -> Judgement:
    verdict, note = answer.verdict, answer.note
    if verdict is Verdict.PASS:
        return Judgement(verdict=verdict, expected=expected, seen=came, note=note)
    # Where nothing can be said, the note is the reason.
    return Judgement(verdict=verdict, expected=expected, seen=f"{came}; {note}")


def _takes(answer: Answer, reply: Reply) -> bool:
    """Tell whether an answer is of the kind that came."""
    if reply.broken:
        return False
    if reply.status is None:
        return not answer.statuses and bool(reply.ending or answer.may_wait)
    return reply.status in answer.statuses


def _flaws(answer: Answer, ask: Ask, key: str, reply: Reply) -> Iterator[str]:
    """Yield what is wrong with a reply of the right status."""
    if reply.status == 101:
        yield from _handshake_flaws(reply, sent_key(ask, key))
        yield from _subprotocol_flaws(ask, reply)
        yield from _extension_flaws(ask, reply)
    for name, word in answer.has:
        values = _values(reply, name)
        if not values:
            yield f"{name} is missing"
        elif word and word.lower() not in _tokens(values):
            yield f"{name} does not name {word}"
    for name in answer.lacks:
        if _values(reply, name):
            yield f"it has {name}: {', '.join(_values(reply, name))[:_SHOWN]}"
    pongs = tuple(each.payload for each in reply.frames if each.opcode == Opcode.PONG)
    if answer.pongs is not None and pongs != answer.pongs:
        yield f"the pongs are {_listed(pongs)} instead of {_listed(answer.pongs)}"
    if answer.fails and not _is_failed(reply):
        yield "the connection stays open"


def _handshake_flaws(reply: Reply, key: str) -> Iterator[str]:
    """Yield what is wrong with a 101 whatever was offered (RFC 6455 4.2.2, step 5)."""
    if reply.version != "HTTP/1.1":
        yield f"the 101 is of {reply.version}"
    upgrades = _values(reply, "Upgrade")
    if [value.lower() for value in upgrades] != ["websocket"]:
        yield f"Upgrade is {_listed(upgrades)} instead of websocket"
    connection = _values(reply, "Connection")
    if "upgrade" not in _tokens(connection):
        yield f"Connection is {_listed(connection)} and does not name Upgrade"
    accepted, expected = _values(reply, "Sec-WebSocket-Accept"), accept_key(key)
    if accepted != [expected]:
        yield f"Sec-WebSocket-Accept is {_listed(accepted)} instead of {expected}"
    for frame in reply.frames:
        for each in frame.violations:
            if each.code != _TOO_BIG:  # a limit of the lab's, and no rule
                yield f"a frame is wrong: {each.reason}"


def _subprotocol_flaws(ask: Ask, reply: Reply) -> Iterator[str]:
    """Yield what is wrong with the subprotocol (RFC 6455 4.2.2, step 4; 11.3.4)."""
    chosen = _values(reply, SUBPROTOCOL)
    if len(chosen) > 1:
        yield f"{SUBPROTOCOL} comes more than once"
    offered = _offered(ask, SUBPROTOCOL)
    if offered is None:
        return
    names = {name.strip(" \t") for value in offered for name in value.split(",")}
    for name in chosen:
        if name not in names - {""}:
            yield f"the subprotocol {name[:_SHOWN]!r} was not offered"


def _extension_flaws(ask: Ask, reply: Reply) -> Iterator[str]:
    """Yield what is wrong with the extensions (RFC 6455 4.2.2 and 9.1, RFC 7692)."""
    values, offered = _values(reply, EXTENSIONS), _offered(ask, EXTENSIONS)
    if not values:
        return
    agreed = parse_elements(values)
    if not agreed:
        yield f"{EXTENSIONS} is malformed: {_listed(values)}"
    if not agreed or offered is None:
        return
    offers = parse_elements(offered) or ()
    names = {offer.name for offer in offers}
    for each in agreed:
        if each.name not in names:
            yield f"the extension {each.name} was not offered"
        elif each.name.startswith(UNHEARD):
            yield f"the extension {each.name} does not exist"
        elif each.name == _DEFLATE:
            yield from _deflate_flaws(each, offers)
    used = Counter(each.name for each in agreed if each.name in _USES_RSV1)
    if used.total() > 1:
        yield f"RSV1 is given away more than once: {', '.join(used.elements())}"


def _deflate_flaws(agreed: Element, offers: tuple[Element, ...]) -> Iterator[str]:
    """Yield what is wrong with an answer to permessage-deflate (RFC 7692 7.1)."""
    given = parse_parameters(agreed, in_offer=False)
    if isinstance(given, str):
        yield f"{_DEFLATE} is answered with parameters that are not legal: {given}"
        return
    asked = [
        parse_parameters(offer, in_offer=True)
        for offer in offers
        if offer.name == _DEFLATE
    ]
    legal = [offer for offer in asked if isinstance(offer, DeflateParameters)]
    if not legal:
        yield f"{_DEFLATE} is agreed to, though its offer is not legal: {asked[0]}"
    elif not any(_fits(given, offer) for offer in legal):
        yield f"{_DEFLATE} is not answered as it was offered"


def _fits(given: DeflateParameters, offer: DeflateParameters) -> bool:
    """Tell whether parameters of an answer accept an offer (RFC 7692 7.1)."""
    if offer.server_no_context_takeover and not given.server_no_context_takeover:
        return False
    most = offer.server_max_window_bits
    # An answer that says nothing means 15, which is what an offer of 15 asks for.
    if most is not None and (given.server_max_window_bits or 15) > most:
        return False
    bits, offered = given.client_max_window_bits, offer.client_max_window_bits
    # Without a value, an offer leaves any number to the server.
    return bits is None or (offered is not None and bits <= (offered or 15))


def _is_failed(reply: Reply) -> bool:
    closes = any(frame.opcode == Opcode.CLOSE for frame in reply.frames)
    return closes or bool(reply.ending)


def _values(reply: Reply, name: str) -> list[str]:
    return [value for field, value in reply.fields if field.lower() == name.lower()]


def _tokens(values: list[str]) -> set[str]:
    return {word.strip(" \t").lower() for value in values for word in value.split(",")}


def _offered(ask: Ask, name: str) -> tuple[str, ...] | None:
    """Return the lines of a field that a case sends; None where it does not say."""
    if name not in ask.change:
        return None
    value = ask.change[name]
    return (value,) if isinstance(value, str) else value or ()


# Sentences.


def _seen(reply: Reply) -> str:
    """Say what came."""
    if reply.unreached:
        return f"it was not reached ({reply.unreached})"
    if reply.broken:
        return f"what came is no answer of HTTP ({reply.broken})"
    if reply.status is None and not reply.ending:
        return "no answer came in time"
    if reply.status is None:
        return f"TCP ended without an answer ({reply.ending})"
    shown = _said(reply)[:_SHOWN]
    return f"{reply.status} came ({shown})" if shown else f"{reply.status} came"


def _said(reply: Reply) -> str:
    """Return what an answer says of itself, where it does so in plain words."""
    if reply.status == 101:
        told = (SUBPROTOCOL, EXTENSIONS)
        said = [f"{name}: {value}" for name in told for value in _values(reply, name)]
        return "; ".join(said)
    words = " ".join(reply.body.decode("latin-1").split())
    return words if words.isprintable() and not words.startswith("<") else ""


def _expected(ask: Ask) -> str:
    """Say what would fit best."""
    best = [answer for answer in ask.answers if not answer.note]
    return " or ".join(dict.fromkeys(_words(answer) for answer in best))


def _words(answer: Answer) -> str:
    if not answer.statuses:
        return "no answer" if answer.may_wait else "the end of TCP"
    said = [_said_statuses(answer.statuses)]
    said += [f"with {name}{word and ': '}{word}" for name, word in answer.has]
    said += [f"without {name}" for name in answer.lacks]
    if answer.pongs is not None:
        said.append(f"with the pongs {_listed(answer.pongs)}")
    if answer.fails:
        said.append("and the connection failed")
    return " ".join(said)


def _said_statuses(statuses: frozenset[int]) -> str:
    """Name statuses, whole classes as such: ``4xx``."""
    said = []
    for hundred in sorted({status // 100 for status in statuses}):
        members = sorted(status for status in statuses if status // 100 == hundred)
        is_class = len(members) > 50
        said += [f"{hundred}xx"] if is_class else [str(status) for status in members]
    return " or ".join(said)


def _listed(values: list[str] | tuple[bytes, ...]) -> str:
    """Show values, shortened, and that there are none."""
    shown = [
        value.decode("latin-1") if isinstance(value, bytes) else value
        for value in values
    ]
    return ", ".join(repr(value[:_SHOWN]) for value in shown) or "none"
