"""The tables of options of ``wavetank sub`` and ``wavetank pub``."""

import pytest

from wavetank.client.options import PUB_OPTIONS, SUB_OPTIONS
from wavetank.errors import UsageError
from wavetank.protocol import Position
from wavetank.settings import Settings, resolve


def pub(**environ: str) -> Settings:
    """Resolve the table of `pub`."""
    return resolve(PUB_OPTIONS, flags={}, environ=environ, prefix="WAVETANK_PUB_")


def sub(**environ: str) -> Settings:
    """Resolve the table of `sub`."""
    return resolve(SUB_OPTIONS, flags={}, environ=environ, prefix="WAVETANK_SUB_")


def test_options_have_the_names_of_the_system_under_test() -> None:
    """A bot's environment configures the publisher."""
    settings = pub(
        SYSTEM__WEBSOCKET_DASHBOARD_URL="ws://localhost:8765",
        SYSTEM__WEBSOCKET_MAX_RETRIES="5",
        SYSTEM__WEBSOCKET_RETRY_DELAY="5",
        SYSTEM__WEBSOCKET_QUEUE_SIZE="100",
        SYSTEM__ENABLE_WEBSOCKET_PUBLISHING="false",
        WAVETANK_TOKEN="secret",
    )
    assert settings["url"] == "ws://localhost:8765"
    assert (settings["max_retries"], settings["retry_delay"]) == (5, 5.0)
    assert (settings["queue"], settings["enable"]) == (100, False)
    assert settings["token"] == "secret"
    assert "secret" not in str(settings.table())


def test_options_of_ours_go_before_those_of_others() -> None:
    """WAVETANK_... is more exact."""
    settings = sub(WAVETANK_SUB_URL="ws://a", SYSTEM__WEBSOCKET_DASHBOARD_URL="ws://b")
    assert settings["url"] == "ws://a"


def test_options_are_endless_and_safe_by_default() -> None:
    """No bound on retries, TLS verified, no fallback, everything else bounded."""
    settings = pub()
    assert settings["max_retries"] is None
    assert (settings["insecure"], settings["allow_plain_fallback"]) == (False, False)
    assert (settings["queue"], settings["spool_bytes"]) == (1000, 1024**3)
    assert settings["enable"] is True
    assert pub(WAVETANK_PUB_MAX_RETRIES="unlimited")["max_retries"] is None


def test_options_read_where_to_start_and_how() -> None:
    """As values, not as texts."""
    settings = sub(WAVETANK_SUB_SINCE="e:3", WAVETANK_SUB_DELIVER="2")
    assert settings["since"] == Position("e", 3)
    assert settings["deliver"] == 2.0


def test_options_refuse_a_duration_of_nothing() -> None:
    """It would only look like a wait."""
    with pytest.raises(UsageError, match="too short; the least is 1ms"):
        sub(WAVETANK_SUB_TIMEOUT="0")
