"""The template dialect: a user's JSON protocol, described in TOML, without code.

It refuses to know any protocol in particular.
"""

import re
from collections.abc import Callable, Mapping

from wavetank.dialects.base import (
    Answer,
    Ask,
    Authenticate,
    Call,
    Capability,
    Event,
    Foreign,
    Heard,
    Malformed,
    Notice,
    Publish,
    Reply,
    Subscribe,
    Welcome,
)
from wavetank.dialects.description import Description, Rule, describe
from wavetank.dialects.paths import Opened
from wavetank.errors import LocalError

__all__ = ["Template"]

_ENDING_NUMBER = re.compile(r"(?:^|[^0-9])([0-9]{1,18})$")


class Template:
    """A protocol that a user described.

    Args:
        name: What the user calls it.
        description: What the user's table says.
        table: The table itself, for who hands the dialect to another process.
    """

    def __init__(
        self,
        name: str,
        description: Description,
        *,
        table: Mapping[str, object] | None = None,
    ) -> None:
        self.name = name
        self.table = table or {}
        self.capabilities = description.capabilities
        self.endpoint = description.endpoint
        self.limits = description.limits
        self.status = description.status
        self._sends = description.sends
        self._rules = description.rules
        self._malformed = description.malformed
        self._is_echo = Capability.ECHO in description.capabilities

    @classmethod
    def parse(
        cls, table: Mapping[str, object], where: str, *, name: str = "template"
    ) -> "Template":
        """Read a table such as ``[dialect.ticker]``.

        Args:
            table: The table, as tomllib read it.
            where: Its place, such as ``wavetank.toml [dialect.ticker]``.
            name: What the user calls it.

        Raises:
            UsageError: With every mistake, and the nearest name where one is unknown.
        """
        return cls(name, describe(table, where), table=table)

    def encode(self, ask: Ask) -> str:
        """Return the described text with its blanks filled in.

        Raises:
            LocalError: If the description has no text for this ask.
        """
        send, values = _asked(ask)
        wording = self._sends.get(send)
        if wording is None and self._is_echo and isinstance(ask, Publish):
            return ask.payload
        if wording and "epoch" in wording.blanks and not values["epoch"]:
            # A place is none without the life it is of, so the start is live.
            send, wording = "subscribe", self._sends.get("subscribe")
        if wording is None:
            raise LocalError(f"the {self.name} dialect does not say how to {send}")
        return wording.fill(values)

    def decode(self, message: str | bytes) -> Heard:
        """Return what the first rule that fits makes of a message; never raises.

        What no rule fits is foreign, or where the server echoes, an echo.
        """
        if not isinstance(message, str):
            return self._unknown(repr(message))
        try:
            opened = Opened(message)
            for kind, rule in self._rules.items():
                if _fits(rule, opened):
                    return _READERS[kind](rule, opened) or self._unknown(message)
        except (ValueError, RecursionError):
            pass  # not JSON, or nested without end: as foreign as what no rule fits
        return self._unknown(message)

    def _unknown(self, text: str) -> Heard:
        return Event(payload=text) if self._is_echo else Foreign(text=text)

    def malformed(self) -> tuple[Malformed, ...]:
        """Return the messages that the target has to refuse."""
        return self._malformed if Capability.ERRORS in self.capabilities else ()

    def __repr__(self) -> str:
        """Show the name and what it can do."""
        return f"<Template {self.name}: {', '.join(sorted(self.capabilities))}>"


def _asked(ask: Ask) -> tuple[str, dict[str, str | int]]:
    """Return the name of the text to send, and what goes into its blanks."""
    match ask:
        case Authenticate():
            return "authenticate", {"id": ask.id, "token": ask.token}
        case Call():
            return "call", {"id": ask.id, "payload": ask.payload}
        case Publish():
            return "publish", {
                "id": ask.id,
                "topic": ask.topic,
                "payload": ask.payload,
            }
        case Subscribe(seq=int(seq)):
            return "resume", {
                "id": ask.id,
                "topic": ask.topic,
                "epoch": ask.epoch,
                "seq": seq,
                "next_seq": seq + 1,
            }
        case Subscribe():
            return "subscribe", {"id": ask.id, "topic": ask.topic}
    return "unsubscribe", {"id": ask.id, "topic": ask.topic}


