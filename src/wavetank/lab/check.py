"""The decorator that makes a coroutine function a check of the lab.

It refuses to know pytest's machinery beyond one marker; the plugin reads that.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ParamSpec

import pytest

from wavetank.dialects import Capability
from wavetank.errors import RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.notebook import CheckFailed, CheckUnknown, Notebook

__all__ = ["BROADCAST", "MARKER", "PROCESS", "ROUND_TRIP", "TLS", "check"]

MARKER = "wavetank_check"

# Needs that are not a dialect's own, but follow from the target or from several.
TLS = "tls"
"""The target listens with TLS, too."""
ROUND_TRIP = "round_trip"
"""A peer can get its own message back: by echo, or by publish and subscribe."""
BROADCAST = "broadcast"
"""One peer's message reaches the others: publish and subscribe."""
PROCESS = "process"
"""The lab has started the target, so that it may kill, stop and restart it."""

P = ParamSpec("P")


def check(
    *,
    needs: Iterable[Capability | str] = (),
    deadline: float = 20.0,
    polite: bool = True,
) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Make a coroutine function with a ``notebook`` a check.

    What the target does wrong is a finding: a `RemoteError` or a `TimeoutError`
    that the function lets through is FAIL. What we do wrong is UNKNOWN, never
    FAIL: a crashed check says nothing about the target. Where the notebook blames
    the lab for an UNKNOWN, the check has a second look, and that one counts.

    Args:
        needs: Capabilities without which the check is SKIP.
        deadline: Seconds after which the check is given up as UNKNOWN.
        polite: Whether a server that is not ours may be put through it.
    """

    def decorate(
        function: Callable[P, Awaitable[None]],
    ) -> Callable[P, Awaitable[None]]:
        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> None:
            notebook = kwargs["notebook"]
            assert isinstance(notebook, Notebook)
            await _fill(notebook, function(*args, **kwargs), deadline)
            if notebook.may_look_again() and not INTERRUPTION.happened:
                notebook.look_again()
                await _fill(notebook, function(*args, **kwargs), deadline)
            _judge(notebook)

        marker: Any = getattr(pytest.mark, MARKER)
        marked: Callable[P, Awaitable[None]] = marker(
            needs=frozenset(map(str, needs)), polite=polite, deadline=deadline
        )(pytest.mark.anyio(run))
        return marked

    return decorate


async def _fill(notebook: Notebook, work: Awaitable[None], deadline: float) -> None:
    """Run the check's body and turn what it raises into findings."""
    try:
        async with asyncio.timeout(deadline) as bound:
            with INTERRUPTION.cancels_this_task():
                await work
    except asyncio.CancelledError:
        if not INTERRUPTION.happened:
            raise
        # Not passed on: who drives the run looks at it between two checks, and the
        # task goes on to take the fixtures down.
        task = asyncio.current_task()
        assert task is not None, "a task is running"
        task.uncancel()
        notebook.unknown("the check ends", seen="interrupted")
    except TimeoutError as error:
        if bound.expired():
            notebook.unknown(
                "the check ends in time",
                expected=f"an end within {deadline:g} s",
                seen=f"given up after {deadline:g} s",
            )
        else:
            notebook.expect(
                False, "the target answers in time", expected="an answer", seen=error
            )
    except RemoteError as error:
        notebook.expect(
            False,
            "the target plays its part to the end",
            expected="no refusal, and a connection that holds",
            seen=error,
        )
    except ExceptionGroup as group:
        _note_group(notebook, group)
    except Exception as error:  # noqa: BLE001 - a crashed check is a finding
        notebook.unknown(
            "the check itself works",
            seen=f"it crashed: {type(error).__name__}: {error}",
        )


def _note_group(notebook: Notebook, group: ExceptionGroup[Exception]) -> None:
    """Note the first failure of tasks that ran side by side."""
    theirs, ours = group.split((RemoteError, TimeoutError))
    first = _first(theirs or ours or group)
    if theirs:
        notebook.expect(
            False,
            "the target plays its part to the end",
            expected="no refusal, and a connection that holds",
            seen=first,
        )
    else:
        notebook.unknown(
            "the check itself works",
            seen=f"it crashed: {type(first).__name__}: {first}",
        )


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _judge(notebook: Notebook) -> None:
    """Tell pytest by its own means what the notebook came to."""
    worst = notebook.worst()
    if worst.verdict is Verdict.FAIL:
        expected = f"; expected {worst.expected}" if worst.expected else ""
        raise CheckFailed(f"{worst.title}: saw {worst.seen}{expected}")
    if worst.verdict is Verdict.UNKNOWN:
        raise CheckUnknown(f"{worst.title}: {worst.seen}")
    if notebook.verdict is Verdict.SKIP:
        pytest.skip(worst.seen)
