"""How answers to opening handshakes are judged: by replies that are made by hand."""

from typing import Any

import msgspec
import pytest

from wavetank.evidence import Verdict
from wavetank.lab.conformance.asking import (
    ENDS,
    EXTENSIONS,
    OPENED,
    OPENS,
    REFUSED,
    REFUSES,
    SUBPROTOCOL,
    Answer,
    Ask,
    Reply,
    arguments,
    judge_answer,
    row,
    sent_key,
)
from wavetank.lab.conformance.case import Level
from wavetank.wire import Frame, Opcode, Violation

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = ("Upgrade", "websocket")
CONNECTION = ("Connection", "Upgrade")
ACCEPTED = ("Sec-WebSocket-Accept", ACCEPT)
GOOD = (UPGRADE, CONNECTION, ACCEPTED)
DEFLATE = "permessage-deflate"


def asked(*answers: Answer, **wrong: Any) -> Ask:
    """Return a case with these answers."""
    return row("X.1", "Something happens.", "RFC 6455 4.2.2", *answers, **wrong)


def opened(*fields: tuple[str, str], **more: Any) -> Reply:
    """Return a good 101 with further fields."""
    return Reply(status=101, fields=(*GOOD, *fields), **more)


def test_a_row_is_a_case_and_must_by_default() -> None:
    """What is wrong with its request are fields of the case."""
    ask = row("X.1", "A title.", "RFC 1", OPENS, method="PUT", piece=1)
    assert ask == Ask(
        id="X.1",
        title="A title.",
        clause="RFC 1",
        level=Level.MUST,
        method="PUT",
        piece=1,
        answers=(OPENS,),
    )


@pytest.mark.parametrize(
    ("answers", "reply", "sentence"),
    [
        ((OPENS,), opened(), "101 came"),
        ((REFUSES,), Reply(status=400), "400 came"),
        ((REFUSES,), Reply(status=426, body=b"no\nway\n"), "426 came (no way)"),
        ((REFUSES,), Reply(status=404, body=b"<html>"), "404 came"),
        ((REFUSES,), Reply(status=404, body=b"\x00\x01"), "404 came"),
        ((OPENS, REFUSES), Reply(status=499), "499 came"),
        (
            (ENDS,),
            Reply(ending="reset"),
            "TCP ended without an answer (reset); it should say why, with a 400 "
            "(RFC 9112 2.2)",
        ),
        (
            (Answer(statuses=frozenset(), may_wait=True),),
            Reply(),
            "no answer came in time",
        ),
        (
            (REFUSES, Answer(statuses=OPENED, note="it should not")),
            opened(),
            "101 came; it should not",
        ),
    ],
)
def test_a_reply_that_fits_passes(
    answers: tuple[Answer, ...], reply: Reply, sentence: str
) -> None:
    """The first answer that fits decides, and its note is told."""
    judgement = judge_answer(asked(*answers), KEY, reply)
    assert judgement.verdict is Verdict.PASS
    assert "; ".join(filter(None, (judgement.seen, judgement.note))) == sentence


@pytest.mark.parametrize(
    ("answers", "reply", "sentence"),
    [
        ((OPENS,), Reply(status=400), "expected 101; 400 came"),
        ((REFUSES, ENDS), opened(), "expected 4xx; 101 came"),
        ((REFUSES,), Reply(status=500), "expected 4xx; 500 came"),
        ((OPENS,), Reply(), "expected 101; no answer came in time"),
        (
            (REFUSES,),
            Reply(ending="fin"),
            "expected 4xx; TCP ended without an answer (fin)",
        ),
        (
            (Answer(statuses=frozenset()),),
            Reply(),
            "expected the end of TCP; no answer came in time",
        ),
        (
            (Answer(statuses=frozenset(), may_wait=True),),
            opened(),
            "expected no answer; 101 came",
        ),
        (
            (OPENS, ENDS),
            Reply(broken="this is not HTTP: b'hi'", ending="fin"),
            "expected 101; what came is no answer of HTTP (this is not HTTP: b'hi')",
        ),
        (
            (Answer(statuses=frozenset({400, 501, *range(200, 300)})),),
            Reply(status=500),
            "expected 2xx or 400 or 501; 500 came",
        ),
    ],
)
def test_a_reply_that_does_not_fit_fails(
    answers: tuple[Answer, ...], reply: Reply, sentence: str
) -> None:
    """The sentence says what would have been best, and what came."""
    judgement = judge_answer(asked(*answers), KEY, reply)
    assert judgement.verdict is Verdict.FAIL
    assert f"expected {judgement.expected}; {judgement.seen}" == sentence


