"""The judge: every way in which a case ends, and what comes of it."""

from typing import Any

import pytest

from wavetank.evidence import Verdict
from wavetank.lab.conformance.case import (
    BROKEN,
    Binary,
    Case,
    Chopped,
    End,
    Frame,
    HalfClose,
    Heard,
    Level,
    Outcome,
    Pause,
    Pong,
    Raw,
    Reset,
    Step,
    Text,
    close,
    ping,
    text,
)
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.judge import judge, may_still_fit

HELLO = Text(b"Hello")
OPEN = Outcome(heard=(HELLO,))
CLOSED = Outcome(end=End.CLOSED)
FAILED = Outcome(end=End.FAILED, codes=BROKEN)
LATE = Outcome(end=End.FAILED, codes=BROKEN, note="it should be quick")

NO_FRAME = "it should send a close frame before it ends the connection"
NO_CODE = "it should say why with a close code"
CODE_1007 = "its close code should be 1002, not 1007"

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def case(
    *outcomes: Outcome, steps: tuple[Step, ...] = (), level: Level = Level.MUST
) -> Case:
    """Return a case of which only that is told."""
    return Case(
        id="1.2.3",
        title="Something comes back.",
        clause="RFC 6455 5.2",
        level=level,
        steps=steps,
        outcomes=outcomes,
    )


def answered(*heard: Heard, **changes: Any) -> Transcript:
    """Return what came where the target answers our close frame and ends TCP."""
    sound: dict[str, Any] = {
        "has_closed": True,
        "is_first": True,
        "has_answer": True,
        "code": 1000,
        "ending": "fin",
    }
    return Transcript(heard=list(heard), **(sound | changes))


def failed(*heard: Heard, **changes: Any) -> Transcript:
    """Return what came where the target fails the connection with 1002."""
    sound = {"has_closed": True, "has_answer": True, "code": 1002, "ending": "fin"}
    return Transcript(heard=list(heard), **(sound | changes))


def verdict(judged: Case, transcript: Transcript) -> tuple[Verdict, str]:
    """Return the verdict and the note."""
    judgement = judge(judged, transcript)
    return judgement.verdict, judgement.note


# The connection goes on.


@pytest.mark.parametrize(
    ("transcript", "expected"),
    [
        (answered(HELLO), PASS),
        # An empty close frame is an answer; typically the code is echoed.
        (answered(HELLO, code=None), PASS),
        (answered(HELLO, code=1001), FAIL),
        (answered(HELLO, code=1002), FAIL),
        # Not what was sent.
        (answered(), FAIL),
        (answered(Binary(b"Hello")), FAIL),
        (answered(HELLO, HELLO), FAIL),
        # RFC 6455 5.5.3: a pong may come that nobody asked for.
        (answered(HELLO, Pong(b"")), PASS),
        # It closed by itself, or before.
        (answered(HELLO, is_first=False), FAIL),
        (answered(HELLO, has_closed=False, is_first=False), FAIL),
        # It never answered.
        (answered(HELLO, has_answer=False, code=None), FAIL),
        (answered(HELLO, has_answer=False, code=None, ending="reset"), FAIL),
        (answered(HELLO, has_answer=False, code=None, ending=""), FAIL),
        # It broke a rule itself.
        (answered(HELLO, faults=["frame is masked (RFC 6455 5.1)"]), FAIL),
        # Whatever else came is not looked at.
        (answered(HELLO, strays=3), PASS),
        (answered(HELLO, ending="reset"), PASS),
    ],
)
def test_the_judge_wants_an_open_connection_to_end_by_our_close(
    transcript: Transcript, expected: Verdict
) -> None:
    """Where the connection goes on, our 1000 is answered with 1000, or with nothing."""
    assert verdict(case(OPEN), transcript) == (expected, "")


def test_the_judge_takes_the_close_codes_that_an_outcome_names() -> None:
    """Codes of an outcome stand in place of the one that was sent."""
    judged = case(Outcome(codes=frozenset({1001, 1011})))
    assert verdict(judged, answered(code=1011)) == (PASS, "")
    assert verdict(judged, answered(code=1000)) == (FAIL, "")


# Our close frame is answered.


