"""The hub's configuration: one table of options, and the values made of it."""

from pathlib import Path

import pytest

from wavetank.errors import UsageError
from wavetank.hub.config import HubConfig, Ports, find_problems, make_config
from wavetank.hub.durability import Durability, read_rule
from wavetank.hub.options import OPTIONS
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
        ({"durability": ["log"]}, "--durability: log and fsync need a folder"),
        ({"durability": ["a.**=fsync", "memory"]}, "give --data DIR"),
        (
            {"data": "d", "durability": ["log", "prices.**=memory"]},
            "--durability prices.**=memory: never holds: log before it has all its",
        ),
        (
            {"data": "d", "durability": ["a.*=log", "b=log", "a.c=fsync", "a.d=log"]},
            "--durability a.c=fsync: never holds: a.*=log before it",
        ),
        ({"jwt_secret": ["s" * 31]}, "at least 32 bytes (RFC 7518 3.2)"),
        ({"jwt_audience": "hub"}, "--jwt-audience: is of no use without"),
        ({"jwt_issuer": "us"}, "--jwt-issuer: is of no use without"),
        ({"query_token": True}, "--query-token: is of no use without --token"),
        ({"key": "k.pem"}, "--key: is of no use without --cert"),
        ({"tls_port": "1"}, "--tls-port: is of no use without --cert"),
        ({"cert": "c.pem", "port": "65535"}, "no port behind 65535"),
        ({"port": "9000", "http_port": "9000"}, "is --port already"),
        (
            {"cert": "c.pem", "tls_port": "8765"},
            "--tls-port 8765: is --port or --http-port already",
        ),
        (
            {"cert": "c.pem", "http_port": "8766"},
            "--tls-port 8766: is --port or --http-port already",
        ),
        (
            {"message_bytes": "1KiB"},
            "--message-bytes 1024: no payload of --payload-bytes 65536 would fit",
        ),
        ({"payload_bytes": "unlimited"}, "of --payload-bytes unlimited would fit"),
        (
            {"retention_bytes": "1KiB"},
            "--retention-bytes 1024: a payload of 65536 bytes would be gone",
        ),
        ({"host": "0.0.0.0"}, "no token is set"),
        ({"host": "0.0.0.0", "operator_token": ["o"]}, "no token is set"),
    ],
)
def test_config_refuses_what_cannot_be(flags: dict[str, object], words: str) -> None:
    """Each mistake is told in words."""
    assert words in problems_of(**flags)


def test_config_tells_all_that_does_not_fit_together_at_once() -> None:
    """Three mistakes, three sentences."""
    told = problems_of(durability=["log"], key="k.pem", host="0.0.0.0")
    assert told.count("\n") == 2


def test_config_does_not_judge_what_depends_on_a_value_that_cannot_be_used() -> None:
    """A token was typed, only it is none: nobody has to be told to type one."""
    flags = {"host": "0.0.0.0", "token": [""], "key": "k.pem"}
    settings = resolve(OPTIONS, flags=flags, problems=[])
    assert len(find_problems(settings)) == 2
    (told,) = find_problems(settings, unusable=["token"])
    assert told == "--key: is of no use without --cert"


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


def test_topics_in_memory_need_no_folder() -> None:
    """And without a folder that is what they all have."""
    config = config_of(durability=["memory"])
    assert config.data is None
    assert config.durability_of("any") is Durability.MEMORY


def test_topics_have_the_durability_of_the_first_rule_that_fits() -> None:
    """Those that no rule fits are written to the log, because a folder was given."""
    config = config_of(data="d", durability=["ticks.**=memory", "orders.*=fsync"])
    assert config.data == Path("d")
    assert config.durability_of("ticks.btc.usd") is Durability.MEMORY
    assert config.durability_of("orders.eu") is Durability.FSYNC
    assert config.durability_of("orders.eu.paris") is Durability.LOG
    assert config_of(data="d").usual_durability is Durability.LOG


def test_rules_of_durability_do_not_hold_without_a_folder() -> None:
    """A program that embeds the hub may say both; nothing can be written."""
    rules = (read_rule("fsync"),)
    assert HubConfig(durability=rules).durability_of("a") is Durability.MEMORY


def test_jwt_keys_are_taken_with_what_a_token_has_to_name() -> None:
    """Secrets and a file of public keys; nobody is anonymous then."""
    config = config_of(
        jwt_secret=["s" * 32, "t" * 32],
        jwt_keys="keys.json",
        jwt_audience="hub",
        jwt_issuer="us",
        query_token=True,
        host="0.0.0.0",
    )
    assert config.jwt.secrets == ("s" * 32, "t" * 32)
    assert config.jwt.file == Path("keys.json")
    assert (config.jwt.audience, config.jwt.issuer) == ("hub", "us")
    assert (config.needs_auth, config.knows_tokens) == (True, True)
    assert config.query_token
    assert "ssss" not in repr(config)


def test_operators_alone_do_not_keep_others_out() -> None:
    """Their token opens status and metrics; clients still need none."""
    config = config_of(operator_token=["o"])
    assert (config.needs_auth, config.knows_tokens) == (False, True)
    assert not config_of().knows_tokens


def test_limits_of_one_connection_are_its_own() -> None:
    """Four rates, of all that a client can ask for."""
    limits = config_of(
        commands_per_s="100",
        publish_per_s="50",
        subscribe_per_s="10",
        history_per_s="1",
    ).limits
    assert limits.commands_per_s == 100.0
    assert limits.publish_per_s == 50.0
    assert limits.subscribe_per_s == 10.0
    assert limits.history_per_s == 1.0
    assert limits.rates == {
        "commands": 100.0,
        "publish": 50.0,
        "subscribe": 10.0,
        "history": 1.0,
    }
