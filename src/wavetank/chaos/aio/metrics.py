"""What proxies have handed on, for Prometheus.

It refuses to know who asks. Names and labels of bytes are Toxiproxy's.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from wavetank.chaos.aio.counts import DONE
from wavetank.chaos.aio.proxies import Proxies
from wavetank.chaos.reading import address_text
from wavetank.chaos.toxic import Direction
from wavetank.net.trace import without_secrets

__all__ = ["KIND", "exposition"]

KIND = CONTENT_TYPE_PLAIN_0_0_4

_BYTES = {
    "received": "Bytes that came in.",
    "sent": "Bytes that were handed on.",
}
_COUNTS = {
    "opened": "Clients that came.",
    "unreachable": "Links whose target could not be reached.",
    "refused": "Clients whose TLS failed.",
    "turned_away": "Clients for whom there was no room.",
}


class _Counts(Collector):
    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def collect(self) -> Iterable[Metric]:
        """Return all metrics."""
        told = [
            (name, proxy, proxy.statistics()) for name, proxy in self._proxies.items()
        ]
        for what, words in _BYTES.items():
            family = CounterMetricFamily(
                f"toxiproxy_proxy_{what}_bytes",
                words,
                labels=("direction", "proxy", "listener", "upstream"),
            )
            for name, proxy, counts in told:
                listener = address_text(proxy.address)
                upstream = without_secrets(str(proxy.upstream))
                for way in Direction:
                    labels = (str(way), name, listener, upstream)
                    family.add_metric(labels, counts[f"{what}_{way}"])
            yield family
        for what, words in _COUNTS.items():
            counter = CounterMetricFamily(
                f"wavetank_proxy_links_{what}", words, labels=["proxy"]
            )
            for name, _, counts in told:
                counter.add_metric([name], counts[what])
            yield counter
        gauge = GaugeMetricFamily(
            "wavetank_proxy_links_open", "Links that there are.", labels=["proxy"]
        )
        for name, _, counts in told:
            gauge.add_metric([name], counts["open"])
        yield gauge
        yield from self._toxics()

    def _toxics(self) -> Iterable[Metric]:
        done = {name: each.toxic_statistics() for name, each in self._proxies.items()}
        for what, words in DONE.items():
            counter = CounterMetricFamily(
                f"wavetank_proxy_toxic_{what}", words, labels=["proxy", "toxic"]
            )
            for name, toxics in done.items():
                for toxic, counts in toxics.items():
                    counter.add_metric([name, toxic], counts[what])
            yield counter


def exposition(proxies: Proxies) -> bytes:
    """Return the counts of all proxies as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counts(proxies))
    return bytes(generate_latest(registry))
