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


def oracle(name: str) -> dict[str, str]:
    """Return what Autobahn says of a server, in our words, by case."""
    behaviors = ORACLE["servers"][name]["cases"].items()
    return {case: OURS[said] for said, cases in behaviors for case in cases}


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


def test_aiohttp_is_judged_as_by_autobahn(run: Callable, python: str) -> None:
    """Also where it fails: a close code that nobody may send."""
    server = shlex.quote(str(SERVERS / "echo_aiohttp.py"))
    judge(run, f"{python} {server} {{port}}", "aiohttp")


def test_node_ws_is_judged_as_by_autobahn(
    run: Callable, environ: dict[str, str]
) -> None:
    """It passes everything."""
    if not has_ws(environ):
        pytest.skip("needs Node and its package ws (see NODE_PATH)")
    server = shlex.quote(str(SERVERS / "echo_ws.js"))
    judge(run, f"node {server} {{port}}", "node_ws")
