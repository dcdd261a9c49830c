"""A load from many machines: its workers run where a dask cluster has room.

It refuses to know what a worker does, and how a load is led: for `coordinator` these
are workers like others. The cluster carries questions and answers, and schedules
nothing: to run a task again, or somewhere else, is what its scheduler is for, and what
a load cannot bear.
"""

import asyncio
import contextlib
import importlib
import importlib.metadata
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final, Protocol

import msgspec

import wavetank
from wavetank.clock import SystemClock
from wavetank.errors import RemoteError, UsageError
from wavetank.load.engine import carrier
from wavetank.load.engine.coordinator import Coordinator, See
from wavetank.load.exchange import Address, Begin, decode_to_worker, encode
from wavetank.load.needs import worker_count
from wavetank.load.offsets import Offset, RoundTrip, error_over, offset_of
from wavetank.load.places import Place, deal, is_loopback, misfits
from wavetank.load.plan import LoadPlan
from wavetank.load.result import LoadResult

__all__ = ["Ask", "DistantWorker", "run_on_cluster", "survey"]

_CONNECT_WITHIN: Final = 5.0
_ANSWER_WITHIN: Final = 10.0
"""Seconds without an answer after which a machine is lost."""
_ENDING_WITHIN: Final = 7.0
"""Seconds that a distant machine may take to end a worker, its grace apart."""
_CLOSE_WITHIN: Final = 3.0
_ROUND_TRIPS: Final = 20
"""Questions for the time; the shortest of them counts."""
_NOTICE: Final = 1.0
"""Seconds from the word to begin until the start: enough for it to reach everybody."""

_INSTALL: Final = "--cluster needs more packages: pip install 'wavetank[distributed]'"


class Ask(Protocol):
    """Calls a function of `carrier` on another machine."""

    async def __call__(
        self,
        function: Callable[..., Any],
        *args: Any,
        within: float = _ANSWER_WITHIN,
    ) -> Any:
        """Return what it returns.

        Args:
            function: Of a module that is there, too.
            args: Its arguments.
            within: Seconds until the machine is given up.

        Raises:
            RemoteError: If it raises that, or nobody answers.
        """
        ...


