"""Session: one connection's state; a command comes in, effects go out.

It refuses to know bytes on the wire, topics' contents, timers and sockets.

    NEW -> WAITING_FOR_AUTH -> OPEN -> CLOSING -> CLOSED

Any state may go to CLOSING or CLOSED; NEW goes to OPEN where nobody has to sign
in, or where the opening handshake brought a good token.
"""

import enum
from collections.abc import Callable
from math import inf
from typing import Any, Literal

from wavetank import __version__
from wavetank.errors import LocalError
from wavetank.hub.access import ANONYMOUS, EVERYTHING, Claims, Denied, lost_rights
from wavetank.hub.config import HubConfig
from wavetank.hub.effects import (
    Beat,
    Behind,
    Close,
    Effect,
    Forbid,
    Moment,
    Perform,
    Send,
)
from wavetank.hub.limits import Buckets, Flood
from wavetank.hub.patience import Patience
from wavetank.hub.rules import (
    Objection,
    judge_history,
    judge_overlap,
    judge_publish,
    judge_subscribe,
)
from wavetank.hub.tally import Tally
from wavetank.protocol import (
    CLOSES,
    ERRORS,
    PROTOCOL,
    Auth,
    Authenticated,
    CloseCode,
    Command,
    CommandError,
    Error,
    ErrorCode,
    History,
    Id,
    Limits,
    Notice,
    Ping,
    Pong,
    Publish,
    Reason,
    Subscribe,
    Unsubscribe,
    Welcome,
)

__all__ = ["FEATURES", "WAITING_BYTES", "Session", "State"]

FEATURES = ["recovery", "patterns", "latest", "max_rate", "history"]
"""What a client may count on beside the basics; `welcome` says it."""

WAITING_BYTES = 4096
"""Largest message before `auth`, in bytes."""


