"""The client's log lines: events with fields, on the standard library's logging.

It refuses to decide where they go: that is the application's business.
"""

import logging

import structlog

__all__ = ["make_logger", "silent_logger"]

NAME = "wavetank.client"


def make_logger() -> structlog.typing.FilteringBoundLogger:
    """Return a logger that writes to ``logging.getLogger("wavetank.client")``."""
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