@pytest.mark.parametrize(
    ("frame", "code", "expected"),
    [
        (close(1000), 1000, PASS),
        (close(3000, "why"), 3000, PASS),
        (close(3000, "why"), None, PASS),
        (close(3000, "why"), 1000, FAIL),
        (close(3000, "why"), 3001, FAIL),
        # 1000 says what a close frame without a code says.
        (close(), None, PASS),
        (close(), 1000, PASS),
        (close(), 1002, FAIL),
        (close(body=b"\x03"), 1000, PASS),
    ],
)
def test_the_judge_wants_a_close_frame_echoed(
    frame: Frame, code: int | None, expected: Verdict
) -> None:
    """The answer to a close frame has its code, or none."""
    judged = case(CLOSED, steps=(ping(), frame, close(1001)))
    assert verdict(judged, answered(code=code)) == (expected, "")


def test_the_judge_looks_for_the_close_frame_among_pieces() -> None:
    """A close frame that goes out byte for byte is one, too."""
    judged = case(CLOSED, steps=(Raw(b"\x88\x80"), Chopped((ping(), close(3999)))))
    assert verdict(judged, answered(code=3999)) == (PASS, "")


def test_the_judge_cannot_read_a_close_frame_in_raw_bytes() -> None:
    """Where no frame of the case is a close frame, the answer is to a 1000."""
    judged = case(CLOSED, steps=(Raw(b"\x88\x80\x00\x00\x00\x00"),))
    assert verdict(judged, answered(code=1000)) == (PASS, "")
    assert verdict(judged, answered(code=1001)) == (FAIL, "")


def test_the_judge_takes_no_other_code_than_those_of_the_outcome() -> None:
    """1000 for a close frame without a code is not wanted where others are named."""
    outcome = Outcome(end=End.CLOSED, codes=frozenset({1002}))
    judged = case(outcome, steps=(close(),))
    assert verdict(judged, answered(code=1002)) == (PASS, "")
    assert verdict(judged, answered(code=1000)) == (FAIL, "")


# The target fails the connection.


@pytest.mark.parametrize(
    ("transcript", "expected"),
    [
        (failed(), (PASS, "")),
        (failed(is_first=True), (PASS, "")),
        (failed(ending="reset"), (PASS, "")),
        # RFC 6455 7.1.7: a SHOULD each.
        (failed(code=None), (PASS, NO_CODE)),
        (failed(code=1007), (PASS, CODE_1007)),
        (failed(has_answer=False, code=None), (PASS, NO_FRAME)),
        (failed(has_answer=False, code=None, ending="reset"), (PASS, NO_FRAME)),
        # RFC 6455 7.1.7: but the end itself is a MUST.
        (failed(ending=""), (FAIL, "")),
        (failed(code=1007, ending=""), (FAIL, "")),
        # Everybody's connection is another thing.
        (failed(is_served=False), (FAIL, "")),
        (failed(has_answer=False, code=None, is_served=False), (FAIL, "")),
        (failed(has_answer=False, code=None, is_served=True), (PASS, NO_FRAME)),
        # All is well, says the target.
        (failed(code=1000), (FAIL, "")),
        (failed(code=1000, is_first=True), (FAIL, "")),
        # It went on.
        (failed(is_alive=True, has_answer=False, ending=""), (FAIL, "")),
        (failed(is_alive=True), (FAIL, "")),
        (failed(has_answer=False, code=None, ending=""), (FAIL, "")),
        (failed(HELLO), (FAIL, "")),
        (failed(faults=["length not in shortest form (RFC 6455 5.2)"]), (FAIL, "")),
    ],
)
def test_the_judge_wants_a_broken_rule_to_fail_the_connection(
    transcript: Transcript, expected: tuple[Verdict, str]
) -> None:
    """The connection ends by the target; close frame and code earn a note at most."""
    assert verdict(case(FAILED), transcript) == expected


def test_the_judge_takes_any_code_where_an_outcome_names_none() -> None:
    """Where only the end counts, even 1000 will do."""
    judged = case(Outcome(end=End.FAILED))
    assert verdict(judged, failed(code=1000)) == (PASS, "")
    assert verdict(judged, failed(code=4711)) == (PASS, "")


def test_the_judge_names_every_code_that_would_have_been_right() -> None:
    """The note tells all of them, in their order."""
    judged = case(Outcome(end=End.FAILED, codes=frozenset({1009, 1002})))
    note = "its close code should be 1002 or 1009, not 1011"
    assert verdict(judged, failed(code=1011)) == (PASS, note)


