"""Carriers: a worker in the care of somebody far away, and gone when they are."""

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psutil
import pytest

from wavetank.clock import SystemClock
from wavetank.errors import RemoteError
from wavetank.load.engine import carrier as module
from wavetank.load.engine.carrier import Carrier, Taken

pytestmark = pytest.mark.anyio

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""

ANSWER = "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
DEAF = "import signal\nprint('hello', flush=True)\nwhile True: signal.pause()"


@contextlib.asynccontextmanager
async def carrying(code: str, **options: Any) -> AsyncIterator[Carrier]:
    """Carry a worker that is Python code."""
    carrier = Carrier([sys.executable, "-c", code], **options)
    async with asyncio.timeout(DEADLINE):
        await carrier.start()
        try:
            yield carrier
        finally:
            await carrier.stop(grace=0.0)
    assert not psutil.pid_exists(carrier.pid)


async def taken(carrier: Carrier, *, lines: int = sys.maxsize) -> Taken:
    """Ask until it has said so many lines, or has ended."""
    said: list[bytes] = []
    while True:
        last = await carrier.take()
        said += last.lines
        if len(said) >= lines or last.ending is not None:
            return last._replace(lines=said)


async def test_carrier_passes_lines_both_ways() -> None:
    """As if the worker were here."""
    async with carrying(ANSWER) as carrier:
        await carrier.send(b"abc\ndef\n")
        assert (await taken(carrier, lines=2)).lines == [b"cba\n", b"fed\n"]
        assert repr(carrier).startswith("<Carrier of <WorkerProcess ")


async def test_carrier_tells_a_good_end() -> None:
    """It ends once, and everything before it is told first."""
    async with carrying("print(1)\nprint(2)") as carrier:
        assert await taken(carrier) == Taken([b"1\n", b"2\n"], "", [])


async def test_carrier_tells_a_bad_end_and_its_complaint() -> None:
    """Somebody has to know why, far away."""
    async with carrying("raise SystemExit('no memory')") as carrier:
        end = await taken(carrier)
        assert end == Taken([], "it ended with status 1", ["no memory"])
        assert await carrier.stop(grace=0.0) == ["no memory"]


async def test_carrier_answers_when_nothing_was_said() -> None:
    """A question that never ends cannot be told from a machine that is gone."""
    async with carrying("import sys; sys.stdin.read()", wait=0.0) as carrier:
        assert await carrier.take() == Taken([], None, [])


async def test_carrier_hands_over_a_bounded_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is more comes with the next question."""
    monkeypatch.setattr(module, "_MOST_BYTES", 1)
    async with carrying("print(1)\nprint(2)") as carrier:
        answers = [await carrier.take(), await carrier.take()]
        assert [answer.lines for answer in answers] == [[b"1\n"], [b"2\n"]]


async def test_carrier_waits_with_its_worker_until_it_is_asked() -> None:
    """Memory here does not grow with what nobody takes."""
    async with carrying("print('x\\n' * 1000)") as carrier:
        assert len((await taken(carrier)).lines) == 1001


async def test_carrier_lets_a_worker_end_by_itself() -> None:
    """Its input ends first."""
    code = "import sys; sys.stdin.read(); sys.stderr.write('bye')"
    async with carrying(code) as carrier:
        assert await carrier.stop(grace=DEADLINE) == ["bye"]


async def test_carrier_ends_a_worker_when_nobody_asks_any_more() -> None:
    """Whoever wanted the load may be gone without a word."""
    async with carrying(DEAF, lease=0.05) as carrier:
        await carrier.wait_closed()
        assert not psutil.pid_exists(carrier.pid)


async def test_carrier_that_is_asked_lives_on() -> None:
    """Each question is a sign of life."""
    async with carrying(ANSWER, lease=DEADLINE, wait=0.0) as carrier:
        for _ in range(3):
            await carrier.take()
            await carrier.send(b"a\n")
        assert psutil.pid_exists(carrier.pid)


async def test_carrier_that_was_not_started_has_nothing_to_end() -> None:
    """Where it cannot be started, its end comes all the same."""
    carrier = Carrier(["/there/is/no/such/program"])
    with pytest.raises(RemoteError, match="it cannot be started"):
        await carrier.start()
    await carrier.wait_closed()
    assert await carrier.stop(grace=0.0) == []
    assert carrier.pid == 0


# From far away


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Carrier]:
    """Note the carriers that are started, all with the same worker."""
    noted: list[Carrier] = []

    def carrier() -> Carrier:
        noted.append(Carrier([sys.executable, "-c", ANSWER]))
        return noted[-1]

    monkeypatch.setattr(module, "Carrier", carrier)
    return noted


async def test_a_worker_is_reached_by_its_ticket(started: Sequence[Carrier]) -> None:
    """And two at the same place are told apart."""
    tickets = [uuid.uuid4().hex for _ in range(2)]
    async with asyncio.timeout(DEADLINE):
        for ticket in tickets:
            await module.begin(ticket)
            await module.tell(ticket, ticket.encode() + b"\n")
        for ticket in tickets:
            assert (await module.take(ticket)).lines == [ticket[::-1].encode() + b"\n"]
            assert await module.end(ticket, DEADLINE) == []
        assert not any(psutil.pid_exists(carrier.pid) for carrier in started)
        while module._carriers or module._forgetting:
            await asyncio.gather(*module._forgetting)


async def test_a_worker_that_is_gone_is_not_found() -> None:
    """A machine that was started anew does not know the load of before."""
    with pytest.raises(RemoteError, match="not there any more"):
        await module.tell("nobody", b"")
    with pytest.raises(RemoteError, match="not there any more"):
        await module.take("nobody")
    assert await module.end("nobody", 0.0) == []


async def test_the_clock_is_that_of_the_workers() -> None:
    """The start of a load is a moment on it."""
    clock = SystemClock()
    before = clock.now()
    assert before <= module.read_clock() <= clock.now()
