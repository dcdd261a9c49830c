"""Our verdicts beside those of Autobahn, case by case, on servers of others."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .test_foreign_servers import SERVERS, has_ws

ORACLE = json.loads((Path(__file__).parent / "oracle.json").read_text())
OURS = {
    "OK": "PASS",
    "NON-STRICT": "PASS",
    "INFORMATIONAL": "PASS",
    "FAILED": "FAIL",
}

DIFFERENCES: dict[str, dict[str, str]] = {
    "websockets": {},
    "aiohttp": {},
    "node_ws": {},
}
"""Cases where we say something else, each with the clause that is our reason."""

IN_VOLUME = ("9.", "12.", "13.")

LIMIT = "RFC 6455 7.4.1: with 1009 (or 1008) a target states a limit, which it may have"
EMPTY = (
    "Autobahn's last fragment is empty, one more than the target takes; ours is full"
)

DIFFERENCES_IN_VOLUME: dict[str, dict[str, str]] = {
    "websockets": {
        **dict.fromkeys(("9.3.1", "9.3.2", "9.4.1", "9.4.2"), LIMIT),
        **dict.fromkeys(("9.3.3", "9.4.3"), EMPTY),
    },
    "aiohttp": {},
    "node_ws": dict.fromkeys(("9.3.1", "9.3.2", "9.4.1", "9.4.2"), LIMIT),
}
"""The same for what is sent in volume."""


def oracle(name: str, *, in_volume: bool = False) -> dict[str, str]:
    """Return what Autobahn says of a server, in our words, by case."""
    behaviors = ORACLE["servers"][name]["cases"].items()
    return {
        case: OURS[said]
        for said, cases in behaviors
        for case in cases
        if case.startswith(IN_VOLUME) is in_volume
    }


def verdicts(folder: Path, cases: set[str]) -> dict[str, str]:
    """Return what a run says of some cases."""
    found: dict[str, str] = {}
    for line in (folder / "journal.ndjson").read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        for finding in record.get("findings", ()):
            case = finding["title"].partition(" ")[0]
            if case in cases:
                found[case] = finding["verdict"]
    return found


def judge(run: Callable, command: str, name: str) -> None:
    """Play all groups that Autobahn has, and compare."""
    groups = ("framing", "pings", "reserved", "fragments", "unicode", "closing")
    names = [f"conformance.{group}" for group in groups]
    ended = run(*names, "--serve", command, "--dialect", "echo")
    assert ended.folder is not None, ended.printed
    said = oracle(name)
    ours = verdicts(ended.folder, set(said))
    assert len(said) == 247
    different = {case: ours[case] for case in said if ours[case] != said[case]}
    assert different.keys() == DIFFERENCES[name].keys(), different


def test_websockets_is_judged_as_by_autobahn(run: Callable, echo: str) -> None:
    """Also where it fails: a close frame between two fragments."""
    judge(run, echo, "websockets")


@pytest.mark.long
def test_aiohttp_is_judged_as_by_autobahn(run: Callable, python: str) -> None:
    """Also where it fails: a close code that nobody may send."""
    server = shlex.quote(str(SERVERS / "echo_aiohttp.py"))
    judge(run, f"{python} {server} {{port}}", "aiohttp")


@pytest.mark.long
def test_node_ws_is_judged_as_by_autobahn(
    run: Callable, environ: dict[str, str]
) -> None:
    """It passes everything."""
    if not has_ws(environ):
        pytest.skip("needs Node and its package ws (see NODE_PATH)")
    server = shlex.quote(str(SERVERS / "echo_ws.js"))
    judge(run, f"node {server} {{port}}", "node_ws")


def judge_volumes(run: Callable, command: str, name: str) -> None:
    """Play what is sent in volume, and compare."""
    groups = ("performance", "compression", "parameters")
    names = [f"conformance.{group}" for group in groups]
    ended = run(*names, "--serve", command, "--dialect", "echo")
    assert ended.folder is not None, ended.printed
    said = oracle(name, in_volume=True)
    ours = verdicts(ended.folder, set(said))
    assert len(said) == 54 + 90 + 126
    different = {case: ours[case] for case in said if ours[case] != said[case]}
    assert different.keys() == DIFFERENCES_IN_VOLUME[name].keys(), different


@pytest.mark.long
def test_websockets_is_judged_in_volume_as_by_autobahn(
    run: Callable, python: str
) -> None:
    """But for its limit on fragments, which is none of the RFC's."""
    server = shlex.quote(str(SERVERS / "echo_websockets.py"))
    judge_volumes(run, f"{python} {server} {{port}}", "websockets")


@pytest.mark.long
def test_aiohttp_is_judged_in_volume_as_by_autobahn(run: Callable, python: str) -> None:
    """It has no limit on fragments."""
    server = shlex.quote(str(SERVERS / "echo_aiohttp.py"))
    judge_volumes(run, f"{python} {server} {{port}}", "aiohttp")


@pytest.mark.long
def test_node_ws_is_judged_in_volume_as_by_autobahn(
    run: Callable, environ: dict[str, str]
) -> None:
    """But for its limit on fragments, too."""
    if not has_ws(environ):
        pytest.skip("needs Node and its package ws (see NODE_PATH)")
    server = shlex.quote(str(SERVERS / "echo_ws.js"))
    judge_volumes(run, f"node {server} {{port}}", "node_ws")