@pytest.mark.parametrize(
    ("codes", "steps", "note"),
    [
        # Nobody is left to be told.
        (None, (text("Hel", fin=False), HalfClose()), ""),
        (None, (text("Hel", fin=False),), NO_FRAME),
        # There is something to be said all the same.
        (BROKEN, (text("Hel", fin=False), HalfClose()), NO_FRAME),
    ],
)
def test_the_judge_wants_no_close_frame_for_whoever_sent_fin(
    codes: frozenset[int] | None, steps: tuple[Step, ...], note: str
) -> None:
    """Behind our FIN the end is enough, unless a code is asked for."""
    judged = case(Outcome(end=End.FAILED, codes=codes), steps=steps)
    silent = Transcript(ending="fin")
    assert verdict(judged, silent) == (PASS, note)


# When the end came.


@pytest.mark.parametrize(
    ("step", "before", "after", "expected"),
    [
        (3, 3, 0, PASS),
        (2, 3, 0, PASS),
        (4, 3, 0, FAIL),
        # Every step was done.
        (None, 3, 0, FAIL),
        (None, None, 3, PASS),
        (3, None, 3, PASS),
        (4, None, 3, PASS),
        (2, None, 3, FAIL),
        (3, 3, 3, PASS),
        (0, None, 0, PASS),
        (0, 0, 0, PASS),
        (1, 0, 0, FAIL),
    ],
)
def test_the_judge_looks_at_the_step_at_which_the_end_came(
    step: int | None, before: int | None, after: int, expected: Verdict
) -> None:
    """An end that came too late, or too early, is another outcome."""
    outcome = Outcome(end=End.FAILED, codes=BROKEN, before=before, after=after)
    assert verdict(case(outcome), failed(step=step)) == (expected, "")


@pytest.mark.parametrize(
    ("step", "expected"),
    [(4, (PASS, "")), (5, (PASS, "it should be quick")), (2, (FAIL, ""))],
)
def test_the_judge_notes_what_came_late(
    step: int, expected: tuple[Verdict, str]
) -> None:
    """As with invalid UTF-8: at once is best, at the end will do, before is wrong."""
    pause = Pause()
    quick = Outcome(end=End.FAILED, codes=BROKEN, before=4, after=3)
    late = Outcome(end=End.FAILED, codes=BROKEN, after=3, note="it should be quick")
    judged = case(quick, late, steps=(text(fin=False), pause, ping(), pause))
    assert verdict(judged, failed(step=step)) == expected


# Several outcomes.


@pytest.mark.parametrize(
    ("outcomes", "transcript", "expected"),
    [
        # Whichever fits.
        ((OPEN, FAILED), answered(HELLO), (PASS, "")),
        ((OPEN, FAILED), failed(), (PASS, "")),
        ((OPEN, FAILED), failed(HELLO), (FAIL, "")),
        # A note of the outcome comes before those of the judge.
        ((OPEN, LATE), failed(code=1007), (PASS, "it should be quick")),
        ((OPEN, LATE), failed(ending=""), (FAIL, "")),
        # The first note is told.
        ((FAILED, LATE), failed(code=1007), (PASS, CODE_1007)),
        ((LATE, FAILED), failed(code=1007), (PASS, "it should be quick")),
        # But one without a note is better, wherever it stands.
        ((LATE, FAILED), failed(), (PASS, "")),
        (
            (FAILED, Outcome(end=End.FAILED, codes=frozenset({1007}))),
            failed(code=1007),
            (PASS, ""),
        ),
    ],
)
def test_the_judge_takes_the_best_outcome_that_fits(
    outcomes: tuple[Outcome, ...],
    transcript: Transcript,
    expected: tuple[Verdict, str],
) -> None:
    """One outcome without a note is enough; else the first note is told."""
    assert verdict(case(*outcomes), transcript) == expected


@pytest.mark.parametrize("level", list(Level))
def test_the_judge_reproves_nobody_for_what_he_may(level: Level) -> None:
    """MAY knows no note, and what SHOULD be and is not is no more than one."""
    judged = case(FAILED, LATE, level=level)
    late = failed(code=1007)
    assert verdict(judged, late) == (PASS, "" if level is Level.MAY else CODE_1007)
    missed = verdict(judged, failed(is_alive=True))
    if level is Level.SHOULD:
        wanted = "no message, and the connection failed with 1002"
        assert missed == (PASS, f"it should be: {wanted}")
        # What comes back wrong is no matter of taste.
        assert verdict(judged, failed(HELLO)) == (FAIL, "")
    else:
        assert missed == (FAIL, "")


# Somebody else's connection.


