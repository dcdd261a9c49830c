"""``wavetank sub`` and ``wavetank pub`` as processes, and what they say, as a history.

They refuse to judge it.
"""

import asyncio
import contextlib
import fcntl
import itertools
import json
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from wavetank.lab.checkers import history
from wavetank.lab.checkers.ids import digest_of, find_id, write_id

from .process import DEADLINE, clean_environ

__all__ = ["PublisherProcess", "SubscriberProcess", "Take", "moments", "until"]

Take = Callable[[history.Event], None]
"""Takes what happens."""

QUICKLY = ("--retry-delay", "500ms", "--json")
_LONGEST = 65_536
_LEAST_PIPE = 4096


async def until(moment: float) -> None:
    """Wait until the loop's clock shows a moment; nothing where it is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(moment):
            await asyncio.get_running_loop().create_future()


async def moments(every: float) -> AsyncIterator[int]:
    """Count up at a steady pace, which is part of what is tested here."""
    began = asyncio.get_running_loop().time()
    for number in itertools.count():
        await until(began + number * every)
        yield number


async def _start(log: Path, *words: str) -> Process:
    with log.open("ab") as lines:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wavetank", *words),
            cwd=log.parent,
            env=clean_environ(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=lines,
            limit=_LONGEST,
        )


async def _ended(process: Process) -> int:
    async with asyncio.timeout(DEADLINE):
        return await process.wait()


async def _end(process: Process | None, reading: "asyncio.Task[None] | None") -> None:
    """End a process, whatever it does, and whoever reads what it prints."""
    if reading is not None:
        reading.cancel()
        await asyncio.wait([reading])
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # subtle: asyncio says that it has ended only once all was read.
        async with asyncio.timeout(DEADLINE):
            await process.communicate()


class SubscriberProcess:
    """``wavetank sub --json``, from the start of its topics, over all connections.

    Args:
        name: Its name in the history.
        url: Where to.
        topics: What it asks for: topics, or one pattern.
        covered: Every topic that this is.
        folder: Where its complaints go.
        take: Takes what happens.

    Attributes:
        tops: Topic -> the highest number that came.
        is_reading: While it is not set, nobody reads what it prints.
    """

    def __init__(
        self,
        name: str,
        url: str,
        topics: Sequence[str],
        *,
        covered: Sequence[str],
        folder: Path,
        take: Take,
    ) -> None:
        self.name = name
        self.covered = tuple(covered)
        self.tops: dict[str, int] = dict.fromkeys(covered, 0)
        self.is_reading = asyncio.Event()
        self.is_reading.set()
        self.log = folder / f"{name}.log"
        self._words = ("sub", url, *topics, "--since", "earliest", *QUICKLY)
        self._take = take
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; all that it will get is owed to it."""
        self._process = await _start(self.log, *self._words)
        assert self._process.stdout is not None
        transport: Any = self._process._transport  # type: ignore[attr-defined]
        # What nobody reads is to be felt soon.
        pipe = transport.get_pipe_transport(1).get_extra_info("pipe")
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _LEAST_PIPE)
        now = asyncio.get_running_loop().time()
        self._take(history.Connected(now, self.name, self.name))
        for topic in self.covered:
            self._take(history.Subscribed(now, self.name, topic, 0))
        self._reading = asyncio.create_task(self._read(self._process))

    def check(self) -> None:
        """Raise where it has ended: none does of its own accord."""
        assert self._reading is not None
        if self._reading.done():
            self._reading.result()
            raise AssertionError(f"{self.name} ended: {self.log.read_text()[-400:]}")

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            await self.is_reading.wait()
            self._hear(line.decode())

    def _hear(self, line: str) -> None:
        now = asyncio.get_running_loop().time()
        try:
            said = json.loads(line)
        except ValueError as error:
            raise AssertionError(f"{self.name} printed {line!r}: {error}") from None
        topic = said.get("topic", "")
        if said["type"] == "gap":
            first, last = said["from"], said["to"]
            if first is not None:
                gap = history.Gap(now, self.name, topic, first, last, said["epoch"])
                self._take(gap)
        elif said["type"] == "event":
            payload = line.partition('"data":')[2].rstrip()[:-1]
            self._take(
                history.Delivered(
                    at=now,
                    subscriber=self.name,
                    connection=self.name,
                    topic=topic,
                    id=find_id(payload),
                    seq=said["seq"],
                    epoch=said["epoch"],
                    digest=digest_of(payload),
                )
            )
            self.tops[topic] = max(self.tops.get(topic, 0), said["seq"])

    def freeze(self) -> None:
        """Stop it, as a laptop's lid does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def close(self) -> None:
        """End it, whatever it does."""
        await _end(self._process, self._reading)

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<SubscriberProcess {self.name} at {self.tops}>"


class PublisherProcess:
    """``wavetank pub --json --spool``, fed line by line; its answers are its own.

    It prints one outcome for each line, in their order. Of what a killed one was told
    nobody knows what became; the next one has its spool, and another name in the ids.

    Args:
        name: Its name in the ids; characters of [0-9A-Za-z_.-].
        url: Where to.
        topic: What it publishes to.
        run: The run's word in the ids.
        folder: Where its spool is, and its complaints go.
        take: Takes what happens.
        dice: Decide how long payloads are.
        rate: Lines a second.

    Attributes:
        rate: As given; it may be changed.
        offered: Lines that it was given, in all its lives.
        acknowledged: Those of them that the hub has said yes to.
        problems: What it said beside that.
        top: The highest number that one of its lines got.
    """

    def __init__(
        self,
        name: str,
        url: str,
        topic: str,
        *,
        run: str,
        folder: Path,
        take: Take,
        dice: random.Random,
        rate: float,
    ) -> None:
        self.name = name
        self.topic = topic
        self.rate = rate
        self.offered = self.acknowledged = self.top = self.lives = 0
        self.problems: list[str] = []
        self.log = folder / f"{name}.log"
        spool = ("--spool", str(folder / f"{name}.spool"))
        self._words = ("pub", url, topic, *spool, *QUICKLY)
        self._run = run
        self._take = take
        self._dice = dice
        self._process: Process | None = None
        self._waiting: deque[str] = deque()
        self._reading: asyncio.Task[None] | None = None
        self._is_up = asyncio.Event()

    async def start(self) -> None:
        """Start it, or the next one in its place."""
        self._process = await _start(self.log, *self._words)
        self.lives += 1
        self._number = 0
        self._reading = asyncio.create_task(self._read(self._process))
        self._is_up.set()

    async def publish(self) -> None:
        """Give it lines at its rate, until cancelled."""
        due = asyncio.get_running_loop().time()
        while True:
            due += 1 / self.rate
            await until(due)
            await self._is_up.wait()
            assert self._process is not None
            assert self._process.stdin is not None
            # A killed one takes no more: that is what its ids say.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._process.stdin.write(self._line())
                await self._process.stdin.drain()

    def _line(self) -> bytes:
        self._number += 1
        self.offered += 1
        id_ = write_id(self._run, f"{self.name}.{self.lives}", self._number)
        pad = "x" * min(int(self._dice.paretovariate(0.8) * 150), 9000)
        payload = f'{{"id":"{id_}","pad":"{pad}"}}'
        now = asyncio.get_running_loop().time()
        digest = digest_of(payload)
        self._take(history.PublishInvoked(now, self.name, id_, self.topic, digest))
        self._waiting.append(id_)
        return payload.encode() + b"\n"

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            # The last line of a killed one may be half of one.
            if line.endswith(b"\n"):
                self._hear(json.loads(line))

    def _hear(self, said: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        id_ = self._waiting.popleft()
        if said["type"] == "published":
            self.acknowledged += 1
            self.top = max(self.top, said["seq"] or 0)
            self._take(history.PublishOk(now, id_, said["seq"], said["epoch"] or ""))
            return
        self.problems.append(f"{id_}: {said}")
        is_certain = said["certain"] and said["type"] != "kept"
        outcome = history.PublishFailed if is_certain else history.PublishInfo
        self._take(outcome(now, id_))

    async def crash(self) -> None:
        """Kill it in the middle of whatever it does."""
        self._is_up.clear()
        assert self._process is not None
        assert self._reading is not None
        self._process.kill()
        await _ended(self._process)
        await self._reading
        now = asyncio.get_running_loop().time()
        while self._waiting:
            self._take(history.PublishInfo(now, self._waiting.popleft()))

    async def finish(self) -> int:
        """Say that there is no more; return its exit code once all is settled."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        code = await _ended(self._process)
        await self._reading
        return code

    async def close(self) -> None:
        """End it, whatever it does."""
        await _end(self._process, self._reading)

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<PublisherProcess {self.name}: {self.acknowledged} of {self.offered}>"
