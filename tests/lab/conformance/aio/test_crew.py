"""The crew: processes of one command."""

import asyncio
import os
import sys

import pytest

from wavetank.errors import TargetError
from wavetank.lab.conformance.aio.crew import Crew, Ended, command_of, problem_of

pytestmark = pytest.mark.anyio

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

FOREVER = ("sh", "-c", "echo here; read nothing </dev/zero")


def crew(*command: str) -> Crew:
    """Return a crew of this command."""
    return Crew(dict(os.environ), command)


async def ended(of: Crew) -> list[Ended]:
    """Wait until somebody has ended."""
    async with asyncio.timeout(DEADLINE):
        while True:
            if gone := await of.reap():
                return gone


async def test_one_who_ends_is_told_with_what_it_printed() -> None:
    """Once."""
    of = crew("sh", "-c", "echo out of order; exit 7")
    of.start()
    assert await ended(of) == [Ended(7, ("out of order",))]
    assert await of.reap() == []
    assert (of.running, of.starts, list(of.output)) == (0, 1, ["out of order"])


async def test_one_who_is_killed_has_a_negative_status() -> None:
    """As Python has it."""
    of = crew("sh", "-c", "kill -9 $$")
    of.start()
    assert [each.status for each in await ended(of)] == [-9]


async def test_several_run_side_by_side_until_they_are_ended() -> None:
    """Nobody who was stopped has ended by itself."""
    of = crew(*FOREVER)
    for _ in range(3):
        of.start()
    assert repr(of).endswith("3 running>")
    await of.stop()
    await of.stop()
    assert of.running == 0
    assert await of.reap() == []


async def test_a_command_that_cannot_be_started_is_told() -> None:
    """In one sentence."""
    with pytest.raises(TargetError, match="cannot start `no-such-program"):
        crew("no-such-program").start()


async def test_what_is_kept_of_the_output_is_bounded() -> None:
    """The last lines of all who are gone."""
    of = crew("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo $i; done")
    for _ in range(9):
        of.start()
        await ended(of)
    assert len(of.output) == 60
    assert of.output[-1] == "9"


@pytest.mark.parametrize(
    ("template", "command"),
    [
        ("client {url}", ["client", "ws://127.0.0.1:7"]),
        ("client {host} {port}", ["client", "127.0.0.1", "7"]),
        ("{python} 'my client.py' --to={url}", None),
        ("node -e 'f({a: 1}, {url})'", ["node", "-e", "f({a: 1}, ws://127.0.0.1:7)"]),
        ("run {url}/chat", ["run", "ws://127.0.0.1:7/chat"]),
    ],
)
def test_placeholders_are_filled_in(template: str, command: list[str] | None) -> None:
    """Behind the split, so that a path with a space stays one word."""
    expected = command or [sys.executable, "my client.py", "--to=ws://127.0.0.1:7"]
    assert command_of(template, "ws://127.0.0.1:7") == expected


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("client {url}", ""),
        ("client {port}", ""),
        ("", "--client: the command is empty"),
        ("client", "--client client: the client has to be told {url}, or {port}"),
        ("client '{url}", "--client client '{url}: no closing quotation"),
        (
            "node client.js {ulr}",
            "--client node client.js {ulr}: the client has to be told {url}, or "
            "{port}; did you mean {url}?",
        ),
    ],
)
def test_a_command_that_cannot_work_is_a_mistake(template: str, problem: str) -> None:
    """It is told before anything starts."""
    assert problem_of(template) == problem
