"""A trading cycle at a target: feed, bot and dashboard as processes, and their lines.

It refuses to know what they make of prices, and what is broken on their way.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

from wavetank.errors import LocalError
from wavetank.lab.checkers.trading import Line

__all__ = ["ROLES", "Role", "TradingCycle", "environment"]

ROLES: Final = ("dashboard", "bot", "feed")
"""In the order of their start: who listens comes first."""

_LINES_KEPT = 200
_LONGEST = 16 * 1024 * 1024
_GRACE = 5.0
_STEP = 0.05


class Role:
    """One process of the cycle.

    Args:
        name: Which one.
        flags: What stands behind it on the command line.
        environ: Its whole environment.

    Attributes:
        lines: What it has told, line by line.
        log: The last lines that it wrote beside that.
    """

    def __init__(
        self, name: str, flags: Mapping[str, object], environ: Mapping[str, str]
    ) -> None:
        self.name = name
        self.lines: list[Line] = []
        self.log: deque[str] = deque(maxlen=_LINES_KEPT)
        given = [f"--{key}={value}" for key, value in flags.items()]
        self._command = (
            *(sys.executable, "-m", "wavetank", "demo", name),
            *("--json", *given),
        )
        self._environ = dict(environ)
        self._process: Process | None = None
        self._reading: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return 0 if self._process is None else self._process.pid

    @property
    def status(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return None if self._process is None else self._process.returncode

    def count(self, kind: str) -> int:
        """Return how many lines of a kind it has told."""
        return sum(line["type"] == kind for line in self.lines)

    def last(self, kind: str) -> Line | None:
        """Return its last line of a kind; None where there is none."""
        found = (line for line in reversed(self.lines) if line["type"] == kind)
        return next(found, None)

    async def start(self) -> None:
        """Start it.

        Raises:
            LocalError: If that is not possible.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._environ,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
                limit=_LONGEST,
            )
        except OSError as error:
            raise LocalError(f"cannot start the {self.name}: {error}") from None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._reading = [
            asyncio.create_task(self._read(process.stdout, self._take)),
            asyncio.create_task(self._read(process.stderr, self._keep)),
        ]

    def finish(self) -> None:
        """Tell it to come to an end in order."""
        self._send(signal.SIGTERM)

    async def wait(self, within: float) -> int | None:
        """Wait for its end and its last line; return its exit code.

        Args:
            within: Seconds; None is returned where it still runs then.
        """
        if self._process is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._process.wait()
                await asyncio.wait(self._reading)
        return self.status

    async def close(self) -> None:
        """End it, by force where it takes too long; idempotent."""
        if self._process is None:
            return
        try:
            self.finish()
            await self.wait(_GRACE)
        finally:
            self._send(signal.SIGKILL)
            for task in self._reading:
                task.cancel()
            await self._process.wait()
            await asyncio.wait(self._reading)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self.status is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _read(
        self, stream: asyncio.StreamReader, take: Callable[[bytes], None]
    ) -> None:
        while line := await stream.readline():
            take(line)

    def _take(self, line: bytes) -> None:
        try:
            self.lines.append(json.loads(line))
        except ValueError:
            self._keep(line)

    def _keep(self, line: bytes) -> None:
        self.log.append(line.decode("utf-8", "replace").rstrip("\r\n"))

    def __repr__(self) -> str:
        """Show which one, and how it is."""
        state = "running" if self.status is None else f"status {self.status}"
        return f"<Role {self.name} {state}, {len(self.lines)} lines>"


class TradingCycle:
    """All processes of a cycle, as an asynchronous context manager.

    Args:
        flags: Options of all of them, without their dashes.
        more: Options of one of them beside that, by its name.
        environ: The environment of all of them.
        now: Seconds since the run started.

    Attributes:
        roles: All of them, by name.
        feed: Publishes prices.
        bot: Makes orders of them.
        dashboard: Takes everything.
        offset: Seconds from 1970 to where the lab's seconds begin.
    """

    def __init__(
        self,
        flags: Mapping[str, object],
        *,
        more: Mapping[str, Mapping[str, object]],
        environ: Mapping[str, str],
        now: Callable[[], float],
    ) -> None:
        self.roles = {
            name: Role(name, {**flags, **more.get(name, {})}, environ) for name in ROLES
        }
        self.feed = self.roles["feed"]
        self.bot = self.roles["bot"]
        self.dashboard = self.roles["dashboard"]
        self.offset = time.time() - now()

    async def __aenter__(self) -> Self:
        """Start all of them."""
        try:
            for role in self.roles.values():
                await role.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all of them."""
        await self.close()

    async def close(self) -> None:
        """End all of them; idempotent."""
        await asyncio.gather(*(role.close() for role in self.roles.values()))

    async def until(
        self, holds: Callable[[], bool], what: str, *, within: float
    ) -> None:
        """Wait until something holds of what they told.

        Args:
            holds: What.
            what: The same in words.
            within: Seconds.

        Raises:
            LocalError: If one of them ends meanwhile.
            TimeoutError: If it does not hold by then.
        """
        ends = time.monotonic() + within
        while not holds():
            for role in self.roles.values():
                if role.status is not None:
                    raise LocalError(self._words_of(role, what))
            if time.monotonic() >= ends:
                raise TimeoutError(f"waited {within:g} s in vain until {what}")
            await asyncio.sleep(_STEP)

    def _words_of(self, role: Role, what: str) -> str:
        why = role.last("gave_up")
        last = why["reason"] if why else " ".join(list(role.log)[-1:])
        return f"the {role.name} ended with status {role.status} before {what}: {last}"

    def __repr__(self) -> str:
        """Show how all of them are."""
        return f"<TradingCycle {list(self.roles.values())}>"


def environment(token: str) -> dict[str, str]:
    """Return the environment of the processes: ours, without what is for others.

    Args:
        token: Of the target; "" for none.
    """
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "WAVETANK_DEMO_"))
    }
    # A command line is there for everybody to read.
    return {**ours, **({"WAVETANK_TOKEN": token} if token else {})}
