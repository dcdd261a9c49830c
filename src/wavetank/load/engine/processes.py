"""Workers as processes: started, spoken with line by line, and ended.

They refuse to know what the lines say, and when it is enough.
"""

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import AsyncGenerator, Sequence
from typing import Final, Protocol, cast

from wavetank.errors import RemoteError

__all__ = ["LONGEST_LINE", "Worker", "WorkerProcess"]

LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes of one line. The longest that is honest says what each of some ten thousand
publishers has published, or carries a few hundred histograms."""

_WORDS_KEPT: Final = 4096
_MOST_PROBLEMS: Final = 10
_LONGEST_PROBLEM: Final = 300
_GONE_WITHIN: Final = 5.0
"""Seconds that the system may take to end a process that was killed."""

_WORDS_WITHIN: Final = 1.0


class Worker(Protocol):
    """A worker, wherever it runs."""

    @property
    def problems(self) -> list[str]:
        """What it complained of, in bounded lines, oldest first."""
        ...

    async def start(self) -> None:
        """Start it.

        Raises:
            RemoteError: If it cannot be started.
        """
        ...

    async def send(self, line: bytes) -> None:
        """Hand it a line; one that is gone hears nothing."""
        ...

    def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what it says, until it ends well.

        Raises:
            RemoteError: If it ends otherwise, or a line is too long.
        """
        ...

    async def stop(self, *, grace: float) -> None:
        """End it, with everything that it holds; idempotent.

        Args:
            grace: Seconds in which it may still end by itself.
        """
        ...


class WorkerProcess:
    """A worker that is a process on this machine.

    It has a session of its own, so that the terminal's Ctrl-C reaches us alone. Its
    input ends with us, even if we are killed: a worker leaves when it does.

    Args:
        command: Program and arguments.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = tuple(command)
        self._transport: asyncio.SubprocessTransport | None = None
        self._pipes = _Pipes()

    @property
    def pid(self) -> int:
        """Process id, 0 before the start."""
        return self._transport.get_pid() if self._transport else 0

    @property
    def problems(self) -> list[str]:
        """What it wrote to its standard error: the last lines, oldest first."""
        lines = self._pipes.words.decode("utf-8", "replace").splitlines()
        found = [line.strip()[:_LONGEST_PROBLEM] for line in lines if line.strip()]
        return found[-_MOST_PROBLEMS:]

    async def start(self) -> None:
        """Start the command.

        Raises:
            RemoteError: If there is no such program or it may not be run.
        """
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.subprocess_exec(
                lambda: self._pipes, *self.command, start_new_session=True
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise RemoteError(
                f"it cannot be started: `{shlex.join(self.command)}`: {why}"
            ) from None

    async def send(self, line: bytes) -> None:
        """Write a line; one that is gone hears nothing."""
        # Nobody waits here until it is read: what a worker is sent in its life is
        # bounded by its plan, and one that does not read is missed soon enough.
        stdin = self._stdin()
        if stdin is not None and not stdin.is_closing():
            stdin.write(line)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what it says, until it ends with status 0.

        A last line that is cut is dropped.

        Raises:
            RemoteError: If it ends otherwise, or a line is too long.
        """
        while True:
            try:
                line = await self._pipes.said.readline()
            except ValueError:
                raise RemoteError(
                    f"it said more than {LONGEST_LINE} bytes in one line"
                ) from None
            if not line.endswith(b"\n"):
                break
            yield line
        if not await _happens(self._pipes.exited, within=_GONE_WITHIN):
            raise RemoteError("it closed its output and did not end")
        # What it complained of at the very end may come behind its exit.
        await _happens(self._pipes.closed, within=_WORDS_WITHIN)
        status = self._status()
        if status:
            raise RemoteError(_describe(status))

    async def stop(self, *, grace: float) -> None:
        """Close its input, wait, kill, and take leave; idempotent.

        Whatever interrupts this, the process is killed first.

        Args:
            grace: Seconds between the first and the last.
        """
        if self._transport is None:
            return
        stdin = self._stdin()
        if stdin is not None:
            stdin.close()
        self._pipes.ignore()
        try:
            await _happens(self._pipes.exited, within=grace)
        finally:
            if self._status() is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
                await _happens(self._pipes.exited, within=_GONE_WITHIN)
            self._transport.close()
            await _happens(self._pipes.closed, within=_GONE_WITHIN)

    def _status(self) -> int | None:
        assert self._transport is not None
        return self._transport.get_returncode()

    def _stdin(self) -> asyncio.WriteTransport | None:
        if self._transport is None:
            return None
        # uvloop's transports are none of asyncio's classes, whatever they can do.
        return cast(
            "asyncio.WriteTransport | None", self._transport.get_pipe_transport(0)
        )

    def __repr__(self) -> str:
        """Show the command and how it is."""
        if self._transport is None:
            state = "not started"
        else:
            status = self._status()
            state = f"pid {self.pid}" if status is None else f"status {status}"
        return f"<WorkerProcess {shlex.join(self.command)!r} {state}>"


class _Pipes(asyncio.SubprocessProtocol):
    """What comes out of a process, in bounded memory.

    Attributes:
        said: Its standard output; the process waits when nobody reads it.
        words: The last bytes of its standard error.
        exited: Whether it has ended.
        closed: Whether its pipes are closed, too.
    """

    def __init__(self) -> None:
        self.said = asyncio.StreamReader(limit=LONGEST_LINE)
        self.words = b""
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()
        self._is_heard = True
        self._output: asyncio.ReadTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tie the reading to the pipe."""
        process = cast("asyncio.SubprocessTransport", transport)
        self._output = cast("asyncio.ReadTransport", process.get_pipe_transport(1))
        self.said.set_transport(self._output)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep what was said, or the end of what was complained of."""
        if fd != 1:
            self.words = (self.words + data)[-_WORDS_KEPT:]
        elif self._is_heard:
            self.said.feed_data(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Let the reader come to its end."""
        if fd == 1:
            self.said.feed_eof()

    def process_exited(self) -> None:
        """Note it."""
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it."""
        self.closed.set()

    def ignore(self) -> None:
        """Drop what it says from here on: a full pipe would keep it from ending."""
        self._is_heard = False
        if self._output is not None:
            self._output.resume_reading()


async def _happens(event: asyncio.Event, *, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _describe(status: int) -> str:
    if status > 0:
        return f"it ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"it was ended by {name}"
