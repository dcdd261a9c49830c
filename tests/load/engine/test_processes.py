"""Workers as processes: heard line by line, and gone when they are told to."""

import asyncio
import contextlib
import os
import signal
import sys

import psutil
import pytest

from wavetank.errors import RemoteError
from wavetank.load.engine import processes
from wavetank.load.engine.processes import WorkerProcess

pytestmark = pytest.mark.anyio

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""

ANSWER = "import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
HELLO = "print('hello', flush=True)\n"
WAIT = "import sys\nsys.stdin.read()\n"
DEAF = HELLO + "import signal\nwhile True: signal.pause()"


def worker(code: str) -> WorkerProcess:
    """Return a worker that is Python code."""
    return WorkerProcess([sys.executable, "-c", code])


async def all_lines(process: WorkerProcess) -> list[bytes]:
    """Hear it to its end."""
    async with asyncio.timeout(DEADLINE):
        return [line async for line in process.lines()]


async def first_line(process: WorkerProcess) -> bytes:
    """Hear it until it is there."""
    async with asyncio.timeout(DEADLINE), contextlib.aclosing(process.lines()) as lines:
        return await anext(lines)


async def test_worker_answers_lines_and_ends_when_its_input_does() -> None:
    """Line out, line in; status 0 is a good end."""
    process = worker(ANSWER)
    assert repr(process).endswith("not started>")
    assert process.pid == 0
    await process.start()
    await process.send(b"abc\ndef\n")
    async with asyncio.timeout(DEADLINE), contextlib.aclosing(process.lines()) as lines:
        assert await anext(lines) == b"cba\n"
        assert await anext(lines) == b"fed\n"
        assert repr(process).endswith(f"pid {process.pid}>")
        await process.stop(grace=DEADLINE)
    assert repr(process).endswith("status 0>")
    assert process.problems == []


async def test_worker_that_ends_well_ends_its_lines() -> None:
    """A last line that is cut is dropped."""
    process = worker("print('whole'); print('cut', end='')")
    await process.start()
    assert await all_lines(process) == [b"whole\n"]
    await process.stop(grace=0.0)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "it ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by SIGKILL"),
        # A real-time signal has no name of its own.
        ("import os; os.kill(os.getpid(), 40)", "it was ended by signal 40"),
    ],
)
async def test_worker_that_ends_badly_says_how(code: str, reason: str) -> None:
    """Status and signal are told in words."""
    process = worker(HELLO + code)
    await process.start()
    with pytest.raises(RemoteError, match=reason):
        await all_lines(process)
    await process.stop(grace=0.0)


async def test_worker_that_closes_its_output_and_stays_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who cannot be heard any more is no worker."""
    process = worker("import os\nos.close(1)\n" + WAIT)
    await process.start()
    with monkeypatch.context() as patch:
        patch.setattr(processes, "_GONE_WITHIN", 0.0)
        with pytest.raises(RemoteError, match="it closed its output and did not end"):
            await all_lines(process)
    await process.stop(grace=0.0)


async def test_worker_that_says_too_much_in_one_line_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line is held in bounded memory."""
    monkeypatch.setattr(processes, "LONGEST_LINE", 1000)
    process = worker("print('x' * 100_000)\n" + WAIT)
    await process.start()
    with pytest.raises(RemoteError, match="more than 1000 bytes in one line"):
        await all_lines(process)
    await process.stop(grace=0.0)


async def test_worker_whose_program_is_missing_cannot_be_started() -> None:
    """The reason is the system's; ending it needs no start."""
    process = WorkerProcess(["/no/such/program"])
    with pytest.raises(RemoteError, match=r"cannot be started: .*: No such file"):
        await process.start()
    await process.send(b"into the void\n")
    await process.stop(grace=0.0)
    assert process.problems == []


async def test_worker_complains_in_bounded_lines() -> None:
    """The last ten lines of its standard error, each cut."""
    code = "import sys\nfor n in range(20): print(n, 'x' * 999, file=sys.stderr)"
    process = worker(code + "\nprint(file=sys.stderr)\n")
    await process.start()
    assert await all_lines(process) == []
    problems = process.problems
    assert len(problems) <= 10
    assert problems[-1] == "19 " + "x" * 297
    await process.stop(grace=0.0)


async def test_worker_ends_though_nobody_reads_what_it_still_says() -> None:
    """A full pipe does not keep it from ending by itself."""
    process = worker(HELLO + WAIT + "sys.stdout.write('x' * 10_000_000)")
    await process.start()
    assert await first_line(process) == b"hello\n"
    await process.stop(grace=DEADLINE)
    assert repr(process).endswith("status 0>")


async def test_worker_that_does_not_end_by_itself_is_killed() -> None:
    """After the grace there is no more to say; a second end changes nothing."""
    process = worker(DEAF)
    await process.start()
    assert await first_line(process) == b"hello\n"
    await process.stop(grace=0.0)
    assert repr(process).endswith(f"status {-signal.SIGKILL}>")
    assert not psutil.pid_exists(process.pid)
    await process.stop(grace=0.0)
    await process.send(b"too late\n")


async def test_worker_is_killed_also_when_the_waiting_is_cancelled() -> None:
    """Whoever gives up waiting leaves no process."""
    process = worker(DEAF)
    await process.start()
    assert await first_line(process) == b"hello\n"
    task = asyncio.create_task(process.stop(grace=DEADLINE))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(process.pid)


async def test_worker_has_a_session_of_its_own() -> None:
    """The terminal's Ctrl-C does not reach it."""
    process = worker(DEAF)
    await process.start()
    assert await first_line(process) == b"hello\n"
    assert os.getsid(process.pid) == process.pid
    await process.stop(grace=0.0)
