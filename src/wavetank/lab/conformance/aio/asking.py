"""Asks a target for WebSockets, rightly or wrongly, and tells what came of it.

It refuses to know what should come: it sends a case, and listens.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Sequence

from wavetank.errors import RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.conformance.asking import (
    Ask,
    Reply,
    arguments,
    is_evidence,
    judge_answer,
)
from wavetank.lab.conformance.judge import Judgement
from wavetank.lab.peers import Peers
from wavetank.net import ConnectionEnded, RudePeer, Tap
from wavetank.wire import (
    Frame,
    FrameReader,
    HeadReader,
    Opcode,
    Refusal,
    Response,
)

__all__ = ["Asker", "ask"]

_AT_ONCE = 16
"""Opening handshakes at once."""
_WITHIN = 3.0
"""Seconds to connect, to send, for the answer, and for frames."""
_VAIN = 4
"""Looks alone, in a row, that showed nothing; then no other is taken."""
_BREATH = 0.1
"""Seconds in which a target may get room again, more each time in vain."""

_is_length = re.compile(r"[0-9]{1,18}").fullmatch

_MOST = 65_536
"""Bytes that are read of a body, and of frames."""
_BODY_WITHIN = 0.5
"""Seconds for what follows the head of a refusal: it is only shown."""
_SHOWN = 60
"""Bytes that are shown of what is no answer."""


class Asker:
    """Asks with many opening handshakes, each on a connection of its own.

    Args:
        peers: Whose target, and on whose behalf.
        at_once: How many side by side.
        within: Seconds that the target has for a reaction.
    """

    def __init__(
        self, peers: Peers, *, at_once: int = _AT_ONCE, within: float = _WITHIN
    ) -> None:
        self._peers = peers
        self._room = asyncio.Semaphore(at_once)
        self._within = within

    async def run(self, asks: Sequence[Ask]) -> list[Judgement]:
        """Ask with all of them, and return what came of each, in their order.

        Where nothing came, or no room was left, it is asked again, alone; a target
        that is like that alone, too, is not asked on and on.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask_one(case)) for case in asks]
        looks = [task.result() for task in tasks]
        vain = 0
        for index, case in enumerate(asks):
            while not looks[index][1] and vain < _VAIN:
                await asyncio.sleep(_BREATH * vain)
                looks[index] = await self._ask_one(case)
                vain = 0 if looks[index][1] else vain + 1
        return [judgement for judgement, _ in looks]

    async def _ask_one(self, case: Ask) -> tuple[Judgement, bool]:
        """Return what came of a case, and whether that will not change."""
        target = self._peers.target
        url = target.address(tls=False)
        fields = list(target.headers)
        if target.origin:
            fields.append(("Origin", target.origin))
        async with self._room:
            key, reply = await ask(
                url,
                case,
                tls=target.context_for(url),
                headers=fields,
                timeout=self._within,
                tap=self._peers.tap(),
            )
        judgement = judge_answer(case, key, reply)
        return judgement, judgement.verdict is Verdict.PASS or is_evidence(reply)

    def __repr__(self) -> str:
        """Show whom it asks."""
        return f"<Asker {self._peers.target.url}>"


async def ask(
    url: str,
    case: Ask,
    *,
    tls: ssl.SSLContext | None = None,
    headers: Sequence[tuple[str, str]] = (),
    timeout: float = 3.0,
    tap: Tap | None = None,
) -> tuple[str, Reply]:
    """Send the opening handshake of a case on a connection of its own.

    Whatever the target does is in the reply: nothing is raised for it.

    Args:
        url: Of the target.
        case: What to send.
        tls: Context for ``wss://``.
        headers: Sent with it, such as credentials.
        timeout: Seconds to connect, to send, for the answer, and for frames.
        tap: Who listens in.

    Returns:
        The key that was made for it, and what came.

    Raises:
        LocalError: If the URL is not one.
    """
    try:
        rude = await RudePeer.connect(
            url, tls=tls, timeout=timeout, headers=headers, tap=tap
        )
    except (RemoteError, TimeoutError) as error:
        return "", Reply(unreached=str(error))
    async with rude:
        sent = rude.request(**arguments(case, url)) + case.after
        # A target may answer, and go away, before it has read everything.
        with contextlib.suppress(ConnectionEnded, TimeoutError):
            async with asyncio.timeout(timeout):
                await rude.drip(sent, piece=case.piece or len(sent))
        return rude.key, await _reply(rude, case, timeout)