class DistantWorker:
    """A worker on another machine, in the care of a carrier there.

    Args:
        ask: Reaches that machine.
        ticket: Names the worker there; no other may have it.
        offset: Of that machine's clock against ours: the start is a moment of it.
        where: The machine, in words.

    Attributes:
        where: The machine, in words.
        is_gone: Whether that machine has failed to answer.
    """

    def __init__(self, ask: Ask, *, ticket: str, offset: Offset, where: str) -> None:
        self._ask = ask
        self._ticket = ticket
        self._offset = offset
        self.where = where
        self._problems: list[str] = []
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None
        self.is_gone = False

    @property
    def problems(self) -> list[str]:
        """What it complained of, as far as that has come here."""
        return list(self._problems)

    async def start(self) -> None:
        """Start it.

        Raises:
            RemoteError: If it cannot be started there, or nobody answers.
        """
        with self._placed():
            await self._ask(carrier.begin, self._ticket)
        self._sending = asyncio.create_task(self._send_all())

    async def send(self, line: bytes) -> None:
        """Send it a line; one that is gone hears nothing."""
        # Nobody waits here: a machine far away must not keep the others waiting.
        self._unsent.put_nowait(self._translated(line))

    def _translated(self, line: bytes) -> bytes:
        """Return a line with the start as a moment of the distant clock."""
        message = decode_to_worker(line)
        if not isinstance(message, Begin):
            return line
        return encode(Begin(at=message.at + self._offset.seconds))

    async def _send_all(self) -> None:
        """Send what there is; where that fails, listening soon fails as well."""
        with contextlib.suppress(RemoteError):
            while True:
                line = await self._unsent.get()
                await self._ask(carrier.tell, self._ticket, line)
                self._unsent.task_done()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what it says, until it ends well.

        Raises:
            RemoteError: If it ends otherwise, or its machine does not answer.
        """
        ending: str | None = None
        while ending is None:
            with self._placed():
                taken = await self._ask(carrier.take, self._ticket)
            lines, ending, self._problems = taken
            for line in lines:
                yield line
        if ending:
            raise RemoteError(f"at {self.where}: {ending}")

    async def stop(self, *, grace: float) -> None:
        """End it, and take leave; idempotent.

        One whose machine does not answer is ended there when its carrier has heard
        nothing for a while.

        Args:
            grace: Seconds in which it may still end by itself.
        """
        sending, self._sending = self._sending, None
        if sending is None:
            return
        try:
            if grace and not (self.is_gone or sending.done()):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._unsent.join(), grace)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            if not self.is_gone:
                await self._end(grace)

    async def _end(self, grace: float) -> None:
        within = grace + _ENDING_WITHIN
        with contextlib.suppress(RemoteError), self._placed():
            problems = await self._ask(carrier.end, self._ticket, grace, within=within)
            self._problems = problems or self._problems

    @contextlib.contextmanager
    def _placed(self) -> Iterator[None]:
        """Note that the machine is gone, and say which."""
        try:
            yield
        except RemoteError as error:
            self.is_gone = True
            raise RemoteError(f"at {self.where}: {error}") from None

    def __repr__(self) -> str:
        """Show where it is."""
        state = "gone" if self.is_gone else "there" if self._sending else "not there"
        return f"<DistantWorker {self._ticket} at {self.where}, {state}>"


async def survey(cluster: str, *, target: str) -> list[Place]:
    """Return where on a cluster workers can run.

    Args:
        cluster: Address of its scheduler, such as ``tcp://10.0.0.1:8786``.
        target: Address of the target.

    Raises:
        UsageError: With every reason why none can.
    """
    async with _joined(cluster) as client:
        return await _places(client, cluster, target)


async def run_on_cluster(
    plan: LoadPlan,
    address: Address,
    *,
    cluster: str,
    run: str,
    see: See | None = None,
    stop: asyncio.Event | None = None,
) -> LoadResult:
    """Carry out a plan with workers on the machines of a cluster.

    Each thread of the cluster takes one, unless the plan says how many there are.
    Nothing is left behind there or here, also when this is cancelled.

    Args:
        plan: What is to be done.
        address: Where; as it is reached from those machines.
        cluster: Address of the cluster's scheduler.
        run: Eight characters of [0-9a-z] that no other run has.
        see: Is handed each second of the load as it is over.
        stop: Once it is set, sending ends; what is under way is waited for.

    Returns:
        What came of it; a machine that was lost is a part of that.

    Raises:
        UsageError: With every reason why it cannot begin there.
    """
    async with _joined(cluster) as client:
        places = await _places(client, cluster, address.url)
        count = worker_count(plan, sum(place.threads for place in places))
        seats = deal(places, count)
        asks = {place.address: _asking(client, place.address) for place in seats}
        offsets = await _offsets(cluster, asks)
        workers = [
            DistantWorker(
                asks[seat.address],
                ticket=f"{run}/{number}",
                offset=offsets[seat.address],
                where=seat.address,
            )
            for number, seat in enumerate(seats)
        ]
        coordinator = Coordinator(plan, workers, see=see, stop=stop, notice=_NOTICE)
        result = await coordinator.run(address, run)
        gone = {each.where for each in workers if each.is_gone}
        errors = {
            where: offset.error
            if where in gone
            else await _error_until_now(asks[where], offset)
            for where, offset in offsets.items()
        }
    return msgspec.structs.replace(result, clock_errors=errors)


# The cluster


class _Client(Protocol):
    """What we need of dask's own, which has no types."""

    def __await__(self) -> Any: ...
    def close(self, timeout: float) -> Awaitable[None]: ...
    def nthreads(self) -> Awaitable[dict[str, int]]: ...
    def get_versions(self, *, packages: list[str]) -> Awaitable[dict[str, Any]]: ...
    def run(
        self, function: Callable[..., Any], *args: Any, workers: list[str]
    ) -> Awaitable[dict[str, Any]]: ...


