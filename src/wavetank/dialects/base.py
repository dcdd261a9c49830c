"""Dialects: how to speak with a target, as values.

They refuse to know sockets, hubs and checks: text in, meaning out.
"""

import enum
from typing import Protocol, runtime_checkable

import msgspec

from wavetank.errors import LocalError

__all__ = [
    "Answer",
    "Ask",
    "Authenticate",
    "Bare",
    "Call",
    "Capability",
    "Dialect",
    "Documented",
    "Endpoint",
    "Event",
    "Foreign",
    "Heard",
    "Limits",
    "Malformed",
    "Notice",
    "Publish",
    "Reply",
    "StatusPage",
    "Subscribe",
    "Unsubscribe",
    "Welcome",
]


class Capability(enum.StrEnum):
    """What a target can do; a check names those that it needs."""

    ECHO = "echo"
    """A message comes back as it was sent, on the same connection."""
    SUBSCRIBE = "subscribe"
    """A connection can ask for the events of a topic."""
    PUBLISH = "publish"
    """A connection can publish to a topic."""
    OWN = "own"
    """A publisher that is subscribed gets its own events, too."""
    ACKNOWLEDGE = "acknowledge"
    """A publication is answered once it is accepted."""
    SEQUENCE = "sequence"
    """Events carry a sequence number, +1 for each publication of a topic."""
    VERBATIM = "verbatim"
    """A payload arrives byte for byte; else only its JSON value does."""
    ANSWER = "answer"
    """A call is answered with the payload that it carries."""
    RESUME = "resume"
    """A subscription can start behind a position, and what was missed follows."""
    WELCOME = "welcome"
    """The target speaks first."""
    ERRORS = "errors"
    """A bad message is answered with an error, and the connection goes on."""
    STATUS = "status"
    """A page over HTTP says how many connections are open."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the opening handshake asks for.

    Attributes:
        path: Path where the URL of the target names none.
        subprotocols: Offered in this order.
        preamble: Texts to send, in this order, once the connection is open.
    """

    path: str = "/"
    subprotocols: tuple[str, ...] = ()
    preamble: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the target declares; None is "it does not say".

    Attributes:
        payload: Largest payload of a publication in bytes.
        message: Largest WebSocket message in bytes.
        handshake: Longest opening handshake in seconds.
        liveness: Seconds until a peer that answers no pings is let go.
    """

    payload: int | None = None
    message: int | None = None
    handshake: float | None = None
    liveness: float | None = None


class StatusPage(msgspec.Struct, frozen=True, kw_only=True):
    """Where the number of open connections stands: path, then keys in its JSON."""

    path: str
    connections: tuple[str, ...]


class Authenticate(msgspec.Struct, frozen=True, kw_only=True):
    """Present a token."""

    id: int
    token: str


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for a topic's events; behind (epoch, seq) where both are given."""

    id: int
    topic: str
    epoch: str = ""
    seq: int | None = None


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True):
    """End a subscription."""

    id: int
    topic: str


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Publish a payload, which is one JSON text, passed on byte for byte."""

    id: int
    topic: str
    payload: str


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for an answer that carries the payload back, which is one JSON text."""

    id: int
    payload: str


Ask = Authenticate | Subscribe | Unsubscribe | Publish | Call


class Malformed(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the target has to refuse.

    Attributes:
        title: What is wrong with it, such as ``a publish without a topic``.
        message: The text to send.
        codes: Error codes of which one has to come back; empty accepts any.
    """

    title: str
    message: str
    codes: tuple[str, ...] = ()


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The target's first word; ``problem`` says what is wrong with it, or ""."""

    problem: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A publication as it came to a subscriber (or an echo, with topic "")."""

    payload: str
    topic: str = ""
    seq: int | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an ask.

    Attributes:
        id: Of the ask; None where the target does not say, and then it answers
            the oldest ask without an answer.
        ok: Whether it was done.
        epoch: Life of the topic's log, where the target has one.
        seq: Sequence number given to a publication, or the top of the log.
        recovered: Answer to a resume: True, or False with a reason in ``code``;
            None where nothing was to be recovered.
        code: Error code.
        text: Error message.
    """

    id: int | None
    ok: bool
    epoch: str = ""
    seq: int | None = None
    recovered: bool | None = None
    code: str = ""
    text: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a call, as it came back."""

    payload: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something of the protocol that nobody asked for: a heartbeat, a gap.

    Attributes:
        name: What it is.
        text: What it says, in words.
        topic: Of a gap: its topic.
        first: Of a gap: the first that will not come.
        last: Of a gap: the last that will not come.
        epoch: Of a gap: the life that ``first`` and ``last`` are of; "" for the
            present one.
    """

    name: str
    text: str = ""
    topic: str = ""
    first: int | None = None
    last: int | None = None
    epoch: str = ""


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is not of this dialect; evidence, not an error."""

    text: str


Heard = Welcome | Event | Reply | Answer | Notice | Foreign


class Dialect(Protocol):
    """How a target speaks. Stateless: the same text always means the same."""

    name: str
    capabilities: frozenset[Capability]
    endpoint: Endpoint
    limits: Limits
    status: StatusPage | None

    def encode(self, ask: Ask) -> str:
        """Return the text message for an ask.

        Raises:
            LocalError: If the dialect has no such ask.
        """
        ...

    def decode(self, message: str | bytes) -> Heard:
        """Return what a message from the target means; never raises."""
        ...

    def malformed(self) -> tuple[Malformed, ...]:
        """Return messages that the target has to refuse; empty without ERRORS."""
        ...


@runtime_checkable
class Documented(Protocol):
    """A dialect whose messages a document describes; not every one is.

    Attributes:
        document: Path where a target serves its AsyncAPI document.
    """

    document: str

    def contract(self) -> str:
        """Return the document of the protocol, for a target that serves none."""
        ...

    def prompts(self, topic: str) -> tuple[str, ...]:
        """Return messages that bring about what no ask does.

        Args:
            topic: Nobody else uses it, nor any topic below it.
        """
        ...


class Bare:
    """The no-op: a WebSocket server of which nothing else is known."""

    name = "bare"
    capabilities: frozenset[Capability] = frozenset()
    endpoint = Endpoint()
    limits = Limits()
    status: StatusPage | None = None

    def encode(self, ask: Ask) -> str:
        """Refuse: nothing can be asked of a target that nobody described."""
        raise LocalError(f"the bare dialect cannot {type(ask).__name__.lower()}")

    def decode(self, message: str | bytes) -> Heard:
        """Pass every message as foreign."""
        return Foreign(text=message if isinstance(message, str) else repr(message))

    def malformed(self) -> tuple[Malformed, ...]:
        """Know of none."""
        return ()
