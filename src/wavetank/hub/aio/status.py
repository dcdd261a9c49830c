"""The status page: what a node is doing, as one value.

It refuses to know who may see it.
"""

import heapq
from math import inf
from typing import Any

from wavetank import __version__
from wavetank.hub.aio.node import Node
from wavetank.hub.aio.survey import Survey, slices, survey
from wavetank.hub.aio.topic import Topic
from wavetank.hub.tally import Spread
from wavetank.protocol import format_tag

__all__ = ["describe"]

MOST_TOPICS = 1000
"""Most topics that are named."""

MOST_SLOW = 10
"""Most connections that are named as the slowest."""


async def describe(node: Node) -> dict[str, Any]:
    """Return what the status page says.

    The loop has its turn between topics, so the sums over all topics are of some
    moments and not of one; each topic is of one.
    """
    found = await survey(node, most_names=MOST_TOPICS)
    return {
        "node": node.config.node,
        "version": __version__,
        "uptime_s": round(node.uptime, 3),
        "draining": node.is_draining,
        "degraded": node.is_degraded,
        "connections": _connections(node, found),
        "published": node.tally.published["accepted"],
        "publications": dict(node.tally.published),
        "rates": _rates(node),
        "delivery": _delivery(node),
        "recovery": dict(node.tally.recovered),
        "errors": node.tally.errors.seen,
        "rate_limited": node.tally.rate_limited.seen,
        "auth": dict(node.tally.auth),
        "subscriptions": found.subscriptions,
        "topics_total": found.topics,
        "topics": await _topics(node, found.names),
        "accounting": found.fates,
        "limits": _limits(node),
        "log": _log(node),
    }


def _connections(node: Node, found: Survey) -> dict[str, Any]:
    tally, crowd = node.tally, node.config.crowd
    closed: dict[str, int] = {}
    for (code, _), count in sorted(tally.closed.items()):
        closed[code] = closed.get(code, 0) + count
    return node.admission.statistics() | {
        "limit_per_ip": crowd.per_ip,
        "limit_per_user": crowd.per_user,
        "opened": tally.accepted.total,
        "closed": closed,
        "refused": tally.rejected.seen,
        "slow": dict(tally.slow),
        "lagging": len(found.laggards),
        "slowest": _slowest(found),
    }


def _slowest(found: Survey) -> list[dict[str, Any]]:
    """Return those that lag most; replays are no lag."""
    slowest = heapq.nlargest(MOST_SLOW, found.laggards, key=lambda each: each.size)
    return [
        {
            "connection": each.name,
            "age_s": round(each.age, 3),
            "bytes": each.size,
            "messages": each.messages,
        }
        for each in slowest
    ]


def _rates(node: Node) -> dict[str, float]:
    rates = node.tally.rates(node.clock.now())
    return {f"{name}_per_s": round(value, 3) for name, value in rates._asdict().items()}


def _delivery(node: Node) -> dict[str, Any]:
    """Return how long things take; of a quantile, the bound that it is below."""
    tally = node.tally
    return {
        "messages": tally.delivered,
        "replayed": tally.replayed,
        "gaps": tally.gaps,
        "append": _spread(tally.append),
        "fanout": _spread(tally.fanout),
        "rtt": _spread(tally.rtt),
        "loop_lag": _spread(tally.lag),
    }


def _spread(spread: Spread) -> dict[str, float | None]:
    """Return a few numbers of many; no quantile where nothing is above it."""
    shown = {"p50_s": spread.quantile(0.5), "p99_s": spread.quantile(0.99)}
    return {
        "count": spread.count,
        "mean_s": round(spread.mean, 6),
        # JSON has no infinity.
        **{name: None if value == inf else value for name, value in shown.items()},
    }


async def _topics(node: Node, names: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async for some in slices(names):
        # Meanwhile one that nobody ever published to may have been forgotten.
        known = ((name, node.topics.get(name)) for name in some)
        rows += [_topic(name, topic) for name, topic in known if topic is not None]
    return rows


def _topic(name: str, topic: Topic) -> dict[str, Any]:
    log, cursors = topic.log, topic.cursors
    balance = topic.balance()
    return {
        "topic": name,
        "epoch": log.epoch,
        "seq": log.visible,
        "tag": format_tag(log.visible_tag),
        "oldest": log.oldest,
        "bytes_in_memory": log.ring.size,
        "subscribers": topic.subscribers,
        "behind": len(cursors.behind),
        "accounting": {
            name: getattr(balance, name) for name in balance.__struct_fields__
        },
    }


def _limits(node: Node) -> dict[str, Any]:
    limits = node.config.limits
    return {name: getattr(limits, name) for name in limits.__dataclass_fields__}


def _log(node: Node) -> dict[str, Any]:
    config, log = node.config, node.log
    return {
        "kind": log.name,
        "epoch": log.epoch,
        "durability": [*map(str, config.durability), config.usual_durability],
        "failing": log.is_failing,
        "append": _spread(node.tally.store),
        "statistics": log.statistics(),
    }