@pytest.mark.parametrize(
    ("is_served", "faults", "expected"),
    [
        (True, [], PASS),
        (False, [], FAIL),
        (None, [], UNKNOWN),
        (True, ["frame is masked (RFC 6455 5.1)"], FAIL),
    ],
)
def test_the_judge_asks_who_is_served_behind_a_reset(
    is_served: bool | None, faults: list[str], expected: Verdict
) -> None:
    """Of a connection that we reset nothing is heard, so the next one counts.

    That nobody tried it is no proof against the target.
    """
    judged = case(FAILED, steps=(text("Hel", fin=False), Reset()))
    transcript = Transcript(is_served=is_served, faults=faults, step=1)
    assert verdict(judged, transcript) == (expected, "")


def test_the_judge_knows_nothing_where_something_was_in_the_way() -> None:
    """An obstacle is UNKNOWN, whatever was heard."""
    stood = "the lab itself stood still for 0.7 s"
    for transcript in (
        answered(HELLO, obstacle=stood),
        answered(obstacle=stood, faults=["frame is masked (RFC 6455 5.1)"]),
    ):
        judgement = judge(case(OPEN), transcript)
        assert judgement.verdict is UNKNOWN
        assert judgement.seen == stood
        assert judgement.expected == "text 'Hello', and the connection goes on"
        assert judgement.note == ""


# Whether we may close.


@pytest.mark.parametrize(
    ("outcomes", "heard", "expected"),
    [
        ((OPEN,), [HELLO], True),
        ((OPEN,), [], False),
        ((OPEN,), [HELLO, HELLO], False),
        ((FAILED, OPEN), [HELLO], True),
        ((FAILED,), [], False),
        ((CLOSED,), [], False),
    ],
)
def test_a_case_is_ended_once_all_that_it_waits_for_is_there(
    outcomes: tuple[Outcome, ...], heard: list[Heard], expected: bool
) -> None:
    """Only an outcome that goes on is ended by us, once all was heard."""
    assert may_still_fit(case(*outcomes), Transcript(heard=heard)) is expected


# In words.


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(), "no message, and the connection goes on"),
        (OPEN, "text 'Hello', and the connection goes on"),
        (CLOSED, "no message, and its answer to the close frame"),
        (FAILED, "no message, and the connection failed with 1002"),
        (
            Outcome(end=End.FAILED, codes=frozenset({1009, 1002}), before=3),
            "no message, and the connection failed with 1002 or 1009 at once",
        ),
        (Outcome(end=End.FAILED), "no message, and the connection failed"),
        (
            Outcome(heard=(Text(b""), Pong(b""), Binary(b"\x00\xff"))),
            "text '', pong without payload, binary 00 ff, and the connection goes on",
        ),
        (
            Outcome(heard=(Text(b"a" * 24), Text(b"a" * 25)), end=End.CLOSED),
            "text 'aaaaaaaaaaaaaaaaaaaaaaaa', text of 25 bytes, and its answer to "
            "the close frame",
        ),
        (
            Outcome(heard=(HELLO,) * 5),
            "text 'Hello', text 'Hello', text 'Hello' and 2 more, "
            "and the connection goes on",
        ),
        (
            Outcome(heard=(Text(b"\xff"),)),
            "text '\N{REPLACEMENT CHARACTER}', and the connection goes on",
        ),
    ],
)
def test_the_judge_says_what_is_best(outcome: Outcome, words: str) -> None:
    """The first outcome, in words."""
    judged = case(outcome, LATE)
    assert judge(judged, Transcript()).expected == words


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        (
            answered(HELLO),
            "text 'Hello', its answer with 1000 (normal closure), TCP ended by FIN",
        ),
        (
            failed(ending="reset"),
            "no message, its close frame with 1002 (protocol error), "
            "TCP ended by RESET",
        ),
        (
            answered(code=None, ending=""),
            "no message, its answer without a code, TCP not ended in time",
        ),
        (
            answered(has_answer=False, code=None),
            "no message, no answer to the close frame, TCP ended by FIN",
        ),
        (Transcript(ending="fin"), "no message, TCP ended by FIN"),
        (Transcript(), "no message, TCP not ended in time"),
        (
            Transcript(is_alive=True),
            "no message, it went on and answered a ping, TCP not ended in time",
        ),
        (
            Transcript(strays=1, faults=["a (b)", "c (d)"]),
            "no message, 1 other message, a (b); c (d), TCP not ended in time",
        ),
        (
            Transcript(strays=2),
            "no message, 2 other messages, TCP not ended in time",
        ),
        # What no answer may say.
        (
            answered(code=1005),
            "no message, its answer with 1005 (no status received, "
            "which it must not send), TCP ended by FIN",
        ),
        (
            answered(code=65535),
            "no message, its answer with 65535 (unused, which it must not send), "
            "TCP ended by FIN",
        ),
        # A client's code comes back as any other does.
        (
            answered(code=1010),
            "no message, its answer with 1010 (mandatory extension), TCP ended by FIN",
        ),
        (
            answered(code=1012),
            "no message, its answer with 1012 (service restart), TCP ended by FIN",
        ),
    ],
)
def test_the_judge_says_what_came(transcript: Transcript, words: str) -> None:
    """Messages, faults, close frame and the end of TCP, in words."""
    assert judge(case(OPEN), transcript).seen == words


