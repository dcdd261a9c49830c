"""The client's log lines: events with fields, on the standard library's logging.

It refuses to decide where they go: that is the application's business.
"""

import functools
import logging
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import structlog

__all__ = ["make_logger", "silent_logger"]

NAME = "wavetank.client"


def make_logger() -> "structlog.typing.FilteringBoundLogger":
    """Return a logger that writes to ``logging.getLogger("wavetank.client")``."""
    return cast("structlog.typing.FilteringBoundLogger", _Waiting())


class _Waiting:
    """A logger that is made when somebody hears it.

    structlog takes a third of a client's start, and most clients never say a word.
    """

    def __getattr__(self, name: str) -> Any:
        level = logging.getLevelNamesMapping().get(name.upper())
        if level is not None and not logging.getLogger(NAME).isEnabledFor(level):
            return _unheard
        return getattr(_made(), name)


def _unheard(event: str, *args: object, **fields: object) -> None:
    """Drop a line that nobody listens to."""


@functools.cache
def _made() -> "structlog.typing.FilteringBoundLogger":
    import structlog

    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger(NAME),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def silent_logger() -> logging.Logger:
    """Return a logger for frames that says nothing: a token may stand in one."""
    logger = logging.getLogger(f"{NAME}.frames")
    logger.disabled = True
    return logger
