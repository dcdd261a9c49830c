"""The figures of a running load, served for Prometheus.

It refuses to know who carries the load out: it is handed each second as it is over.
"""

import asyncio
import contextlib
import errno
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from wavetank.errors import UsageError
from wavetank.evidence import Histogram
from wavetank.load.exchange import Generator
from wavetank.load.result import Moment
from wavetank.wire import (
    HeadReader,
    Refusal,
    Request,
    encode_refusal,
    encode_response,
)

__all__ = ["BOUNDS", "Figures", "serve_figures"]

BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the buckets in seconds; the reports have them a thousand times
finer, Prometheus has to keep each of these as a series of its own."""

_COUNTERS: Final = {
    "intended": ("intended", "Arrivals that the schedule had."),
    "sent": ("sent", "Of these, handed to the system."),
    "late": ("late", "Of the sent, later than a millisecond behind their time."),
    "dropped": ("dropped", "Arrivals for which no user was free."),
    "received": ("received", "Answers, deliveries, connections that came."),
    "failed": ("failed", "Refused, or cut off with the connection."),
    "lost": ("lost", "Never came, though the receiver was there."),
    "duplicated": ("duplicated", "Came again."),
    "reordered": ("reordered", "Came behind a later one."),
    "corrupted": ("corrupted", "Came, and were not what was sent."),
    "foreign": ("foreign", "Messages that are none of this load."),
    "bytes_sent": ("sent_bytes", "Bytes of the frames sent."),
    "bytes_received": ("received_bytes", "Bytes of the frames received."),
}
"""Field of a tally -> name of its counter, and what it says."""

_TIMES: Final = {
    "response": "From the intended moment to the answer.",
    "service": "From the moment of sending to the answer.",
}

_BY_OPERATION: Final = ("scenario", "operation")
_MOST_READERS: Final = 16
_READ_WITHIN: Final = 5.0
_LONGEST_READ: Final = 4096


class Figures(Collector):
    """What the seconds of a load came to so far.

    The drain's part is in the reports alone: this ends with the load.

    Args:
        run: The run's name, a label of ``wavetank_load_info``.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._seconds = 0
        self._counts: dict[tuple[str, str], dict[str, int]] = {}
        self._times: dict[str, dict[tuple[str, str], Histogram]] = {
            name: {} for name in _TIMES
        }
        self._generators: dict[int, Generator] = {}
        self._lateness = Histogram()

    def see(self, moment: Moment) -> None:
        """Add a second."""
        self._seconds = moment.number + 1
        for tally in moment.tallies:
            key = (tally.scenario, str(tally.operation))
            counts = self._counts.setdefault(key, dict.fromkeys(_COUNTERS, 0))
            for name in _COUNTERS:
                counts[name] += getattr(tally, name)
            for name, histograms in self._times.items():
                text = getattr(tally, name)
                if text:
                    histograms.setdefault(key, Histogram()).merge(
                        Histogram.decode(text)
                    )
        self._generators.update(moment.generators)
        for generator in moment.generators.values():
            if generator.lateness:
                self._lateness.merge(Histogram.decode(generator.lateness))

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        yield from self._of_operations()
        yield from self._of_generators()
        info = GaugeMetricFamily(
            "wavetank_load_info", "The run; always 1.", labels=["run"]
        )
        info.add_metric([self._run], 1)
        yield info
        words = "Seconds of the load that are over."
        yield GaugeMetricFamily("wavetank_load_elapsed_seconds", words, self._seconds)

    def _of_operations(self) -> Iterator[Metric]:
        for name, (metric, words) in _COUNTERS.items():
            counter = CounterMetricFamily(
                f"wavetank_load_{metric}", words, labels=_BY_OPERATION
            )
            for key, counts in self._counts.items():
                counter.add_metric(key, counts[name])
            yield counter
        for name, words in _TIMES.items():
            family = HistogramMetricFamily(
                f"wavetank_load_{name}_seconds", words, labels=_BY_OPERATION
            )
            for key, histogram in self._times[name].items():
                family.add_metric(key, _buckets(histogram), _sum(histogram))
            yield family

    def _of_generators(self) -> Iterator[Metric]:
        rows = (
            ("generator_cpu_ratio", "Share of a core that a worker used.", "cpu"),
            ("generator_waited_ratio", "Time that it waited for a core.", "waited"),
            ("generator_lag_seconds", "Longest turn of a worker's loop.", "lag"),
            ("connections", "Connections that are open.", "open"),
        )
        for name, words, field in rows:
            yield self._by_worker(
                GaugeMetricFamily(f"wavetank_load_{name}", words, labels=["worker"]),
                field,
            )
        yield self._by_worker(
            CounterMetricFamily(
                "wavetank_load_connections_lost",
                "Connections that the target ended.",
                labels=["worker"],
            ),
            "lost_connections",
        )
        lateness = self._lateness
        yield HistogramMetricFamily(
            "wavetank_load_generator_lateness_seconds",
            "From the intended moment to sending: the generator's own delay.",
            _buckets(lateness),
            _sum(lateness),
        )

    def _by_worker(
        self, family: GaugeMetricFamily | CounterMetricFamily, field: str
    ) -> Metric:
        for worker, generator in sorted(self._generators.items()):
            family.add_metric([str(worker)], getattr(generator, field))
        return family

    def __repr__(self) -> str:
        """Show how far the load is."""
        return f"<Figures of {self._run}: {self._seconds} s>"


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return how many are at or below each bound, to a thousandth of the bound."""
    places = [0] * (len(BOUNDS) + 1)
    for duration, count in histogram.counts.items():
        places[bisect_left(BOUNDS, duration)] += count
    names = [*map(str, BOUNDS), "+Inf"]
    return list(zip(names, map(float, accumulate(places)), strict=True))


def _sum(histogram: Histogram) -> float:
    return (histogram.mean or 0.0) * histogram.count


@contextlib.asynccontextmanager
async def serve_figures(
    figures: Figures, port: int, *, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Serve figures at ``/metrics`` as long as the context lasts.

    Args:
        figures: What is served, as it is at the moment.
        port: Where; 0 takes a free one.
        host: Address to listen on.

    Yields:
        The port.

    Raises:
        UsageError: If the port cannot be had.
    """
    readers: set[asyncio.Task[None]] = set()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        readers.add(task)
        try:
            if len(readers) <= _MOST_READERS:
                async with asyncio.timeout(_READ_WITHIN):
                    writer.write(_response(await _read(reader), figures))
                    await writer.drain()
        except OSError:  # Who asked is gone, or too slow: TimeoutError is one.
            writer.transport.abort()
        finally:
            readers.discard(task)
            writer.close()

    try:
        server = await asyncio.start_server(answer, host, port)
    except OSError as error:
        raise UsageError(_problem(host, port, error)) from None
    async with server:
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in readers:
                task.cancel()
            await asyncio.gather(*readers, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request | Refusal:
    """Read a request's head; who ends before it is complete is told so, too."""
    heads: HeadReader[Request] = HeadReader()
    while data := await reader.read(_LONGEST_READ):
        head = heads.feed(data)
        if head is not None:
            return head
    return Refusal(400, "the request is cut")


def _response(request: Request | Refusal, figures: Figures) -> bytes:
    if isinstance(request, Refusal):
        return encode_refusal(request)
    if request.path != "/metrics":
        return encode_refusal(Refusal(404, "the figures are at /metrics"))
    if request.method != "GET":
        text = "only GET is served here"
        return encode_refusal(Refusal(405, text, (("Allow", "GET"),)))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)
    fields = (("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), ("Connection", "close"))
    return encode_response(200, fields, generate_latest(registry))


def _problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"--prometheus {port}: the port is taken; choose another, "
            "or 0 for one that is free"
        )
    return f"--prometheus {port}: cannot listen on {host}: {error.strerror or error}"
