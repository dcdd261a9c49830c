"""Log lines: one JSON object each, ours and those of the standard library alike."""

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from typing import Any

import pytest

from wavetank.hub.aio.lines import catch_others, make_logger, make_silent_logger


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