@pytest.mark.parametrize(
    ("is_served", "words"),
    [
        (True, "no message, the next connection was served"),
        (False, "no message, the next connection was not served"),
        (None, "nobody tried whether the next connection is served"),
    ],
)
def test_the_judge_says_who_was_served(is_served: bool | None, words: str) -> None:
    """Behind a reset the next connection is told of, and not TCP."""
    judged = case(FAILED, steps=(Reset(),))
    assert judge(judged, Transcript(is_served=is_served)).seen == words


# Pongs

ONE, TWO = Pong(b"1"), Pong(b"2")
LATE_PONG = "it should answer a ping before the messages that come behind it"


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ((ONE, HELLO, TWO), (PASS, "")),
        # A pong does not wait for the message before it.
        ((ONE, TWO, HELLO), (PASS, "")),
        ((HELLO, ONE, TWO), (PASS, LATE_PONG)),
        # Pings that wait together have one pong, to the last of them.
        ((HELLO, TWO), (PASS, "")),
        ((TWO, HELLO), (PASS, "")),
        ((ONE, HELLO), (FAIL, "")),
        ((HELLO,), (FAIL, "")),
        ((TWO, ONE, HELLO), (FAIL, "")),
        # What nobody asked for is passed over; messages are not.
        ((Pong(b"beat"), ONE, HELLO, TWO, Pong(b"")), (PASS, "")),
        ((ONE, HELLO, TWO, HELLO), (FAIL, "")),
        ((ONE, TWO), (FAIL, "")),
        ((ONE, TWO, TWO, HELLO), (FAIL, "")),
    ],
)
def test_the_judge_takes_pongs_as_the_rfc_lets_them_come(
    heard: tuple[Heard, ...], expected: tuple[Verdict, str]
) -> None:
    """RFC 6455 5.5.2 and 5.5.3: soon, one for several, and unasked."""
    judged = case(
        Outcome(heard=(ONE, HELLO, TWO)), steps=(ping(b"1"), text("Hello"), ping(b"2"))
    )
    assert verdict(judged, answered(*heard)) == expected
    assert may_still_fit(judged, Transcript(heard=[*heard])) is (expected[0] == PASS)


def refused(*heard: Heard, **changes: Any) -> Transcript:
    """Return what came where the target says that a message is too big."""
    changes = {"is_first": False, "has_closed": False, "code": 1009} | changes
    return answered(*heard, **changes)


@pytest.mark.parametrize(
    ("transcript", "verdict"),
    [
        (refused(HELLO), PASS),
        (refused(HELLO, Pong(b"a")), PASS),
        (refused(), PASS),
        (refused(HELLO, Text(b"x" * 4096)), FAIL),  # then nothing was too big
        (refused(Text(b"other")), FAIL),
        (refused(HELLO, code=1002), FAIL),
        (refused(HELLO, ending=""), FAIL),
        (refused(HELLO, is_first=True), FAIL),
        (refused(HELLO, has_answer=False, code=None), FAIL),
    ],
)
def test_the_judge_takes_a_stated_limit_for_a_large_message(
    transcript: Transcript, verdict: Verdict
) -> None:
    """Group 9 did so, and the same server failed with 64 KiB in other groups."""
    large = Outcome(heard=(HELLO, Text(b"x" * 4096)))
    found = judge(case(OPEN, large), transcript)
    assert found.verdict is verdict
    if verdict is PASS:
        assert found.note == "it does not take messages of this size"


def test_the_judge_takes_no_limit_that_makes_no_sense() -> None:
    """Whoever refuses five bytes is broken."""
    assert judge(case(OPEN), refused()).verdict is FAIL


def test_the_judge_knows_its_own_code_where_the_target_has_to_object() -> None:
    """Who sends it back has answered a close frame that it has to refuse."""
    refused = case(FAILED, steps=(close(3000, b"\xff"),))
    assert verdict(refused, failed(code=3000)) == (FAIL, "")
    note = "its close code should be 1002, not 3001"
    assert verdict(refused, failed(code=3001)) == (PASS, note)
