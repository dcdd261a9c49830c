"""Weighing: what came of a volume, message by message, against what was sent.

It refuses to know how it came, and to wait for it.
"""

from collections import deque

import msgspec

from wavetank.evidence import Finding, Histogram, Verdict
from wavetank.lab.conformance.case import LEAST_LIMIT, Heard, Pong
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.volumes import Volume
from wavetank.wire import describe_close

__all__ = [
    "Tally",
    "Weighing",
    "misunderstood",
    "skipped",
    "weigh",
]

_LIMITS = frozenset({1008, 1009})
"""Close codes with which a target states a limit of its own (RFC 6455 7.4.1, 10.4)."""


class Tally(msgspec.Struct, kw_only=True):
    """How far a volume got.

    Attributes:
        wanted: Messages that have to come back.
        came: Those that did, as they were sent.
        deflated: Those among them that came compressed.
        wrong: What was wrong with the first that did not; "" while none is.
        stalled: Seconds in which nothing moved, where it was given up; else 0.
        seconds: From the first byte to the last echo.
        latencies: Of each message, where they were sent in turn.
    """

    wanted: int
    came: int = 0
    deflated: int = 0
    wrong: str = ""
    stalled: float = 0.0
    seconds: float = 0.0
    latencies: Histogram = msgspec.field(default_factory=Histogram)


class Weighing:
    """Compares what comes back with what was sent, in its order.

    Args:
        tally: Where it is counted.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._due: deque[Heard] = deque()

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be learned."""
        tally = self._tally
        return bool(tally.wrong) or tally.came >= tally.wanted

    def sent(self, message: Heard) -> None:
        """Note a message that has to come back."""
        self._due.append(message)

    def take(self, heard: Heard) -> bool:
        """Take what came; tell whether it is the next message that was due."""
        if isinstance(heard, Pong):
            return False
        wrong = "a message came that was not sent"
        if self._due:
            wrong = _difference(self._due.popleft(), heard)
        if wrong:
            self.refuse(wrong)
        else:
            self._tally.came += 1
        return not wrong

    def refuse(self, wrong: str) -> None:
        """Note what is wrong, if nothing was before."""
        number = self._tally.came + 1
        if not self._tally.wrong:
            self._tally.wrong = f"{wrong} (message {number} of {self._tally.wanted})"

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Weighing {self._tally.came} of {self._tally.wanted}>"


def _difference(sent: Heard, came: Heard) -> str:
    """Say what is wrong with an echo; "" if nothing is."""
    if type(sent) is not type(came):
        name = type(came).__name__.lower()
        return f"a {type(sent).__name__.lower()} came back as {name}"
    if sent.data == came.data:
        return ""
    if len(sent.data) != len(came.data):
        return f"{len(came.data)} bytes came back instead of {len(sent.data)}"
    return f"byte {_first_change(sent.data, came.data)} came back changed"


def _first_change(one: bytes, other: bytes) -> int:
    """Return where two texts of the same length begin to differ."""
    low, high = 0, len(one)
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def weigh(volume: Volume, tally: Tally, transcript: Transcript) -> Finding:
    """Judge a volume: what came, what was wrong with it, and how it ended.

    A target that states a limit with a close code has said what it does not take: that
    is no fault, unless the limit is below any that makes sense. Where compression
    should be seen, though, nothing was to be seen.
    """
    seen, note = _seen(tally, transcript), ""
    verdict = Verdict.FAIL
    if transcript.obstacle:
        verdict, seen = Verdict.UNKNOWN, transcript.obstacle
    elif not transcript.faults and not tally.wrong and transcript.ending:
        if volume.size >= LEAST_LIMIT and _is_limit(tally, transcript):
            verdict = Verdict.PASS
            note = f"it does not take {_load(volume, tally)}"
        elif tally.came == tally.wanted and _is_answered(transcript):
            verdict = Verdict.PASS
    if note and volume.offers:
        return skipped(volume, f"the target {note[3:]} ({transcript.code})")
    return Finding(
        verdict=verdict,
        title=_title(volume),
        expected=f"{tally.wanted} of {tally.wanted} back, and the connection closed",
        seen=seen,
        clause=_clause(volume),
        note=note,
    )


def skipped(volume: Volume, reason: str) -> Finding:
    """Return what a volume comes to that could not be sent."""
    return Finding(verdict=Verdict.SKIP, title=_title(volume), seen=reason)


def misunderstood(volume: Volume, answer: str) -> Finding:
    """Return what a volume comes to whose offers were answered with something else."""
    return Finding(
        verdict=Verdict.FAIL,
        title=_title(volume),
        expected=f"an answer to {volume.extensions}",
        seen=f"its answer is {answer}",
        clause=_clause(volume),
    )


def _title(volume: Volume) -> str:
    return f"{volume.id} {volume.title}"


def _clause(volume: Volume) -> str:
    return f"{volume.clause} ({volume.level})"


def _is_limit(tally: Tally, transcript: Transcript) -> bool:
    """Tell whether the target said that this is too much for it."""
    is_theirs = transcript.has_answer and not transcript.is_first
    return is_theirs and transcript.code in _LIMITS and not tally.came


def _is_answered(transcript: Transcript) -> bool:
    """Tell whether our close frame was answered as it has to be (RFC 6455 5.5.1)."""
    return (
        transcript.is_first
        and transcript.has_answer
        and transcript.code in (None, 1000)
    )


def _load(volume: Volume, tally: Tally) -> str:
    """Say what was too much."""
    words = f"a message of {volume.size} bytes"
    if volume.fragment:
        words += f" in frames of {volume.fragment}"
    return words if tally.wanted == 1 else f"{tally.wanted} times {words}"


def _seen(tally: Tally, transcript: Transcript) -> str:
    parts = [f"{tally.came} of {tally.wanted} came back{_pace(tally)}"]
    if tally.deflated:
        parts.append(f"{tally.deflated} of them compressed")
    if tally.wrong:
        parts.append(tally.wrong)
    parts += transcript.faults[:1]  # the others come of it
    if tally.stalled:
        parts.append(f"then nothing for {tally.stalled:.1f} s")
    elif not _is_answered(transcript):
        parts.append(_end(transcript))
    elif not transcript.ending:
        parts.append("TCP not ended in time")
    return ", ".join(parts)


def _pace(tally: Tally) -> str:
    """Say how fast it was."""
    if tally.latencies.count:
        half, most = (tally.latencies.percentile(each) or 0.0 for each in (50, 99))
        return f", p50 {half * 1000:.2f} ms, p99 {most * 1000:.2f} ms"
    return f" in {tally.seconds * 1000:.0f} ms" if tally.came else ""


def _end(transcript: Transcript) -> str:
    """Say how the connection ended, where it was not as it should be."""
    ended = f"TCP ended by {transcript.ending.upper()}" if transcript.ending else ""
    if not transcript.has_answer:
        asked = "no answer to the close frame" if transcript.has_closed else ""
        return ", ".join(filter(None, (asked, ended))) or "no end in time"
    by = "its answer" if transcript.is_first else "its close frame"
    code = transcript.code
    named = (
        "without a code" if code is None else f"{code} ({describe_close(code).name})"
    )
    return ", ".join(filter(None, (f"{by} {named}", ended)))
