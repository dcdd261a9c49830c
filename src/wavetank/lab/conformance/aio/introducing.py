"""Introducing: what a target wants to hear before anything else, as its dialect has it.

It refuses to know what will be said then.
"""

from wavetank.dialects import Bare, Capability, Hub, Subscribe, Welcome
from wavetank.lab.conformance.aio.playing import Player
from wavetank.lab.conformance.echoes import Post, Way
from wavetank.lab.target import Target

__all__ = ["introduce"]


async def introduce(player: Player, way: Way, target: Target) -> None:
    """Say the preamble, log in, wait for the welcome, and subscribe.

    Args:
        player: Whose connection it is.
        way: How messages will come back.
        target: Whose dialect and token.

    Raises:
        Refused: If the target says no.
        TimeoutError: If it does not answer.
        ConnectionEnded: If it ends the connection.
    """
    dialect = target.dialect
    for text in dialect.endpoint.preamble:
        await player.say(text)
    if target.token and not isinstance(dialect, Hub):
        # The hub has it from the handshake's headers already.
        await player.authenticate(dialect, target.token)
    if Capability.WELCOME in dialect.capabilities and not isinstance(dialect, Bare):
        await player.wait_for(Welcome, dialect)
    if isinstance(way, Post):
        await player.ask(dialect, Subscribe(id=1, topic=way.topic))
    player.ready()