@pytest.mark.parametrize("status", [401, 407, 429, 503])
@pytest.mark.parametrize("answer", [OPENS, REFUSES])
def test_a_locked_door_says_nothing_of_a_rule(status: int, answer: Answer) -> None:
    """A login that is wanted, or a target that is too busy, is UNKNOWN."""
    judgement = judge_answer(asked(answer), KEY, Reply(status=status))
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.seen == f"{status} came; nothing can be said of the rule"


def test_a_target_that_is_not_reached_says_nothing_of_a_rule() -> None:
    """Nobody there is UNKNOWN, also where TCP may end."""
    reply = Reply(unreached="nobody listens")
    judgement = judge_answer(asked(OPENS, ENDS), KEY, reply)
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.seen == (
        "it was not reached (nobody listens); nothing can be said of the rule"
    )


def test_an_answer_may_say_that_nothing_can_be_said() -> None:
    """A case knows statuses of its own that are UNKNOWN."""
    away = Answer(statuses=frozenset({403}), note="away", verdict=Verdict.UNKNOWN)
    found = judge_answer(asked(OPENS, away), KEY, Reply(status=403))
    assert (found.verdict, found.seen) == (Verdict.UNKNOWN, "403 came; away")
    assert found.note == ""


@pytest.mark.parametrize(
    ("reply", "flaw"),
    [
        (
            Reply(status=101, version="HTTP/1.0", fields=GOOD),
            "the 101 is of HTTP/1.0",
        ),
        (
            Reply(status=101, fields=(CONNECTION, ACCEPTED)),
            "Upgrade is none instead of websocket",
        ),
        (
            Reply(status=101, fields=(("Upgrade", "h2c"), CONNECTION, ACCEPTED)),
            "Upgrade is 'h2c' instead of websocket",
        ),
        (
            Reply(status=101, fields=(UPGRADE, ("Connection", "close"), ACCEPTED)),
            "Connection is 'close' and does not name Upgrade",
        ),
        (
            Reply(status=101, fields=(UPGRADE, CONNECTION)),
            f"Sec-WebSocket-Accept is none instead of {ACCEPT}",
        ),
        (
            Reply(
                status=101,
                fields=(UPGRADE, CONNECTION, ("Sec-WebSocket-Accept", KEY)),
            ),
            f"Sec-WebSocket-Accept is '{KEY}' instead of {ACCEPT}",
        ),
        (
            opened(ACCEPTED),
            f"Sec-WebSocket-Accept is '{ACCEPT}', '{ACCEPT}' instead of {ACCEPT}",
        ),
        (
            opened(
                frames=(
                    Frame(2, violations=(Violation(1009, "large", "10.4"),)),
                    Frame(3, violations=(Violation(1002, "no", "5"),)),
                )
            ),
            "a frame is wrong: no",
        ),
    ],
)
def test_a_101_has_to_be_a_good_one(reply: Reply, flaw: str) -> None:
    """Whatever a case is about, a 101 that no client can take does not pass."""
    found = judge_answer(asked(OPENS), KEY, reply)
    assert (found.verdict, found.expected) == (Verdict.FAIL, "101")
    assert found.seen == f"101 came, but {flaw}"


@pytest.mark.parametrize(
    "fields",
    [
        (("upgrade", "WebSocket"), ("CONNECTION", "keep-alive, upgrade"), ACCEPTED),
        (UPGRADE, ("Connection", "keep-alive"), CONNECTION, ACCEPTED),
    ],
)
def test_a_101_may_be_written_in_other_cases_and_lists(
    fields: tuple[tuple[str, str], ...],
) -> None:
    """Names, Upgrade and Connection ignore case, and Connection is a list."""
    reply = Reply(status=101, fields=fields)
    assert judge_answer(asked(OPENS), KEY, reply).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("offer", "fields", "flaw"),
    [
        ("a, b", (), ""),
        ("a, b", ("b",), ""),
        (("a", "b"), ("b",), ""),
        ("a, b", ("B",), "the subprotocol 'B' was not offered"),
        ("a, b", ("a, b",), "the subprotocol 'a, b' was not offered"),
        ("a, b", ("a", "b"), "Sec-WebSocket-Protocol comes more than once"),
        ("a,,b", ("",), "the subprotocol '' was not offered"),
        (None, ("a",), "the subprotocol 'a' was not offered"),
    ],
)
def test_a_subprotocol_comes_from_the_offer(
    offer: str | tuple[str, ...] | None, fields: tuple[str, ...], flaw: str
) -> None:
    """One of those that were offered, as it is written there, or none."""
    reply = opened(*((SUBPROTOCOL, value) for value in fields))
    judgement = judge_answer(asked(OPENS, change={SUBPROTOCOL: offer}), KEY, reply)
    assert judgement.verdict is (Verdict.FAIL if flaw else Verdict.PASS)
    assert judgement.seen.endswith(flaw)


