"""Log lines: one JSON object each, ours and those of the standard library alike."""

import asyncio
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from wavetank.hub.aio.lines import catch_others, make_logger, make_silent_logger
from wavetank.hub.tally import Count


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines as values."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    """Give a place for lines."""
    return io.StringIO()


def test_lines_are_json_with_a_least_level(stream: io.StringIO) -> None:
    """One object a line; what is below the level is not written."""
    logger = make_logger("warning", stream)
    logger.info("quiet")
    logger.warning("loud", connection="c-1", odd=object, count=3, is_so=True, no=None)
    (event,) = read(stream)
    assert (event["event"], event["level"], event["connection"]) == (
        "loud",
        "warning",
        "c-1",
    )
    assert (event["count"], event["is_so"], event["no"]) == (3, True, None)
    assert event["timestamp"].endswith("Z")


def test_lines_quote_no_more_than_200_characters_of_anybody(
    stream: io.StringIO,
) -> None:
    """A stranger cannot fill the disk with one request."""
    logger = make_logger("info", stream)
    long = "x\n" * 10_000
    logger.info("told", reason=long, error=ValueError(long), urls=[long, "short"])
    (event,) = read(stream)
    assert len(stream.getvalue().splitlines()) == 1
    for text in (event["reason"], event["error"], event["urls"][0]):
        assert len(text) == 200
        assert text.endswith("...")
    assert event["urls"][1] == "short"


def test_lines_keep_a_traceback_but_not_without_end(stream: io.StringIO) -> None:
    """Its last lines say most; it is one field of one line."""
    logger = make_logger("info", stream)
    try:
        raise ValueError("y" * 20_000 + "the end")
    except ValueError:
        logger.exception("failed")
    (event,) = read(stream)
    assert len(event["exception"]) == 10_000
    assert event["exception"].endswith("the end")


def test_silent_logger_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the worst."""
    make_silent_logger().critical("doom")
    assert capsys.readouterr() == ("", "")


def test_lines_of_the_standard_library_become_ours(stream: io.StringIO) -> None:
    """With the name of who said it, its level and its traceback."""
    others = logging.getLogger("asyncio")
    with catch_others(make_logger("info", stream)):
        others.error("gone: %s", "socket", exc_info=ValueError("why"))
        others.debug("too quiet")
        others.log(35, "between two levels")
        others.log(99, "above all levels")
        others.warning("two %d", "three")
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    first, second, third, fourth, fifth = read(stream)
    assert first["event"] == "library_message"
    assert (first["logger"], first["level"]) == ("asyncio", "error")
    assert (first["message"], first["exception"]) == ("gone: socket", "ValueError: why")
    assert (second["level"], third["level"]) == ("warning", "critical")
    assert fourth["message"].startswith("two %d (TypeError")
    assert "UserWarning: old" in fifth["message"]


def test_lines_tell_of_faults_that_could_be_raised_nowhere(
    stream: io.StringIO,
) -> None:
    """A thread that died, a destructor that failed: no raw traceback on stderr."""

    class Broken:
        def __del__(self) -> None:
            raise ZeroDivisionError("in a destructor")

    with catch_others(make_logger("info", stream)):
        for error in (KeyError("in a thread"), SystemExit()):
            thread = threading.Thread(target=_raise, args=[error], name="writer")
            thread.start()
            thread.join()
        unnamed = threading.ExceptHookArgs((ValueError, ValueError("x"), None, None))
        threading.excepthook(unnamed)
        Broken()
    died, nameless, ignored = read(stream)
    assert (died["event"], died["thread"]) == ("thread_died", "writer")
    assert "in a thread" in died["exception"]
    assert nameless["thread"] == ""
    assert ignored["event"] == "error_ignored"
    assert "in a destructor" in ignored["exception"]


def _raise(error: BaseException) -> None:
    raise error


def test_lines_are_left_to_others_as_they_were(stream: io.StringIO) -> None:
    """Whoever catches them puts everything back."""
    root = logging.getLogger()
    before = (root.handlers[:], threading.excepthook, sys.unraisablehook)
    with catch_others(make_logger("info", stream)):
        assert root.handlers != before[0]
    assert (root.handlers, threading.excepthook, sys.unraisablehook) == before


def test_lines_tell_of_an_error_that_a_loop_has_caught(stream: io.StringIO) -> None:
    """A callback that fails is asyncio's to tell."""

    async def fail() -> None:
        asyncio.get_running_loop().call_soon(_raise, KeyError("in a callback"))
        await asyncio.sleep(0)

    with catch_others(make_logger("info", stream)):
        asyncio.run(fail())
    (event,) = read(stream)
    assert event["logger"] == "asyncio"
    assert "in a callback" in event["exception"]


# Where lines cannot be written.


