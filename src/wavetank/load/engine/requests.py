"""Request scenarios: each message is answered on the connection that it was sent on.

They refuse to know how answers are told apart.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

from wavetank.dialects import Call, Capability, Dialect, Publish
from wavetank.load.engine.population import Population, bytes_of
from wavetank.load.engine.user import MOST_UNSENT, Setting, User, masked
from wavetank.load.exchange import Operation, Tally
from wavetank.load.introduction import FIRST_FREE_ID
from wavetank.load.marks import WIDTH, mark_head, write_mark
from wavetank.load.meter import Meter
from wavetank.load.payloads import Texts
from wavetank.load.plan import Arrivals, Scenario
from wavetank.load.replies import Owed, Replies
from wavetank.load.segments import members
from wavetank.wire import Opcode
from wavetank.wire.frames import apply_mask
from wavetank.wire.header import FIN, encode_head

__all__ = ["Requester", "Requests", "frame_head"]

_TEXT = FIN | Opcode.TEXT

_MOST_OWED = 256 * 1024 * 1024
"""Bytes that a scenario holds of requests without an answer, about; what is due beyond
that is dropped."""
_HELD = 512
"""Bytes for each of them beside its payload."""


class Requester(User):
    """A user that asks, and is owed answers."""

    def __init__(
        self,
        setting: Setting,
        number: int,
        *,
        population: "Requests",
    ) -> None:
        super().__init__(
            setting,
            number,
            path=population.scenario.path,
            on_ready=population.became_ready,
            on_lost=population.was_lost,
        )
        job = setting.job
        self.head = mark_head(job.run, number)
        self.sent = 0
        self.outgoing: list[bytes] = []
        self.replies = Replies(
            population.requests,
            run=job.run,
            publisher=number,
            is_exact=population.is_exact,
            is_verbatim=Capability.VERBATIM in setting.dialect.capabilities,
        )
        self._population = population

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take answers in."""
        controls = self.replies.receive(data, self.setting.micros())
        if self._population.is_closed:
            self._population.hungry[self] = None
        return controls

    @property
    def is_idle(self) -> bool:
        """Whether it is owed nothing."""
        return not self.replies.under_way


