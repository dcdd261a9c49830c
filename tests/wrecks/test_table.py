"""The table of wrecks, and that each is sound beside its one fault."""

import re
from typing import Any

import pytest

from wavetank.errors import UsageError
from wavetank.wrecks import (
    ACCESS_WRECKS,
    SOUND,
    WRECKS,
    SoundServer,
    find,
    patience,
)
from wavetank.wrecks.frames import Deflating

NEVER = 3600.0

CHECKS = {
    "basics": {
        *("basic_connection", "connection_timeout", "message_validation"),
        *("btc_price_update", "error_handling", "multiple_client_broadcast"),
        *("load", "ssl_connection", "reconnection"),
    },
    "core": {
        *("initial_connection", "reconnection", "message_handling", "broadcast"),
        *("client_tracking", "connection_timeout", "message_validation"),
        "state_transitions",
    },
    "connectivity": {
        *("handshake", "message_exchange", "ping_pong_latency"),
        *("concurrent_connections", "large_messages"),
    },
    "performance": {
        *("message_throughput", "latency", "resource_utilization"),
        *("connection_handling", "memory_usage", "cpu_usage"),
        *("network_bandwidth", "scalability"),
    },
    "load": {
        *("sustained", "burst", "concurrent_connections"),
        *("resource_monitoring", "performance_metrics", "fibonacci_ramp"),
    },
    "latency": {
        *("end_to_end", "resource_tracking", "message_rate", "bottleneck"),
    },
    "conformance": {
        *("handshake", "negotiation", "framing", "pings", "reserved", "fragments"),
        *("unicode", "closing", "close_matrix", "masking", "lengths", "transport"),
        *("performance", "compression", "parameters"),
        *("deflate", "audit", "timeouts"),
    },
    "fault_tolerance": {
        *("dashboard_offline_at_start", "dashboard_crash", "network_partition"),
        *("queue_overflow", "rapid_reconnection", "mixed_schedule"),
        *("true_partition", "full_disk"),
        "descriptor_exhaustion",
    },
    "self_healing": {
        *("connection_recovery", "server_restart", "ssl_fallback"),
        *("memory_recovery", "error_resilience"),
    },
    "message_flow": {"schemas", "ordering", "integrity", "end_to_end"},
    "edge_cases": {
        *("invalid_message_format", "message_size_limit", "ssl_errors"),
        *("concurrent_access", "error_recovery", "state_transitions"),
        *("memory_management", "connection_limits"),
    },
    "full_cycle": {"trading_cycle"},
}

EVERY = WRECKS | ACCESS_WRECKS


def test_every_check_has_a_wreck() -> None:
    """No check is left that has never been seen to fail; no wreck names another."""
    owed = {f"{suite}.{check}" for suite in CHECKS for check in CHECKS[suite]}
    assert {wreck.check for wreck in WRECKS.values()} == owed


def test_every_wreck_has_a_name_a_server_and_a_sentence() -> None:
    """Names are kebab-case, servers are used once, sentences end."""
    for name, wreck in EVERY.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert re.fullmatch(r"[A-Z].*\.", wreck.fault)
        assert issubclass(wreck.server, SoundServer)
    assert len({wreck.server for wreck in EVERY.values()}) == len(EVERY)
    for table in (WRECKS, ACCESS_WRECKS):
        assert all(EVERY[name] is table[name] for name in table)


def test_find_returns_the_server_of_a_name() -> None:
    """The sound one is there too."""
    assert find(SOUND) is Deflating
    assert find("late-pong") is WRECKS["late-pong"].server


@pytest.mark.parametrize(
    ("name", "hint"),
    [("late-pomg", "did you mean late-pong"), ("zzzzzz", "wavetank wreck --list")],
)
def test_find_refuses_an_unknown_name_with_the_nearest(name: str, hint: str) -> None:
    """Who mistypes is told what there is."""
    with pytest.raises(UsageError, match=hint):
        find(name)


@pytest.fixture
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no server lose its patience with a machine that stands still."""
    monkeypatch.setattr(patience, "_HANDSHAKE", NEVER)
    monkeypatch.setattr(patience, "_LOOK_EVERY", NEVER)


@pytest.mark.anyio
@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("name", [SOUND, *EVERY])
async def test_wreck_is_ready_and_good_for_a_plain_round_trip(
    start: Any, connect: Any, whole: Any, name: str
) -> None:
    """A handshake gets 101 and a welcome, and a publication comes back."""
    peer = await connect(await start(find(name)), "/ws")
    while (await peer.message())["type"] != "welcome":
        pass
    await whole(peer)


@pytest.mark.anyio
@pytest.mark.usefixtures("time_enough")
@pytest.mark.parametrize("name", [SOUND, *EVERY])
async def test_wreck_survives_a_peer_that_sends_nonsense(
    start: Any, connect: Any, name: str
) -> None:
    """Nonsense on one connection does not keep the next from its welcome."""
    server = await start(find(name))
    peer = await connect(server, "/ws")
    peer.write(bytes(range(256)) * 40)
    peer.writer.write_eof()
    while await peer.frame() is not None:
        pass
    peer = await connect(server, "/ws")
    assert (await peer.message())["type"] in {"welcome", "event"}
