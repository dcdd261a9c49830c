"""Lines on their way to a thread: nobody waits for whoever reads them."""

import io
import json
import os
import threading
from collections.abc import Iterator

import pytest

from wavetank.hub.aio.line_queue import LineQueue
from wavetank.hub.aio.lines import Lines, logger_of
from wavetank.hub.tally import Count

DEADLINE = 20.0


class Gate(io.StringIO):
    """A stream whose reader reads nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_writing = threading.Event()
        self.is_read = threading.Event()
        self.text = ""

    def write(self, text: str) -> int:
        """Wait, as a pipe does that is full."""
        self.is_writing.set()
        assert self.is_read.wait(DEADLINE)
        self.text += text
        return len(text)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give a stream that nobody reads, for a while."""
    gate = Gate()
    yield gate
    gate.is_read.set()


def test_lines_that_nobody_reads_wait_up_to_a_bound_and_are_counted_beyond_it(
    gate: Gate,
) -> None:
    """Who writes them goes on at once; the next one that goes out says how many."""
    dropped = Count()
    with LineQueue(Lines(gate, dropped), most=2) as lines:
        logger = logger_of("info", lines)
        logger.info("stuck")
        assert gate.is_writing.wait(DEADLINE)
        for name in ("first", "second", "third", "fourth"):
            logger.info(name)
        assert dropped.number == 2
        assert repr(lines) == "<LineQueue 2 of 2>"
        gate.is_read.set()
    told = [json.loads(line) for line in gate.text.splitlines()]
    assert [(one["event"], one.get("lines_dropped")) for one in told] == [
        ("stuck", None),
        ("first", 2),
        ("second", None),
    ]
    assert dropped.number == 2


def test_an_end_waits_for_the_last_lines_but_not_for_ever(gate: Gate) -> None:
    """Once it is over, lines are dropped, and counted."""
    dropped = Count()
    with LineQueue(Lines(gate, dropped), flush_within=0.01) as lines:
        logger = logger_of("info", lines)
        logger.info("stuck")
    assert gate.text == ""
    lines.close()
    logger.info("too late")
    assert dropped.number == 1


def test_everything_that_was_said_is_written_before_the_end() -> None:
    """In the order in which it was said."""
    stream = io.StringIO()
    with LineQueue(Lines(stream, Count())) as lines:
        logger = logger_of("info", lines)
        for number in range(500):
            logger.info("said", number=number)
    told = [json.loads(line)["number"] for line in stream.getvalue().splitlines()]
    assert told == list(range(500))


def test_a_line_that_cannot_be_made_ends_no_other() -> None:
    """It is counted; a thread that died of it would write no more."""
    stream, dropped = io.StringIO(), Count()
    with LineQueue(Lines(stream, dropped)) as lines:
        lines.write(event="no JSON", value=object())
        lines.write(event="whole")
    (told,) = map(json.loads, stream.getvalue().splitlines())
    assert told["event"] == "whole"
    assert told["lines_dropped"] == 1
    assert dropped.number == 1


def test_a_line_from_within_the_thread_is_written_too() -> None:
    """A destructor may fail just while another line is written."""

    class Failing(io.StringIO):
        def write(self, text: str) -> int:
            if not self.tell():
                lines.error(event="between")
            return super().write(text)

    stream = Failing()
    with LineQueue(Lines(stream, Count())) as lines:
        lines.info(event="first")
        # Its own line is put before the end is.
        while not stream.tell():
            os.sched_yield()
    told = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert told == ["first", "between"]
