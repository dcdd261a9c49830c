"""Calibration: how much this machine's own workers can do, at most.

It refuses to know any target but the built-in echo.
"""

import contextlib
import secrets
import string
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from wavetank.errors import RemoteError, TargetError
from wavetank.evidence import Histogram
from wavetank.load.engine.coordinator import WORKER, run_load
from wavetank.load.engine.processes import WorkerProcess
from wavetank.load.exchange import Address
from wavetank.load.plan import (
    Arrivals,
    LoadPlan,
    Payload,
    Scenario,
    ScenarioKind,
    Stage,
)
from wavetank.load.result import LoadResult, Moment
from wavetank.load.totals import merge_generators
from wavetank.monitor import ProcessTree

__all__ = ["SHARES", "Ceiling", "Lateness", "calibrate"]

SHARES: Final = (0.25, 0.5)
"""Of the ceiling: where the generator's own lateness is measured."""

ECHO: Final = (sys.executable, "-m", "wavetank.load.engine.echo")

_IN_FLIGHT: Final = 8
"""Unanswered messages of each user: some, so that reads and writes are shared, as
they are under load; and few, so that they are not all that there is to measure."""

_LETTERS: Final = string.digits + string.ascii_lowercase


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """How late messages were sent in an open model, in seconds.

    Attributes:
        share: Of the ceiling.
        rate: Messages/s that the schedule had.
        sent: Messages/s that were sent.
        p50: What half of them did not exceed; None where nothing was sent.
        p99: What 99 per cent did not exceed.
        max: The latest.
    """

    share: float
    rate: float
    sent: float
    p50: float | None
    p99: float | None
    max: float | None


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator can do on this machine, against the built-in echo.

    Attributes:
        rate: Messages/s, each answered and verified, in a closed model.
        cores: Workers, and echo processes.
        generator_cpu: Cores that all workers used.
        echo_cpu: Cores that all echo processes used.
        size: Bytes of a message.
        users: Connections.
        lateness: Of the open model, at `SHARES` of the rate.
    """

    rate: float
    cores: int
    generator_cpu: float
    echo_cpu: float
    size: int
    users: int
    lateness: tuple[Lateness, ...] = ()

    @property
    def rate_per_core(self) -> float:
        """Messages/s for each core that the generator used."""
        return self.rate / self.generator_cpu if self.generator_cpu else 0.0

    @property
    def sentences(self) -> list[str]:
        """What this machine can send, in words; what was not measured is left out."""
        return [
            f"{self.rate:,.0f} messages/s of {self.size} bytes over {self.users} "
            "connections, each answered by our own echo and verified",
            f"{self.rate_per_core:,.0f} messages/s for each core of the generator "
            f"({self.generator_cpu:.2f} cores used, {self.echo_cpu:.2f} by the echo)",
            *(
                f"at {one.share:.0%} of that, {one.rate:,.0f} messages/s, 99 % are "
                f"sent within {one.p99 * 1000:.2f} ms of when they are due"
                for one in self.lateness
                if one.p99 is not None
            ),
        ]


async def calibrate(
    *,
    seconds: float = 2.0,
    size: int = 128,
    users: int = 100,
    cores: int = 1,
    command: Sequence[str] = WORKER,
) -> Ceiling:
    """Measure this machine's own ceiling; nothing is kept for the next time.

    Three loads of the built-in echo: closed, and open at two shares of what came of
    that. Where the machine has fewer cores than both sides together, they share them,
    as generator and target do.

    Args:
        seconds: Length of each of the loads.
        size: Bytes of a message.
        users: Connections.
        cores: Workers, and echo processes.
        command: Program and arguments of a worker.

    Raises:
        TargetError: If the echo or a worker does not do its part.
    """
    plan = _plan(seconds=seconds, size=size, users=users, workers=cores)
    async with _running_echo(cores) as echo:
        meter = _CpuMeter(echo.pids)
        result = await _load(plan, echo.url, command, meter)
        rate = _rate(result, "received")
        if not rate:
            raise TargetError("the calibration failed: the built-in echo was silent")
        lateness = []
        for share in SHARES:
            due = share * rate
            plan = _plan(
                seconds=seconds, size=size, users=users, workers=cores, rate=due
            )
            open_model = await _load(plan, echo.url, command)
            lateness.append(_lateness(open_model, share, due))
    return Ceiling(
        rate=rate,
        cores=cores,
        generator_cpu=sum(each.cpu for each in result.generators.values()),
        echo_cpu=meter.used,
        size=size,
        users=users,
        lateness=tuple(lateness),
    )


def _plan(
    *, seconds: float, size: int, users: int, workers: int, rate: float = 0.0
) -> LoadPlan:
    """Return the plan of one load of a calibration.

    Args:
        seconds: Its length.
        size: Bytes of a message.
        users: Connections.
        workers: Processes.
        rate: Messages/s of an open model; 0 is a closed one.
    """
    scenario = Scenario(
        name="calibration",
        kind=ScenarioKind.REQUEST,
        users=users,
        stages=(Stage(seconds=seconds, level=rate),),
        arrivals=Arrivals.EVEN if rate else Arrivals.CLOSED,
        in_flight=4096 if rate else _IN_FLIGHT,
        payload=Payload(size=size),
    )
    return LoadPlan(scenarios=(scenario,), workers=workers)


class _Echo(msgspec.Struct, frozen=True, kw_only=True):
    """The built-in echo as it runs."""

    url: str
    pids: tuple[int, ...]


@contextlib.asynccontextmanager
async def _running_echo(
    count: int, command: Sequence[str] = ECHO
) -> AsyncIterator[_Echo]:
    """Run the built-in echo as long as the context lasts.

    Args:
        count: Processes; they share one port.
        command: Program and arguments of one.

    Raises:
        TargetError: If one does not start.
    """
    processes: list[WorkerProcess] = []
    port = b""
    try:
        for _ in range(count):
            arguments = [port.decode()] if port else []
            process = WorkerProcess([*command, *arguments])
            processes.append(process)
            port = await _port_of(process)
        pids = tuple(process.pid for process in processes)
        yield _Echo(url=f"ws://127.0.0.1:{int(port)}/", pids=pids)
    finally:
        for process in processes:
            await process.stop(grace=0.0)


async def _port_of(process: WorkerProcess) -> bytes:
    """Start an echo, and return the port that it prints."""
    try:
        await process.start()
        async with contextlib.aclosing(process.lines()) as lines:
            async for line in lines:
                if line.strip().isdigit():
                    return line.strip()
                break
        reason = "it did not say its port"
    except RemoteError as error:
        reason = str(error)
    raise TargetError(
        f"the built-in echo did not start: {reason}", output=process.problems
    )


def _lateness(result: LoadResult, share: float, rate: float) -> Lateness:
    text = merge_generators(result.generators.values()).lateness
    late = Histogram.decode(text) if text else Histogram()
    return Lateness(
        share=share,
        rate=rate,
        sent=_rate(result, "sent"),
        p50=late.percentile(50),
        p99=late.percentile(99),
        max=late.max,
    )


async def _load(
    plan: LoadPlan,
    url: str,
    command: Sequence[str],
    meter: "_CpuMeter | None" = None,
) -> LoadResult:
    result = await run_load(
        plan,
        Address(url=url, dialect="echo"),
        run="".join(secrets.choice(_LETTERS) for _ in range(8)),
        see=meter.see if meter else None,
        command=command,
    )
    lost = [f"worker {each}: {why}" for each, why in result.lost_workers.items()]
    if lost or result.failed or result.target_gone:
        why = lost[0] if lost else result.target_gone or "not all connections opened"
        raise TargetError(f"the calibration failed: {why}", output=result.problems)
    return result


def _rate(result: LoadResult, count: str) -> float:
    total: int = sum(getattr(each, count) for each in result.measured)
    return total / result.window if result.window else 0.0


class _CpuMeter:
    """Reads what processes use while seconds of a load go by.

    Attributes:
        used: Cores that they used so far, all together.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._trees = [ProcessTree(pid) for pid in pids]
        self._before = self._read()
        self.used = 0.0

    def see(self, moment: Moment) -> None:
        """Read them at the end of a second."""
        self.used = (self._read() - self._before) / (moment.number + 1)

    def _read(self) -> float:
        samples = (tree.sample(0.0, "echo") for tree in self._trees)
        return sum(sample.cpu for sample in samples if sample is not None)
