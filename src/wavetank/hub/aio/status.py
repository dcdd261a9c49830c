"""The status page: what a node is doing, as one value.

It refuses to know who may see it.
"""

import heapq
from collections import Counter
from typing import Any

from wavetank import __version__
from wavetank.hub.accounting import Balance
from wavetank.hub.aio.fanout import Subscriber, Topic
from wavetank.hub.aio.node import Node
from wavetank.protocol import format_tag

__all__ = ["describe"]

MOST_TOPICS = 1000
"""Most topics that are named."""

MOST_SLOW = 10
"""Most connections that are named as the slowest."""


def describe(node: Node) -> dict[str, Any]:
    """Return what the status page says."""
    names = heapq.nsmallest(MOST_TOPICS, node.topics)
    totals: Counter[str] = Counter()
    for topic in node.topics.values():
        totals.update(_fates(_balance(topic)))
    return {
        "node": node.config.node,
        "version": __version__,
        "uptime_s": round(node.uptime, 3),
        "draining": node.is_draining,
        "connections": _connections(node),
        "published": node.published,
        "topics_total": len(node.topics),
        "topics": [_topic(name, node.topics[name]) for name in names],
        "accounting": dict(totals),
        "limits": _limits(node),
        "log": {"kind": node.log.name, "epoch": node.log.epoch},
    }


def _connections(node: Node) -> dict[str, Any]:
    return node.admission.statistics() | {
        "opened": node.opened,
        "closed": {str(code): count for code, count in sorted(node.closed.items())},
        "refused": dict(sorted(node.refused.items())),
        "slowest": _slowest(node),
    }


def _slowest(node: Node) -> list[dict[str, Any]]:
    """Return those that lag most; replays are no lag."""
    late: dict[Subscriber, None] = {}
    for topic in node.topics.values():
        late.update(dict.fromkeys(topic.cursors.behind))
    found = ((each, node.fanout.behind(each)) for each in late)
    rows = [
        {"connection": each.name, "age_s": round(lag.age, 3), "bytes": lag.size}
        for each, lag in found
        if lag is not None
    ]
    return heapq.nlargest(MOST_SLOW, rows, key=lambda row: row["bytes"])


def _topic(name: str, topic: Topic) -> dict[str, Any]:
    log, cursors = topic.log, topic.cursors
    return {
        "topic": name,
        "epoch": log.epoch,
        "seq": log.visible,
        "tag": format_tag(log.visible_tag),
        "oldest": log.oldest,
        "bytes_in_memory": log.ring.size,
        "subscribers": len(cursors),
        "behind": len(cursors.behind),
        "accounting": _fates(_balance(topic)),
    }


def _balance(topic: Topic) -> Balance:
    top = topic.log.visible
    return topic.account.balance(top, topic.cursors.pending(top))


def _fates(balance: Balance) -> dict[str, int]:
    return {name: getattr(balance, name) for name in balance.__struct_fields__}


def _limits(node: Node) -> dict[str, Any]:
    limits = node.config.limits
    return {name: getattr(limits, name) for name in limits.__dataclass_fields__}
