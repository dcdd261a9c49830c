"""Ways to get a text back: by an echo, by a call, or by publishing to oneself.

They refuse to know sockets; where a target has no such way its cases are skipped.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from wavetank.dialects import (
    Answer,
    Call,
    Capability,
    Dialect,
    Echo,
    Event,
    Limits,
    Publish,
)
from wavetank.lab.conformance.case import (
    Binary,
    Case,
    Chopped,
    Frame,
    Heard,
    Need,
    Step,
    Text,
    frames_of,
)
from wavetank.wire import Opcode

__all__ = [
    "Dialogue",
    "Filter",
    "Mirror",
    "Nowhere",
    "Post",
    "Way",
    "reason_to_skip",
    "way_of",
    "wrapped",
]

_MARK = "wavetank-conformance"
_MARKED = f'"{_MARK}"'

_OTHERWISE_IN_JSON = re.compile(rb'[\x00-\x1f"\\]')

_TO_ITSELF = frozenset({Capability.SUBSCRIBE, Capability.PUBLISH, Capability.OWN})


class Way(Protocol):
    """How a message comes back.

    Attributes:
        needs: Which needs of cases it fulfils.
        prefix: Bytes before the payload of each text message that is sent.
        suffix: Bytes behind it.
    """

    needs: frozenset[Need]
    prefix: bytes
    suffix: bytes

    def obstacle(self, payload: bytes) -> str:
        """Say why this text cannot be sent on this way; "" if it can."""
        ...

    def read(self, message: Text | Binary) -> Heard | None:
        """Return what a message brings back; None if it brings back nothing."""
        ...


class Mirror:
    """An echo: all comes back as it was sent."""

    needs = frozenset({Need.ECHO, Need.BINARY})
    prefix = suffix = b""

    def obstacle(self, payload: bytes) -> str:
        """Know none."""
        del payload
        return ""

    def read(self, message: Text | Binary) -> Heard | None:
        """Return the message."""
        return message


class Filter(Mirror):
    """An echo among messages that the dialect knows: a welcome, answers, pushes.

    Args:
        dialect: What is no echo.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def read(self, message: Text | Binary) -> Heard | None:
        """Return the message, if it is nothing else."""
        if isinstance(message, Binary):
            return message
        heard = self._dialect.decode(message.data.decode(errors="replace"))
        return message if isinstance(heard, Event) else None

    def __repr__(self) -> str:
        """Show in which dialect other messages come."""
        return f"<Filter {self._dialect.name}>"


class Nowhere:
    """Nothing comes back: pongs, closes and failures are all there is to see."""

    needs: frozenset[Need] = frozenset()
    prefix = suffix = b""

    def obstacle(self, payload: bytes) -> str:
        """Know none."""
        del payload
        return ""

    def read(self, message: Text | Binary) -> Heard | None:
        """Pass over it: nobody asked for it."""
        del message
        return None


class _Wrapped:
    """A text is the inside of a JSON string in a message of the dialect.

    So it may be any UTF-8, and also none, but for the few characters that JSON
    writes in another way.
    """

    needs = frozenset({Need.ECHO})

    def __init__(self, dialect: Dialect, around: Publish | Call) -> None:
        self._limits: Limits = dialect.limits
        self._is_verbatim = Capability.VERBATIM in dialect.capabilities
        self._beside = len(around.payload) - len(_MARK)
        before, _, behind = dialect.encode(around).partition(_MARK)
        self.prefix, self.suffix = before.encode(), behind.encode()

    def obstacle(self, payload: bytes) -> str:
        """Say what of a text JSON, or the target's limits, would not let through."""
        if _OTHERWISE_IN_JSON.search(payload):
            return "the text has characters that JSON writes in another way"
        limits = self._limits
        if limits.payload is not None and len(payload) > limits.payload - self._beside:
            return f"the target takes payloads of {limits.payload} bytes"
        whole = len(self.prefix) + len(payload) + len(self.suffix)
        if limits.message is not None and whole > limits.message:
            return f"the target takes messages of {limits.message} bytes"
        return ""

    def _unwrapped(self, payload: str) -> Text:
        """Return the text in a payload; where it is no JSON string, the payload."""
        data = payload.encode()
        if not self._is_verbatim:
            # The target may write a character in another way, as JSON lets it.
            with suppress(msgspec.DecodeError):
                return Text(msgspec.json.decode(data, type=str).encode())
        if data[:1] == data[-1:] == b'"' and len(data) > 1:
            return Text(data[1:-1])
        return Text(data)