class Pipe:
    """A pipe that never blocks: what does not fit is refused, as by a full disk."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for descriptor in (self._reading, self._writing):
            os.set_blocking(descriptor, False)
        self._heard = b""
        self.stream = os.fdopen(self._writing, "w", closefd=False)

    def fill(self) -> None:
        """Leave no room at all."""
        with suppress(BlockingIOError):
            while True:
                os.write(self._writing, b"\n" * 4096)

    def make_room(self, size: int) -> None:
        """Take so many bytes out again."""
        while size:
            chunk = os.read(self._reading, size)
            self._heard += chunk
            size -= len(chunk)

    def empty(self) -> None:
        """Take out all there is."""
        with suppress(BlockingIOError):
            while True:
                self.make_room(1)

    def events(self) -> list[dict[str, Any]]:
        """Return all that was ever written, as values."""
        self.empty()
        return [json.loads(line) for line in self._heard.splitlines() if line]

    def hang_up(self) -> None:
        """Let the reader leave."""
        os.close(self._reading)

    def close(self) -> None:
        """Close what is open."""
        for descriptor in (self._reading, self._writing):
            with suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Give a pipe that never blocks."""
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_lines_that_nobody_reads_are_dropped_and_counted(pipe: Pipe) -> None:
    """A reader that left is no reason to fail."""
    dropped = Count()
    logger = make_logger("info", pipe.stream, dropped)
    logger.info("heard")
    pipe.hang_up()
    logger.info("unheard")
    logger.debug("not even written")
    logger.error("unheard", exc_info=ValueError("why"))
    assert dropped.number == 2


def test_lines_tell_how_many_were_dropped_before_them(pipe: Pipe) -> None:
    """Once, with the next one that goes through."""
    dropped = Count()
    logger = make_logger("info", pipe.stream, dropped)
    pipe.fill()
    for name in ("first", "second"):
        logger.info(name)
    pipe.empty()
    for name in ("third", "fourth"):
        logger.info(name)
    told = [(event["event"], event.get("lines_dropped")) for event in pipe.events()]
    assert told == [("third", 2), ("fourth", None)]
    assert dropped.number == 2


def test_lines_written_in_half_are_ended_before_the_next_one(pipe: Pipe) -> None:
    """Nobody finds half a line with another one behind it, however long it takes."""
    dropped = Count()
    logger = make_logger("info", pipe.stream, dropped)
    pipe.fill()
    pipe.make_room(4096)
    logger.error("halved", exc_info=ValueError("z" * 20_000))
    logger.info("dropped")
    pipe.make_room(4096)
    logger.info("dropped, too")
    pipe.empty()
    logger.info("whole")
    first, second = pipe.events()
    assert (first["event"], len(first["exception"])) == ("halved", 10_000)
    assert (second["event"], second["lines_dropped"]) == ("whole", 2)
    assert dropped.number == 2


class _Closed(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.close()


@pytest.mark.parametrize("is_file", [True, False])
def test_lines_of_a_closed_stream_are_dropped(tmp_path: Path, is_file: bool) -> None:
    """Whether it was closed before or is later on."""
    dropped = Count()
    streams: list[TextIO | None] = [None, _Closed()]
    later: TextIO = (tmp_path / "lines").open("w") if is_file else io.StringIO()
    loggers = [make_logger("info", each, dropped) for each in [*streams, later]]
    later.close()
    loggers.append(make_logger("info", later, dropped))
    for logger in loggers:
        logger.info("unheard")
    assert dropped.number == 4


def test_lines_do_not_go_where_a_closed_stream_was(tmp_path: Path) -> None:
    """Its number may be that of a socket by then."""
    dropped = Count()
    with (tmp_path / "lines").open("w") as stream:
        logger = make_logger("info", stream, dropped)
        number = stream.fileno()
    with (tmp_path / "other").open("w") as other:
        if other.fileno() != number:
            os.dup2(other.fileno(), number)
        logger.info("unheard")
        if other.fileno() != number:
            os.close(number)
    assert (tmp_path / "other").read_text() == ""
    assert dropped.number == 1


class _Refusing(io.StringIO):
    """A stream without a descriptor that refuses, once, what is written."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._faults = [error]

    def write(self, text: str) -> int:
        """Refuse, or take it."""
        if self._faults:
            raise self._faults.pop()
        return super().write(text)


@pytest.mark.parametrize("error", [OSError("no space"), ValueError("detached")])
def test_lines_survive_whatever_a_stream_raises(error: Exception) -> None:
    """Also one that is no file."""
    stream = _Refusing(error)
    logger = make_logger("info", stream)
    logger.info("first")
    logger.info("second")
    (event,) = read(stream)
    assert (event["event"], event["lines_dropped"]) == ("second", 1)


def test_lines_that_come_while_one_is_written_are_dropped() -> None:
    """A destructor that fails just then can neither wait nor write between."""

    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            if not self.tell():
                logger.error("between")
            return super().write(text)

    stream = Interrupted()
    dropped = Count()
    logger = make_logger("info", stream, dropped)
    logger.info("first")
    logger.info("second")
    first, second = read(stream)
    assert (first["event"], "lines_dropped" in first) == ("first", False)
    assert (second["event"], second["lines_dropped"]) == ("second", 1)
    assert dropped.number == 1


def test_lines_of_the_standard_library_end_nothing_either(pipe: Pipe) -> None:
    """A callback that fails, with nobody there to hear of it."""
    dropped = Count()
    pipe.hang_up()

    async def fail() -> str:
        asyncio.get_running_loop().call_soon(_raise, KeyError("in a callback"))
        await asyncio.sleep(0)
        return "still here"

    with catch_others(make_logger("info", pipe.stream, dropped)):
        assert asyncio.run(fail()) == "still here"
    assert dropped.number == 1
