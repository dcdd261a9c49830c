"""Lifecycle: from one connection to the next, or to the end of all.

It refuses to know sockets, what is said on them, and its own dice.

    IDLE -> OPENING -> OPEN -> WAITING -> OPENING ...
            OPENING -> WAITING

Any state may go to ENDED.
"""

import enum
from typing import TYPE_CHECKING

import msgspec

from wavetank.client.backoff import Backoff
from wavetank.errors import LocalError
from wavetank.protocol import Advice, CloseCode, advice

if TYPE_CHECKING:
    import random

__all__ = ["Again", "Cause", "Ending", "Final", "Lifecycle", "State", "refresh_after"]

SETTLED = 5.0
"""Seconds after which a connection counts as good, and waiting begins anew."""

_MOST_HINT = 60.0
"""Seconds: a hub that asks us to stay away for longer is not believed."""

_LATER = frozenset({408, 425, 429})
"""HTTP statuses below 500 that pass by themselves (RFC 9110 15.5.9, RFC 6585 4)."""

_FLOOD = 1008
"""The hub's close code after too many errors, and for policies in general."""


class State(enum.Enum):
    """Where it is."""

    IDLE = "idle"
    OPENING = "opening"
    OPEN = "open"
    WAITING = "waiting"
    ENDED = "ended"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.OPENING, State.ENDED}),
    State.OPENING: frozenset({State.OPEN, State.WAITING, State.ENDED}),
    State.OPEN: frozenset({State.WAITING, State.ENDED}),
    State.WAITING: frozenset({State.OPENING, State.ENDED}),
    State.ENDED: frozenset(),
}


class Cause(enum.Enum):
    """Why there is no connection (any longer)."""

    UNREACHED = "the hub could not be reached"
    TLS = "TLS failed"
    REFUSED = "the opening handshake was refused"
    FOREIGN = "it does not speak wavetank.v1"
    NO_TOKEN = "the hub asks for a token and there is none"
    TOKEN = "no token could be had"
    CLOSED = "the connection was closed"
    SILENT = "the hub was silent"
    OVERDUE = "the hub did not answer"


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt or a connection came to its end.

    Attributes:
        cause: Why.
        text: More of it, for a person.
        code: HTTP status where it was refused, close code where it was closed.
        after: Seconds that the other side asked us to wait.
    """

    cause: Cause
    text: str = ""
    code: int | None = None
    after: float = 0.0

    def __str__(self) -> str:
        """Say it in one sentence."""
        code = "" if self.code is None else f" ({self.code})"
        return f"{self.cause.value}{code}" + (f": {self.text}" if self.text else "")


class Again(msgspec.Struct, frozen=True):
    """Connect again, in so many seconds."""

    delay: float


class Final(msgspec.Struct, frozen=True):
    """Do not connect again.

    Attributes:
        text: Why, in one sentence.
        code: Close code or HTTP status that made it final, or None.
    """

    text: str
    code: int | None = None


class Lifecycle:
    """Decides when to connect again.

    Args:
        backoff: Between attempts.
        rng: Its dice.
        max_retries: Attempts in a row that may be in vain after the first one;
            None is endless.
        can_refresh: Whether a new token can be had.
        is_forgiving: Whether a close for too many errors passes by itself, because
            what was wrong is not said again.

    Attributes:
        state: Where it is.
        connections: How many were opened.
    """

    def __init__(
        self,
        backoff: Backoff,
        rng: "random.Random",
        *,
        max_retries: int | None = None,
        can_refresh: bool = False,
        is_forgiving: bool = False,
    ) -> None:
        self._backoff = backoff
        self._rng = rng
        self._max_retries = max_retries
        self._can_refresh = can_refresh
        self._is_forgiving = is_forgiving
        self._attempts = 0
        self._failures = 0
        self._opened_at = 0.0
        self._back_at = 0.0
        self.state = State.IDLE
        self.connections = 0

    def opening(self) -> None:
        """Note that an attempt begins."""
        self._enter(State.OPENING)

    def opened(self, now: float) -> None:
        """Note that a connection is open: greeted, and signed in where needed."""
        self._enter(State.OPEN)
        self._opened_at = now
        self._failures = 0
        self.connections += 1

    def moved(self, now: float) -> None:
        """Note that another connection has taken over before this one ended."""
        self._opened_at = now
        self._back_at = 0.0
        self.connections += 1

    def announced(self, after: float, now: float) -> None:
        """Note that the hub goes away, and when it wants us back, in seconds."""
        self._back_at = now + min(after, _MOST_HINT)

    def ended(self, ending: Ending, now: float) -> Again | Final:
        """Decide what follows the end of an attempt or of a connection."""
        if self.state is State.OPEN and now - self._opened_at >= SETTLED:
            self._attempts = 0
        text = str(ending)
        if self._is_final(ending):
            self._enter(State.ENDED)
            return Final(text, ending.code)
        most = self._max_retries
        is_failure = self.state is State.OPENING
        if is_failure and most is not None and self._failures >= most:
            self._enter(State.ENDED)
            return Final(f"gave up after {most + 1} attempts: {text}", ending.code)
        self._failures += is_failure
        delay = self._backoff.delay(self._attempts, self._rng)
        self._attempts += 1
        self._enter(State.WAITING)
        hint = min(ending.after, _MOST_HINT)
        delay = max(delay, hint, self._back_at - now)
        self._back_at = 0.0
        return Again(delay)

    def _is_final(self, ending: Ending) -> bool:
        """Tell whether the same would happen again, however often it is tried."""
        code = ending.code
        if ending.cause is Cause.NO_TOKEN:
            return True
        if code is None:
            return False
        if ending.cause is Cause.REFUSED:
            return code < 500 and code not in _LATER
        if code == CloseCode.TOKEN_EXPIRED:
            return not self._can_refresh
        if code == _FLOOD and self._is_forgiving:
            return False
        return advice(code) is Advice.FINAL

    def end(self) -> None:
        """Note that nobody wants a connection any more."""
        if self.state is not State.ENDED:
            self._enter(State.ENDED)

    def _enter(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise LocalError(f"{self!r} cannot become {state.value}")
        self.state = state

    def __repr__(self) -> str:
        """Show where it is."""
        return f"<Lifecycle {self.state.value}, {self._attempts} attempts>"


def refresh_after(expires_at: float, wall: float) -> float:
    """Say how long to wait before a token is exchanged for its successor.

    Args:
        expires_at: Its end, in seconds since 1970.
        wall: The time.

    Returns:
        Seconds: until half a minute before its end; of a token that ends within two
        minutes, three quarters of what is left. Never less than a second, for a
        clock that goes wrong must not make us ask without pause.
    """
    left = expires_at - wall
    return max(1.0, left - 30.0 if left >= 120.0 else left * 0.75)
