"""Lines: what goes on in the demo, for people and for programs.

They refuse to know where lines go.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from wavetank.demo.ledger import Account

__all__ = ["account_fields", "json_line", "text_lines"]

_WORDS: Mapping[str, str] = {
    "started": "started as process {pid}",
    "connected": "connected",
    "disconnected": "the hub is not heard ({reason}); going on",
    "gap": "{topic}: a gap of {count} or more ({reason})",
    "failed": "{topic}: number {number} was not published: {reason}",
    "gave_up": "gave up: {reason}",
    "price": "{price} ({ticks} so far)",
    "decision": "{action}: {reason}",
    "order": "order {order} to {side} {quantity}: {state}",
    "fill": "order {order}: {quantity} at {price}",
    "position": "holds {quantity}, equity {equity}, profit {profit}",
    "hub_started": "listens on {url} as process {pid}",
    "hub_ended": "ended ({how}); it is started again",
    "ended": "ended with exit code {code}",
    "stopping": "stopping",
}
"""What people read of each kind; kinds without words are for programs only."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_line(kind: str, role: str, at: float, fields: Mapping[str, Any]) -> bytes:
    """Return one JSON object and a line end.

    Args:
        kind: What has happened.
        role: To whom.
        at: When, in seconds since 1970.
        fields: What there is to say.
    """
    head = {"type": kind, "role": role, "at": round(at * 1000, 3)}
    return _encode({**head, **fields}) + b"\n"


def text_lines(kind: str, role: str, fields: Mapping[str, Any]) -> list[str]:
    """Return what a person reads, line by line; none where that is too much."""
    if kind == "finished":
        told = _finished(fields)
    elif kind in _WORDS:
        told = [_WORDS[kind].format_map(fields)]
    else:
        told = []
    return [f"{role:<9}  {_plain(words)}" for words in told]


def _plain(words: str) -> str:
    """Leave out what a terminal would obey: a hub's words may stand in it."""
    return "".join(each if each.isprintable() else "?" for each in words)


def _finished(fields: Mapping[str, Any]) -> list[str]:
    outcome = fields.get("outcome")
    if outcome is None:
        words = f"finished: {fields['acknowledged']} of {fields['accepted']} published"
        missed = fields.get("missed")
        return [f"{words}, {missed} prices missed" if missed else words]
    checked = ", ".join(f"{name} {n}" for name, n in fields["checked"].items())
    return [
        f"{fields['received']} messages; identities checked: {checked or 'none'}",
        *fields["gaps"],
        *fields["problems"],
        _OUTCOMES[outcome],
    ]


_OUTCOMES = {
    "whole": "the account is whole: nothing is missing, and all of it adds up",
    "broken": "the account is not whole",
    "unknown": "nothing was missing, but nothing could be checked either",
}


def account_fields(account: Account) -> dict[str, Any]:
    """Return an account as the fields of a ``finished`` line."""
    fields: dict[str, Any] = msgspec.to_builtins(account)
    return {**fields, "received": account.received}
