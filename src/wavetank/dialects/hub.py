"""The hub dialect: ``wavetank.v1`` as the lab speaks and hears it.

It refuses to know the JSON, which is ``wavetank.protocol``'s, and the hub itself.
"""

import json

import msgspec

from wavetank import protocol
from wavetank.dialects.base import (
    Ask,
    Authenticate,
    Capability,
    Endpoint,
    Event,
    Foreign,
    Heard,
    Limits,
    Malformed,
    Notice,
    Publish,
    Reply,
    StatusPage,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from wavetank.errors import LocalError
from wavetank.protocol.asyncapi import document

__all__ = ["Hub"]

_PROMPTED = 1_000_001
"""First id of a prompt."""

_MALFORMED = (
    # Title, message, codes where it is not invalid_message. At most 15 rows: the hub
    # closes a connection after 20 errors in 10 s.
    ("a text that is not JSON", '{"type":"ping","id":1', ("invalid_json",)),
    ("an array", '["ping"]', ("invalid_message", "invalid_json")),
    ("a message without a type", '{"id":1}', ()),
    ("a type that is a number", '{"type":7,"id":1}', ()),
    ("a type that nobody knows", '{"type":"shout","id":1}', ("unknown_type",)),
    ("a publish without a topic", '{"type":"publish","id":1,"data":1}', ()),
    ("a publish without data", '{"type":"publish","id":1,"topic":"a"}', ()),
    ("a subscribe without an id", '{"type":"subscribe","topic":"a"}', ()),
    ("an id that is an object", '{"type":"ping","id":{}}', ()),
    ("a topic that is a number", '{"type":"subscribe","id":1,"topic":5}', ()),
    (
        "a position that is a number",
        '{"type":"subscribe","id":1,"topic":"a","since":41}',
        (),
    ),
    (
        "a topic with an empty segment",
        '{"type":"publish","id":1,"topic":"a..b","data":1}',
        ("invalid_topic",),
    ),
    (
        "a publish to a pattern",
        '{"type":"publish","id":1,"topic":"a.*","data":1}',
        ("invalid_topic",),
    ),
    (
        "an unsubscribe from what was never subscribed",
        '{"type":"unsubscribe","id":1,"topic":"never.subscribed"}',
        ("not_subscribed",),
    ),
)


class Hub:
    """The reference hub, and every server that speaks as it does."""

    name = "hub"
    capabilities = frozenset(Capability) - {Capability.ECHO, Capability.ANSWER}
    endpoint = Endpoint(path="/ws", subprotocols=(protocol.PROTOCOL,))
    limits = Limits(
        payload=64 * 1024, message=1024 * 1024, handshake=10.0, liveness=40.0
    )
    status: StatusPage | None = StatusPage(
        path="/api/websocket/status", connections=("connections", "open")
    )

    document = "/asyncapi.json"

    def encode(self, ask: Ask) -> str:
        """Return the command; a resume needs both epoch and seq, else it is live.

        Raises:
            LocalError: If it is a call, which the hub does not know.
        """
        return protocol.encode_command(_command(ask)).decode()

    def decode(self, message: str | bytes) -> Heard:
        """Return what a push or a reply means; never raises.

        The hub sends text only, so a binary message is foreign.
        """
        if not isinstance(message, str):
            return Foreign(text=repr(message))
        pushed = protocol.decode_push(message)
        if isinstance(pushed, protocol.Unknown) and pushed.type == "welcome":
            return Welcome(problem=pushed.problem)
        heard = _heard(pushed)
        return Foreign(text=message) if heard is None else heard

    def malformed(self) -> tuple[Malformed, ...]:
        """Return messages that the hub has to refuse, each with its error code."""
        return tuple(
            Malformed(title=title, message=message, codes=codes or ("invalid_message",))
            for title, message, codes in _MALFORMED
        )

    def contract(self) -> str:
        """Return the document of ``wavetank.v1``."""
        return json.dumps(document(protocol.PROTOCOL))

    def prompts(self, topic: str) -> tuple[str, ...]:
        """Return commands with a pattern, a topic new to it, its history, and a ping.

        Their ids are beyond those that the lab asks with.
        """
        new, pattern = f"{topic}.new", f"{topic}.*"
        commands = (
            protocol.Subscribe(id=_PROMPTED, topic=pattern),
            protocol.Publish(id=_PROMPTED + 1, topic=new, data=msgspec.Raw(b"1")),
            protocol.Publish(id=_PROMPTED + 2, topic=new, data=msgspec.Raw(b"2")),
            protocol.History(id=_PROMPTED + 3, topic=new),
            protocol.Ping(id=_PROMPTED + 4),
            protocol.Unsubscribe(id=_PROMPTED + 5, topic=pattern),
        )
        return tuple(protocol.encode_command(one).decode() for one in commands)


def _command(ask: Ask) -> protocol.Command:
    match ask:
        case Authenticate():
            return protocol.Auth(id=ask.id, token=ask.token)
        case Publish():
            data = msgspec.Raw(ask.payload.encode())
            return protocol.Publish(id=ask.id, topic=ask.topic, data=data)
        case Subscribe(epoch=str(epoch), seq=int(seq)) if epoch:
            since = protocol.Position(epoch=epoch, seq=seq)
            return protocol.Subscribe(id=ask.id, topic=ask.topic, since=since)
        case Subscribe():
            return protocol.Subscribe(id=ask.id, topic=ask.topic)
        case Unsubscribe():
            return protocol.Unsubscribe(id=ask.id, topic=ask.topic)
    raise LocalError("the hub dialect cannot call")


def _heard(pushed: object) -> Heard | None:
    """Return what a message means to the lab; None where it means nothing."""
    match pushed:
        case protocol.Event():
            payload = bytes(pushed.data).decode()
            return Event(payload=payload, topic=pushed.topic, seq=pushed.seq)
        case protocol.Welcome():
            return Welcome(problem=_problem(pushed))
    return _notice(pushed) or _reply(pushed)


def _notice(pushed: object) -> Notice | None:
    """Return what nobody asked for."""
    match pushed:
        case protocol.Unsubscribed(id=None):
            return Notice(name="unsubscribed", text=f"{pushed.topic}: {pushed.reason}")
        case protocol.Gap():
            text = f"{pushed.topic}: {pushed.first} to {pushed.last}, {pushed.reason}"
            return Notice(
                name="gap",
                text=text,
                topic=pushed.topic,
                first=pushed.first,
                last=pushed.last,
                epoch=pushed.epoch or "",
            )
        case protocol.TopicAdded():
            return Notice(name="topic", text=pushed.topic)
        case protocol.Heartbeat():
            return Notice(name="heartbeat")
        case protocol.Notice():
            return Notice(name=pushed.code)
    return None


def _problem(welcome: protocol.Welcome) -> str:
    if welcome.protocol == protocol.PROTOCOL:
        return ""
    return f"it speaks {welcome.protocol!r}, not {protocol.PROTOCOL!r}"


def _reply(pushed: object) -> Reply | None:
    """Return an answer; None where its id is a text, which none of ours is."""
    id = getattr(pushed, "id", None)
    if isinstance(id, str):
        return None
    match pushed:
        case protocol.Error():
            return Reply(id=id, ok=False, code=pushed.code, text=pushed.message)
        case protocol.Subscribed():
            return Reply(
                id=id,
                ok=True,
                epoch=pushed.epoch,
                seq=pushed.seq,
                recovered=pushed.recovered,
                code=pushed.reason or "",
            )
        case protocol.Published():
            return Reply(id=id, ok=True, epoch=pushed.epoch, seq=pushed.seq)
        case (
            protocol.Authenticated()
            | protocol.Unsubscribed()
            | protocol.SubscribedPattern()
            | protocol.HistoryPage()
            | protocol.Pong()
        ):
            return Reply(id=id, ok=True)
    return None
