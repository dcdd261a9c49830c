"""Metrics: what a node counts, in the words of Prometheus.

It refuses to know who may see them; and it keeps nothing between two looks.

Everything here is read at the time of the look: while the hub works, nobody touches
`prometheus_client`, each of whose counters takes a lock.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from wavetank import __version__
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.survey import Survey, survey
from wavetank.hub.tally import REASONS, Spread
from wavetank.protocol import PROTOCOL

__all__ = ["expose"]


async def expose(node: Node) -> tuple[bytes, str]:
    """Return the metrics of a node and their content type.

    The loop has its turn between topics, as for the status page.
    """
    found = await survey(node)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_NodeCollector(node, found))
    ProcessCollector(registry=registry)
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _NodeCollector(Collector):
    """Makes metrics of what stands in a node's tally."""

    def __init__(self, node: Node, found: Survey) -> None:
        self._node = node
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        node, found = self._node, self._found
        for gauge in _gauges(node, found):
            yield GaugeMetricFamily(f"wavetank_{gauge.name}", gauge.text, gauge.value)
        for count in _counts(node):
            name = f"wavetank_{count.name}"
            yield CounterMetricFamily(name, count.text, count.value)
        for row in _labelled(node, found):
            name = f"wavetank_{row.name}"
            family = CounterMetricFamily(name, row.text, labels=row.labels)
            for values, value in row.counts.items():
                family.add_metric(values, value)
            yield family
        yield from _spreads(node)
        yield _build(node)


class _Number(NamedTuple):
    """One number."""

    name: str
    text: str
    value: float


class _Row(NamedTuple):
    """One counter with labels."""

    name: str
    text: str
    labels: tuple[str, ...]
    counts: Mapping[tuple[str, ...], int]


def _gauges(node: Node, found: Survey) -> Iterator[_Number]:
    log, crowd = node.log, node.admission.statistics()
    laggards = found.laggards
    messages = max((each.messages for each in laggards), default=0)
    age = max((each.age for each in laggards), default=0.0)
    yield _Number("connections", "WebSockets that are open.", crowd["open"] or 0)
    yield _Number("users", "Users who are signed in.", crowd["users"] or 0)
    yield _Number("topics", "Topics with a state here.", found.topics)
    yield _Number("subscriptions", "Subscriptions, by topic.", found.subscriptions)
    words = "Messages that no account explains; anything but 0 is a bug."
    yield _Number("messages_unaccounted", words, found.fates["unaccounted"])
    words = "Messages owed to subscriptions that are open."
    yield _Number("messages_pending", words, found.fates["pending"])
    yield _Number("clients_lagging", "Connections that lag.", len(laggards))
    words = "How many messages the connection lags that lags most."
    yield _Number("client_lag_messages", words, messages)
    words = "How old the oldest message is that a connection has not got."
    yield _Number("client_lag_seconds", words, age)
    words = "Whether the last write of the log failed."
    yield _Number("store_failing", words, log.is_failing)
    words = "Bytes that the log keeps."
    yield _Number("store_bytes", words, log.statistics().get("bytes", 0))
    yield _Number("draining", "Whether the node is about to stop.", node.is_draining)


def _counts(node: Node) -> Iterator[_Number]:
    tally = node.tally
    words = "Messages handed to transports, once for each subscriber."
    yield _Number("messages_fanout", words, tally.delivered)
    words = "Messages handed on that the subscriber had missed and asked for."
    yield _Number("replayed_messages", words, tally.replayed)
    yield _Number("gaps", "Gaps announced to subscribers.", tally.gaps)
    words = (
        "Log lines that could not be written; the next one that could says in "
        "lines_dropped how many."
    )
    yield _Number("log_lines_dropped", words, tally.lines_dropped.number)


def _labelled(node: Node, found: Survey) -> Iterator[_Row]:
    tally = node.tally
    words = "WebSockets that were let in."
    yield _row("connections_accepted", words, "subprotocol", tally.accepted)
    words = "Requests refused before they became a WebSocket."
    reasons = {REASONS.get(status, status): n for status, n in tally.rejected.items()}
    yield _row("connection_rejected", words, "reason", reasons)
    words = "WebSockets that ended, by who ended them."
    yield _Row("connection_closed", words, ("code", "initiator"), tally.closed)
    words = "Publications by what became of them."
    yield _row("messages_published", words, "result", tally.published)
    fates = {name: found.fates[name] for name in ("delivered", "conflated", "gapped")}
    words = "Messages owed to subscribers, by fate."
    yield _row("messages_accounted", words, "fate", fates)
    words = "What was done about slow consumers."
    yield _row("slow_consumer", words, "policy", tally.slow)
    words = "Subscriptions that asked for a start, by what came of it."
    yield _row("recover", words, "result", tally.recovered)
    yield _row("auth", "Tokens that were judged.", "result", tally.auth)
    words = "Commands refused because a bucket was empty."
    yield _row("rate_limited", words, "bucket", tally.rate_limited)
    yield _row("errors", "Errors that were answered.", "code", tally.errors)


def _row(name: str, text: str, label: str, counts: Mapping[str, int]) -> _Row:
    return _Row(name, text, (label,), {(value,): n for value, n in counts.items()})


def _spreads(node: Node) -> Iterator[Metric]:
    tally = node.tally
    delivery = HistogramMetricFamily(
        "wavetank_delivery_seconds",
        "append: from a publication's arrival until it has its durability; "
        "fanout: from then until it is handed to transports.",
        labels=("stage",),
    )
    for stage, spread in (("append", tally.append), ("fanout", tally.fanout)):
        delivery.add_metric((stage,), _buckets(spread), spread.sum)
    yield delivery
    rows = (
        ("client_rtt_seconds", "From ping to pong.", tally.rtt),
        ("store_append_seconds", "Writing a batch to the log.", tally.store),
        ("event_loop_lag_seconds", "How late the event loop is.", tally.lag),
    )
    for name, words, spread in rows:
        yield HistogramMetricFamily(
            f"wavetank_{name}", words, _buckets(spread), spread.sum
        )


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """Return how many are at or below each bound."""
    found, below = [], 0
    for bound, count in zip((*spread.bounds, inf), spread.counts, strict=True):
        below += count
        found.append(("+Inf" if bound == inf else str(bound), float(below)))
    return found


def _build(node: Node) -> Metric:
    labels = {
        "node": node.config.node,
        "protocol": PROTOCOL,
        "python": platform.python_version(),
        "version": __version__,
    }
    family = GaugeMetricFamily(
        "wavetank_build_info", "What runs here; always 1.", labels=list(labels)
    )
    family.add_metric(list(labels.values()), 1)
    return family