@contextlib.asynccontextmanager
async def _joined(cluster: str) -> AsyncIterator[_Client]:
    """Be a client of a cluster for a while.

    Raises:
        UsageError: If that needs packages that are missing, or nobody answers.
    """
    try:
        # dask is imported here alone: nothing else needs it, or waits for it.
        distributed = importlib.import_module("distributed")
    except ImportError:
        raise UsageError(_INSTALL) from None
    for name in ("distributed", "distributed.client"):
        # What it would log, with a traceback each, is told in words and once.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    client: _Client = distributed.Client(
        cluster, asynchronous=True, set_as_default=False, timeout=_CONNECT_WITHIN
    )
    try:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN + _CLOSE_WITHIN):
                await client
        # TypeError is how dask says that it has no certificates for an address tls://.
        except (OSError, TypeError) as error:
            raise UsageError(_unanswered(cluster, error)) from None
        yield client
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await client.close(timeout=_CLOSE_WITHIN)


async def _places(client: _Client, cluster: str, target: str) -> list[Place]:
    """Return where workers can run.

    Raises:
        UsageError: With every reason why none can.
    """
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            threads = await client.nthreads()
            versions = await client.get_versions(packages=["wavetank"])
    except OSError as error:
        raise UsageError(_unanswered(cluster, error)) from None
    places = [
        Place(
            address=address,
            threads=max(threads.get(address, 1), 1),
            python=said["packages"]["python"],
            wavetank=said["packages"]["wavetank"] or "",
        )
        for address, said in sorted(versions["workers"].items())
    ]
    found = misfits(places, python=_python(), wavetank=_version())
    # Where all of a cluster is on this machine, all its addresses say so.
    here = all(
        is_loopback(one) for one in (cluster, *(each.address for each in places))
    )
    if places and is_loopback(target) and not here:
        found.append(
            f"{target}: means each machine of the cluster itself; give the address "
            "under which they reach the target"
        )
    if found:
        raise UsageError([f"--cluster {cluster}: {sentence}" for sentence in found])
    return places


def _unanswered(cluster: str, error: Exception) -> str:
    why = str(error).splitlines() or ["it did not answer in time"]
    return (
        f"--cluster {cluster}: no scheduler of a dask cluster answers there "
        f"({why[0]}); start one with `dask scheduler`"
    )


def _python() -> str:
    return ".".join(map(str, sys.version_info))


def _version() -> str:
    """Return our version as the other machines tell theirs."""
    try:
        return importlib.metadata.version("wavetank")
    except importlib.metadata.PackageNotFoundError:
        return wavetank.__version__


def _asking(client: _Client, where: str) -> Ask:
    """Return what calls functions on one machine."""

    async def ask(
        function: Callable[..., Any], *args: Any, within: float = _ANSWER_WITHIN
    ) -> Any:
        try:
            async with asyncio.timeout(within):
                answers = await client.run(function, *args, workers=[where])
            return answers[where]
        except TimeoutError:
            raise RemoteError(f"it has not answered for {within:g} s") from None
        except RemoteError:
            raise
        except Exception as error:  # noqa: BLE001 - dask documents no family of errors
            raise RemoteError(f"it cannot be reached: {error}") from None

    return ask


# Its clocks


async def _offsets(cluster: str, asks: dict[str, Ask]) -> dict[str, Offset]:
    """Return each machine's offset.

    One after the other: what is asked at the same time waits for each other.

    Raises:
        UsageError: If a machine has gone since it was counted.
    """
    try:
        return {where: await _offset(ask) for where, ask in asks.items()}
    except RemoteError as error:
        raise UsageError(f"--cluster {cluster}: a machine is gone: {error}") from None


async def _offset(ask: Ask) -> Offset:
    clock = SystemClock()
    trips = []
    for _ in range(_ROUND_TRIPS):
        asked_at = clock.now()
        read = await ask(carrier.read_clock)
        trips.append(RoundTrip(asked_at=asked_at, read=read, answered_at=clock.now()))
    return offset_of(trips)


async def _error_until_now(ask: Ask, begin: Offset) -> float:
    """Return how wrong an offset was at most; of a machine that is gone, at first."""
    try:
        return error_over(begin, await _offset(ask))
    except RemoteError:
        return begin.error