class Requests(Population):
    """The users of a request scenario."""

    def __init__(self, setting: Setting, scenario: Scenario, *, opening: int) -> None:
        super().__init__(setting, scenario, opening=opening)
        job = setting.job
        self.requests = self.paced = Meter(scenario.name, Operation.REQUEST)
        self.is_closed = scenario.arrivals is Arrivals.CLOSED
        self.hungry: dict[Requester, None] = {}
        self._texts = Texts(scenario.payload, setting.rng, marker=WIDTH)
        self._word = wording(setting.dialect)
        self.is_exact = self._word is None and setting.dialect.name == "echo"
        self._turn = 0
        # Messages that were asked, and of these, what became of them until the last
        # look: what is between the two is held in memory.
        self._asked_for = self._done = 0
        self._most = max(_MOST_OWED // _held(scenario), 1)
        self._touched: list[Requester] = []
        self.users = [
            Requester(setting, number, population=self)
            for number in members(scenario.users, job.share)
        ]

    def seat(self, user: User) -> None:
        """Let a user that is ready send at once, where nothing else says when."""
        super().seat(user)
        if self.is_closed and isinstance(user, Requester):
            self.hungry[user] = None

    def was_lost(self, user: User, reason: str) -> None:
        """Count requests under way as failed."""
        super().was_lost(user, reason)
        assert isinstance(user, Requester), "this population has no others"
        self.hungry.pop(user, None)
        left = user.replies.give_up()
        if left:
            self.requests.failed(reason, left)

    # Sending

    def due(self, now: float) -> None:
        """Send what is due."""
        if self.is_closed:
            self._feed(now)
        elif moments := self.arrivals(now):
            self._send(moments)
            self._flush()

    def _feed(self, now: float) -> None:
        """Send for each user that may: the closed model."""
        if not self.hungry or not self._begins_at <= now < self.ends_at:
            return
        micros, left = self.setting.micros(), self._room
        ready, most = self.ready, self.scenario.in_flight
        count = 0
        hungry, self.hungry = self.hungry, {}
        for user in hungry:
            # One that is leaving, or does not read, is sent nothing.
            if user not in ready or len(user.unsent) >= MOST_UNSENT:
                continue
            room = most - user.replies.under_way
            if room > left - count:
                # An answer to somebody else makes room for it: it has to ask again.
                room = left - count
                self.hungry[user] = None
            count += room
            for _ in range(room):
                self._add(user, micros, micros)
        self._asked_for += count
        self.requests.sent([micros] * count, micros)
        self._flush()

    def _send(self, intended: list[int]) -> None:
        """Hand one message for each intended moment to the next user that is free.

        Spelled out, as `_add` is: `Roster.next` would be called for every message.
        """
        ready, most = self.ready.users, self.scenario.in_flight
        count, turn = len(ready), self._turn
        micros = self.setting.micros()
        done = 0
        for moment in intended[: self._room]:
            for _ in range(count):
                turn = turn + 1 if turn + 1 < count else 0
                user: Requester = ready[turn]  # type: ignore[assignment]  # no others
                if len(user.unsent) < MOST_UNSENT and user.replies.under_way < most:
                    break
            else:
                break
            self._add(user, moment, micros)
            done += 1
        self._turn = turn
        self._asked_for += done
        self.requests.sent(intended[:done], micros)
        # Nobody is free: neither for this one, nor for those behind it.
        self.drop(len(intended) - done)

    @property
    def _room(self) -> int:
        """How many more may be under way, whoever is free: memory is bounded."""
        tally = self.requests.tally
        done = self._done + tally.received + tally.failed + tally.lost
        return max(self._most - (self._asked_for - done), 0)

    def take(self) -> tuple[list[Tally], Counter[int]]:
        """Return what was counted since the last time, and how late it was sent."""
        tally = self.requests.tally
        self._done += tally.received + tally.failed + tally.lost
        return super().take()

    def _add(self, user: Requester, intended: int, now: int) -> None:
        """Put one message among what a user sends next.

        Spelled out, not called: it is run for every message (benchmarks/load.py).
        """
        number = user.sent = user.sent + 1
        before, behind = self._texts.halves(number, user.number)
        payload = before + write_mark(user.head, number, intended) + behind
        if self.is_exact:
            frame = frame_head(len(payload)) + payload
        else:
            frame = payload
            if self._word is not None:
                payload = self._word(number, payload)
        user.replies.owe(Owed(number, intended, now, frame))
        key = masked(self.setting.rng)
        if not user.outgoing:
            self._touched.append(user)
        user.outgoing.append(
            frame_head(len(payload), masked=True) + key + apply_mask(payload, key)
        )

    def _flush(self) -> None:
        tally = self.requests.tally
        for user in self._touched:
            data = b"".join(user.outgoing)
            user.outgoing.clear()
            tally.bytes_sent += len(data)
            if user.connection is not None:
                user.connection.send(data)
        self._touched.clear()

    def next_due(self) -> float:
        """Return when the next message is due."""
        if not self.is_closed:
            return super().next_due()
        is_before = self.setting.loop.now < self._begins_at
        return self._begins_at if is_before else self.ends_at

    # The end

    def is_drained(self, published: dict[int, int], *, refused: dict[int, int]) -> bool:
        """Tell whether every request has its answer."""
        return super().is_drained(published, refused=refused) and all(
            user.is_idle for user in self.users
        )

    def settle(self, published: dict[int, int], *, refused: dict[int, int]) -> None:
        """Count what has no answer though the connection is open: lost."""
        super().settle(published, refused=refused)
        for user in self._requesters():
            self.requests.tally.lost += user.replies.give_up()

    def _requesters(self) -> list[Requester]:
        return [user for user in self.users if isinstance(user, Requester)]

    def meters(self) -> tuple[Meter, ...]:
        """Return that of the requests."""
        return (self.requests,)


def wording(dialect: Dialect) -> Callable[[int, bytes], bytes] | None:
    """Return what makes a message of a payload; None where the payload is one.

    A dialect with answers has a message for it; an echo that is described may wrap it.
    """
    if Capability.ANSWER in dialect.capabilities:
        return partial(_call, dialect)
    if dialect.name == "echo" or Capability.PUBLISH in dialect.capabilities:
        return None
    if Capability.ECHO in dialect.capabilities:
        return partial(_echo, dialect)
    return None


def _call(dialect: Dialect, number: int, payload: bytes) -> bytes:
    id_ = FIRST_FREE_ID + number
    return dialect.encode(Call(id=id_, payload=payload.decode())).encode()


def _echo(dialect: Dialect, number: int, payload: bytes) -> bytes:
    ask = Publish(id=FIRST_FREE_ID + number, topic="", payload=payload.decode())
    return dialect.encode(ask).encode()


def _held(scenario: Scenario) -> int:
    """Return about how many bytes a request holds: what is sent, and what is owed."""
    return 3 * bytes_of(scenario) + _HELD


_heads: dict[tuple[int, bool], bytes] = {}


def frame_head(length: int, *, masked: bool = False) -> bytes:
    """Return the header of a text frame up to the masking key; kept, as few differ."""
    head = _heads.get((length, masked))
    if head is None:
        if len(_heads) > 10_000:
            _heads.clear()
        head = encode_head(_TEXT, length, None, masked=masked)
        _heads[length, masked] = head
    return head
