"""The table of a run's options."""

from collections import Counter

import pytest

from wavetank.errors import UsageError
from wavetank.lab.options import OPTIONS, RUN_VARIABLES
from wavetank.settings import resolve


def test_options_have_names_of_their_own() -> None:
    """No flag, no key and no variable stands for two options."""
    flags = Counter(flag for one in OPTIONS for flag in (one.name, *one.also))
    variables = Counter(name for one in OPTIONS for name in one.variables())
    assert set(flags.values()) == set(variables.values()) == {1}


def test_options_include_those_of_the_specification() -> None:
    """Whoever knows the catalogue finds its options."""
    flags = {f"--{name}" for one in OPTIONS for name in (one.name, *one.also)}
    assert flags >= {
        *("--no-ssl", "--external-server", "--target", "--dynamic-ports"),
        *("--start-port", "--max-clients", "--test-duration", "--coverage"),
    }
    variables = {name for one in OPTIONS for name in one.variables()}
    assert {"WEBSOCKET_PORT", "WEBSOCKET_SSL_PORT"} <= variables


def test_options_keep_their_documented_defaults() -> None:
    """What nobody gives is what PRODUCT and the reference promise."""
    settings = resolve(OPTIONS, flags={})
    assert settings["start_port"] == 9000
    assert settings["max_clients"] == 100
    assert settings["test_duration"] == 10.0
    assert settings["ready_timeout"] == 15.0
    assert settings["dynamic_ports"] is True
    assert settings["dialect"] == "auto"
    assert settings["contract_of"] == "server"
    assert settings["seed"] is settings["port"] is settings["tls_port"] is None


def test_options_that_carry_secrets_are_never_shown() -> None:
    """Headers, cookies and tokens stand in no table and no message."""
    flags = {"header": ["X-Key: deep"], "cookie": ["a=deep"], "token": "deep"}
    settings = resolve(OPTIONS, flags=flags)
    assert "deep" not in repr(settings)
    assert settings.changed() == {"header": "***", "cookie": "***", "token": "***"}


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("test-duration", "0.1", 0.1),
        ("test-duration", "1h", 3600.0),
        ("ready-timeout", "200ms", 0.2),
    ],
)
def test_durations_within_their_bounds_are_taken(
    name: str, typed: str, value: float
) -> None:
    """Both bounds are included."""
    assert resolve(OPTIONS, flags={name: typed})[name] == value


@pytest.mark.parametrize("typed", ["0", "99ms", "3601", "2h", "-1", "nan", "inf"])
@pytest.mark.parametrize("name", ["test-duration", "ready-timeout"])
def test_durations_beyond_their_bounds_are_refused(name: str, typed: str) -> None:
    """Every run is bounded in time, and no wait is nothing at all."""
    with pytest.raises(UsageError, match=f"^--{name}: "):
        resolve(OPTIONS, flags={name: typed})


def test_run_variables_are_those_of_the_specification() -> None:
    """Each switches suites that the catalogue names."""
    assert set(RUN_VARIABLES) == {
        *("RUN_CONNECTIVITY", "RUN_MESSAGE_FLOW", "RUN_FAULT_TOLERANCE"),
        *("RUN_LOAD_TESTS", "RUN_INTEGRATION", "RUN_PERFORMANCE"),
    }
    assert all(suites for suites in RUN_VARIABLES.values())
