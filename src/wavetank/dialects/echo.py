"""The echo dialect: whatever is sent comes back.

It refuses to know what the messages mean.
"""

from wavetank.dialects.base import (
    Ask,
    Capability,
    Endpoint,
    Event,
    Heard,
    Limits,
    Malformed,
    Publish,
    StatusPage,
)
from wavetank.errors import LocalError

__all__ = ["Echo"]


class Echo:
    """A server that sends each message back, text as text, binary as binary."""

    name = "echo"
    capabilities = frozenset({Capability.ECHO, Capability.VERBATIM})
    endpoint = Endpoint()
    limits = Limits()
    status: StatusPage | None = None

    def encode(self, ask: Ask) -> str:
        """Return the payload of a publish as it is.

        Raises:
            LocalError: If it is any other ask.
        """
        if not isinstance(ask, Publish):
            raise LocalError(f"the echo dialect cannot {type(ask).__name__.lower()}")
        return ask.payload

    def decode(self, message: str | bytes) -> Heard:
        """Return an event with the message as its payload.

        A binary message is written as Python writes bytes (``b'...'``), so that
        a text that came back as binary never passes for the text.
        """
        return Event(payload=message if isinstance(message, str) else repr(message))

    def malformed(self) -> tuple[Malformed, ...]:
        """Know of none: to an echo every message is right."""
        return ()
