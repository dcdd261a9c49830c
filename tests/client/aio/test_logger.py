"""The client's log lines."""

import logging

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


def test_frames_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A token may stand in one, however much an application wants to see."""
    with caplog.at_level(logging.DEBUG):
        silent_logger().debug('> TEXT \'{"type":"auth","token":"secret"}\'')
    assert caplog.records == []