def test_what_a_case_leaves_to_others_is_not_judged() -> None:
    """Credentials may come with a subprotocol of which the case knows nothing."""
    reply = opened((SUBPROTOCOL, "theirs"), (EXTENSIONS, DEFLATE))
    judgement = judge_answer(asked(OPENS), KEY, reply)
    assert judgement.verdict is Verdict.PASS
    assert judgement.seen == (
        "101 came (Sec-WebSocket-Protocol: theirs; "
        "Sec-WebSocket-Extensions: permessage-deflate)"
    )


@pytest.mark.parametrize(
    ("offer", "answer", "flaw"),
    [
        (None, DEFLATE, "the extension permessage-deflate was not offered"),
        ("", DEFLATE, "the extension permessage-deflate was not offered"),
        ("=", DEFLATE, "the extension permessage-deflate was not offered"),
        (DEFLATE, "", "Sec-WebSocket-Extensions is malformed: ''"),
        (DEFLATE, ";", "Sec-WebSocket-Extensions is malformed: ';'"),
        (DEFLATE, DEFLATE, ""),
        (DEFLATE, "mux", "the extension mux was not offered"),
        ("x-wavetank-a", "x-wavetank-a", "the extension x-wavetank-a does not exist"),
        ("x-webkit-deflate-frame", "x-webkit-deflate-frame", ""),
        (
            f"x-webkit-deflate-frame, {DEFLATE}",
            f"{DEFLATE}, x-webkit-deflate-frame",
            "RSV1 is given away more than once: "
            "permessage-deflate, x-webkit-deflate-frame",
        ),
        (
            (DEFLATE, DEFLATE),
            f"{DEFLATE}, {DEFLATE}",
            "RSV1 is given away more than once: permessage-deflate, permessage-deflate",
        ),
    ],
)
def test_extensions_come_from_the_offer(
    offer: str | tuple[str, ...] | None, answer: str, flaw: str
) -> None:
    """Nothing that was not offered, nothing that nobody speaks, RSV1 once."""
    ask = asked(OPENS, change={EXTENSIONS: offer})
    judgement = judge_answer(ask, KEY, opened((EXTENSIONS, answer)))
    assert judgement.verdict is (Verdict.FAIL if flaw else Verdict.PASS)
    assert judgement.seen.endswith(flaw)


@pytest.mark.parametrize(
    ("offer", "answer", "fits"),
    [
        ("", "", True),
        ("", "; server_no_context_takeover; client_no_context_takeover", True),
        ("", "; server_max_window_bits=9", True),
        ("", "; client_max_window_bits=15", False),
        ("", "; client_max_window_bits", False),
        ("", "; server_max_window_bits=16", False),
        ("", "; wavetank", False),
        ("; server_no_context_takeover", "; server_no_context_takeover", True),
        ("; server_no_context_takeover", "", False),
        ("; client_no_context_takeover", "", True),
        ("; server_max_window_bits=10", "; server_max_window_bits=10", True),
        ("; server_max_window_bits=10", "; server_max_window_bits=8", True),
        ("; server_max_window_bits=10", "; server_max_window_bits=11", False),
        ("; server_max_window_bits=10", "", False),
        ("; server_max_window_bits=15", "", True),
        ("; client_max_window_bits", "; client_max_window_bits=15", True),
        ("; client_max_window_bits", "; client_max_window_bits=8", True),
        ("; client_max_window_bits", "", True),
        ("; client_max_window_bits=10", "; client_max_window_bits=10", True),
        ("; client_max_window_bits=10", "; client_max_window_bits=11", False),
        ("; client_max_window_bits=10", "", True),
        ("; server_max_window_bits=7", "; server_max_window_bits=7", False),
        ("; server_max_window_bits=7", "", False),
        (f"; server_max_window_bits=7, {DEFLATE}", "", True),
        (f"; server_max_window_bits=9, {DEFLATE}", "", True),
        (
            f"; server_max_window_bits=9, {DEFLATE}; server_no_context_takeover",
            "",
            False,
        ),
    ],
)
def test_parameters_of_deflate_accept_a_legal_offer(
    offer: str, answer: str, *, fits: bool
) -> None:
    """Each parameter of the answer is legal, and fits one offer (RFC 7692 7.1)."""
    ask = asked(OPENS, change={EXTENSIONS: DEFLATE + offer})
    judgement = judge_answer(ask, KEY, opened((EXTENSIONS, DEFLATE + answer)))
    assert judgement.verdict is (Verdict.PASS if fits else Verdict.FAIL)


