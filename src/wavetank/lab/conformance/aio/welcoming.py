"""Welcoming: one client on one connection, from its opening handshake to the end.

It refuses to know which case is next, and what a case proves.
"""

import asyncio
import contextlib
import time
from typing import NamedTuple

from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Verdict
from wavetank.lab.conformance.aio.conforming import Lag
from wavetank.lab.conformance.aio.playing import Player
from wavetank.lab.conformance.case import Case, End, Heard
from wavetank.lab.conformance.echoes import Way
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.judge import Judgement, judge
from wavetank.lab.conformance.openings import (
    BEHIND,
    EXTENSIONS,
    Opening,
    Reaction,
    agreement,
    answer_bytes,
    has_opened,
    judge_opening,
    reason_to_leave_out,
    right_fields,
)
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.conformance.worklist import Row
from wavetank.net import ConnectionEnded, Guest
from wavetank.wire import (
    DeflateParameters,
    Opcode,
    Request,
    encode_close,
    encode_frame,
    encode_parameters,
    encode_response,
    inflater_for,
)

__all__ = ["Played", "play_case", "play_opening", "tell"]

_LAG = 0.5
"""Seconds that the lab's own loop may stand still; beyond, nothing is sure."""

_MOST_INFLATED = 64 * 1024 * 1024
_MOST_READ = 65_536
"""Bytes that are read of what comes behind an answer that should not open."""

_BREATH = 0.02
"""Seconds between an answer and frames, so that they are read one after the other."""

_REACTION = 0.1
"""Seconds for a client to show that it takes another answer than 101 for open."""

_SILENCE = 1.0
"""Seconds for a client to give up where nothing, or no end of it, comes."""

_TIMES_OUT = (RemoteError, TimeoutError, LocalError, OSError)


class Played(NamedTuple):
    """What became of a case.

    Attributes:
        row: The case.
        judgement: None where it was skipped.
        skipped: Why; "" where it was not.
        heard: Messages and pongs that came.
        trace: What was sent and received, line by line, for a FAIL.
        code: Close code of the client.
        took: Seconds.
        is_doubtful: Whether it is worth a second look.
    """

    row: Row
    judgement: Judgement | None = None
    skipped: str = ""
    heard: tuple[Heard, ...] = ()
    trace: tuple[str, ...] = ()
    code: int | None = None
    took: float = 0.0
    is_doubtful: bool = False


async def tell(guest: Guest, request: Request, text: str, *, within: float) -> bool:
    """Open the connection, say one text, and close it.

    Args:
        guest: Who is told.
        request: Its opening handshake.
        text: What it is told; "" is nothing.
        within: Seconds for its close frame.

    Returns:
        Whether a close frame came, so that it was open for the client, too.
    """
    said = encode_frame(Opcode.TEXT, text.encode()) if text else b""
    said += encode_frame(Opcode.CLOSE, encode_close(1000))
    with contextlib.suppress(ConnectionEnded, TimeoutError):
        await _accept(guest, request, None, behind=said)
        async with asyncio.timeout(within):
            while frame := await guest.read_frame(within):
                if frame.opcode == Opcode.CLOSE:
                    break
    await guest.leave()
    return guest.close_frame is not None


async def _accept(
    guest: Guest,
    request: Request,
    agreed: DeflateParameters | None,
    *,
    behind: bytes = b"",
) -> None:
    """Answer an opening handshake as a server has to (RFC 6455 4.2.2)."""
    fields = right_fields(request)
    if agreed is not None:
        fields.append((EXTENSIONS, encode_parameters(agreed)))
    guest.start_frames(rsv1=agreed is not None)
    await guest.write(encode_response(101, fields) + behind)


# A case.


async def play_case(
    guest: Guest, request: Request, case: Case, *, way: Way, within: float
) -> Played:
    """Open the connection, and play a case on it.

    Args:
        guest: The client.
        request: Its opening handshake.
        case: Turned around, as ``mirrored`` does it.
        way: How messages come back.
        within: Seconds that the client has for a reaction.
    """
    agreed: DeflateParameters | str | None = None
    if case.extensions:
        agreed = agreement(case.extensions, request)
    if isinstance(agreed, str):
        await tell(guest, request, "", within=within)
        return Played(case, skipped=agreed)
    transcript, tracing, lag = Transcript(), Tracing(), Lag()
    began = time.monotonic()
    try:
        async with lag:
            await _accept(guest, request, agreed)
            await _play(
                guest, case, transcript, tracing, way=way, agreed=agreed, within=within
            )
    except _TIMES_OUT as error:
        transcript.obstacle = f"the case could not be played: {error}"
    if lag.worst > _LAG:
        transcript.obstacle = f"the lab itself stood still for {lag.worst:.1f} s"
    judgement = judge(case, transcript)
    return Played(
        case,
        judgement,
        heard=tuple(transcript.heard),
        trace=tracing.lines() if judgement.verdict is Verdict.FAIL else (),
        code=transcript.code,
        took=time.monotonic() - began,
        is_doubtful=judgement.verdict is not Verdict.PASS
        and (
            bool(transcript.obstacle)
            or (not transcript.ending and not transcript.is_alive)
        ),
    )


