"""Servers that nobody here wrote are judged, each by what it really does."""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SERVERS = Path(__file__).parent / "servers"

SUITES = ("basics", "connectivity", "core")
"""How fast a server of others is here says nothing of it."""

PASSED_BY_ANY_ECHO = {
    "basics.basic_connection",
    "basics.connection_timeout",
    "basics.message_validation",
    "basics.btc_price_update",
    "basics.load",
    "basics.reconnection",
    "connectivity.handshake",
    "connectivity.message_exchange",
    "connectivity.ping_pong_latency",
    "connectivity.concurrent_connections",
    "connectivity.large_messages",
    "core.message_handling",
    "core.connection_timeout",
    "core.state_transitions",
}


def judged(verdicts: dict[str, str]) -> dict[str, str]:
    """Leave out what an echo cannot be asked."""
    return {check: verdict for check, verdict in verdicts.items() if verdict != "SKIP"}


@pytest.mark.parametrize("name", ["websockets", "starlette"])
def test_a_strict_echo_server_passes(
    prove: Callable, python: str, echo: str, name: str
) -> None:
    """A server that keeps every rule passes whatever an echo can be asked."""
    commands = {
        "websockets": echo,
        "starlette": f"{python} -m uvicorn --app-dir {shlex.quote(str(SERVERS))} "
        "--log-level warning "
        "--port {port} echo_starlette:application",
    }

    ended = prove(*SUITES, "--serve", commands[name])

    checks = PASSED_BY_ANY_ECHO | {"basics.error_handling"}
    assert judged(ended.verdicts()) == dict.fromkeys(checks, "PASS")
    assert ended.code == 0


def test_aiohttp_is_found_to_take_unmasked_frames(prove: Callable, python: str) -> None:
    """aiohttp answers a client's unmasked frame, against RFC 6455 5.1."""
    server = shlex.quote(str(SERVERS / "echo_aiohttp.py"))

    ended = prove(*SUITES, "--serve", f"{python} {server} {{port}}")

    expected = dict.fromkeys(PASSED_BY_ANY_ECHO, "PASS")
    assert judged(ended.verdicts()) == expected | {"basics.error_handling": "FAIL"}
    assert ended.code == 1
    assert "a frame without a mask fails the connection" in ended.printed
    assert "RFC 6455 5.1" in ended.printed


def has_ws(environ: dict[str, str]) -> bool:
    """Return whether Node finds the package ws."""
    node = shutil.which("node")
    if node is None:
        return False
    asked = subprocess.run(
        [node, "-e", "require('ws')"], env=environ, capture_output=True, check=False
    )
    return asked.returncode == 0


def test_node_ws_passes(prove: Callable, environ: dict[str, str]) -> None:
    """Node's ws passes whatever an echo can be asked."""
    if not has_ws(environ):
        pytest.skip("needs Node and its package ws (see NODE_PATH)")
    server = shlex.quote(str(SERVERS / "echo_ws.js"))

    ended = prove(*SUITES, "--serve", f"node {server} {{port}}")

    checks = PASSED_BY_ANY_ECHO | {"basics.error_handling"}
    assert judged(ended.verdicts()) == dict.fromkeys(checks, "PASS")
    assert ended.code == 0
