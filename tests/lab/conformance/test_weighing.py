"""Weighing: what came of a volume, message by message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import Finding, Verdict
from wavetank.lab.conformance.case import Binary, Heard, Pong, Text
from wavetank.lab.conformance.compressed import MATERIALS
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.volumes import VOLUMES, Volume
from wavetank.lab.conformance.weighing import (
    Tally,
    Weighing,
    misunderstood,
    skipped,
    weigh,
)

ROWS = {each.id: each for each in (*VOLUMES, *MATERIALS)}
LARGE, FRAGMENTED, COMPRESSED = ROWS["9.1.6"], ROWS["9.3.1"], ROWS["12.1.5"]


def weighed(sent: list[Heard], came: list[Heard]) -> Tally:
    """Return how far messages got."""
    tally = Tally(wanted=len(sent))
    weighing = Weighing(tally)
    for message in sent:
        weighing.sent(message)
    for message in came:
        weighing.take(message)
    return tally


# Message by message


def test_what_comes_back_in_order_is_counted() -> None:
    """Pongs and silence are none of it."""
    sent: list[Heard] = [Text(b"a"), Binary(b"\x00"), Text(b"")]

    tally = weighed(sent, [Text(b"a"), Pong(b"x"), Binary(b"\x00"), Text(b"")])

    assert (tally.came, tally.wrong) == (3, "")


@pytest.mark.parametrize(
    ("sent", "came", "words"),
    [
        (Text(b"a"), Binary(b"a"), "a text came back as binary"),
        (Text(b"abc"), Text(b"ab"), "2 bytes came back instead of 3"),
        (Binary(b"abcd"), Binary(b"abxd"), "byte 2 came back changed"),
        (Binary(b"abcd"), Binary(b"Abcd"), "byte 0 came back changed"),
    ],
)
def test_what_comes_back_otherwise_is_wrong(
    sent: Heard, came: Heard, words: str
) -> None:
    """And it is said which message, and what is wrong with it."""
    tally = weighed([Text(b"first"), sent], [Text(b"first"), came])

    assert (tally.came, tally.wrong) == (1, f"{words} (message 2 of 2)")


def test_what_was_not_sent_is_wrong() -> None:
    """Also behind the last echo; only the first fault is told."""
    tally = weighed([Text(b"a")], [Text(b"a"), Text(b"a"), Text(b"b")])

    assert tally.wrong == "a message came that was not sent (message 2 of 1)"


@given(data=st.binary(min_size=1, max_size=300), at=st.integers(0, 299))
def test_the_first_changed_byte_is_found(data: bytes, at: int) -> None:
    """Wherever it is."""
    at %= len(data)
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    tally = weighed([Binary(data)], [Binary(changed)])

    assert tally.wrong.startswith(f"byte {at} came back changed")


def test_it_is_over_with_the_last_echo_or_the_first_fault() -> None:
    """Until then there is something to learn."""
    weighing = Weighing(Tally(wanted=2))
    weighing.sent(Text(b"a"))
    weighing.take(Text(b"a"))
    assert not weighing.is_over
    assert repr(weighing) == "<Weighing 1 of 2>"

    weighing.refuse("too much")
    assert weighing.is_over


# Verdicts


def judged(volume: Volume, came: int = 0, *, wanted: int = 1, **told: Any) -> Finding:
    """Judge a volume that ended in peace, but for what is told."""
    ended = {"has_closed": True, "is_first": True, "has_answer": True, "code": 1000}
    tally = Tally(wanted=wanted, came=came)
    for name in ("wrong", "deflated", "seconds", "stalled"):
        if name in told:
            setattr(tally, name, told.pop(name))
    for seconds in told.pop("latencies", ()):
        tally.latencies.record(seconds)
    transcript = Transcript(**({"ending": "fin"} | ended | told))
    return weigh(volume, tally, transcript)


THEIRS = {"is_first": False, "has_closed": False}


def test_all_that_came_back_passes_with_its_time() -> None:
    """And with how much of it was compressed."""
    found = judged(LARGE, 1, seconds=0.25)
    assert (found.verdict, found.note) == (Verdict.PASS, "")
    assert found.seen == "1 of 1 came back in 250 ms"
    assert found.title == "9.1.6 A text message of 16777216 bytes comes back."
    assert found.clause == "RFC 6455 6.2 (MUST)"

    found = judged(COMPRESSED, 32, wanted=32, deflated=30, seconds=0.01)
    assert found.seen == "32 of 32 came back in 10 ms, 30 of them compressed"


def test_round_trips_are_told_by_their_percentiles() -> None:
    """They are never judged."""
    found = judged(ROWS["9.7.2"], 2, wanted=2, latencies=(0.001, 0.004))

    assert found.verdict is Verdict.PASS
    assert found.seen == "2 of 2 came back, p50 1.00 ms, p99 4.00 ms"


@pytest.mark.parametrize("code", [1008, 1009])
def test_a_limit_that_is_stated_passes_with_a_note(code: int) -> None:
    """The RFC demands no size of anybody."""
    found = judged(FRAGMENTED, code=code, **THEIRS)

    assert found.verdict is Verdict.PASS
    assert found.note == "it does not take a message of 4194304 bytes in frames of 64"
    assert str(code) in found.seen
    found = judged(ROWS["9.7.6"], wanted=1000, code=code, **THEIRS)
    assert found.note == "it does not take 1000 times a message of 4096 bytes"


def test_a_limit_leaves_nothing_to_say_of_compression() -> None:
    """So it is skipped, with the reason."""
    found = judged(COMPRESSED, wanted=32, code=1009, **THEIRS)

    assert found.verdict is Verdict.SKIP
    assert found.seen == (
        "the target does not take 32 times a message of 4096 bytes (1009)"
    )


@pytest.mark.parametrize("name", ["9.7.1", "9.7.2", "9.8.5", "12.1.1", "12.1.4"])
def test_a_limit_that_makes_no_sense_is_none(name: str) -> None:
    """A server that closed with 1008 on every text passed all round trips of texts."""
    found = judged(ROWS[name], wanted=32, code=1008, **THEIRS)

    assert found.verdict is Verdict.FAIL
    assert "its close frame 1008" in found.seen


SILENT = {"has_answer": False, "has_closed": False}


@pytest.mark.parametrize(
    ("came", "wanted", "told", "words"),
    [
        (1, 2, {"wrong": "it is blue"}, "it is blue"),
        (1, 1, {"faults": ["RSV2 is set", "and more"]}, "RSV2 is set"),
        (0, 1, THEIRS | {"code": 1011}, "its close frame 1011"),
        (0, 1, THEIRS | {"code": None}, "its close frame without a code"),
        (0, 1, SILENT, "TCP ended by FIN"),
        (1, 2, THEIRS | {"code": 1009}, "its close frame 1009"),
        (0, 1, THEIRS | {"code": 1009, "ending": ""}, "its close frame 1009"),
        (1, 1, {"has_answer": False}, "no answer to the close frame, TCP ended by FIN"),
        (1, 1, {"ending": ""}, "TCP not ended in time"),
        (1, 1, {"code": 1002}, "its answer 1002"),
        (0, 1, SILENT | {"ending": ""}, "no end in time"),
        (0, 1, SILENT | {"ending": "", "stalled": 15.0}, "then nothing for 15.0 s"),
    ],
)
def test_anything_else_fails(
    came: int, wanted: int, told: dict[str, Any], words: str
) -> None:
    """Cut, changed, silent, or ended in another way than it should be."""
    found = judged(ROWS["9.7.1"], came, wanted=wanted, **told)

    assert found.verdict is Verdict.FAIL
    assert words in found.seen


def test_what_could_not_be_played_is_unknown() -> None:
    """It says nothing about the target."""
    found = judged(LARGE, 1, obstacle="the lab slept")

    assert (found.verdict, found.seen) == (Verdict.UNKNOWN, "the lab slept")


def test_a_wrong_answer_to_the_offers_fails() -> None:
    """What was offered stands beside it."""
    found = misunderstood(COMPRESSED, "'permessage-deflate; x'")

    assert found.verdict is Verdict.FAIL
    assert found.seen == "its answer is 'permessage-deflate; x'"
    assert COMPRESSED.extensions in found.expected


def test_what_is_skipped_says_why() -> None:
    """And nothing else."""
    assert skipped(LARGE, "it is too large").seen == "it is too large"