async def _play(
    guest: Guest,
    case: Case,
    transcript: Transcript,
    tracing: Tracing,
    *,
    way: Way,
    agreed: DeflateParameters | None,
    within: float,
) -> None:
    if any(each.end is End.FAILED for each in case.outcomes):
        # Who never took the connection for open has failed nothing.
        await _meet(guest, within)
    inflater = None
    if agreed is not None:
        inflater = inflater_for(agreed, by_server=True, limit=_MOST_INFLATED)
    player = Player(
        case,
        guest,
        transcript,
        tracing,
        way=way,
        inflater=inflater,
        within=within,
        is_server=True,
    )
    player.ready()
    await player.play()


async def _meet(guest: Guest, within: float) -> None:
    """Wait until the client answers a ping: then it takes the connection for open.

    Raises:
        TimeoutError: If it does not answer.
        LocalError: If it ends the connection instead.
    """
    await guest.write(encode_frame(Opcode.PING, b"open?"))
    try:
        async with asyncio.timeout(within):
            while frame := await guest.read_frame(within):
                if frame.opcode == Opcode.PONG:
                    return
    except TimeoutError:
        raise TimeoutError(f"the client answered no ping in {within:g} s") from None
    raise LocalError("the client ended the connection before the case began")


# An answer.


async def play_opening(
    guest: Guest, request: Request, opening: Opening, *, within: float
) -> Played:
    """Answer an opening handshake as a row has it, and see what comes.

    Args:
        guest: The client.
        request: Its opening handshake.
        opening: The row.
        within: Seconds that the client has for a reaction.
    """
    reason = reason_to_leave_out(opening, request)
    if reason:
        await tell(guest, request, "", within=within)
        return Played(opening, skipped=reason)
    began = time.monotonic()
    lag = Lag()
    async with lag:
        data = await _react(guest, request, opening, within)
        reaction = Reaction(data=data, ending=str(guest.ending or ""))
        if has_opened(data):
            await _close(guest)
    judgement = judge_opening(opening, reaction)
    is_late = lag.worst > _LAG
    if is_late:
        words = f"the lab itself stood still for {lag.worst:.1f} s"
        judgement = Judgement(
            verdict=Verdict.UNKNOWN, expected=judgement.expected, seen=words
        )
    is_passed = judgement.verdict is Verdict.PASS
    return Played(
        opening,
        judgement,
        trace=() if is_passed else _trace(opening, request, reaction),
        took=time.monotonic() - began,
        is_doubtful=is_late or not (is_passed or data or reaction.ending),
    )


async def _react(
    guest: Guest, request: Request, opening: Opening, within: float
) -> bytes:
    """Answer, and return what the client sends behind it."""
    answer = answer_bytes(opening, request)
    is_whole = not (opening.cut or opening.filler or opening.is_silent)
    with contextlib.suppress(ConnectionEnded, TimeoutError):
        if opening.is_joined:
            answer += BEHIND
        await guest.drip(answer, piece=opening.piece or max(1, len(answer)))
        if opening.cut:
            guest.half_close()
        if is_whole and not opening.is_joined:
            await _breathe(guest)
            await guest.write(BEHIND)
    if opening.is_final:
        data = await _read(guest, _REACTION)
        if data:
            return data
        guest.half_close()
    return await _read(guest, within if is_whole else min(within, _SILENCE))


async def _breathe(guest: Guest) -> None:
    """Wait for a moment, or until the client ends the connection."""
    with contextlib.suppress(TimeoutError):
        await guest.ended(_BREATH)


async def _read(guest: Guest, within: float) -> bytes:
    """Read until frames come, or the end, or in vain."""
    data = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while len(data) < _MOST_READ and not has_opened(data):
                came = await guest.read(within)
                if not came:
                    break
                data += came
    return data


async def _close(guest: Guest) -> None:
    """Close a connection that is open for the client."""
    # Behind our FIN there is nothing left to say.
    with contextlib.suppress(ConnectionEnded, TimeoutError, LocalError):
        await guest.write(encode_frame(Opcode.CLOSE, encode_close(1000)))
    await guest.leave()


def _trace(opening: Opening, request: Request, reaction: Reaction) -> tuple[str, ...]:
    """Show the request, the answer, and what came of it, line by line."""
    asked = [f"{request.method} {request.target} {request.version}"]
    asked += [f"{name}: {value}" for name, value in request.headers]
    answer = answer_bytes(opening, request)[:2000].decode("latin-1").split("\r\n")
    return (
        *(f"< {line}" for line in asked),
        *(f"> {line}" for line in answer if line),
        f"< {reaction.data[:32].hex(' ') or 'nothing'}",
        f"= TCP ended: {reaction.ending or 'no'}",
    )
