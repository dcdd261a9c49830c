"""Streaming: plays volumes, each on its own connection, a few at once.

It refuses to know what a volume proves, and to judge; ``conformance`` does both.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Finding
from wavetank.lab.conformance.agreement import (
    EXTENSIONS,
    Broken,
    Declined,
    ExactInflater,
    Pieces,
    agreed_on,
    make_deflate,
    make_inflater,
)
from wavetank.lab.conformance.aio.introducing import introduce
from wavetank.lab.conformance.aio.playing import Player
from wavetank.lab.conformance.case import Binary, Case, Outcome, Text
from wavetank.lab.conformance.corpus import cut
from wavetank.lab.conformance.echoes import Way, way_of
from wavetank.lab.conformance.hearing import Hearing, Transcript
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.conformance.volumes import Volume, volume_needs
from wavetank.lab.conformance.weighing import (
    Tally,
    Weighing,
    misunderstood,
    skipped,
    weigh,
)
from wavetank.lab.peers import Peers
from wavetank.net import ConnectionEnded, RudePeer
from wavetank.wire import (
    DeflateParameters,
    Frame,
    Opcode,
    encode_close,
    encode_frame,
)

__all__ = ["EXHAUSTIVE", "MESSAGES", "Streamer", "Weighed"]

MESSAGES: Final = 32
"""Messages of a volume that does not say how many, unless told otherwise."""

EXHAUSTIVE: Final = 1000
"""The same, where the user takes the time; it is what Autobahn sends."""

AT_ONCE: Final = 4
"""Volumes at once: the target always has something to do, and never much to hold."""

PATIENCE: Final = 15.0
"""Seconds in which something has to move; large messages have more."""

_SLOWEST: Final = 512 * 1024
"""Bytes in a second that a large message has to come with, at least."""

_HASTE: Final = 3.0
"""Seconds in which something has to move, once the target has been seen to hang."""

_VAIN: Final = 3
"""Volumes that hang before there is haste, and before no second look is taken."""

_WINDOW: Final = 512 * 1024
"""Bytes that are under way at once; a larger message goes alone."""

_MOST_UNDER_WAY: Final = 32
"""Messages that are."""

_PIECE: Final = 256 * 1024
"""Bytes of a write: for each the target has all patience."""

_ROOM: Final = 64 * 1024
"""Bytes that an echo may be larger than what was sent: what the dialect puts around."""

_TURN: Final = 64
"""Frames that are read before other volumes have their turn."""


class Weighed(NamedTuple):
    """What became of a volume.

    Attributes:
        volume: The volume.
        finding: What it came to.
        tally: How far it got.
        is_doubtful: Whether a second look, alone, may show something else.
    """

    volume: Volume
    finding: Finding
    tally: Tally
    is_doubtful: bool = False


class Streamer:
    """Plays volumes.

    Args:
        peers: Opens connections to the target.
        messages: Of each volume that does not say how many.
        at_once: Volumes at once; those that measure round trips go alone.
        patience: Seconds in which something has to move.
    """

    def __init__(
        self,
        peers: Peers,
        *,
        messages: int = MESSAGES,
        at_once: int = AT_ONCE,
        patience: float = PATIENCE,
    ) -> None:
        self._peers = peers
        self._messages = messages
        self._at_once = at_once
        self._patience = patience
        self._pieces = Pieces()

    async def run(self, volumes: Sequence[Volume]) -> list[Weighed]:
        """Play volumes, and return what became of them in the same order.

        What could not be judged, and what got stuck, is played once more, alone; but
        no longer where that was in vain too often.
        """
        rooms = {True: asyncio.Semaphore(1), False: asyncio.Semaphore(self._at_once)}
        found: dict[str, Weighed] = {}
        stuck = 0

        async def play(volume: Volume) -> None:
            nonlocal stuck
            async with rooms[volume.in_turn]:
                hasty = min(self._patience, _HASTE)
                patience = hasty if stuck >= _VAIN else self._patience
                found[volume.id] = await self._play(volume, patience)
                stuck += found[volume.id].is_doubtful

        for in_turn in (False, True):
            async with asyncio.TaskGroup() as group:
                for volume in volumes:
                    if volume.in_turn is in_turn:
                        group.create_task(play(volume))
        vain = 0
        for volume in volumes:
            if found[volume.id].is_doubtful and vain < _VAIN:
                found[volume.id] = await self._play(volume, self._patience)
                vain += found[volume.id].is_doubtful
        return [found[volume.id] for volume in volumes]

    async def _play(self, volume: Volume, patience: float) -> Weighed:
        tally = Tally(wanted=volume.count or self._messages)
        transcript = Transcript()
        way = way_of(self._peers.target.dialect, self._peers.topic("conformance"))
        reason = _obstacle(volume, way)
        if reason:
            return Weighed(volume, skipped(volume, reason), tally)
        try:
            await self._stream(volume, way, tally, transcript, patience=patience)
        except Declined as declined:
            return Weighed(volume, skipped(volume, str(declined)), tally)
        except Broken as broken:
            return Weighed(volume, misunderstood(volume, str(broken)), tally)
        except (RemoteError, TimeoutError, LocalError, OSError) as error:
            transcript.obstacle = f"the case could not be played: {error}"
        is_stuck = bool(tally.stalled) or not transcript.ending
        return Weighed(
            volume,
            weigh(volume, tally, transcript),
            tally,
            is_doubtful=bool(transcript.obstacle) or (is_stuck and not tally.wrong),
        )

    async def _stream(
        self,
        volume: Volume,
        way: Way,
        tally: Tally,
        transcript: Transcript,
        *,
        patience: float,
    ) -> None:
        rude = await self._peers.raw(within=patience, kept=2 * volume.size + 2**20)
        try:
            agreed = await self._open(rude, volume, patience)
            inflater = deflate = None
            if agreed is not None:
                kept = None if way.prefix else self._pieces
                deflate = make_deflate(volume, agreed, kept)
                inflater = make_inflater(agreed, _most(volume))
            await introduce(
                Player(
                    _as_case(volume),
                    rude,
                    transcript,
                    Tracing(),
                    way=way,
                    inflater=inflater,
                    within=patience,
                ),
                way,
                self._peers.target,
            )
            await _Stream(
                volume,
                rude,
                transcript,
                tally,
                way=way,
                inflater=inflater,
                deflate=deflate,
                patience=patience,
            ).play()
        finally:
            await rude.close()

    async def _open(
        self, rude: RudePeer, volume: Volume, patience: float
    ) -> DeflateParameters | None:
        """Shake hands; return what was agreed on compression."""
        change = self._peers.handshake()
        if volume.offers:
            change[EXTENSIONS] = volume.extensions
        answer = await rude.open(timeout=patience, change=change)
        if answer.status != 101:
            words = f"the opening handshake was answered with {answer.status}"
            raise LocalError(words)
        if not volume.offers:
            return None
        return agreed_on(answer.headers.all(EXTENSIONS), volume.offers)

    def __repr__(self) -> str:
        """Show how many messages it sends, and how many volumes at once."""
        return f"<Streamer {self._messages} messages, {self._at_once} at once>"


class _Stream:
    """One volume on one connection, which is open: sends and hears at the same time."""

    def __init__(
        self,
        volume: Volume,
        rude: RudePeer,
        transcript: Transcript,
        tally: Tally,
        *,
        way: Way,
        inflater: ExactInflater | None,
        deflate: Callable[[int, bytes], bytes] | None,
        patience: float,
    ) -> None:
        self._volume = volume
        self._rude = rude
        self._transcript = transcript
        self._tally = tally
        self._way = way
        self._deflate = deflate
        self._patience = patience
        self._weighing = Weighing(tally)
        self._hearing = Hearing(
            way,
            inflater,
            probe=b"",
            transcript=transcript,
            codes=frozenset(),
        )
        under_way = _WINDOW // max(volume.size, 1)
        bound = 1 if volume.in_turn else max(1, min(_MOST_UNDER_WAY, under_way))
        self._room = asyncio.Semaphore(bound)
        self._is_inside = False
        self._is_deflated = False
        self._held = 0
        self._frames = 0
        self._sent_at = self._moved_at = time.perf_counter()

    async def play(self) -> None:
        """Send all messages, hear all echoes, and end the connection."""
        started = self._moved_at = time.perf_counter()
        sender = asyncio.create_task(self._send_all())
        try:
            is_open = await self._hear_all()
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        self._tally.seconds = time.perf_counter() - started
        if not sender.cancelled() and (error := sender.exception()) is not None:
            raise error
        if is_open and not self._tally.stalled:
            await self._end()

    async def _send_all(self) -> None:
        """Send message after message, as soon as there is room for the next."""
        volume, way = self._volume, self._way
        kind = Text if volume.material.is_text else Binary
        with suppress(ConnectionEnded, TimeoutError):
            # The one who hears sees the end, and that nothing moves any more.
            for number in range(self._tally.wanted):
                await self._room.acquire()
                payload = cut(
                    volume.material, number, volume.size, is_quoted=bool(way.prefix)
                )
                self._weighing.sent(kind(payload))
                if volume.material.is_text:
                    payload = way.prefix + payload + way.suffix
                if self._deflate is not None:
                    payload = self._deflate(number, payload)
                self._is_inside = True
                await self._send(payload)
                self._is_inside = False

    async def _send(self, payload: bytes) -> None:
        is_deflated = self._deflate is not None
        data = _frames(self._volume, payload, is_deflated=is_deflated)
        self._sent_at = time.perf_counter()
        if self._volume.chop:
            await self._rude.drip(data, piece=self._volume.chop)
        else:
            for start in range(0, len(data), _PIECE):
                piece = data[start : start + _PIECE]
                await self._rude.write(piece, timeout=self._patience)
                self._moved_at = time.perf_counter()
        self._moved_at = time.perf_counter()

    async def _hear_all(self) -> bool:
        """Hear until there is nothing more to learn; tell whether it is still open."""
        patience = self._patience + self._volume.size / _SLOWEST
        transcript = self._transcript
        while not (
            self._weighing.is_over or transcript.has_answer or transcript.faults
        ):
            waited = time.perf_counter() - self._moved_at
            if waited > patience:
                self._tally.stalled = waited
                break
            with suppress(TimeoutError):
                if not await self._hear(patience - waited):
                    return False
        return True

    async def _hear(self, seconds: float) -> bool:
        """Hear the next frame; tell whether there was one before the end."""
        frame = await self._rude.read_frame(seconds)
        if frame is None:
            self._transcript.ending = str(self._rude.ending or "")
            return False
        self._frames += 1
        if self._frames % _TURN == 0:
            # What has come already is read without any waiting.
            await asyncio.sleep(0)
        if self._is_too_much(frame):
            self._weighing.refuse("more came back than was sent")
            return True
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_deflated = frame.rsv1
        self._hearing.take(frame)
        self._compare()
        return True

    def _is_too_much(self, frame: Frame) -> bool:
        """Tell whether a message grows beyond any that may come: nothing is kept."""
        if frame.opcode > Opcode.BINARY:
            return False
        self._held += len(frame.payload)
        is_too_much = frame.announced is not None or self._held > _most(self._volume)
        if frame.fin and not is_too_much:
            self._held = 0
        return is_too_much

    def _compare(self) -> None:
        """Compare what was heard with what is due, and forget it."""
        heard, tally = self._transcript.heard, self._tally
        for each in heard:
            if self._weighing.take(each):
                self._moved_at = time.perf_counter()
                tally.deflated += self._is_deflated
                if self._volume.in_turn:
                    tally.latencies.record(self._moved_at - self._sent_at)
                self._room.release()
        heard.clear()

    async def _end(self) -> None:
        """Send our close frame, the first or the answer, and wait for the end."""
        if not self._is_inside:  # nothing can be said in the middle of a frame
            # Who has gone already is heard to its end all the same.
            with suppress(LocalError, ConnectionEnded, TimeoutError):
                await self._close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while await self._hear(self._patience):
                    pass

    async def _close(self) -> None:
        transcript = self._transcript
        transcript.has_closed = True
        transcript.is_first = not transcript.has_answer
        code = transcript.code if transcript.has_answer else None
        await self._rude.send_frame(Opcode.CLOSE, encode_close(code or 1000))

    def __repr__(self) -> str:
        """Show the volume and how far it got."""
        return f"<_Stream {self._volume.id} {self._weighing!r}>"


def _most(volume: Volume) -> int:
    """Return the bytes that the largest message of a target may have."""
    return volume.size + _ROOM


def _as_case(volume: Volume) -> Case:
    """Return what a player wants to know of a volume."""
    return Case(
        id=volume.id,
        title=volume.title,
        clause=volume.clause,
        steps=(),
        outcomes=(Outcome(),),
    )


def _obstacle(volume: Volume, way: Way) -> str:
    """Say why a volume cannot be sent on a way; "" if it can."""
    need = volume_needs(volume)
    if need not in way.needs:
        return f"the target has no {need.value}"
    if not way.prefix:
        return ""
    return way.obstacle(cut(volume.material, 0, volume.size, is_quoted=True))


def _frames(volume: Volume, payload: bytes, *, is_deflated: bool) -> bytes:
    """Return a message as bytes, in as many frames as the volume wants."""
    size = volume.fragment or len(payload) or 1
    starts = range(0, len(payload), size) or range(1)
    keys = secrets.token_bytes(4 * len(starts))
    return b"".join(
        encode_frame(
            Opcode.CONTINUATION if start else volume.opcode,
            payload[start : start + size],
            fin=start + size >= len(payload),
            rsv1=is_deflated and not start,
            mask=keys[4 * number : 4 * number + 4],
        )
        for number, start in enumerate(starts)
    )
