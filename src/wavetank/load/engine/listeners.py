"""Listen and slow scenarios: users that only subscribe, and read, or read too slowly.

They refuse to know what the messages say.
"""

from wavetank.dialects import Capability
from wavetank.load.engine.population import Population
from wavetank.load.engine.user import Setting, User
from wavetank.load.exchange import Operation, Share
from wavetank.load.meter import Meter
from wavetank.load.plan import Scenario, ScenarioKind
from wavetank.load.segments import members
from wavetank.load.splitting import join_frames, split_frame

__all__ = ["Listener", "Listeners"]

_SIPS = 10
"""How often a second a slow user reads."""

_QUIET, _LONGEST = 0.2, 2.0
"""Seconds in which slow users read what is left: until nothing comes, or in all."""


class Listener(User):
    """A user that counts what comes."""

    def __init__(
        self, setting: Setting, number: int, *, population: "Listeners", topic: str
    ) -> None:
        super().__init__(
            setting,
            number,
            topic=topic,
            path=population.scenario.path,
            on_ready=population.became_ready,
            on_lost=population.was_lost,
        )
        self._population = population
        self._rest = bytearray()

    def start(self) -> None:
        """Begin anew."""
        self._rest = bytearray()
        super().start()

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Count the messages in it."""
        tally = self._population.heard.tally
        tally.bytes_received += len(data)
        data = join_frames(self._rest, data)
        controls = []
        at = messages = 0
        while (piece := split_frame(data, at)) is not None:
            if piece.first & 0x08:
                controls.append((piece.first & 0x0F, data[piece.start : piece.end]))
            else:
                messages += piece.first >> 7
            at = piece.end
        self._rest += data[at:]
        tally.received += messages
        return controls


class Listeners(Population):
    """The users of a listen or a slow scenario."""

    def __init__(
        self,
        setting: Setting,
        scenario: Scenario,
        *,
        opening: int,
        pacing: Share | None = None,
    ) -> None:
        super().__init__(setting, scenario, opening=opening, pacing=pacing)
        self.heard = Meter(scenario.name, Operation.LISTEN)
        self.is_slow = scenario.kind is ScenarioKind.SLOW
        self._next_sip = 0.0
        self._thirst = 0.0
        self._ended_at = self._heard_at = 0.0
        self._heard_last = 0
        has_topics = Capability.SUBSCRIBE in setting.dialect.capabilities
        self.users = [
            Listener(
                setting,
                number,
                population=self,
                topic=scenario.topic if has_topics else "",
            )
            for number in members(scenario.users, setting.job.share)
        ]

    def seat(self, user: User) -> None:
        """Stop reading at once, where it is slow."""
        super().seat(user)
        if self.is_slow and user.connection is not None:
            user.connection.pause()

    def due(self, now: float) -> None:
        """Let slow users read a little."""
        if not self._sips or now < self._next_sip:
            return
        self._next_sip = now + 1 / _SIPS
        self._thirst += self.scenario.read_rate / _SIPS
        size = int(self._thirst)
        self._thirst -= size
        for user in self.ready if size else ():
            if user.connection is not None:
                user.connection.sip(size)

    @property
    def _sips(self) -> bool:
        return self.is_slow and bool(self.scenario.read_rate)

    def next_due(self) -> float:
        """Return when slow users read again."""
        return self._next_sip if self._sips else super().next_due()

    def end(self) -> None:
        """Let slow users read what is left: maybe they were let go long ago."""
        super().end()
        self._ended_at = self._heard_at = self.setting.loop.now
        if self.is_slow:
            for user in self.ready:
                if user.connection is not None:
                    user.connection.resume()

    def is_drained(self, published: dict[int, int], *, refused: dict[int, int]) -> bool:
        """Tell whether slow users have read what was left; a feed need not end."""
        if not super().is_drained(published, refused=refused):
            return False
        now, heard = self.setting.loop.now, self.heard.tally.bytes_received
        if heard != self._heard_last:
            self._heard_last, self._heard_at = heard, now
        is_quiet = now - self._heard_at >= _QUIET
        return not self.is_slow or is_quiet or now - self._ended_at >= _LONGEST

    def meters(self) -> tuple[Meter, ...]:
        """Return that of what was heard."""
        return (self.heard,)
