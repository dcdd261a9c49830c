"""A hub in a process of its own, on a port that stays the same over its lives.

It refuses to know what is said to it.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wavetank.net import find_dynamic_port, release_port

__all__ = ["DEADLINE", "HubProcess", "clean_environ"]

DEADLINE = 60.0
"""Seconds that anything may take before a test gives up; nothing waits so long."""


def clean_environ() -> dict[str, str]:
    """Return the environment of a user who has set nothing of ours."""
    ours = ("WAVETANK_", "RUN_", "WEBSOCKET_", "PYTEST_", "COV")
    every = os.environ.items()
    return {name: text for name, text in every if not name.startswith(ours)}


class HubProcess:
    """``wavetank hub``, which can be killed, stopped and started again.

    The port is held as long as this object is open, so nobody takes it in between.

    Args:
        folder: An empty folder: its data and its log lines go there.
        flags: For the command line.
        is_durable: Whether it keeps its log in ``data``.
    """

    def __init__(self, folder: Path, *flags: str, is_durable: bool = True) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.flags = (*flags, "--data", str(self.data)) if is_durable else flags
        self.port = find_dynamic_port()
        self.url = f"ws://127.0.0.1:{self.port}/ws"
        self.lives = 0
        self._log = folder / "hub.log"
        self._process: subprocess.Popen[str] | None = None
        self._is_up = asyncio.Event()

    @property
    def process(self) -> "subprocess.Popen[str]":
        """The process of this life."""
        assert self._process is not None, "it was never started"
        return self._process

    def start_now(self) -> None:
        """Start it and wait until it listens."""
        self._close_pipe()
        where = ("--port", str(self.port), "--http-port", "off")
        with self._log.open("ab") as lines:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wavetank", "hub", *where, *self.flags],
                cwd=self.folder,
                env=clean_environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=lines,
                text=True,
            )
        stdout = self._process.stdout
        assert stdout is not None  # it is a pipe
        is_heard, _, _ = select.select([stdout], [], [], DEADLINE)
        assert is_heard, "the hub says nothing"
        assert "ready" in stdout.readline(), self.lines()
        self.lives += 1

    async def start(self) -> None:
        """Start it, and let whoever waits for it connect."""
        await asyncio.to_thread(self.start_now)
        self._is_up.set()

    async def up(self) -> None:
        """Wait until it listens; at once where it does."""
        await self._is_up.wait()

    def kill(self) -> None:
        """End it as the kernel does that has run out of memory."""
        self._is_up.clear()
        self.process.kill()

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to stop."""
        self._is_up.clear()
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; return its exit code, negative for a signal."""
        return await asyncio.to_thread(self.process.wait, DEADLINE)

    async def restart(self) -> None:
        """Wait for its end, and start it again."""
        await self.ended()
        await self.start()

    def lines(self) -> list[dict[str, Any]]:
        """Return its log lines, of all its lives."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    async def get(self, path: str) -> tuple[int, bytes]:
        """Ask for a page; return status and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        fields = (f"Host: 127.0.0.1:{self.port}", "Connection: close", "", "")
        try:
            writer.write("\r\n".join((f"GET {path} HTTP/1.1", *fields)).encode())
            async with asyncio.timeout(DEADLINE):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return int(head.split(maxsplit=2)[1]), body

    async def status(self) -> dict[str, Any]:
        """Return what its status page says."""
        code, body = await self.get("/api/websocket/status")
        assert code == 200, body
        status: dict[str, Any] = json.loads(body)
        return status

    async def until(self, path: str, holds: Callable[[int, bytes], object]) -> None:
        """Ask for a page until it says what is waited for."""
        async with asyncio.timeout(DEADLINE):
            while not holds(*await self.get(path)):
                pass

    def close(self) -> None:
        """End it, whatever it does, and let the port go."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._close_pipe()
        release_port(self.port)

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def __repr__(self) -> str:
        """Show where it listens and how often it was started."""
        return f"<HubProcess {self.url}, life {self.lives}>"