class State(enum.Enum):
    """Where a connection is in its life."""

    NEW = "new"
    WAITING_FOR_AUTH = "waiting for auth"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.NEW: frozenset(
        {State.WAITING_FOR_AUTH, State.OPEN, State.CLOSING, State.CLOSED}
    ),
    State.WAITING_FOR_AUTH: frozenset({State.OPEN, State.CLOSING, State.CLOSED}),
    State.OPEN: frozenset({State.CLOSING, State.CLOSED}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class Session:
    """What the hub remembers of one connection, beside its cursors.

    Args:
        config: Of the hub.
        name: Of the connection, in messages and logs.
        claims: From the opening handshake; None where it brought none.
        spread: 0 to 1; spreads first heartbeats, so that not all are at once.
        tally: Where it counts what it refuses.

    Attributes:
        name: Of the connection.
        claims: Who it is.
        patience: How long it may keep the hub waiting.
        state: Where it is in its life.
        topics: What it is subscribed to.
        most_payload: Bytes of a payload that are taken.
    """

    __slots__ = (
        "_buckets",
        "_config",
        "_flood",
        "_is_free",
        "_tally",
        "claims",
        "most_payload",
        "name",
        "patience",
        "state",
        "topics",
    )

    def __init__(
        self,
        config: HubConfig,
        name: str,
        *,
        claims: Claims | None,
        spread: float,
        tally: Tally,
    ) -> None:
        self._config = config
        self._tally = tally
        self._flood: Flood | None = None
        self._is_free = False
        most = config.limits.payload_bytes
        self.most_payload = inf if most is None else most
        self._buckets: Buckets | None = None
        self.patience = Patience(config, spread)
        self.name = name
        self.claims = claims
        self.state = State.NEW
        self.topics: set[str] = set()

    # The beginning and the end.

    def open(self, at: Moment, *, is_supported: bool = True) -> list[Effect]:
        """Greet, or turn away whoever offered no subprotocol that is spoken."""
        if not is_supported:
            code, message = ErrorCode.PROTOCOL_UNSUPPORTED, ""
            return self.refuse(None, code, message, at, supported=[PROTOCOL])
        rates = self._config.limits.rates
        if any(rates.values()):
            self._buckets = Buckets(rates, at.now)
        auth: Literal["none", "required", "accepted"] = "accepted"
        if self.claims is None and self._config.needs_auth:
            auth = "required"
            self._enter(State.WAITING_FOR_AUTH)
            self.patience.await_auth(at.now)
        else:
            if self.claims is None:
                auth = "none"
                self.claims = ANONYMOUS
            self._enter(State.OPEN)
            self.patience.begin(at.now)
            self.patience.await_expiry(at, self.claims.expires_at)
        return [Send(self._welcome(auth, at))]

    def _welcome(
        self, auth: Literal["none", "required", "accepted"], at: Moment
    ) -> Welcome:
        limits = self._config.limits
        return Welcome(
            protocol=PROTOCOL,
            connection=self.name,
            node=self._config.node,
            version=__version__,
            at=at.wall,
            auth=auth,
            ping_interval=self._config.ping,
            limits=Limits(
                message_bytes=limits.message_bytes,
                payload_bytes=limits.payload_bytes,
                topics=limits.topics,
                commands_per_s=limits.commands_per_s,
                publish_per_s=limits.publish_per_s,
                first_command=limits.first_command,
            ),
            features=FEATURES,
        )

    def close(self, code: int, reason: str) -> list[Effect]:
        """Begin the closing handshake; nothing if it has begun."""
        if not self.is_open:
            return []
        self._enter(State.CLOSING)
        return [Close(code, reason)]

    def _close_with(self, code: CloseCode) -> list[Effect]:
        return self.close(code, CLOSES[code].reason)

    def drain(self, *, reconnect_after: float) -> list[Effect]:
        """Announce that the hub goes away; ``leave`` follows.

        Args:
            reconnect_after: Seconds that this client should wait; spread by the
                caller, so that not all come back at once.
        """
        if self.state is not State.OPEN:
            return []
        notice = Notice(
            code="going_away",
            deadline=self._config.drain,
            reconnect_after=reconnect_after,
        )
        return [Send(notice)]

    def leave(self) -> list[Effect]:
        """Close because the hub goes away."""
        return self._close_with(CloseCode.DRAIN)

    def closed(self) -> None:
        """Note that the connection is gone."""
        if self.state is not State.CLOSED:
            self._enter(State.CLOSED)

    @property
    def is_open(self) -> bool:
        """Whether messages still mean anything."""
        state = self.state
        return state is not State.CLOSING and state is not State.CLOSED

    @property
    def user(self) -> str:
        """Who it is, for logs; "" before it is known."""
        return self.claims.user if self.claims else ""

    @property
    def waiting_bytes(self) -> int | None:
        """Largest message while `auth` is waited for, in bytes; None afterwards."""
        return WAITING_BYTES if self.state is State.WAITING_FOR_AUTH else None

    def _enter(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise LocalError(f"{self!r} cannot become {state.value}")
        self.state = state
        self._find_freedom()

    # Commands.

    def lets_through(self, command: Publish) -> bool:
        """Tell whether a publication to a topic that there is needs no closer look.

        ``judge`` would let it pass, too, in thirty times the time:
        ``benchmarks/publish_path.py``.
        """
        return self._is_free and len(command.data) <= self.most_payload

    def _find_freedom(self) -> None:
        """Note whether every publication may pass that is not too large."""
        self._is_free = (
            self.state is State.OPEN
            and self._buckets is None
            and self.claims is not None
            and self.claims.publish == EVERYTHING
        )

    def judge(
        self, command: Command | CommandError, at: Moment, arrived: float
    ) -> list[Effect]:
        """Judge one command.

        Args:
            command: As it was read, or why it is none.
            at: Now.
            arrived: When its bytes were read, in seconds since 1970.
        """
        if not self.is_open:
            return []
        if isinstance(command, CommandError):
            path = command.path or None
            return self.refuse(command.id, command.code, command.message, at, path=path)
        if isinstance(command, Ping):
            pong = Pong(id=command.id, received_at=arrived, sent_at=at.wall)
            return self._limited(command.id, at) or [Send(pong)]
        if self.state is State.WAITING_FOR_AUTH and not isinstance(command, Auth):
            words = "send auth first: this hub lets nobody in without a token"
            return self.refuse(command.id, ErrorCode.UNAUTHORIZED, words, at)
        return self._limited(command.id, at) or _JUDGES[type(command)](
            self, command, at
        )

    def _limited(
        self, id: Id | None, at: Moment, bucket: str = "commands"
    ) -> list[Effect]:
        """Take from a bucket; the refusal, where it is empty."""
        if self._buckets is None:
            return []
        wait = self._buckets.take(bucket, at.now)
        if not wait:
            return []
        self._tally.rate_limited[bucket] += 1
        words = f"{bucket}: at most {self._buckets.rate(bucket):g} a second"
        return self.refuse(
            id, ErrorCode.RATE_LIMITED, words, at, bucket=bucket, retry_after=wait
        )

    def _judge_auth(self, command: Auth, at: Moment) -> list[Effect]:
        if self._config.knows_tokens:
            return [Perform(command)]
        # Nobody is configured, so there is nobody else to become.
        return self.verified(command.id, self.claims or ANONYMOUS, at)

    def verified(self, id: Id, claims: Claims | Denied, at: Moment) -> list[Effect]:
        """Take the answer to ``auth``: whose token it was, or why it is nobody's."""
        if isinstance(claims, Denied):
            return self.refuse(id, claims.code, claims.reason, at)
        if self.claims not in {None, ANONYMOUS} and claims.user != self.user:
            words = "a connection cannot change its user; open another one"
            return self.refuse(id, ErrorCode.UNAUTHORIZED, words, at)
        self.claims = claims
        self._find_freedom()
        if self.state is State.WAITING_FOR_AUTH:
            self._enter(State.OPEN)
            self.patience.begin(at.now)
        self.patience.await_expiry(at, claims.expires_at)
        reply = Authenticated(id=id, user=claims.user, expires_at=claims.expires_at)
        return [Send(reply), *self._forbid(lost_rights(claims, self.topics))]

    def _forbid(self, topics: list[str]) -> list[Effect]:
        """End subscriptions that the rights do not reach any longer."""
        self.topics.difference_update(topics)
        return [Forbid(topic, Reason.FORBIDDEN) for topic in topics]

    def outgrown(self, pattern: str) -> list[Effect]:
        """End a subscription to a pattern that has come to match too many topics."""
        if pattern not in self.topics:
            return []
        self.topics.discard(pattern)
        return [Forbid(pattern, ErrorCode.TOO_MANY_TOPICS)]

    def revoked(self, at: Moment) -> list[Effect]:
        """End because the key that vouched for the token is not known any longer."""
        words = "the key of this token was withdrawn"
        return self.refuse(None, ErrorCode.UNAUTHORIZED, words, at)

    def _judge_subscribe(self, command: Subscribe, at: Moment) -> list[Effect]:
        objection = judge_subscribe(command, self.claims)
        if objection is None:
            objection = judge_overlap(command.topic, self.topics)
        if objection is not None:
            return self._object(command.id, objection, at)
        most = self._config.limits.topics
        is_new = command.topic not in self.topics
        if is_new and most is not None and len(self.topics) >= most:
            words = f"a connection has at most {most} topics"
            return self.refuse(command.id, ErrorCode.TOO_MANY_TOPICS, words, at)
        limited = self._limited(command.id, at, "subscribe")
        if limited:
            return limited
        self.topics.add(command.topic)
        return [Perform(command)]

    def _judge_unsubscribe(self, command: Unsubscribe, at: Moment) -> list[Effect]:
        if command.topic not in self.topics:
            words = "there is no such subscription"
            return self.refuse(command.id, ErrorCode.NOT_SUBSCRIBED, words, at)
        self.topics.discard(command.topic)
        return [Perform(command)]

    def _judge_publish(self, command: Publish, at: Moment) -> list[Effect]:
        refused: list[Effect] = []
        objection = judge_publish(command, self.claims, self._config.limits)
        if objection is not None:
            refused = self._object(command.id, objection, at)
        elif self._buckets is not None:
            refused = self._limited(command.id, at, "publish")
        if not refused:
            return [Perform(command)]
        self._tally.published["rejected"] += 1
        return refused

    def _judge_history(self, command: History, at: Moment) -> list[Effect]:
        objection = judge_history(command, self.claims)
        if objection is not None:
            return self._object(command.id, objection, at)
        return self._limited(command.id, at, "history") or [Perform(command)]

    def _object(self, id: Id | None, objection: Objection, at: Moment) -> list[Effect]:
        return self.refuse(
            id,
            objection.code,
            objection.message,
            at,
            path=objection.path or None,
            topic=objection.topic or None,
            expected=objection.expected,
        )

    def refuse(
        self, id: Id | None, code: ErrorCode, message: str, at: Moment, **more: Any
    ) -> list[Effect]:
        """Answer with an error; close where it is fatal, or one of too many.

        Args:
            id: Of the command, or None.
            code: Which error.
            message: For a person; "" takes the table's sentence.
            at: Now.
            more: Fields of ``Error`` such as ``path``.
        """
        rule = ERRORS[code]
        self._tally.errors[code] += 1
        error = Error.of(code, message, id=id, at=at.wall, **more)
        effects: list[Effect] = [Send(error)]
        if rule.close is not None:
            effects += self._close_with(rule.close)
        elif not rule.retryable and code is not ErrorCode.PRODUCER_GAP:
            # A publisher that does not wait for answers gets a burst of those after
            # one publication that was not taken.
            if self._flood is None:
                self._flood = Flood()
            if self._flood.note(at.now):
                effects += self.close(1008, "too many errors")
        return effects

    # Time.

    def tick(self, at: Moment, behind: Behind | None) -> list[Effect]:
        """Do what has become due; ``patience.due_at`` says when.

        Args:
            at: Now.
            behind: How far it lags; None if nothing of it does.
        """
        if not self.is_open:
            return []
        code = self.patience.judge(at, behind)
        if code is CloseCode.TOKEN_EXPIRED:
            return self.refuse(None, ErrorCode.TOKEN_EXPIRED, "", at)
        if code is CloseCode.SLOW_CONSUMER:
            self._tally.slow["close"] += 1
        if code is not None:
            return self._close_with(code)
        heartbeat = self.patience.heartbeat
        if heartbeat is None or not heartbeat.is_due(at.now):
            return []
        if self.patience.is_paused:
            heartbeat.skip(at.now)
            return []
        return [Beat(heartbeat.beat(at.now))]

    def __repr__(self) -> str:
        """Show who it is and where in its life."""
        return f"<Session {self.name} {self.state.value} {self.user or 'nobody'}>"


_JUDGES: dict[type, Callable[[Session, Any, Moment], list[Effect]]] = {
    Auth: Session._judge_auth,
    Subscribe: Session._judge_subscribe,
    Unsubscribe: Session._judge_unsubscribe,
    Publish: Session._judge_publish,
    History: Session._judge_history,
}