@pytest.mark.parametrize(
    ("fields", "flaw"),
    [
        ((("sec-websocket-version", "8, 13"),), ""),
        ((("Sec-WebSocket-Version", "8"), ("Sec-WebSocket-Version", "13")), ""),
        ((), "Sec-WebSocket-Version is missing"),
        (
            (("Sec-WebSocket-Version", "8, 130"),),
            "Sec-WebSocket-Version does not name 13",
        ),
        (
            (("Sec-WebSocket-Version", "13"), ("X-No", "1")),
            "it has X-No: 1",
        ),
    ],
)
def test_an_answer_has_what_it_must_and_lacks_what_it_must_not(
    fields: tuple[tuple[str, str], ...], flaw: str
) -> None:
    """Fields are looked for in any case, words in lists over several lines."""
    answer = Answer(
        statuses=REFUSED, has=(("Sec-WebSocket-Version", "13"),), lacks=("X-No",)
    )
    judgement = judge_answer(asked(answer), KEY, Reply(status=426, fields=fields))
    assert judgement.expected == "4xx with Sec-WebSocket-Version: 13 without X-No"
    assert judgement.verdict is (Verdict.FAIL if flaw else Verdict.PASS)
    assert judgement.seen == (f"426 came, but {flaw}" if flaw else "426 came")


def test_a_field_may_be_wanted_whatever_it_says() -> None:
    """An empty word is any."""
    ask = asked(Answer(statuses=frozenset({405}), has=(("Allow", ""),)))
    fields = (("Allow", "GET"),)
    good = judge_answer(ask, KEY, Reply(status=405, fields=fields))
    assert (good.verdict, good.seen) == (Verdict.PASS, "405 came")
    bad = judge_answer(ask, KEY, Reply(status=405))
    assert (bad.verdict, bad.expected) == (Verdict.FAIL, "405 with Allow")
    assert bad.seen == "405 came, but Allow is missing"


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [((b"early",), Verdict.PASS), ((), Verdict.FAIL), ((b"x", b"early"), Verdict.FAIL)],
)
def test_pongs_behind_a_101_are_exactly_those(
    heard: tuple[bytes, ...], verdict: Verdict
) -> None:
    """A pong too few or too many does not fit; other frames are not looked at."""
    frames = (
        Frame(Opcode.TEXT, b"hello"),
        *(Frame(Opcode.PONG, each) for each in heard),
    )
    answer = Answer(statuses=OPENED, pongs=(b"early",))
    found = judge_answer(asked(answer), KEY, opened(frames=frames))
    assert found.verdict is verdict
    assert (verdict is Verdict.PASS) or "instead of 'early'" in found.seen


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({}, Verdict.FAIL),
        ({"ending": "fin"}, Verdict.PASS),
        ({"frames": (Frame(Opcode.CLOSE, b"\x03\xea"),)}, Verdict.PASS),
    ],
)
def test_a_connection_may_have_to_fail_behind_the_101(
    more: dict[str, Any], verdict: Verdict
) -> None:
    """A close frame, or the end of TCP, is how it fails."""
    answer = Answer(statuses=OPENED, fails=True)
    assert judge_answer(asked(answer), KEY, opened(**more)).verdict is verdict


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({}, "made"),
        ({"change": {"Sec-WebSocket-Key": "\t given "}}, "given"),
        ({"change": {"Sec-WebSocket-Key": None}}, "made"),
        ({"change": {"Sec-WebSocket-Key": ("one", "two")}}, "made"),
        ({"change": {"Sec-WebSocket-Key": None}, "key": "written"}, "written"),
    ],
)
def test_the_key_is_the_one_that_goes_out(wrong: dict[str, Any], key: str) -> None:
    """A case may bring its own, in a field or in a raw line."""
    assert sent_key(asked(OPENS, **wrong), "made") == key


@pytest.mark.parametrize(
    ("url", "target", "expected"),
    [
        ("ws://a/ws", None, None),
        ("ws://a/ws", "/x", "/x"),
        ("ws://u:p@a:81/ws?b=1", "{origin}{path}{and}c", "http://a:81/ws?b=1&c"),
        ("wss://a", "{origin}{path}{and}c", "https://a/?c"),
        ("ws://a/%7Bpath%7D", "{path}#f", "/%7Bpath%7D#f"),
    ],
)
def test_targets_are_made_of_the_url(
    url: str, target: str | None, expected: str | None
) -> None:
    """What a target is made of stands in the case, where it is in the URL."""
    assert arguments(asked(OPENS, target=target), url)["target"] == expected


def test_arguments_are_those_of_a_request() -> None:
    """All that is wrong with a request is handed on as it is."""
    wrong: dict[str, Any] = {
        "method": "PUT",
        "target": None,
        "version": "HTTP/1.0",
        "change": {"Host": None},
        "lines": (b"A: b\r\n",),
        "line_end": b"\n",
    }
    assert arguments(asked(OPENS, **wrong), "ws://a") == wrong


def test_cases_and_replies_travel_as_json() -> None:
    """They are values: what is written can be read again."""
    ask = asked(OPENS, change={"Host": ("a", "b")}, after=b"\x89\x00")
    assert msgspec.json.decode(msgspec.json.encode(ask), type=Ask) == ask
