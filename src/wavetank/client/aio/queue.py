"""The queue: what was accepted and is not settled, in memory and on disk.

It refuses to know connections and receipts.
"""

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from wavetank.client.aio.keeper import Keeper
from wavetank.client.aio.spool import Spool
from wavetank.client.lanes import Lanes
from wavetank.client.outbox import Entry, Fate, Outbox, Outcome
from wavetank.client.setback import Setback
from wavetank.errors import UsageError
from wavetank.protocol import Error, ErrorCode

if TYPE_CHECKING:
    import structlog

__all__ = ["Queue"]

_PAGE = 256
"""Entries that are read from the spool at once."""


class Queue:
    """Entries on their way: an outbox, and behind it a spool where there is one.

    Args:
        name: Of the producer.
        epoch: First one to use, where no spool knows better.
        keeper: Has dice, log and backoff.
        entries: Most in memory.
        size: Most bytes of payloads in memory.
        max_retries: How often one may be in vain; None is endless.

    Attributes:
        name: Of the producer.
        number: The highest one that was given.
        outbox: What is in memory.
    """

    def __init__(
        self,
        name: str,
        epoch: int,
        keeper: Keeper,
        *,
        entries: int,
        size: int,
        max_retries: int | None,
    ) -> None:
        self.name = name
        self.number = 0
        self._keeper = keeper
        self._most = entries
        self._most_size = size
        self._max_retries = max_retries
        self._lanes = Lanes(epoch)
        self.outbox = self._make_outbox()
        self._spool: Spool | None = None
        self._loaded = 0
        self._settled: list[Entry] = []
        self._setback = Setback()

    def _make_outbox(self) -> Outbox:
        keeper = self._keeper
        return Outbox(
            self._lanes,
            backoff=keeper.backoff,
            rng=keeper.rng,
            max_retries=self._max_retries,
        )

    @property
    def _logger(self) -> "structlog.typing.FilteringBoundLogger":
        return self._keeper.logger

    @property
    def is_kept(self) -> bool:
        """Whether it survives this process."""
        return self._spool is not None

    @property
    def spool_lost(self) -> Path | None:
        """Where a damaged spool is now, which a new one replaces; None without."""
        return None if self._spool is None else self._spool.lost

    # What the hub answers.

    def acknowledged(self, number: int) -> Entry | None:
        """Take an acknowledgement; as `Outbox.acknowledged`."""
        seconds = self._setback.ended(self._keeper.clock.now())
        if seconds is not None:
            self._logger.warning("publishing_again", seconds=round(seconds, 3))
        return self.outbox.acknowledged(number)

    def refused(self, number: int, error: Error, now: float) -> Outcome | None:
        """Take a refusal; as `Outbox.refused`, and said aloud where it goes on.

        Being too fast is no setback: that is how one learns the rate.
        """
        outcome = self.outbox.refused(number, error, now)
        if outcome is None or outcome.fate is not Fate.AGAIN:
            return outcome
        if error.code in {ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL}:
            seconds = self._setback.refused(now)
            if seconds is not None:
                self._logger.warning(
                    "refused_and_tried_again",
                    topic=outcome.entry.topic,
                    code=error.code,
                    reason=error.message,
                    seconds=round(seconds, 3),
                )
        return outcome

    def open_spool(
        self, folder: Path, *, max_bytes: int | None, fsync: bool, named: bool
    ) -> None:
        """Keep everything on disk, and go on with what is there.

        Args:
            folder: Where it is.
            max_bytes: Most bytes of entries; None is unlimited.
            fsync: Whether the disk has to have an entry before it is accepted.
            named: Whether the user chose the name, so that no other one will do.

        Raises:
            UsageError: If it cannot be used, or has another name.
            TargetError: If another process has it, or its disk is full.
        """
        spool = Spool(
            folder,
            name=self.name,
            max_bytes=max_bytes,
            fsync=fsync,
            logger=self._logger,
        )
        if named and self.name != spool.name:
            spool.close()
            raise UsageError(
                f"spool: {folder} belongs to a publisher called {spool.name}"
            )
        self._spool, self.name, self.number = spool, spool.name, spool.number
        self._lanes = Lanes(spool.epoch, kept=spool.lanes(), waiting=spool.waiting())
        self.outbox = self._make_outbox()
        self.refill()

    # In.

    def has_room(self, size: int) -> bool:
        """Tell whether a payload of this size may come in."""
        if self._spool is not None:
            return self._spool.has_room(size)
        outbox = self.outbox
        fits = outbox.size + size <= self._most_size or not len(outbox)
        return len(outbox) < self._most and fits

    def put(self, topic: str, payload: bytes, key: str | None) -> Entry | None:
        """Take an entry in; return None where the disk does not."""
        self.number += 1
        number, lanes = self.number, self._lanes
        ordinal = 0 if key is not None else lanes.number(topic, number)
        entry = Entry(
            number=number, topic=topic, data=payload, key=key, ordinal=ordinal
        )
        if self._spool is None:
            lanes.noted()
            self.outbox.offer(entry)
            return entry
        try:
            self._spool.put(entry, lanes)
        except OSError as error:
            self._logger.error("spool_not_written", reason=str(error))
            if key is None:
                # Its number is used up, and nobody will send it.
                lanes.break_behind(topic, number, ordinal)
                lanes.done(topic)
            if self._loaded == number - 1:
                self._loaded = number
            return None
        if self._loaded >= number - 1 and len(self.outbox) < self._most:
            self.outbox.offer(entry)
            self._loaded = number
        else:
            self.refill()
        return entry

    def refill(self) -> None:
        """Take from the spool what memory has room for, in order."""
        spool, outbox = self._spool, self.outbox
        if spool is None or len(outbox) > self._most // 2:
            return
        while self._loaded < self.number and len(outbox) < self._most:
            if outbox.size > self._most_size:
                return
            most = min(_PAGE, self._most - len(outbox))
            try:
                entries = spool.since(self._loaded, most=most)
            except OSError as error:
                # Whatever is settled next is another chance.
                self._logger.error("spool_not_read", reason=str(error))
                return
            self._loaded = entries[-1].number if entries else self.number
            for entry in entries:
                outbox.offer(entry)

    # Out.

    def note_lanes(self) -> bool:
        """Keep what became of lanes; tell whether something may be sent in them."""
        if self._spool is None:
            self._lanes.noted()
            return True
        try:
            self._spool.note(self._lanes)
        except OSError as error:
            self._logger.error("spool_not_written", reason=str(error))
            return False
        return True

    def settle(self, entry: Entry) -> None:
        """Note that an entry need not be sent again; ``tidy`` forgets it."""
        if self._spool is not None:
            self._settled.append(entry)

    def tidy(self) -> None:
        """Forget what is settled, in one write."""
        if self._spool is None or not self._settled:
            return
        try:
            self._spool.settle(self._settled)
        except OSError as error:
            # The next time, or after a restart they are sent once more: the hub
            # knows them.
            self._logger.error("spool_not_written", reason=str(error))
        else:
            self._settled.clear()

    def abandon(self) -> list[Entry]:
        """Let go of what is in memory, and return it; the spool keeps what it has."""
        entries = list(self.outbox.entries())
        if self._spool is None:
            self._lanes = Lanes(self._lanes.epoch)
            self.outbox = self._make_outbox()
        return entries

    def close(self) -> None:
        """Close the spool."""
        self.tidy()
        if self._spool is not None:
            self._spool.close()

    @property
    def oldest(self) -> float:
        """The lowest number that is not settled; ``inf`` where nothing waits."""
        oldest = self.outbox.oldest
        if oldest is not None:
            return oldest
        is_all = self._spool is None or self._loaded >= self.number
        return inf if is_all else self._loaded + 1

    def __len__(self) -> int:
        """Return how many entries are not settled."""
        if self._spool is None:
            return len(self.outbox)
        return self._spool.count - len(self._settled)

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<Queue {self.name} {len(self)} entries>"
