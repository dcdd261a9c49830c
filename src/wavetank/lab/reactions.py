"""How a target reacts: to rude peers, and to polite ones after that.

It refuses to know suites; it fills the notebook that it is given.
"""

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from wavetank.errors import RemoteError
from wavetank.lab.conversation import Conversation
from wavetank.lab.notebook import Notebook
from wavetank.net import ConnectionEnded, RudePeer
from wavetank.wire import Closing, Frame, Opcode, decode_close

__all__ = [
    "REACT_WITHIN",
    "VIOLATIONS",
    "Violation",
    "Violator",
    "closing_of",
    "end_of",
    "is_served",
    "next_frame",
]

FrameRow = tuple[int, bytes, dict[str, Any]]
"""Opcode, payload, and what is unusual about the frame."""

REACT_WITHIN = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Frames that break one rule; each starts on a fresh connection.

    Attributes:
        title: What is wrong with them.
        frames: What is sent.
        clause: The rule.
    """

    title: str
    frames: tuple[FrameRow, ...]
    clause: str


VIOLATIONS: tuple[Violation, ...] = (
    Violation(
        title="a frame without a mask",
        frames=((Opcode.TEXT, b'"unmasked"', {"mask": None}),),
        clause="RFC 6455 5.1",
    ),
    Violation(
        title="a frame with a reserved opcode",
        frames=((0x3, b"", {}),),
        clause="RFC 6455 5.2",
    ),
    Violation(
        title="a frame with a reserved bit that nobody negotiated",
        frames=((Opcode.TEXT, b'"reserved"', {"rsv2": True}),),
        clause="RFC 6455 5.2",
    ),
    Violation(
        title="a fragmented ping",
        frames=((Opcode.PING, b"half", {"fin": False}),),
        clause="RFC 6455 5.5",
    ),
    Violation(
        title="a continuation of nothing",
        frames=((Opcode.CONTINUATION, b'"tail"', {}),),
        clause="RFC 6455 5.4",
    ),
)


class Violator:
    """A rude peer whose connection has to be failed.

    Args:
        rude: The peer, after its opening handshake.
        notebook: Where the findings go.
    """

    def __init__(self, rude: RudePeer, notebook: Notebook) -> None:
        self._rude = rude
        self._notebook = notebook

    async def must_be_failed(
        self,
        what: str,
        frames: Sequence[FrameRow],
        *,
        codes: Collection[int],
        clause: str,
    ) -> None:
        """Send frames that break a rule, and expect the connection to be failed.

        A close frame is expected but not demanded (RFC 6455 7.1.7 says SHOULD), and
        it may be a bare one; where it has a code, that has to fit. An echo is what
        must not come: it shows that the frame was taken for a good one.

        Args:
            what: What is wrong with the frames.
            frames: What to send.
            codes: Close codes that fit.
            clause: The rule.
        """
        for opcode, payload, unusual in frames:
            await self._rude.send_frame(opcode, payload, **unusual)
        closing, echo = await self._reaction(frames)
        expected = f"the connection failed with {_words(codes)}"
        title = f"{what} fails the connection"
        if echo is not None:
            self._notebook.expect(
                False,
                title,
                expected=expected,
                seen=f"it was taken and answered: {echo.payload[:60]!r}",
                clause=clause,
            )
            return
        if closing is not None:
            fits = closing.code is None or closing.code in codes
            seen = (
                f"close code {closing.code}" if closing.code else "a bare close frame"
            )
        else:
            ended = str(self._rude.ending or "")
            fits = bool(ended)
            seen = f"the connection ended ({ended})" if ended else "it stays open"
        self._notebook.expect(fits, title, expected=expected, seen=seen, clause=clause)

    async def _reaction(
        self, sent: Sequence[FrameRow]
    ) -> tuple[Closing | None, Frame | None]:
        """Read until a close frame, the end, or the echo of what was sent."""
        payloads = {payload for _, payload, _ in sent if payload}
        with contextlib.suppress(TimeoutError):
            # One deadline for all: a target may talk on, and of other things.
            async with asyncio.timeout(REACT_WITHIN):
                return await self._decisive(payloads)
        return None, None

    async def _decisive(
        self, payloads: Collection[bytes]
    ) -> tuple[Closing | None, Frame | None]:
        while (frame := await next_frame(self._rude)) is not None:
            if frame.opcode == Opcode.CLOSE:
                return closing_of(frame), None
            if frame.payload in payloads:
                return None, frame
        return None, None


async def next_frame(rude: RudePeer, *, within: float = REACT_WITHIN) -> Frame | None:
    """Return the next frame that is no ping; pings are answered.

    A target that pings ends connections that do not answer: that would look as
    if it had minded something else.

    Raises:
        TimeoutError: If none came in time.
    """
    while (frame := await rude.read_frame(within)) is not None:
        if frame.opcode != Opcode.PING:
            return frame
        with contextlib.suppress(ConnectionEnded):
            await rude.send_frame(Opcode.PONG, frame.payload)
    return None


def closing_of(frame: Frame) -> Closing:
    """Return what a close frame says; an illegal one is a close all the same."""
    closing = decode_close(frame.payload)
    return closing if isinstance(closing, Closing) else Closing(code=None, reason="")


def _words(codes: Collection[int]) -> str:
    return " or ".join(map(str, sorted(codes)))


async def end_of(rude: RudePeer, within: float) -> str:
    """Wait for the end of a rude peer's connection; return how, or "" for none."""
    try:
        return str(await rude.ended(within))
    except TimeoutError:
        return ""


async def is_served(
    conversation: Conversation, notebook: Notebook, *, who: str = "the client"
) -> bool:
    """Expect that a conversation still gets answers: a pong, and its own message.

    Returns:
        Whether it does.
    """
    try:
        await conversation.ping()
        if conversation.gets_itself:
            await _comes_back(conversation)
    except (TimeoutError, RemoteError) as error:
        return notebook.expect(
            False, f"{who} is served", expected="an answer", seen=error
        )
    return notebook.expect(True, f"{who} is served", seen="answered")


async def _comes_back(conversation: Conversation) -> None:
    """Send a message of its own and wait for it; older ones may come before."""
    payload, form = f'{{"served":"{conversation.name}"}}', conversation.form
    try:
        async with asyncio.timeout(REACT_WITHIN):
            event = await conversation.round_trip(payload)
            while form(event.payload) != form(payload):
                event = await conversation.next_event()
    except TimeoutError:
        raise TimeoutError(
            f"{conversation.name}: its own message did not come back within "
            f"{REACT_WITHIN:g} s"
        ) from None
