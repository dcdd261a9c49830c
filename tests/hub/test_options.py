"""The hub's table of options, and the kinds of values that only it has."""

from pathlib import Path
from typing import Any

import pytest

from wavetank.errors import UsageError
from wavetank.hub.durability import Durability, DurabilityRule
from wavetank.hub.options import OPTIONS
from wavetank.settings import resolve

PREFIX = "WAVETANK_HUB_"


def value_of(name: str, typed: object) -> Any:
    """Return the value of one option that was typed."""
    return resolve(OPTIONS, flags={name: typed})[name]


def problem_of(name: str, typed: object) -> str:
    """Return what is wrong with a value."""
    with pytest.raises(UsageError) as caught:
        value_of(name, typed)
    return str(caught.value)


def test_options_have_names_of_their_own() -> None:
    """No name comes twice, in flags and environment, and each has its line of help."""
    names = [option.name for option in OPTIONS]
    variables = [name for option in OPTIONS for name in option.variables(PREFIX)]
    assert len(set(names)) == len(names)
    assert len(set(variables)) == len(variables)
    assert all(option.help for option in OPTIONS)


def test_options_keep_every_secret_to_themselves() -> None:
    """Whatever lets somebody in is shown as three stars."""
    secrets = {option.name for option in OPTIONS if option.secret}
    assert secrets == {"token", "operator-token", "jwt-secret"}


def test_options_take_a_limit_or_the_typed_word_for_none() -> None:
    """No limit is never the lack of a value."""
    limits = [option for option in OPTIONS if option.name.endswith(("-bytes", "-s"))]
    assert len(limits) == 9
    assert all(value_of(option.name, "unlimited") is None for option in limits)


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("port", "0", 0),
        ("http-port", "off", None),
        ("http-port", " 8001", 8001),
        ("ping", "250ms", 0.25),
        ("publish-per-s", "0.5", 0.5),
        ("subscribe-per-s", "10", 10.0),
        ("history-per-s", "unlimited", None),
        ("payload-bytes", "4KiB", 4096),
        ("token", ["a", "b"], ("a", "b")),
        ("jwt-keys", "keys.json", Path("keys.json")),
        ("durability", ["a.*=fsync"], (DurabilityRule("a.*", Durability.FSYNC),)),
        ("compression", True, True),
        ("query-token", True, True),
        ("config", "hub.toml", Path("hub.toml")),
        ("log-level", "WARNING", "warning"),
        ("log-level", "Warn", "warning"),
        ("log-level", "CRITICAL", "error"),
        ("log-level", "trace", "debug"),
    ],
)
def test_options_are_read_in_their_units(name: str, typed: object, value: Any) -> None:
    """Ports, times, rates, sizes, lists, files and words."""
    assert value_of(name, typed) == value


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("port", "65536", "too large"),
        ("http-port", "none", "'none' is not a whole number (or the word off)"),
        ("http-port", "65536", "too large; the most is 65535 (or the word off)"),
        ("ping", "0", "too short; the least is 1ms"),
        ("pong", "unlimited", "not a duration"),
        ("publish-per-s", "0", "not a number above 0 (or the word unlimited)"),
        ("publish-per-s", "nan", "not a number above 0"),
        ("publish-per-s", "inf", "not a number above 0"),
        ("history-per-s", "many", "not a number above 0"),
        ("topics", "0", "too small"),
        ("durability", ["lug"], "did you mean log?"),
        ("loop", "trio", "not one of auto, asyncio, uvloop"),
        ("log-level", "loud", "not one of debug, info, warning, error"),
    ],
)
def test_options_refuse_what_they_cannot_read(
    name: str, typed: object, words: str
) -> None:
    """In words, with the name of the option."""
    told = problem_of(name, typed)
    assert words in told
    assert f"--{name}: " in told


@pytest.mark.parametrize("name", ["token", "operator-token", "jwt-secret"])
@pytest.mark.parametrize("typed", ["", "with space", "tab\t", "ümlaut"])
def test_options_refuse_a_token_that_no_header_can_carry(name: str, typed: str) -> None:
    """And do not show it."""
    told = problem_of(name, [typed])
    assert told == f"--{name}: this value cannot be used"


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("WAVETANK_HUB_PING", "ping", 3.0),
        ("WAVETANK_HUB_CONNECTIONS", "connections", 3),
        ("WAVETANK_HUB_TOKEN", "token", ("3",)),
        ("WAVETANK_OPERATOR_TOKEN", "operator-token", ("3",)),
        ("WAVETANK_JWT_SECRET", "jwt-secret", ("3",)),
    ],
)
def test_options_are_in_the_environment_too(
    variable: str, name: str, value: object
) -> None:
    """Under the hub's prefix; secrets under names without it, too."""
    settings = resolve(OPTIONS, flags={}, environ={variable: "3"}, prefix=PREFIX)
    assert settings[name] == value
    assert settings.source(name) == f"environment {variable}"


def test_options_take_no_client_s_token_for_one_of_the_hub() -> None:
    """A shell in which somebody signs in may start a hub, too."""
    settings = resolve(
        OPTIONS, flags={}, environ={"WAVETANK_TOKEN": "ann"}, prefix=PREFIX
    )
    assert settings["token"] == ()


def test_options_take_the_level_of_log_lines_from_log_level() -> None:
    """In capitals as it often is; the hub's own name wins over it."""
    environ = {"LOG_LEVEL": "DEBUG"}
    settings = resolve(OPTIONS, flags={}, environ=environ, prefix=PREFIX)
    assert settings["log_level"] == "debug"
    environ["WAVETANK_HUB_LOG_LEVEL"] = "error"
    settings = resolve(OPTIONS, flags={}, environ=environ, prefix=PREFIX)
    assert settings["log_level"] == "error"