class Post(_Wrapped):
    """A topic that one is subscribed to: what is published there comes back.

    Each text begins with the topic: where events do not name theirs, the texts of
    others are not taken for ours.

    Args:
        dialect: How to publish.
        topic: Where; nobody else publishes there.

    Attributes:
        topic: Where.
    """

    def __init__(self, dialect: Dialect, topic: str) -> None:
        payload = f'"{topic} {_MARK}"'
        super().__init__(dialect, Publish(id=1, topic=topic, payload=payload))
        self._dialect = dialect
        self._ours = f"{topic} ".encode()
        self.topic = topic

    def read(self, message: Text | Binary) -> Heard | None:
        """Return the payload of an event of our topic."""
        if isinstance(message, Binary):
            return None
        heard = self._dialect.decode(message.data.decode(errors="replace"))
        if not isinstance(heard, Event) or heard.topic not in ("", self.topic):
            return None
        text = self._unwrapped(heard.payload)
        if text.data.startswith(self._ours):
            return Text(text.data[len(self._ours) :])
        return text if heard.topic else None

    def __repr__(self) -> str:
        """Show where it publishes, and in which dialect."""
        return f"<Post {self._dialect.name} {self.topic}>"


class Dialogue(_Wrapped):
    """Calls, each answered with the payload that it carries.

    Args:
        dialect: How to call.
    """

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, Call(id=1, payload=_MARKED))
        self._dialect = dialect

    def read(self, message: Text | Binary) -> Heard | None:
        """Return the payload of an answer."""
        if isinstance(message, Binary):
            return None
        heard = self._dialect.decode(message.data.decode(errors="replace"))
        return self._unwrapped(heard.payload) if isinstance(heard, Answer) else None

    def __repr__(self) -> str:
        """Show in which dialect it calls."""
        return f"<Dialogue {self._dialect.name}>"


def way_of(dialect: Dialect, topic: str) -> Way:
    """Return the best way that a dialect has.

    Args:
        dialect: How the target speaks.
        topic: One of our own, for where it is needed.
    """
    if Capability.ECHO in dialect.capabilities:
        return Mirror() if isinstance(dialect, Echo) else Filter(dialect)
    if Capability.ANSWER in dialect.capabilities:
        return Dialogue(dialect)
    if dialect.capabilities >= _TO_ITSELF:
        return Post(dialect, topic)
    return Nowhere()


def reason_to_skip(case: Case, way: Way, abilities: frozenset[Need]) -> str:
    """Say why a case says nothing about a target; "" if it does.

    Args:
        case: The case.
        way: How messages come back.
        abilities: What else the target can do.
    """
    missing = case.needs - way.needs - abilities
    if missing:
        return f"the target has no {sorted(missing)[0].value}"
    if way.prefix and _is_compressed_echo(case):
        return "a compressed frame cannot be put into a message of the dialect"
    for payload in _texts(case.steps):
        obstacle = way.obstacle(payload)
        if obstacle:
            return obstacle
    return ""


def wrapped(steps: Sequence[Step], way: Way) -> tuple[Step, ...]:
    """Return the steps with what the way puts around each text message.

    The first frame of a message gets the prefix, its last one the suffix.
    Bytes that are no frames stay as they are, and so do compressed messages and
    those whose first frame writes its length in a way of its own.
    """
    if not way.prefix and not way.suffix:
        return tuple(steps)
    wrapper = _Wrapper(way)
    return tuple(wrapper.wrap(step) for step in steps)


class _Wrapper:
    """Puts a way's bytes around text messages, frame after frame."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._is_inside = False

    def wrap(self, step: Step) -> Step:
        if isinstance(step, Chopped):
            frames = tuple(self._wrap_frame(frame) for frame in step.frames)
            return msgspec.structs.replace(step, frames=frames)
        return self._wrap_frame(step) if isinstance(step, Frame) else step

    def _wrap_frame(self, frame: Frame) -> Frame:
        payload = frame.payload
        if _can_be_wrapped(frame):
            payload = self._way.prefix + payload
            self._is_inside = True
        elif frame.opcode != Opcode.CONTINUATION or not self._is_inside:
            return frame
        if frame.fin:
            payload += self._way.suffix
            self._is_inside = False
        return msgspec.structs.replace(frame, payload=payload)


def _is_compressed_echo(case: Case) -> bool:
    """Tell whether a case waits for what it sends compressed.

    RSV1 where nothing is agreed breaks a rule, and the frame may stay as it is; a
    text without it may be wrapped, whatever is agreed.
    """
    return {Need.ECHO, Need.DEFLATE} <= case.needs and any(
        frame.rsv & 4 for frame in frames_of(case.steps)
    )


def _can_be_wrapped(frame: Frame) -> bool:
    """Tell whether a frame begins a text that is sent as it is written."""
    is_plain = not frame.rsv and frame.form is None and frame.declared is None
    return frame.opcode == Opcode.TEXT and is_plain


def _texts(steps: Sequence[Step]) -> list[bytes]:
    """Return the text messages that some steps send and that can be wrapped."""
    texts: list[bytes] = []
    is_text = False
    for frame in frames_of(steps):
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            is_text = _can_be_wrapped(frame)
            texts += [frame.payload] if is_text else []
        elif frame.opcode == Opcode.CONTINUATION and is_text:
            texts[-1] += frame.payload
    return texts
