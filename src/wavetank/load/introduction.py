"""What a virtual user says before it is ready: preamble, login, subscription.

It refuses to know sockets: texts come in, texts go out.
"""

from wavetank.dialects import (
    Authenticate,
    Capability,
    Dialect,
    Hub,
    Reply,
    Subscribe,
    Welcome,
)
from wavetank.errors import LocalError

__all__ = ["FIRST_FREE_ID", "Introduction"]

_LOGIN, _SUBSCRIPTION = 1, 2
_WHAT = {_LOGIN: "login", _SUBSCRIPTION: "subscription"}
FIRST_FREE_ID = 3
"""The first id that an introduction does not use."""


class Introduction:
    """The first words on one connection.

    Args:
        dialect: How the target speaks.
        token: Presented where the dialect has a message for it; "" for none.
        topic: Subscribed to; "" for none.

    Attributes:
        is_done: Whether the user is ready.
        problem: Why it never will be, or "".
        is_patient: Whether it waits for an answer that may never come: a dialect need
            not answer.
    """

    def __init__(self, dialect: Dialect, *, token: str, topic: str) -> None:
        self._dialect = dialect
        self._steps = self._plan(token, topic)
        self._awaits_welcome = Capability.WELCOME in dialect.capabilities
        self._awaited = 0
        self.problem = ""

    def _plan(self, token: str, topic: str) -> list[tuple[int, str]]:
        """Return the asks, each with its id."""
        steps = []
        # The hub has the token from the handshake's headers already.
        if token and not isinstance(self._dialect, Hub):
            try:
                text = self._dialect.encode(Authenticate(id=_LOGIN, token=token))
                steps.append((_LOGIN, text))
            except LocalError:
                pass  # it has no such message, and so no other way either
        if topic:
            ask = Subscribe(id=_SUBSCRIPTION, topic=topic)
            steps.append((_SUBSCRIPTION, self._dialect.encode(ask)))
        return steps

    @property
    def is_done(self) -> bool:
        """Whether everything is said, and answered."""
        return not (self._steps or self._awaited or self._awaits_welcome)

    @property
    def is_patient(self) -> bool:
        """Whether it waits for an answer that the dialect may not have."""
        # The hub answers everything: who went on before would be owed messages of a
        # subscription that there is not yet.
        return bool(self._awaited) and not isinstance(self._dialect, Hub)

    def begin(self) -> list[str]:
        """Return what to say at once."""
        texts = list(self._dialect.endpoint.preamble)
        return texts if self._awaits_welcome else texts + self._next()

    def take(self, message: str | bytes) -> list[str]:
        """Return what to say next, after a message came."""
        heard = self._dialect.decode(message)
        if self._awaits_welcome and isinstance(heard, Welcome):
            self._awaits_welcome = False
            return self._next()
        if not isinstance(heard, Reply) or heard.id not in (None, self._awaited):
            return []
        if not heard.ok:
            what = _WHAT.get(self._awaited, "connection")
            self.problem = f"the {what} was refused: {heard.code} {heard.text}".rstrip()
            return []
        return self.go_on() if self._awaited else []

    def go_on(self) -> list[str]:
        """Wait no longer for the answer; return what to say next."""
        self._awaited = 0
        return self._next()

    def _next(self) -> list[str]:
        if not self._steps:
            return []
        self._awaited, text = self._steps.pop(0)
        return [text]
