"""Entries, files and listeners for the tests of logs."""

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.clock import SystemClock
from wavetank.hub.aio.lines import make_logger
from wavetank.hub.aio.logs import Kept, Log, SqliteLog, SqliteTuning
from wavetank.hub.aio.logs.backlog import Item
from wavetank.hub.aio.logs.schema import connect, prepare
from wavetank.hub.aio.logs.store import Store
from wavetank.hub.duplicates import Origin
from wavetank.hub.durability import Durability
from wavetank.hub.log import Bounds, Entry, Mark, TopicLog

DEADLINE = 20.0
"""Seconds that anything may take before a test gives up; nothing waits so long."""

START = 1_790_000_000.0
"""When the first entry of each topic is appended."""


class Chains:
    """Makes the next entry of any topic, one a second."""

    def __init__(self) -> None:
        self.logs: dict[str, TopicLog] = {}

    def next(self, topic: str = "t", payload: bytes = b"{}") -> Entry:
        """Return the next entry of a topic."""
        log = self.logs.get(topic)
        if log is None:
            log = self.logs[topic] = TopicLog(topic, "epoch", ring=Bounds())
        return log.append(payload, START + log.top + 1)

    def item(
        self, topic: str = "t", payload: bytes = b"{}", origin: Origin | None = None
    ) -> Item:
        """Return it as something to be written."""
        return Item(topic, self.next(topic, payload), origin)

    def items(self, count: int, topic: str = "t", payload: bytes = b"{}") -> list[Item]:
        """Return so many of them."""
        return [self.item(topic, payload) for _ in range(count)]

    def tag(self, topic: str, seq: int) -> int:
        """Return the tag of an entry."""
        return self.logs[topic].ring[seq].tag


@pytest.fixture
def chains() -> Chains:
    """Give what makes entries."""
    return Chains()


@pytest.fixture
def new_chains() -> type[Chains]:
    """Give what makes them anew, for tests that try many."""
    return Chains


class Ear:
    """A listener that remembers what it hears, and lets tests wait for it."""

    def __init__(self) -> None:
        self.tops: dict[str, int] = {}
        self.refusals: list[tuple[str, int, str]] = []
        self.bases: dict[str, Mark] = {}
        self.calls: list[str] = []
        self.threads: set[int] = set()
        self.on_refusal: Callable[[str, int], None] = lambda topic, seq: None
        self._something = asyncio.Event()

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.get_ident())
        self._something.set()

    def durable(self, topic: str, seq: int) -> None:
        """Remember it."""
        self.tops[topic] = seq
        self._note("durable")

    def refused(self, topic: str, seq: int, reason: str) -> None:
        """Remember it."""
        self.refusals.append((topic, seq, reason))
        self._note("refused")
        self.on_refusal(topic, seq)

    def settled(self) -> None:
        """Pass over it."""

    def trimmed(self, topic: str, base: Mark) -> None:
        """Remember it."""
        self.bases[topic] = base
        self._note("trimmed")

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is true; it is looked at after each call."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._something.clear()
                await self._something.wait()


@pytest.fixture
def ear() -> Ear:
    """Give a listener."""
    return Ear()


class Lines(io.StringIO):
    """Log lines."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return them as values."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def names(self) -> list[str]:
        """Return what they are about."""
        return [line["event"] for line in self.events]


@pytest.fixture
def lines() -> Lines:
    """Give where log lines go."""
    return Lines()


OpenStore = Callable[..., Store]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[OpenStore]:
    """Give a function that opens the test's file; all are closed at the end."""
    stores: list[Store] = []
    count = 0

    def new_epoch() -> str:
        nonlocal count
        count += 1
        return f"epoch-{count:02}"

    def start(
        *,
        boot: str = "boot-1",
        retention: Bounds | None = None,
        total: int | None = None,
        level_of: Callable[[str], Durability] = lambda topic: Durability.LOG,
    ) -> Store:
        file = tmp_path / "log.db"
        connection = connect(file, patience=0.05)
        prepare(connection, file)
        store = Store(
            connection,
            retention=retention or Bounds(),
            total=total,
            level_of=level_of,
        )
        stores.append(store)
        store.load(boot, new_epoch)
        return store

    yield start
    for store in stores:
        store.connection.close()


class Opened:
    """A log of the test's folder and what it had kept."""

    def __init__(self, log: SqliteLog, kept: list[Kept], ear: Ear) -> None:
        self.log = log
        self.kept = {one.topic: one for one in kept}
        self.ear = ear


OpenLog = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def open_log(tmp_path: Path, lines: Lines) -> AsyncIterator[OpenLog]:
    """Give a function that opens the test's folder; all are closed at the end."""
    logs: list[Log] = []

    async def start(
        *,
        level: Durability = Durability.LOG,
        retention: Bounds | None = None,
        total: int | None = None,
        **tuning: Any,
    ) -> Opened:
        tuning = {"boot_id": lambda: "boot-1", "patience": 0.05} | tuning
        own = {
            name: tuning.pop(name) for name in ("clock", "observe") if name in tuning
        }
        log = SqliteLog(
            tmp_path / "data",
            retention=retention or Bounds(),
            total=total,
            durability_of=lambda topic: level,
            logger=make_logger("debug", lines),
            tuning=SqliteTuning(**tuning),
            **({"clock": SystemClock()} | own),
        )
        logs.append(log)
        kept = await log.open()
        opened = Opened(log, kept, Ear())
        log.listener = opened.ear
        return opened

    yield start
    for log in logs:
        await log.close()
