"""The client's log lines."""

import logging
import subprocess
import sys

import pytest

from wavetank.client.aio.logger import make_logger, silent_logger


def test_logger_writes_events_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    """To the standard library, where the application decides."""
    with caplog.at_level(logging.INFO, logger="wavetank.client"):
        make_logger().warning("connecting_again", seconds=0.5)
        make_logger().debug("never_seen")
    assert [record.getMessage() for record in caplog.records] == [
        "event='connecting_again' seconds=0.5"
    ]
    assert caplog.records[0].levelname == "WARNING"
    assert caplog.records[0].name == "wavetank.client"


def test_a_line_that_nobody_hears_does_not_import_what_writes_lines() -> None:
    """A client that has nothing to complain about starts without structlog."""
    code = (
        "import logging, sys\n"
        "from wavetank.client.aio.logger import make_logger\n"
        "logger = make_logger()\n"
        "logger.info('connected', connection='c-1')\n"
        "print('structlog' in sys.modules)\n"
        "logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "logger.info('connected', connection='c-1')\n"
        "print('structlog' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
    assert done.stderr == "event='connected' connection='c-1'\n"


def test_logger_writes_a_traceback_and_can_be_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It does whatever structlog's do."""
    make_logger().bind(topic="t").error("crashed", exc_info=ValueError("odd"))
    (record,) = caplog.records
    assert record.getMessage().startswith("event='crashed' topic='t' exception=")
    assert "ValueError: odd" in record.getMessage()


def test_frames_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A token may stand in one, however much an application wants to see."""
    with caplog.at_level(logging.DEBUG):
        silent_logger().debug('> TEXT \'{"type":"auth","token":"secret"}\'')
    assert caplog.records == []
