"""Playing: one case on one open connection, step by step to its end.

It refuses to know what the case proves, and how the connection came to be.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TypeGuard, TypeVar

from wavetank.dialects import Ask, Authenticate, Dialect, Reply, Welcome
from wavetank.errors import LocalError
from wavetank.lab.conformance.case import (
    Case,
    Chopped,
    End,
    Frame,
    HalfClose,
    Pause,
    Raw,
    Reset,
    Step,
    Text,
    frames_of,
)
from wavetank.lab.conformance.echoes import Mirror, Way, wrapped
from wavetank.lab.conformance.hearing import Hearing, Transcript
from wavetank.lab.conformance.judge import may_still_fit
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.conversation import Refused
from wavetank.net import ConnectionEnded, RudePeer, Side
from wavetank.wire import (
    FrameReader,
    Inflater,
    Opcode,
    encode_close,
    encode_frame,
)

__all__ = ["Player"]

_Answer = TypeVar("_Answer", Reply, Welcome)

_MOST_FRAMES = 10_000
"""Frames that are read in one case; who sends more is not read on."""

_TURN = 64
"""Frames that are read before the other cases have their turn."""

_SUSPICIOUS = 0.3
"""Seconds of silence after which a target that should have failed is asked."""

_AFTERTHOUGHT = 0.2
"""Seconds after which a target that answered that ping has gone on."""

_PARTS = 3
"""A target that is silent for one of so many parts of its time is asked whether it is
there; if it is, it has one part more."""


_LONGEST = 6
"""Times its patience that a target has that goes on, however slowly."""


class Player:
    """One case on one connection.

    Args:
        case: What is played.
        rude: The connection, its opening handshake answered with 101.
        transcript: Where it is noted what came.
        tracing: Where all that goes over the wire is noted.
        way: How messages come back.
        inflater: For what comes compressed; None where nothing was agreed.
        within: Seconds that the target has for a reaction.
        is_server: Whether the target is a client: then we do not mask, and it is we
            who end TCP behind both close frames.
    """

    def __init__(
        self,
        case: Case,
        rude: RudePeer,
        transcript: Transcript,
        tracing: Tracing,
        *,
        way: Way,
        inflater: Inflater | None,
        within: float,
        is_server: bool = False,
    ) -> None:
        self._case = case
        self._rude = rude
        self._transcript = transcript
        self._tracing = tracing
        self._way = way
        self._within = within
        self._is_server = is_server
        self._probe = secrets.token_bytes(8)
        self._is_half_closed = False
        self._frames = 0
        # Whether a message comes back before a broken frame fails the connection
        # would hang on how they meet the target's reads: a verdict must not.
        self._hangs_on_reads = any(
            each.end is End.FAILED for each in case.outcomes
        ) and any(each.heard for each in case.outcomes)
        # Until the case begins, whatever comes is heard.
        self._hearing = Hearing(
            Mirror(),
            inflater,
            probe=self._probe,
            transcript=transcript,
            codes=frozenset().union(*(each.codes or () for each in case.outcomes)),
        )

    # Before the case.

    async def say(self, text: str) -> None:
        """Send a text of the dialect."""
        await self._rude.send_frame(Opcode.TEXT, text.encode())

    async def authenticate(self, dialect: Dialect, token: str) -> None:
        """Present a token, where the dialect has a message for it.

        Raises:
            Refused: If the target says no.
        """
        with suppress(LocalError):
            await self.ask(dialect, Authenticate(id=1, token=token))

    async def ask(self, dialect: Dialect, ask: Ask) -> None:
        """Ask for something, and wait until the target says yes.

        Raises:
            LocalError: If the dialect has no such ask.
            Refused: If the target says no.
        """
        await self.say(dialect.encode(ask))
        reply = await self.wait_for(Reply, dialect)
        if not reply.ok:
            name = type(ask).__name__.lower()
            raise Refused(f"{name} was refused: {reply.code} {reply.text}".rstrip())

    async def wait_for(self, kind: type[_Answer], dialect: Dialect) -> _Answer:
        """Wait for a message of the dialect, and take it from what was heard.

        Raises:
            TimeoutError: If it does not come.
            ConnectionEnded: If the connection ends before.
        """
        until, seen = time.monotonic() + self._within, 0
        while True:
            for index, heard in enumerate(self._transcript.heard[seen:], seen):
                meaning = _meaning(heard, dialect)
                if isinstance(meaning, kind):
                    del self._transcript.heard[index]
                    return meaning
            seen = len(self._transcript.heard)
            try:
                is_open = await self._hear(max(0.0, until - time.monotonic()))
            except TimeoutError:
                raise TimeoutError(
                    f"no {kind.__name__.lower()} of the {dialect.name} dialect came "
                    f"within {self._within:g} s"
                ) from None
            if not is_open:
                raise ConnectionEnded(
                    "the target ended the connection before the case began",
                    code=1006,
                    reason="",
                    by=Side.THEM,
                )

    def ready(self) -> None:
        """Begin the case: what was heard so far does not count."""
        self._transcript.heard.clear()
        self._transcript.faults.clear()
        self._hearing.way = self._way

    # The case.

    async def play(self) -> None:
        """Send the steps, wait for what has to come, and end the connection."""
        steps = wrapped(self._case.steps, self._way)
        is_open, done = True, 0
        # Also what stands behind a close frame is seen, or not, by how it is read.
        is_joined = self._hangs_on_reads or _has_more_behind_close(steps)
        for run in _runs(steps) if is_joined else [(each,) for each in steps]:
            is_open = await self._do(run)
            if not is_open:
                # A step that could not be sent is still the next one.
                self._transcript.step = done + isinstance(run[0], Pause)
                break
            done += len(run)
        if any(isinstance(step, Reset) for step in steps):
            return
        await self._finish()

    async def _do(self, run: Sequence[Step]) -> bool:
        """Do one step, or several in one write; tell whether it is still open."""
        match run[0]:
            case Frame() | Raw():
                return await self._send([each for each in run if _is_sent(each)])
            case Chopped(frames, size):
                return await self._chop(frames, size)
            case Pause(seconds):
                return await self._listen(seconds)
            case HalfClose():
                self._rude.half_close()
                self._is_half_closed = True
                return True
            case Reset():
                self._rude.abort()
                return False

    async def _send(
        self, sent: Sequence[Frame | Raw], *, piece: int | None = None
    ) -> bool:
        """Send frames; tell whether all of them went out."""
        is_written = await self._write(b"".join(map(_encode, sent)), piece=piece)
        if is_written and any(map(_has_close, sent)):
            self._note_close()
        return is_written

    async def _chop(self, frames: Sequence[Frame], size: int) -> bool:
        """Send frames in pieces; tell whether all of them went out.

        Where what comes back hangs on the target's reads, it is waited for.
        """
        if not self._hangs_on_reads:
            return await self._send(frames, piece=size)
        for frame in frames:
            if not await self._send([frame], piece=size):
                return False
            if frame.fin and frame is not frames[-1]:
                await self._hear_one()
        return True

    async def _hear_one(self) -> None:
        """Wait for one more message or pong, or for the end, or in vain."""
        until = time.monotonic() + self._within / 2
        transcript, heard = self._transcript, len(self._transcript.heard)
        with suppress(TimeoutError):
            while len(transcript.heard) == heard and not transcript.has_answer:
                if not await self._hear(max(0.0, until - time.monotonic())):
                    break

    async def _write(self, data: bytes, *, piece: int | None = None) -> bool:
        self._tracing.sent(data)
        try:
            await self._rude.drip(data, piece=piece or len(data))
        except ConnectionEnded:
            self._tracing.note("TCP ended before all of it was sent")
            return False
        return True

    def _note_close(self) -> None:
        if not self._transcript.has_closed:
            self._transcript.has_closed = True
            self._transcript.is_first = not self._transcript.has_answer

    async def _listen(self, seconds: float) -> bool:
        """Hear what comes for a while; tell whether the connection is still open."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                if not await self._hear(left):
                    return False
            except TimeoutError:
                break
            if self._transcript.has_answer:
                return False
        return True

    async def _hear(self, seconds: float) -> bool:
        """Hear the next frame; tell whether there was one before the end.

        Raises:
            LocalError: If there are too many.
        """
        frame = await self._rude.read_frame(seconds)
        if frame is None:
            return False
        self._frames += 1
        if self._frames > _MOST_FRAMES:
            raise LocalError(f"the target sent more than {_MOST_FRAMES} frames")
        if self._frames % _TURN == 0:
            # What has come already is read without any waiting.
            await asyncio.sleep(0)
        self._tracing.received(frame)
        self._hearing.take(frame)
        return True

    async def _finish(self) -> None:
        """Bring the connection to its end, by whoever has to end it.

        Each message that is waited for has all the time, and so has the answer to our
        close frame: who is slow and goes on is not silent.
        """
        longest = time.monotonic() + _LONGEST * self._within
        until, done = time.monotonic() + self._within, 0
        may_ask, has_gone_on = self._may_be_asked(), False
        has_to_fail = all(each.end is End.FAILED for each in self._case.outcomes)
        silence = _SUSPICIOUS if has_to_fail else self._within / _PARTS
        while (left := until - time.monotonic()) > 0:
            transcript = self._transcript
            if transcript.is_alive and has_to_fail:
                # Who was busy elsewhere reads the ping together with what breaks the
                # rule, and may answer it first (RFC 6455 5.5.2: as soon as possible).
                transcript.is_alive, has_gone_on = False, True
                until = min(until, time.monotonic() + _AFTERTHOUGHT)
                continue
            if transcript.is_alive:
                # Nothing is wrong with that, and what is late now is not on its way;
                # but for the answer to our close frame, which stood behind the ping.
                transcript.is_alive = False
                is_last = transcript.has_closed
                latest, part = (longest, 1) if is_last else (until, _PARTS)
                until = min(latest, time.monotonic() + self._within / part)
                continue
            if not transcript.has_closed and (
                transcript.has_answer or may_still_fit(self._case, transcript)
            ):
                await self._close()
            if transcript.has_closed and transcript.has_answer:
                self._part()
            if self._progress() > done:
                done = self._progress()
                until = min(time.monotonic() + self._within, longest)
            may_ask = may_ask and not transcript.has_closed
            wait = min(left, silence) if may_ask else left
            try:
                if not await self._hear(wait):
                    self._transcript.ending = str(self._rude.ending or "")
                    self._tracing.note(f"TCP ended: {self._transcript.ending}")
                    return
            except TimeoutError:
                if may_ask:
                    may_ask = False
                    await self._write(self._frame(Opcode.PING, self._probe))
        if has_gone_on and not self._transcript.has_answer:
            self._transcript.is_alive = True
        if until == longest:
            words = f"it was still going on after {_LONGEST * self._within:g} s"
            self._transcript.obstacle = words

    def _progress(self) -> int:
        """Count what was waited for and came, and our close frame."""
        wanted = max(len(each.heard) for each in self._case.outcomes)
        came = min(len(self._transcript.heard), wanted)
        return came + self._transcript.has_closed

    def _may_be_asked(self) -> bool:
        """Tell whether a ping can be put behind the steps, to see who is there."""
        return not self._is_half_closed and _is_whole(self._case.steps)

    async def _close(self) -> None:
        """Send our close frame: the first one, or the answer to theirs."""
        if self._is_half_closed:
            return  # behind FIN nothing can be sent
        code = 1000
        if self._transcript.has_answer and self._transcript.code is not None:
            code = self._transcript.code
        self._note_close()
        with suppress(LocalError):
            await self._write(self._frame(Opcode.CLOSE, encode_close(code)))

    def _part(self) -> None:
        """End TCP behind both close frames: a server has to (RFC 6455 7.1.1)."""
        if self._is_server and not self._is_half_closed:
            self._is_half_closed = True
            self._rude.half_close()

    def _frame(self, opcode: Opcode, payload: bytes) -> bytes:
        """Return a frame of ours that is not of the case."""
        mask = None if self._is_server else secrets.token_bytes(4)
        return encode_frame(opcode, payload, mask=mask)

    def __repr__(self) -> str:
        """Show the case and how much of its answer came."""
        return f"<Player {self._case.id} {len(self._transcript.heard)} heard>"


