"""Metrics: what a node counts, in the words of Prometheus."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wavetank import __version__
from wavetank.clock import VirtualClock
from wavetank.hub.aio.metrics import expose
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.topic import Subscriber
from wavetank.hub.recovery import Begin
from wavetank.hub.tally import REASONS
from wavetank.protocol import ErrorCode, Subscribe

pytestmark = pytest.mark.anyio

MakeNode = Callable[..., Node]

ALERTS = Path(__file__).parents[3] / "deploy" / "prometheus"
RULES = ALERTS / "wavetank-alerts.yml"
PROOFS = ALERTS / "wavetank-alerts.test.yml"

NAMES = {
    *("wavetank_build_info", "wavetank_draining", "wavetank_topics"),
    *("wavetank_connections", "wavetank_subscriptions", "wavetank_users"),
    "wavetank_connections_accepted_total",
    "wavetank_connection_rejected_total",
    "wavetank_connection_closed_total",
    "wavetank_messages_published_total",
    "wavetank_messages_fanout_total",
    "wavetank_messages_accounted_total",
    "wavetank_messages_pending",
    "wavetank_messages_unaccounted",
    "wavetank_replayed_messages_total",
    "wavetank_gaps_total",
    "wavetank_log_lines_dropped_total",
    "wavetank_recover_total",
    "wavetank_slow_consumer_total",
    "wavetank_clients_lagging",
    *("wavetank_client_lag_messages", "wavetank_client_lag_seconds"),
    *("wavetank_auth_total", "wavetank_rate_limited_total", "wavetank_errors_total"),
    *("wavetank_store_bytes", "wavetank_store_failing"),
    *(
        f"wavetank_{name}_seconds_{part}"
        for name in ("delivery", "client_rtt", "store_append", "event_loop_lag")
        for part in ("bucket", "count", "sum")
    ),
}
"""Everything that is ours, as it stands on the page."""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def samples_of(node: Node) -> Samples:
    """Return what is exposed: value by name and labels."""
    text, _ = await expose(node)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """Return one of them."""
    return samples[f"wavetank_{name}", frozenset(labels.items())]


async def test_metrics_have_their_names_from_the_start(make_node: MakeNode) -> None:
    """All but ends, whose codes are too many, are there before anything happens."""
    samples = await samples_of(make_node())
    ours = {name for name, _ in samples if name.startswith("wavetank_")}
    assert ours == NAMES - {"wavetank_connection_closed_total"}
    process = {name for name, _ in samples} - ours
    assert "process_resident_memory_bytes" in process
    assert all(name.startswith("process_") for name in process)


async def test_metrics_are_text_as_every_prometheus_reads_it(
    make_node: MakeNode,
) -> None:
    """With its content type, and a line of help for each."""
    text, content_type = await expose(make_node())
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(text.decode()))
    assert all(family.documentation for family in families)
    assert all(family.type != "unknown" for family in families)


async def test_metrics_tell_what_runs(make_node: MakeNode) -> None:
    """A name with quotes and line ends in it breaks no line."""
    samples = await samples_of(make_node(node='a "hub"\n}1'))
    ((labels, number),) = [
        (dict(labels), number)
        for (name, labels), number in samples.items()
        if name == "wavetank_build_info"
    ]
    assert number == 1
    assert (labels["version"], labels["protocol"]) == (__version__, "wavetank.v1")
    assert labels["node"] == 'a "hub"\n}1'


async def test_metrics_count_what_the_tally_counts(make_node: MakeNode) -> None:
    """Each under its label."""
    node = make_node()
    tally = node.tally
    tally.accepted["echo"] += 2
    tally.rejected.add("403", 3)
    tally.rejected.add("418")
    tally.ended(4108, "hub")
    tally.published["duplicate"] += 4
    tally.delivered += 5
    tally.replayed += 6
    tally.gaps += 7
    tally.errors.add(ErrorCode.INVALID_JSON, 8)
    tally.rate_limited["subscribe"] += 9
    tally.began(recovered=False, reason="diverged")
    tally.slow["close"] += 10
    tally.auth["expired"] += 11
    tally.lines_dropped.number += 12
    samples = await samples_of(node)
    assert value(samples, "connections_accepted_total", subprotocol="echo") == 2
    assert value(samples, "connection_rejected_total", reason="forbidden") == 3
    assert value(samples, "connection_rejected_total", reason="other") == 1
    closed = {"code": "4108", "initiator": "hub"}
    assert value(samples, "connection_closed_total", **closed) == 1
    assert value(samples, "messages_published_total", result="duplicate") == 4
    assert value(samples, "messages_fanout_total") == 5
    assert value(samples, "replayed_messages_total") == 6
    assert value(samples, "gaps_total") == 7
    assert value(samples, "errors_total", code="invalid_json") == 8
    assert value(samples, "rate_limited_total", bucket="subscribe") == 9
    assert value(samples, "recover_total", result="diverged") == 1
    assert value(samples, "slow_consumer_total", policy="close") == 10
    assert value(samples, "auth_total", result="expired") == 11
    assert value(samples, "log_lines_dropped_total") == 12


async def test_metrics_have_a_bounded_number_of_series(make_node: MakeNode) -> None:
    """Whatever clients make up: codes, statuses, reasons."""
    node = make_node()
    for number in range(5000):
        node.tally.ended(number, "client")
        node.tally.rejected.add(str(number))
        node.tally.began(recovered=False, reason=f"r{number}")
    samples = await samples_of(node)
    rejected = [
        1 for name, _ in samples if name == "wavetank_connection_rejected_total"
    ]
    assert len(rejected) == len(REASONS) + 1
    assert len(samples) < 300


async def test_metrics_spread_times_over_classes(make_node: MakeNode) -> None:
    """Each class counts what the ones below it do, as a histogram has to."""
    node = make_node()
    node.tally.append.observe(0.004)
    node.tally.append.observe(0.4, 3)
    node.tally.append.observe(99.0)
    node.tally.rtt.observe(0.02)
    node.tally.store.observe(0.02)
    node.tally.loop_lag(0.02)
    samples = await samples_of(node)
    stage = {"stage": "append"}
    below = [
        value(samples, "delivery_seconds_bucket", le=bound, **stage)
        for bound in ("0.0025", "0.005", "0.25", "0.5", "30.0", "+Inf")
    ]
    assert below == [0, 1, 1, 4, 4, 5]
    assert value(samples, "delivery_seconds_count", **stage) == 5
    total = value(samples, "delivery_seconds_sum", **stage)
    assert total == pytest.approx(0.004 + 1.2 + 99.0)
    assert value(samples, "delivery_seconds_count", stage="fanout") == 0
    for name in ("client_rtt", "store_append", "event_loop_lag"):
        assert value(samples, f"{name}_seconds_count") == 1


async def test_metrics_tell_who_is_there_and_who_lags(
    make_node: MakeNode, clock: VirtualClock
) -> None:
    """Connections, users, topics, subscriptions, and the one furthest behind."""
    node = make_node()
    node.admission.enter("10.0.0.1")
    node.admission.sign_in("somebody")
    somebody = Subscriber("c-1", lambda data: None)
    node.subscribe(somebody, Subscribe(id=1, topic="t"), Begin(0, 0))
    node.fanout.paused(somebody)
    log = node.topics["t"].log
    for _ in range(3):
        log.append(b"1", clock.wall())
    log.reveal(3)
    clock.advance(7.0)
    node.is_draining = True
    samples = await samples_of(node)
    for name in ("connections", "users", "topics", "subscriptions", "draining"):
        assert value(samples, name) == 1
    assert value(samples, "clients_lagging") == 1
    assert value(samples, "client_lag_messages") == 3
    assert value(samples, "client_lag_seconds") == 7
    assert value(samples, "messages_pending") == 3
    assert value(samples, "messages_unaccounted") == 0
    node.topics["t"].account.delivered += 1
    assert value(await samples_of(node), "messages_unaccounted") == 1
    accounted = await samples_of(node)
    assert value(accounted, "messages_accounted_total", fate="delivered") == 1


async def test_metrics_tell_that_the_log_cannot_be_written(
    make_node: MakeNode, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert waits for it."""
    node = make_node()
    assert value(await samples_of(node), "store_failing") == 0
    monkeypatch.setattr(type(log), "is_failing", True)
    monkeypatch.setattr(type(log), "statistics", lambda log: {"bytes": 12})
    samples = await samples_of(node)
    assert value(samples, "store_failing") == 1
    assert value(samples, "store_bytes") == 12


