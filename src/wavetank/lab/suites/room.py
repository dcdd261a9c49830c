"""Whether there is room for connections, for the suite of edge cases.

It refuses to know how much of it a target declares.
"""

import asyncio
from collections.abc import Sequence

from wavetank.errors import RemoteError
from wavetank.lab.conversation import ANSWER_WITHIN, Conversation
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.net import ConnectionEnded, HandshakeRefused

__all__ = ["judge_room", "one_more", "unserved_of"]

NO_ROOM_STATUS = frozenset({429, 503})
NO_ROOM_CODES = frozenset({1008, 1013})
"""Close codes that say that there is no room (RFC 6455 7.4.1, IANA)."""


async def unserved_of(conversations: Sequence[Conversation]) -> str:
    """Return the first thing that is wrong; "" where all are served."""
    told = await asyncio.gather(*map(_trouble, conversations))
    return next(filter(None, told), "")


async def _trouble(conversation: Conversation) -> str:
    """Return why a conversation is not served; "" where it is."""
    try:
        await _served(conversation)
    except (TimeoutError, RemoteError) as error:
        return str(error)
    return ""


async def _served(conversation: Conversation) -> None:
    await conversation.ping()
    if conversation.gets_itself:
        await conversation.round_trip(f'{{"here":"{conversation.name}"}}')


async def one_more(peer: Peers) -> tuple[str, bool]:
    """Open one more; return how it was refused, if it was, and whether that fits."""
    try:
        conversation = await peer.open_to_itself()
        await _served(conversation)
        await conversation.close()
    except HandshakeRefused as error:
        return str(error), error.status in NO_ROOM_STATUS
    except ConnectionEnded as error:
        fits = error.code in NO_ROOM_CODES or 4000 <= error.code < 5000
        return str(error), fits
    except (RemoteError, TimeoutError) as error:
        return str(error), False
    return "", True


async def judge_room(peer: Peers, notebook: Notebook, count: int) -> None:
    """Expect room for as many as have left; their ends may be noticed a bit later."""
    seen = ""
    for _ in range(count):
        seen = await _enter(peer)
        if seen:
            break
    notebook.expect(
        not seen,
        "there is room again for as many as have left",
        expected=f"{count} new connections that are served",
        seen=seen or "all of them",
    )


async def _enter(peer: Peers) -> str:
    """Open a connection, again and again for a while; return why that failed."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + ANSWER_WITHIN
    while True:
        try:
            await _served(await peer.open_to_itself())
        except (RemoteError, TimeoutError) as error:
            if loop.time() >= ends:
                return str(error)
            await asyncio.sleep(0.05)
        else:
            return ""
