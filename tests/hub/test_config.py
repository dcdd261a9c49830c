"""The hub's configuration: one table of options, and the values made of it."""

from pathlib import Path

import pytest

from wavetank.errors import UsageError
from wavetank.hub.config import OPTIONS, HubConfig, Ports, make_config
from wavetank.settings import resolve


def config_of(**flags: object) -> HubConfig:
    """Return the configuration of these flags."""
    typed = {name.replace("_", "-"): value for name, value in flags.items()}
    return make_config(resolve(OPTIONS, flags=typed))


def problems_of(**flags: object) -> str:
    """Return what is wrong with these flags."""
    with pytest.raises(UsageError) as caught:
        config_of(**flags)
    return str(caught.value)


def test_config_without_flags_is_the_default_one() -> None:
    """What the options say and what an embedding program gets are the same."""
    assert config_of() == HubConfig(ports=Ports(plain=8765, http=8000))


def test_config_has_the_documented_defaults() -> None:
    """The protocol's paragraph on defaults, line by line."""
    config = config_of()
    limits, mib = config.limits, 1024 * 1024
    assert (limits.message_bytes, limits.payload_bytes) == (mib, 65536)
    assert (limits.topics, config.crowd.total) == (128, 10_000)
    assert (limits.publish_per_s, limits.commands_per_s) == (None, None)
    assert (config.ring.entries, config.ring.size) == (10_000, 64 * mib)
    assert (config.retention.entries, config.retention.size) == (100_000, 1024 * mib)
    assert config.retention.age == 24 * 3600
    assert (limits.slow_after, limits.slow_bytes) == (30.0, 256 * mib)
    assert (config.ping, config.pong, limits.first_command) == (20.0, 20.0, 10.0)
    assert (config.drain, config.handshake) == (30.0, 10.0)
    assert (config.needs_auth, config.is_local) == (False, True)


@pytest.mark.parametrize(
    ("flags", "ports"),
    [
        ({}, Ports(plain=8765, tls=None, http=8000)),
        ({"port": "9000"}, Ports(plain=9000, tls=None, http=None)),
        ({"port": "9000", "http_port": "9001"}, Ports(plain=9000, http=9001)),
        ({"http_port": "off"}, Ports(plain=8765, http=None)),
        ({"http_port": "0"}, Ports(plain=8765, http=0)),
        ({"cert": "c.pem"}, Ports(plain=8765, tls=8766, http=8000)),
        ({"cert": "c.pem", "port": "0"}, Ports(plain=0, tls=0)),
        ({"cert": "c.pem", "port": "9000"}, Ports(plain=9000, tls=9001)),
        (
            {"cert": "c.pem", "port": "0", "tls_port": "9443"},
            Ports(plain=0, tls=9443),
        ),
    ],
)
def test_ports_left_out_follow_the_plain_one(
    flags: dict[str, str], ports: Ports
) -> None:
    """So two hubs with a port each do not meet on a third one."""
    assert config_of(**flags).ports == ports


def test_limits_take_the_word_unlimited() -> None:
    """No limit has to be typed."""
    config = config_of(
        message_bytes="unlimited",
        connections="unlimited",
        topics="unlimited",
        slow_after="unlimited",
        retention_age="unlimited",
    )
    assert config.limits.message_bytes is None
    assert config.crowd.total is None
    assert config.limits.topics is None
    assert config.limits.slow_after is None
    assert config.retention.age is None


def test_limits_are_read_in_their_units() -> None:
    """Sizes, durations, counts and rates."""
    config = config_of(
        payload_bytes="4KiB", ping="250ms", connections="12", publish_per_s="0.5"
    )
    assert config.limits.payload_bytes == 4096
    assert config.ping == 0.25
    assert config.crowd.total == 12
    assert config.limits.publish_per_s == 0.5


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"data": "/tmp/log"}, "the durable log is not there yet"),
        ({"key": "k.pem"}, "--key: is of no use without --cert"),
        ({"tls_port": "1"}, "--tls-port: is of no use without --cert"),
        ({"cert": "c.pem", "port": "65535"}, "no port behind 65535"),
        ({"host": "0.0.0.0"}, "no token is set"),
        ({"host": "0.0.0.0", "operator_token": ["o"]}, "no token is set"),
        ({"ping": "0"}, "too short"),
        ({"ping": "unlimited"}, "not a duration"),
        ({"publish_per_s": "0"}, "not a number above 0"),
        ({"publish_per_s": "many"}, "not a number above 0"),
        ({"publish_per_s": "inf"}, "not a number above 0"),
        ({"connections": "0"}, "too small"),
        ({"http_port": "65536"}, "too large"),
        ({"http_port": "none"}, "or the word off"),
        ({"loop": "trio"}, "not one of auto, asyncio, uvloop"),
        ({"log_level": "loud"}, "not one of debug"),
    ],
)
def test_config_refuses_what_cannot_be(flags: dict[str, object], words: str) -> None:
    """Each mistake is told in words."""
    assert words in problems_of(**flags)


def test_config_tells_all_that_does_not_fit_together_at_once() -> None:
    """Three mistakes, three sentences."""
    told = problems_of(data="/tmp/log", key="k.pem", host="0.0.0.0")
    assert told.count("\n") == 2


@pytest.mark.parametrize("token", ["", "with space", "tab\t", "ümlaut"])
def test_config_refuses_a_token_that_no_header_can_carry(token: str) -> None:
    """And does not show it."""
    told = problems_of(token=[token])
    assert "--token" in told
    assert not token or token not in told


def test_config_lets_a_hub_out_with_a_token_or_the_typed_word() -> None:
    """Beyond this machine nobody is anonymous by accident."""
    guarded = config_of(host="0.0.0.0", token=["secret"])
    assert (guarded.needs_auth, guarded.is_local) == (True, False)
    assert "secret" not in repr(guarded)
    assert not config_of(host="0.0.0.0", allow_anonymous=True).needs_auth
    both = config_of(host="0.0.0.0", allow_anonymous=True, token=["t"])
    assert not both.needs_auth


def test_config_takes_what_belongs_together() -> None:
    """Certificate, key, origins, echo and the name of the node."""
    config = config_of(
        cert="c.pem",
        key="k.pem",
        allow_origin=["https://a.example"],
        echo=True,
        node="n1",
    )
    assert (config.cert, config.key) == (Path("c.pem"), Path("k.pem"))
    assert config.allow_origins == ("https://a.example",)
    assert (config.echo, config.node) == (True, "n1")


def test_options_have_names_of_their_own() -> None:
    """No name comes twice, and each has its line of help."""
    names = [option.name for option in OPTIONS]
    assert len(set(names)) == len(names)
    assert all(option.help for option in OPTIONS)