# The alerts that are shipped.


def names_in(lines: list[str]) -> set[str]:
    """Return the metrics that lines speak of."""
    return set(re.findall(r"\bwavetank_[a-z_]+", "\n".join(lines)))


def test_alerts_speak_of_metrics_that_there_are() -> None:
    """A name that nobody exposes never fires, and leads whoever reads it astray."""
    lines = RULES.read_text(encoding="utf-8").splitlines()
    words = [line for line in lines if re.match(r" +(summary|description): |#", line)]
    asked = names_in([line for line in lines if line not in words])
    assert len(asked) > 10
    assert asked <= NAMES
    histograms = {name.removesuffix("_bucket") for name in NAMES}
    assert names_in(words) <= NAMES | histograms
    assert names_in(PROOFS.read_text(encoding="utf-8").splitlines()) <= (
        NAMES | histograms
    )


def test_alerts_are_each_shown_to_fire_and_to_be_silent() -> None:
    """Once with what makes it fire, once where all is well."""
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))
    proofs = PROOFS.read_text(encoding="utf-8")
    assert len(alerts) >= 8
    assert len(set(alerts)) == len(alerts)
    for alert in alerts:
        silent = rf"alertname: {alert}\n +exp_alerts: \[\]"
        firing = rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels:"
        assert re.search(silent, proofs), alert
        assert re.search(firing, proofs), alert


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian's package prometheus has it)",
)
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", str(RULES)), ("test", "rules", str(PROOFS))],
    ids=["check", "test"],
)
def test_alerts_fire_in_prometheus_itself(arguments: tuple[str, ...]) -> None:
    """Its own tool evaluates each rule over made-up series."""
    ended = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
