"""How a target speaks, where nobody has said so: a welcome, an echo, or neither.

It refuses to know how it is reached.
"""

import asyncio
import contextlib
import json
import secrets
from asyncio import FIRST_COMPLETED
from typing import Any

from wavetank.dialects import Bare, Dialect, Echo, recognise
from wavetank.errors import RemoteError
from wavetank.net import Peer

__all__ = ["recognised"]

_PROBE_WITHIN = 1.0
_HEAR_WITHIN = 0.4
_WAKES_WITHIN = 5.0
"""Seconds that a target may stand still while it is asked."""


async def recognised(peer: Peer) -> Dialect:
    """Guess the dialect: a welcome that we know, an echo, or bare.

    Who says something unasked is taken for no echo, even if it echoes: what it
    says by itself could not be told from an echo that went wrong.

    Args:
        peer: A connection that nobody has used yet.
    """
    first = await _next(peer, _HEAR_WITHIN)
    if first is None:
        probe = json.dumps({"wavetank": f"probe-{secrets.token_hex(8)}"})
        with contextlib.suppress(RemoteError, TimeoutError):
            first = await _answer(peer, probe)
        if first == probe:
            return Echo()
    heard = [] if first is None else [first]
    return recognise(heard, peer.subprotocol) or Bare()


async def _answer(peer: Peer, probe: str) -> str | bytes | None:
    """Send a text, and return what comes next; None where nothing does.

    Silence counts only behind a pong, and up to another one: a target that stands
    still, or that this machine keeps from running, has nothing to say either.
    """
    await peer.send(probe)
    steps: list[asyncio.Task[Any]] = []
    try:
        hearing = asyncio.create_task(peer.receive(3 * _WAKES_WITHIN))
        steps.append(hearing)
        for within in (_PROBE_WITHIN, _HEAR_WITHIN):
            pinging = asyncio.create_task(peer.ping(_WAKES_WITHIN))
            steps.append(pinging)
            await asyncio.wait((hearing, pinging), return_when=FIRST_COMPLETED)
            await asyncio.wait((hearing,), timeout=within)
            if hearing.done():
                return hearing.result()
        return None
    finally:
        for step in steps:
            step.cancel()
        await asyncio.gather(*steps, return_exceptions=True)


async def _next(peer: Peer, within: float) -> str | bytes | None:
    """Return the next message, None where none came."""
    try:
        return await peer.receive(within)
    except (TimeoutError, RemoteError):
        return None
