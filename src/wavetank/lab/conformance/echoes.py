"""Ways to get a text back: by an echo, or by publishing to oneself.

They refuse to know sockets; where a target has no such way its cases are skipped.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from wavetank.dialects import Capability, Dialect, Event, Publish
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
    "Mirror",
    "Nowhere",
    "Post",
    "Way",
    "can_publish_to_itself",
    "reason_to_skip",
    "wrapped",
]

_MARK = "wavetank-conformance"


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


class Post:
    """A topic that one is subscribed to: what is published there comes back.

    A text is the inside of a JSON string, so it may be any UTF-8, and also none,
    but for the few characters that JSON writes in another way.

    Args:
        dialect: How to publish.
        topic: Where.

    Attributes:
        topic: Where.
    """

    needs = frozenset({Need.ECHO})

    def __init__(self, dialect: Dialect, topic: str) -> None:
        self._dialect = dialect
        self.topic = topic
        ask = Publish(id=1, topic=topic, payload=f'"{_MARK}"')
        before, _, behind = dialect.encode(ask).partition(_MARK)
        self.prefix, self.suffix = before.encode(), behind.encode()

    def obstacle(self, payload: bytes) -> str:
        """Say what of a text JSON, or the target's limits, would not let through."""
        if any(byte < 0x20 or byte in b'"\\' for byte in payload):
            return "the text has characters that JSON writes in another way"
        limits, size = self._dialect.limits, len(payload) + 2
        if limits.payload is not None and size > limits.payload:
            return f"the target takes payloads of {limits.payload} bytes"
        whole = len(self.prefix) + size + len(self.suffix)
        if limits.message is not None and whole > limits.message:
            return f"the target takes messages of {limits.message} bytes"
        return ""

    def read(self, message: Text | Binary) -> Heard | None:
        """Return the payload of an event of our topic."""
        if isinstance(message, Binary):
            return None
        heard = self._dialect.decode(message.data.decode(errors="replace"))
        if not isinstance(heard, Event) or heard.topic != self.topic:
            return None
        payload = heard.payload.encode()
        if payload[:1] == payload[-1:] == b'"' and len(payload) > 1:
            return Text(payload[1:-1])
        return Text(payload)

    def __repr__(self) -> str:
        """Show where it publishes, and in which dialect."""
        return f"<Post {self._dialect.name} {self.topic}>"


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
        return "a compressed frame cannot be made a publication"
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


def can_publish_to_itself(dialect: Dialect) -> bool:
    """Tell whether ``Post`` is a way with a dialect."""
    wanted = {Capability.SUBSCRIBE, Capability.PUBLISH, Capability.OWN}
    return wanted <= dialect.capabilities and Capability.VERBATIM in (
        dialect.capabilities
    )
