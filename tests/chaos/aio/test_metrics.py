"""What proxies have handed on, for Prometheus."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wavetank.chaos.aio.metrics import KIND, exposition
from wavetank.chaos.aio.proxies import Proxies
from wavetank.chaos.reading import ProxySpec

from .wires import Target, dial, settled

pytestmark = pytest.mark.anyio


async def test_bytes_are_counted_under_toxiproxys_names() -> None:
    """By direction, proxy, listener and upstream; links are counted beside them."""
    async with Target() as target, Proxies() as proxies:
        upstream = f"127.0.0.1:{target.port}"
        proxy = await proxies.create(ProxySpec(name="a", upstream=upstream))
        client = await dial(proxy.port)
        client.send(b"hello")
        await (await target.guest()).reads(b"hello")
        families = text_string_to_metric_families(exposition(proxies).decode())
        found = {
            (sample.name, sample.labels.get("direction", "")): sample
            for family in families
            for sample in family.samples
        }
        client.transport.abort()
    came = found["toxiproxy_proxy_received_bytes_total", "upstream"]
    assert came.value == 5
    assert came.labels["proxy"] == "a"
    assert came.labels["listener"] == f"127.0.0.1:{proxy.port}"
    assert came.labels["upstream"] == upstream
    assert found["toxiproxy_proxy_sent_bytes_total", "upstream"].value == 5
    assert found["toxiproxy_proxy_sent_bytes_total", "downstream"].value == 0
    assert found["wavetank_proxy_links_opened_total", ""].value == 1
    assert found["wavetank_proxy_links_unreachable_total", ""].value == 0
    assert found["wavetank_proxy_links_open", ""].value == 1
    assert found["wavetank_proxy_links_turned_away_total", ""].value == 0
    assert KIND.startswith("text/plain; version=0.0.4")


async def test_metrics_tell_what_toxics_have_done() -> None:
    """By proxy and toxic: what came to them, and what they have hurt."""
    async with Target() as target, Proxies() as proxies:
        spec = ProxySpec(name="a", upstream=f"127.0.0.1:{target.port}", mode="bytes")
        proxy = await proxies.create(spec)
        proxy.add({"type": "noop", "stream": "upstream"})
        proxy.add({"type": "timeout", "name": "hole", "stream": "upstream"})
        client = await dial(proxy.port)
        client.send(b"hello")
        await settled(lambda: proxy.statistics()["received_upstream"] == 5)
        families = text_string_to_metric_families(exposition(proxies).decode())
        found = {
            (sample.name, sample.labels["toxic"]): sample.value
            for family in families
            for sample in family.samples
            if "toxic" in sample.labels
        }
        client.transport.abort()
    assert found["wavetank_proxy_toxic_seen_total", "hole"] == 2
    assert found["wavetank_proxy_toxic_hurt_total", "hole"] == 1
    assert found["wavetank_proxy_toxic_hurt_total", "noop_upstream"] == 0
    assert found["wavetank_proxy_toxic_chosen_total", "hole"] == 2
    assert found["wavetank_proxy_toxic_unread_total", "hole"] == 0