def _fits(rule: Rule, opened: Opened) -> bool:
    """Return whether a message is of the rule's kind."""
    return (
        all(
            any(_equals(opened.value(path), value) for value in values)
            for path, values in rule.where
        )
        and all(opened.has(path) for path in rule.has)
        and not any(opened.has(path) for path in rule.lacks)
    )


def _equals(seen: object, described: object) -> bool:
    """Compare as JSON does: true is not 1, but 1 is 1.0."""
    return isinstance(seen, bool) is isinstance(described, bool) and seen == described


# Readers: one for each kind of message; None where a described part is missing.


def _welcome(rule: Rule, opened: Opened) -> Heard:
    missing = [".".join(path) for path in rule.requires if not opened.has(path)]
    return Welcome(problem=f"the welcome lacks {', '.join(missing)}" if missing else "")


def _heartbeat(rule: Rule, opened: Opened) -> Heard:
    return Notice(name="heartbeat", text=_word(rule, opened, "text"))


def _error(rule: Rule, opened: Opened) -> Heard:
    return Reply(
        id=_number(rule, opened, "id"),
        ok=False,
        code=_word(rule, opened, "code"),
        text=_word(rule, opened, "text"),
    )


def _reply(rule: Rule, opened: Opened) -> Heard:
    recovered = _value(rule, opened, "recovered")
    return Reply(
        id=_number(rule, opened, "id"),
        ok=True,
        epoch=_word(rule, opened, "epoch"),
        seq=_number(rule, opened, "seq"),
        recovered=recovered if isinstance(recovered, bool) else None,
        code=_word(rule, opened, "code"),
        text=_word(rule, opened, "text"),
    )


def _answer(rule: Rule, opened: Opened) -> Heard | None:
    payload = _payload(rule, opened)
    return None if payload is None else Answer(payload=payload)


def _event(rule: Rule, opened: Opened) -> Heard | None:
    payload = _payload(rule, opened)
    # A missing number is left to the checkers; without these two it is no event.
    topic = rule.fields.get("topic")
    if payload is None or (topic is not None and not opened.has(topic)):
        return None
    return Event(
        payload=payload,
        topic=_word(rule, opened, "topic"),
        seq=_number(rule, opened, "seq"),
    )


_READERS: Mapping[str, Callable[[Rule, Opened], Heard | None]] = {
    "welcome": _welcome,
    "heartbeat": _heartbeat,
    "error": _error,
    "answer": _answer,
    "reply": _reply,
    "event": _event,
}


def _payload(rule: Rule, opened: Opened) -> str | None:
    """Return the payload as it came, or what the string holds; None without one."""
    place = rule.fields.get("payload", ())
    if rule.payload_is == "string":
        value = opened.value(place)
        return value if isinstance(value, str) else None
    return opened.text(place)


def _value(rule: Rule, opened: Opened, name: str) -> object:
    path = rule.fields.get(name)
    return None if path is None else opened.value(path)


def _word(rule: Rule, opened: Opened, name: str) -> str:
    """Return a part as text; a number (an error code, a channel) as its digits."""
    value = _value(rule, opened, name)
    if isinstance(value, str):
        return value
    path = rule.fields.get(name)
    return "" if value is None or path is None else opened.text(path) or ""


def _number(rule: Rule, opened: Opened, name: str) -> int | None:
    """Return a part as a whole number; ``req-7`` is 7, as ids are often texts."""
    value = _value(rule, opened, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    ending = _ENDING_NUMBER.search(value) if isinstance(value, str) else None
    return int(ending[1]) if ending else None