async def _reply(rude: RudePeer, case: Ask, timeout: float) -> Reply:
    """Read what comes."""
    head, first, rest = await _read_head(rude, timeout)
    if not isinstance(head, Response):
        why = "it ends within its head" if head is None else head.text
        broken = f"{why}: {first!r}" if first else ""
        return Reply(broken=broken, ending=_ending(rude))
    frames: tuple[Frame, ...] = ()
    body = b""
    if head.status == 101:
        frames = await _read_frames(rude, case, rest, timeout)
    else:
        body = await _read_body(rude, rest, _length(head, case.method))
    return Reply(
        status=head.status,
        version=head.version,
        fields=tuple(head.headers),
        body=body,
        ending=_ending(rude),
        frames=frames,
    )


async def _read_head(
    rude: RudePeer, timeout: float
) -> tuple[Response | Refusal | None, bytes, bytes]:
    """Read the head of the final answer.

    Returns:
        The head, why it is none, or None where it is not complete; the first bytes
        that came; what came behind the head.
    """
    reader, data, first = HeadReader(of=Response), b"", b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while True:
                head = reader.feed(data)
                if isinstance(head, Response) and _is_interim(head):
                    data, reader = reader.rest, HeadReader(of=Response)
                    continue
                if head is not None:
                    return head, first, reader.rest
                data = await rude.read(timeout)
                if not data:
                    break
                first = (first + data)[:_SHOWN]
    return None, first, b""


def _is_interim(head: Response) -> bool:
    """Tell whether another answer follows (RFC 9110 15.2)."""
    return head.status < 200 and head.status != 101


async def _read_frames(
    rude: RudePeer, case: Ask, rest: bytes, timeout: float
) -> tuple[Frame, ...]:
    """Read frames for as long as the case waits for any."""
    reader = FrameReader(expect_mask=False, max_payload=_MOST, rsv1=True, strict=False)
    frames, size = reader.feed(rest), len(rest)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while size < _MOST and not _is_heard(case, frames):
                data = await rude.read(timeout)
                if not data:
                    break
                frames += reader.feed(data)
                size += len(data)
    return tuple(frames)


def _is_heard(case: Ask, frames: list[Frame]) -> bool:
    """Tell whether nothing more has to come behind a 101."""
    opcodes = [frame.opcode for frame in frames]
    if Opcode.CLOSE in opcodes:
        return True
    wanted = max(len(answer.pongs or ()) for answer in case.answers)
    must_fail = any(answer.fails for answer in case.answers)
    return not must_fail and opcodes.count(Opcode.PONG) >= wanted


async def _read_body(rude: RudePeer, rest: bytes, length: int | None) -> bytes:
    """Read the beginning of a body."""
    body, most = rest, _MOST if length is None else min(length, _MOST)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_BODY_WITHIN):
            while len(body) < most:
                data = await rude.read(_BODY_WITHIN)
                if not data:
                    break
                body += data
    return body[:most]


def _length(head: Response, method: str) -> int | None:
    """Return how long a body is; None where its end tells (RFC 9112 6.3)."""
    if method == "HEAD" or head.status in (204, 304):
        return 0
    said = head.headers.get("Content-Length") or ""
    return int(said) if _is_length(said) else None


def _ending(rude: RudePeer) -> str:
    return str(rude.ending or "")
