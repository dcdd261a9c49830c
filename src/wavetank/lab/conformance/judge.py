"""The judge: what came of a case, against what may come of it.

It refuses to know how it came, and who asks.
"""

from collections.abc import Sequence

import msgspec

from wavetank.evidence import Verdict
from wavetank.lab.conformance.case import (
    LEAST_LIMIT,
    Case,
    End,
    HalfClose,
    Heard,
    Level,
    Outcome,
    Pong,
    Reset,
    Text,
    frames_of,
)
from wavetank.lab.conformance.hearing import Transcript
from wavetank.wire import Opcode, describe_close, may_be_sent

__all__ = ["Judgement", "judge", "may_still_fit"]

_TOO_BIG = 1009
"""The close code for a limit (RFC 6455 7.4.1, 10.4)."""

_SHOWN = 24
"""Bytes of a payload that a sentence shows."""

_NO_FRAME = "it should send a close frame before it ends the connection"
_NO_CODE = "it should say why with a close code"
_LATE_PONG = "it should answer a ping before the messages that come behind it"
_OTHER_CODE = "its close code should be {wanted}, not {code}"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a case came to.

    Attributes:
        verdict: PASS, FAIL or UNKNOWN.
        expected: The best outcome, in words.
        seen: What came, in words.
        note: What the target should do better, where it passes all the same.
    """

    verdict: Verdict
    expected: str
    seen: str
    note: str = ""


def judge(case: Case, transcript: Transcript) -> Judgement:
    """Judge one case: what was heard, how it ended, and who ended it, together."""
    expected, seen = _wanted(case.outcomes[0]), _seen(case, transcript)
    obstacle = transcript.obstacle
    if not obstacle and _has_reset(case) and transcript.is_served is None:
        obstacle = "nobody tried whether the next connection is served"
    if obstacle:
        return Judgement(verdict=Verdict.UNKNOWN, expected=expected, seen=obstacle)
    note = None
    # Whoever takes the others along has not failed a connection, but crashed.
    if not transcript.faults and transcript.is_served is not False:
        note = _find_note(case, transcript)
        if note is None and _is_limit(case, transcript):
            note = "it does not take messages of this size"
        if note is None and case.level is Level.SHOULD and _is_right(case, transcript):
            note = f"it should be: {expected}"
    return Judgement(
        verdict=Verdict.FAIL if note is None else Verdict.PASS,
        expected=expected,
        seen=seen,
        note=note or "",
    )


def _find_note(case: Case, transcript: Transcript) -> str | None:
    """Return the note of the outcome that fits, "" without one; None if none fits."""
    if _has_reset(case):
        return ""
    found = None
    for outcome in case.outcomes:
        note = _fit(case, outcome, transcript)
        if note == "":
            return ""
        if note is not None and found is None:
            found = note
    if found is not None and case.level is not Level.MAY:
        return found
    return "" if found is not None else None


def _is_limit(case: Case, transcript: Transcript) -> bool:
    """Tell whether the target said, in the place of a large message, that it is."""
    is_theirs = transcript.has_answer and not transcript.is_first
    if not (is_theirs and transcript.code == _TOO_BIG and transcript.ending):
        return False
    came = [each for each in transcript.heard if not isinstance(each, Pong)]
    for outcome in case.outcomes:
        wanted = [each for each in outcome.heard if not isinstance(each, Pong)]
        missing = wanted[len(came) :]
        if wanted[: len(came)] == came and any(
            len(each.data) >= LEAST_LIMIT for each in missing
        ):
            return True
    return False


def _is_right(case: Case, transcript: Transcript) -> bool:
    """Tell whether what was heard fits, and only the end does not."""
    return any(_compare(case, each, transcript) is not None for each in case.outcomes)


def _fit(case: Case, outcome: Outcome, transcript: Transcript) -> str | None:
    """Return the note of an outcome, "" without one; None if it does not fit."""
    order = _compare(case, outcome, transcript)
    if order is None or transcript.is_alive:
        return None
    if outcome.before is not None and (
        transcript.step is None or transcript.step > outcome.before
    ):
        return None
    if transcript.step is not None and transcript.step < outcome.after:
        return None
    if not transcript.ending:
        # RFC 6455 5.5.1: behind both close frames the server MUST end TCP.
        return None
    if outcome.end is End.FAILED:
        note = _failed(case, outcome, transcript)
    else:
        note = _answered(case, outcome, transcript)
    if note is None:
        return None
    return outcome.note or note or order


def _compare(case: Case, outcome: Outcome, transcript: Transcript) -> str | None:
    """Return a note on when the pongs came, "" without one; None if others came.

    RFC 6455 5.5.3 lets a pong come that nobody asked for, and pings that wait
    together have one pong, to the last of them. Pongs do not wait for messages: one
    that comes before an earlier message is only quick (5.5.2).
    """
    asked = {
        each.payload for each in frames_of(case.steps) if each.opcode == Opcode.PING
    }
    # Of pings that are sent as bare bytes the outcome knows.
    asked |= {each.data for each in outcome.heard if isinstance(each, Pong)}
    heard = [
        each
        for each in transcript.heard
        if not isinstance(each, Pong) or each.data in asked
    ]
    if heard == [*outcome.heard]:
        return ""
    messages, places = _parted(heard)
    wanted, wanted_places = _parted(outcome.heard)
    if messages != wanted:
        return None
    late, left = False, iter(wanted_places)
    for pong, place in places:
        for known, latest in left:
            if known == pong:
                late = late or place > latest
                break
        else:
            return None
    if wanted_places and (not places or next(left, None) is not None):
        return None
    return _LATE_PONG if late else ""


def _parted(heard: Sequence[Heard]) -> tuple[list[Heard], list[tuple[Pong, int]]]:
    """Return the messages, and each pong with how many messages came before it."""
    messages: list[Heard] = []
    pongs: list[tuple[Pong, int]] = []
    for each in heard:
        if isinstance(each, Pong):
            pongs.append((each, len(messages)))
        else:
            messages.append(each)
    return messages, pongs


def _failed(case: Case, outcome: Outcome, transcript: Transcript) -> str | None:
    """Judge the end of a connection that the target has to fail.

    RFC 6455 7.1.7: the close frame, and its code, are a SHOULD. A code that says
    that all is well is another statement altogether.
    """
    if not transcript.has_answer:
        # Who has heard our FIN has nobody left to tell.
        is_told = any(isinstance(step, HalfClose) for step in case.steps)
        return "" if is_told and outcome.codes is None else _NO_FRAME
    if transcript.code is None:
        return _NO_CODE
    if outcome.codes is None or transcript.code in outcome.codes:
        return ""
    if transcript.code in {1000, _our_code(case)}:
        # To say our own code is to answer our close frame, not to refuse it.
        return None
    wanted = _either(sorted(outcome.codes))
    return _OTHER_CODE.format(wanted=wanted, code=transcript.code)


def _answered(case: Case, outcome: Outcome, transcript: Transcript) -> str | None:
    """Judge the answer to our close frame."""
    if not transcript.has_closed or not transcript.has_answer:
        return None
    if not transcript.is_first:
        return None
    if transcript.code is None:
        # RFC 6455 5.5.1: it typically echoes the code; an empty close is an answer.
        return ""
    fits = outcome.codes
    if fits is None:
        fits = frozenset({_our_code(case) if outcome.end is End.CLOSED else 1000})
    return "" if transcript.code in fits else None


def _our_code(case: Case) -> int:
    """Return the code of the case's own close frame.

    1000 says what a close frame without a code says, and it is what the player
    sends where the case has no close frame.
    """
    for frame in frames_of(case.steps):
        if frame.opcode == Opcode.CLOSE:
            body = frame.payload
            return int.from_bytes(body[:2], "big") if len(body) > 1 else 1000
    return 1000


def may_still_fit(case: Case, transcript: Transcript) -> bool:
    """Tell whether a case has all that it waits for, and may be ended by us."""
    return any(
        each.end is End.OPEN and _compare(case, each, transcript) is not None
        for each in case.outcomes
    )


def _has_reset(case: Case) -> bool:
    return any(isinstance(step, Reset) for step in case.steps)


# In words.


def _wanted(outcome: Outcome) -> str:
    words = _words(outcome.heard)
    match outcome.end:
        case End.OPEN:
            return f"{words}, and the connection goes on"
        case End.CLOSED:
            return f"{words}, and its answer to the close frame"
        case End.FAILED:
            codes = "" if outcome.codes is None else _either(sorted(outcome.codes))
            by = f" with {codes}" if codes else ""
            when = "" if outcome.before is None else " at once"
            return f"{words}, and the connection failed{by}{when}"


def _seen(case: Case, transcript: Transcript) -> str:
    parts = [_words(transcript.heard)]
    if transcript.strays:
        plural = "" if transcript.strays == 1 else "s"
        parts.append(f"{transcript.strays} other message{plural}")
    if transcript.faults:
        parts.append("; ".join(transcript.faults))
    if transcript.is_alive:
        parts.append("it went on and answered a ping")
    elif transcript.has_answer:
        by = "its answer" if transcript.is_first else "its close frame"
        parts.append(f"{by} {_code_words(transcript.code)}")
    elif transcript.has_closed:
        parts.append("no answer to the close frame")
    if transcript.is_served is not None:
        no = "" if transcript.is_served else "not "
        parts.append(f"the next connection was {no}served")
    if transcript.ending:
        parts.append(f"TCP ended by {transcript.ending.upper()}")
    elif not _has_reset(case):
        parts.append("TCP not ended in time")
    return ", ".join(parts)


def _code_words(code: int | None) -> str:
    if code is None:
        return "without a code"
    known = describe_close(code)
    # An answer echoes ours, so a code of clients is fine.
    is_legal = any(may_be_sent(code, by_server=each) for each in (True, False))
    legal = "" if is_legal else ", which it must not send"
    return f"with {code} ({known.name}{legal})"


def _words(heard: Sequence[Heard]) -> str:
    if not heard:
        return "no message"
    kinds = [_show(each) for each in heard[:3]]
    more = f" and {len(heard) - 3} more" if len(heard) > 3 else ""
    return ", ".join(kinds) + more


def _show(heard: Heard) -> str:
    name = type(heard).__name__.lower()
    size = len(heard.data)
    if size > _SHOWN:
        return f"{name} of {size} bytes"
    if isinstance(heard, Text):
        return f"{name} {heard.data.decode(errors='replace')!r}"
    return f"{name} {heard.data.hex(' ') or 'without payload'}"


def _either(codes: Sequence[int]) -> str:
    return " or ".join(map(str, codes))
