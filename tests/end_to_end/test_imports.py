"""What a command imports until it does its work, and above all what it does not.

Times would say more about the machine: packages are looked at, each of them known to
take a good part of a start.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SLOW = frozenset(
    {
        *("_pytest", "pytest", "anyio", "rich", "pygments"),
        *("cryptography", "trustme", "jwt", "jsonschema_rs", "prometheus_client"),
    }
)
"""Packages that none of the small commands needs."""

ROOMS = frozenset(
    {
        *("chaos", "client", "contracts", "demo", "dialects", "evidence", "hub"),
        *("lab", "load", "net", "report", "wrecks"),
    }
)
"""Rooms of the package that are not everybody's."""

NOWHERE = ("ws://127.0.0.1:1/ws", "t", "--timeout", "1ms")
READY = {
    "hub": ("--port", "0"),
    "proxy": ("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1"),
    "wreck": ("sound",),
}
"""Commands that stay, with words that make them ready."""


TELLING = """
import atexit, pathlib, sys

file, *sys.argv[1:] = sys.argv[1:]
atexit.register(lambda: pathlib.Path(file).write_text("\\n".join(sys.modules)))

from wavetank.cli.main import main

sys.exit(main())
"""
"""A command that writes at its end what it has imported."""


@contextlib.contextmanager
def started(file: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a command that tells in a file what it imports; end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", TELLING, file, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def imported(file: Path) -> set[str]:
    """Return the modules that a command has told of, and all packages above them."""
    found = set()
    for line in file.read_text().splitlines():
        names = line.split(".")
        found |= {".".join(names[:many]) for many in range(1, len(names) + 1)}
    return found


def strange(*rooms: str) -> set[str]:
    """Return the rooms that whoever needs these has no business in."""
    return {f"wavetank.{room}" for room in ROOMS.difference(rooms)}


@pytest.mark.parametrize(
    ("words", "room", "spared"),
    [
        (("pub", *NOWHERE, "--no-enable"), "client", SLOW | {"structlog"}),
        # Without one there is a line to be written, and structlog brings rich.
        (("sub", "--help"), "client", SLOW | {"structlog"}),
        (("report", "nowhere"), "report", SLOW | {"structlog", "websockets"}),
        (("wreck", "--list"), "wrecks", SLOW | {"structlog"}),
    ],
    ids=["pub", "sub", "report", "wreck"],
)
def test_a_command_imports_only_what_it_needs(
    nobodys_settings: Path, words: tuple[str, ...], room: str, spared: set[str]
) -> None:
    """Who publishes a message does not wait for pytest."""
    file = nobodys_settings / "told"
    with started(file, *words) as process:
        process.communicate()

    got = imported(file)
    assert f"wavetank.{room}" in got
    assert sorted(got & (spared | strange(room, "evidence"))) == []


@pytest.mark.parametrize(
    ("name", "rooms", "spared"),
    [
        # structlog brings rich, and a hub writes a line as soon as it is ready.
        ("hub", {"hub"}, SLOW - {"rich", "pygments"}),
        ("proxy", {"chaos", "dialects", "net"}, SLOW | {"structlog"}),
        ("wreck", {"wrecks"}, SLOW | {"structlog"}),
    ],
    ids=["hub", "proxy", "wreck"],
)
def test_a_server_is_ready_without_what_it_may_never_need(
    nobodys_settings: Path, name: str, rooms: set[str], spared: set[str]
) -> None:
    """Keys, certificates and figures are imported when somebody asks for them."""
    file = nobodys_settings / "told"
    with started(file, name, *READY[name]) as process:
        assert process.stdout is not None
        assert process.stdout.readline()

    got = imported(file)
    assert {f"wavetank.{room}" for room in rooms} <= got
    assert sorted(got & (spared | strange(*rooms, "evidence"))) == []


def test_a_run_of_one_check_imports_no_suite_but_its_own(
    nobodys_settings: Path, sound: str
) -> None:
    """Nor what only other suites need: a load's engine, certificates, a proxy."""
    words = ("run", "basics.basic_connection", "--target", sound)
    file = nobodys_settings / "told"
    with started(file, *words) as process:
        process.communicate()

    assert process.returncode == 0
    got = imported(file)
    suites = {name for name in got if name.startswith("wavetank.lab.suites.test_")}
    assert suites == {"wavetank.lab.suites.test_basics"}
    spared = {"cryptography", "trustme", "jwt", "prometheus_client", "structlog"}
    spared |= {"wavetank.load.engine", "wavetank.lab.faults"}
    assert sorted(got & (spared | strange(*OF_A_RUN))) == []


OF_A_RUN = ("contracts", "dialects", "evidence", "lab", "load", "net", "report")
"""Rooms that a run is made of."""
