"""Settlement: what is missing of a chunk of publications, and what that is called.

It refuses to know events: everything has happened when it is asked.
"""

from collections.abc import Iterator, Sequence

from wavetank.lab.checkers.history import Fate, Fates
from wavetank.lab.checkers.promises import Anomaly, Promise
from wavetank.lab.checkers.publications import (
    FAILED,
    KEPT,
    OK,
    SEEN,
    STATE,
    Chunk,
    Ledger,
)
from wavetank.lab.checkers.streams import Stream
from wavetank.lab.checkers.tallies import Example, Tally

__all__ = ["Settlement"]


class Settlement:
    """Adds what became of publications to a tally.

    Args:
        promise: What the target promises.
        tally: Where to count.
        prefixes: How the ids of each publisher begin.
        is_final: Whether the final phase is finished.
        fates: Where lost messages were lost.

    Attributes:
        excused: Stream -> drops that the target announced without saying which, as
            far as something missing was found for them.
    """

    def __init__(
        self,
        promise: Promise,
        tally: Tally,
        prefixes: list[str],
        *,
        is_final: bool,
        fates: Fates,
    ) -> None:
        self._promise = promise
        self._tally = tally
        self._prefixes = prefixes
        self._is_final = is_final
        self._fates = fates
        self.excused: dict[Stream, int] = {}

    def settle(self, ledger: Ledger, chunk: Chunk, streams: Sequence[Stream]) -> int:
        """Settle a chunk.

        Args:
            ledger: The topic.
            chunk: Of its publications.
            streams: All who ever subscribed to the topic.

        Returns:
            How many deliveries are missing, and not declared.
        """
        wanting: set[int] = set()
        lost: set[int] = set()
        count = 0
        for stream in streams:
            for slot, anomaly in self._missing(chunk, stream):
                wanting.add(slot)
                self._note_missing(anomaly, chunk, slot, stream)
                count += anomaly is not Anomaly.DECLARED
                if anomaly is Anomaly.LOST:
                    lost.add(slot)
        for slot, status in enumerate(chunk.status):
            if slot not in wanting and 0 <= chunk.acked[slot] <= chunk.last[slot]:
                self._tally.stable.add(chunk.last[slot] - chunk.acked[slot])
            found = self._fate_of(status, is_lost=slot in lost)
            if found is not None:
                self._note(found, ledger, chunk, slot)
        return count

    def _fate_of(self, status: int, *, is_lost: bool) -> Anomaly | None:
        """Return what a publication is, whoever should have got it."""
        state = status & STATE
        if state == FAILED:
            return Anomaly.PHANTOM if status & SEEN else None
        if state != OK:
            is_news = status & SEEN and not self._promise.is_weak
            return Anomaly.RECOVERED if is_news else None
        is_gone = is_lost and not status & (SEEN | KEPT)
        return Anomaly.LOST_TO_ALL if is_gone else None

    # What a stream lacks

    def _missing(self, chunk: Chunk, stream: Stream) -> Iterator[tuple[int, Anomaly]]:
        """Yield the rows that a stream is owed and did not get."""
        numbers: dict[int, int] | None = None
        for slot in stream.missing(chunk):
            if not self._is_real(chunk.status[slot]):
                continue
            window = stream.owes(chunk, slot)
            if window is None:
                continue
            if numbers is None:
                numbers = stream.numbers() if self._promise.fifo else {}
            is_settled = (
                self._is_final
                or not window.is_open
                or _is_behind(stream, chunk, slot, numbers)
            )
            yield slot, self._name(chunk.positions[slot], stream, is_settled=is_settled)

    def _is_real(self, status: int) -> bool:
        """Tell whether it is known to have been published."""
        if status & STATE == OK:
            return True
        is_seen = status & SEEN and status & STATE != FAILED
        return bool(is_seen and self._promise.is_weak)

    def _name(self, position: int, stream: Stream, *, is_settled: bool) -> Anomaly:
        if position in stream.gaps:
            return Anomaly.DECLARED
        if not is_settled:
            return Anomaly.PENDING
        excused = self.excused.get(stream, stream.excused)
        if excused < stream.dropped:
            self.excused[stream] = excused + 1
            return Anomaly.DECLARED
        return Anomaly.LOST

    # Counting

    def _note_missing(
        self, anomaly: Anomaly, chunk: Chunk, slot: int, stream: Stream
    ) -> None:
        ledger, who = stream.ledger, stream.subscriber.name
        fate = Fate.UNKNOWN
        if anomaly is Anomaly.LOST:
            if self._fates:
                fate = self._fate(chunk, slot, stream)
            self._tally.fates[fate] += 1
        self._note(anomaly, ledger, chunk, slot, who=who, by=fate)

    def _fate(self, chunk: Chunk, slot: int, stream: Stream) -> Fate:
        """Return where a lost message was lost."""
        who, topic = stream.subscriber.name, stream.ledger.topic
        seq, _ = stream.ledger.said_of(chunk.positions[slot])
        keys: list[int | str] = [chunk.id_of(slot, self._prefixes)]
        if seq is not None:
            keys.append(seq)
        known = [self._fates.get((who, topic, key), Fate.UNKNOWN) for key in keys]
        return next(filter(None, known), Fate.UNKNOWN)

    def _note(
        self,
        anomaly: Anomaly,
        ledger: Ledger,
        chunk: Chunk,
        slot: int,
        *,
        who: str = "",
        by: Fate = Fate.UNKNOWN,
    ) -> None:
        examples = self._tally.add(anomaly)
        if examples is None:
            return
        seq, epoch = ledger.said_of(chunk.positions[slot])
        examples.append(
            Example(
                subscriber=who,
                topic=ledger.topic,
                id=chunk.id_of(slot, self._prefixes),
                seq=seq,
                epoch=epoch,
                by=by,
            )
        )


def _is_behind(
    stream: Stream, chunk: Chunk, slot: int, numbers: dict[int, int]
) -> bool:
    """Tell whether something that is behind it has come.

    Args:
        stream: To whom.
        chunk: Where it is.
        slot: Its row.
        numbers: Publisher -> the last of its messages that came, where order counts.
    """
    position = chunk.positions[slot]
    if position >= 0:
        return stream.highest > position
    return chunk.numbers[slot] < numbers.get(chunk.publishers[slot], 0)