def _meaning(heard: object, dialect: Dialect) -> object:
    if not isinstance(heard, Text):
        return None
    return dialect.decode(heard.data.decode(errors="replace"))


def _is_sent(step: Step) -> TypeGuard[Frame | Raw]:
    return isinstance(step, Frame | Raw)


def _runs(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Yield steps that are one write together, and all others one by one."""
    for is_sent, run in itertools.groupby(steps, _is_sent):
        if is_sent:
            yield tuple(run)
        else:
            yield from ((step,) for step in run)


def _has_more_behind_close(steps: Sequence[Step]) -> bool:
    return any(each.opcode == Opcode.CLOSE for each in frames_of(steps)[:-1])


def _has_close(step: Frame | Raw) -> bool:
    return isinstance(step, Frame) and step.opcode == Opcode.CLOSE


def _is_whole(steps: Sequence[Step]) -> bool:
    """Tell whether the last frame of some steps ends with them."""
    reader = FrameReader(expect_mask=None, max_payload=None, strict=False)
    for step in steps:
        if isinstance(step, Frame | Raw):
            reader.feed(_encode(step))
        elif isinstance(step, Chopped):
            reader.feed(b"".join(map(_encode, step.frames)))
    return reader.at_rest


def _encode(step: Frame | Raw) -> bytes:
    if isinstance(step, Raw):
        return step.data
    mask = None
    if step.is_masked:
        mask = step.mask if step.mask is not None else secrets.token_bytes(4)
    return encode_frame(
        step.opcode,
        step.payload,
        fin=step.fin,
        rsv1=bool(step.rsv & 4),
        rsv2=bool(step.rsv & 2),
        rsv3=bool(step.rsv & 1),
        mask=mask,
        length_form=step.form,
        declared_length=step.declared,
    )
