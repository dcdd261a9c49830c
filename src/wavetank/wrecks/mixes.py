"""Wrecks that bear each fault alone, and not two of them together.

They refuse to know who makes the faults.
"""

import asyncio
from typing import Any

from wavetank.wrecks.commands import Position
from wavetank.wrecks.log import Entry, Log
from wavetank.wrecks.sound import SoundServer

__all__ = ["SecondLifeReplaysLess", "StandstillReplaysLess"]

_BEAT = 0.05
_STILL = 0.2
"""Seconds without a beat after which a server has stood still."""
_UNWELL_FOR = 1.0


class SecondLifeReplaysLess(SoundServer):
    """Once somebody has come from a life before it, replays lack their first event.

    A restart alone shows nothing: there is nothing to replay to who comes from then.
    """

    is_second = False

    def resume(
        self, log: Log, since: Position | str | None
    ) -> tuple[Entry, bool | None, str | None]:
        """Look where it comes from."""
        if isinstance(since, Position) and since.epoch != self.store.epoch:
            self.is_second = True
        return super().resume(log, since)

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """Start one too late, in a second life."""
        return log.after(seq + self.is_second)


class StandstillReplaysLess(SoundServer):
    """For a second after it stood still, replays lack their last event.

    Who stays connected meanwhile misses nothing.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.beat_at = self.unwell_until = 0.0
        self.timer: asyncio.TimerHandle | None = None

    async def start(self, **options: Any) -> None:
        """Listen, and let the heart beat."""
        await super().start(**options)
        loop = asyncio.get_running_loop()
        self.beat_at = loop.time()
        self.beat()

    async def stop(self) -> None:
        """Stop, and the heart, too."""
        await super().stop()
        if self.timer is not None:
            self.timer.cancel()

    def beat(self) -> None:
        """Beat, and again a little later."""
        loop = asyncio.get_running_loop()
        self.feel(loop.time())
        self.timer = loop.call_later(_BEAT, self.beat)

    def feel(self, now: float) -> bool:
        """Return whether it stood still a moment ago."""
        if now - self.beat_at > _STILL:
            self.unwell_until = now + _UNWELL_FOR
        self.beat_at = now
        return now < self.unwell_until

    def replay(self, log: Log, seq: int) -> list[Entry]:
        """End one too early, when unwell; a resume may be heard before the heart."""
        missed = log.after(seq)
        return missed[:-1] if self.feel(asyncio.get_running_loop().time()) else missed
