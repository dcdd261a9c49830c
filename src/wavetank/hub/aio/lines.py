"""Log lines: one JSON object each, ours and those of the standard library alike.

They refuse to know what happened, and who reads them.
"""

import contextlib
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, Protocol, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from wavetank.hub.access import MOST_SHOWN
from wavetank.hub.tally import Count

__all__ = [
    "Lines",
    "Sink",
    "catch_others",
    "logger_of",
    "make_logger",
    "make_silent_logger",
]

MOST_TRACEBACK = 10_000
"""Characters of a traceback that are written; the last ones say most."""


def make_logger(
    level: str, stream: TextIO | None, dropped: Count | None = None
) -> FilteringBoundLogger:
    """Return a logger that writes one JSON object a line, and never raises.

    A line that cannot be written is dropped; the next one that can be says in
    ``lines_dropped`` how many were.

    Args:
        level: Least level: debug, info, warning, error.
        stream: Where lines go; None where the process has no such stream.
        dropped: Counts the lines that were dropped.
    """
    return logger_of(level, Lines(stream, Count() if dropped is None else dropped))


class Sink(Protocol):
    """What lines are written to; its other names are those of the levels."""

    def write(self, /, **event: Any) -> None:
        """Write a line."""
        ...


def logger_of(level: str, sink: Sink) -> FilteringBoundLogger:
    """Return a logger whose lines go to a sink.

    Args:
        level: Least level: debug, info, warning, error.
        sink: Has ``write`` under the name of each level, too.
    """
    logger: FilteringBoundLogger = structlog.wrap_logger(
        sink,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _cut,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    ).bind()  # Unbound, it would be made anew for each line, even one not written.
    return logger


class Lines:
    """Writes a line at once, and leaves out what cannot be written.

    Args:
        stream: Where lines go; None where the process has no such stream.
        dropped: Counts the lines that were dropped.
    """

    def __init__(self, stream: TextIO | None, dropped: Count) -> None:
        self._stream = stream
        self._descriptor = _descriptor(stream)
        self._dropped = dropped
        self._lock = threading.RLock()
        # Apart: who counts a line does not wait for one that is being written.
        self._counting = threading.RLock()
        self._is_writing = False
        self._untold = 0
        self._rest = b""

    def write(self, /, **event: Any) -> None:
        """Write a line, or count it as dropped."""
        with self._lock:
            untold = self._untold
            if untold:
                event["lines_dropped"] = untold
            # While a line is written, a destructor may fail in the same thread.
            if self._is_writing or not self._is_written(event):
                self.drop()
            else:
                with self._counting:
                    self._untold -= untold

    def drop(self) -> None:
        """Count a line that is not written."""
        with self._counting:
            self._untold += 1
            self._dropped.number += 1

    debug = info = warning = error = critical = write

    def _is_written(self, event: dict[str, Any]) -> bool:
        line = json.dumps(event).encode() + b"\n"
        self._is_writing = True
        try:
            return self._put(line)
        finally:
            self._is_writing = False

    def _put(self, line: bytes) -> bool:
        """Write what is left of the line before, and a line; tell if it has begun.

        A line that a full disk took in half is ended before the next one begins.
        """
        before, data = len(self._rest), self._rest + line
        done = self._send(data)
        self._rest = data[done:] if done > before else self._rest[done:]
        return done > before

    def _send(self, data: bytes) -> int:
        """Write bytes past all buffers, which would keep what has failed.

        Returns:
            How many went through.
        """
        done = 0
        with contextlib.suppress(OSError, ValueError):
            if self._stream is None or self._stream.closed:
                return 0
            if self._descriptor is None:
                self._stream.write(data.decode())
                self._stream.flush()
                return len(data)
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        return done


def _descriptor(stream: TextIO | None) -> int | None:
    """Return a stream's file descriptor, if it has one."""
    try:
        return None if stream is None else stream.fileno()
    except (io.UnsupportedOperation, ValueError):
        return None


def make_silent_logger() -> FilteringBoundLogger:
    """Return a logger that writes nothing: a guest in somebody's process is quiet."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        None,
        processors=[_drop],
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
    ).bind()
    return logger


def _drop(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    raise structlog.DropEvent


def _cut(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Make every value one that JSON has, and cut what may quote a stranger."""
    del logger, method
    for name, value in event.items():
        if isinstance(value, int | float | None):
            continue
        if name == "exception":
            event[name] = str(value)[-MOST_TRACEBACK:]
        elif isinstance(value, list | tuple):
            event[name] = [_shorten(str(item)) for item in value[:MOST_SHOWN]]
        else:
            event[name] = _shorten(str(value))
    return event


def _shorten(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


@contextlib.contextmanager
def catch_others(logger: FilteringBoundLogger) -> Iterator[None]:
    """Write what others say to stderr as our lines, too, while it is entered.

    Others are the loggers of the standard library (asyncio's), warnings, threads
    that die and what Python itself cannot raise anywhere.

    Args:
        logger: Takes the lines; its level decides.
    """
    handler = _Handler(logger)
    root = logging.getLogger()
    before = (root.handlers[:], threading.excepthook, sys.unraisablehook)
    root.handlers[:] = [handler]
    logging.captureWarnings(True)
    threading.excepthook = handler.note_thread
    sys.unraisablehook = handler.note_unraisable
    try:
        yield
    finally:
        root.handlers[:], threading.excepthook, sys.unraisablehook = before
        logging.captureWarnings(False)


class _Handler(logging.Handler):
    """Turns a record of the standard library into a line."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; a fault in it is a line, too."""
        try:
            words = record.getMessage()
        except Exception as error:  # noqa: BLE001 - anybody may have written it
            words = f"{record.msg} ({error!r})"
        more: dict[str, Any] = {}
        if record.exc_info and record.exc_info[1] is not None:
            more["exc_info"] = record.exc_info[1]
        level = min(50, max(10, record.levelno // 10 * 10))
        self._logger.log(
            level, "library_message", logger=record.name, message=words, **more
        )

    def note_thread(self, args: threading.ExceptHookArgs) -> None:
        """Write that a thread has died."""
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else ""
            self._logger.error("thread_died", thread=name, exc_info=args.exc_value)

    def note_unraisable(self, args: "sys.UnraisableHookArgs") -> None:
        """Write what could be raised nowhere, such as an error in a destructor."""
        self._logger.error(
            "error_ignored", where=repr(args.object), exc_info=args.exc_value
        )
