"""The ledger: every message of a run, counted and held against the books.

It refuses to know how messages come, and who is told what is missing.
"""

import enum

import msgspec

from wavetank.demo.arrivals import Arrivals
from wavetank.demo.books import Books
from wavetank.demo.messages import TOPICS, Message, Role, Status, decode

__all__ = ["Account", "Ledger", "Outcome", "TopicAccount"]

_MOST_PROBLEMS = 100
_ROLES: tuple[Role, ...] = ("feed", "bot")


class Outcome(enum.StrEnum):
    """What an account comes to."""

    WHOLE = "whole"
    """Nothing is missing, and all that has to add up does."""
    BROKEN = "broken"
    UNKNOWN = "unknown"
    """Nothing speaks against it, but there was nothing to check either."""


class TopicAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one topic.

    Attributes:
        topic: Without a prefix.
        received: Messages that came, each counted once.
        expected: How many its publisher says there were; None: it did not say.
        missing: First and last number of each hole.
        repeated: Messages that came again.
        late: Messages that came after a later one.
    """

    topic: str
    received: int
    expected: int | None
    missing: list[tuple[int, int]]
    repeated: int
    late: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a run comes to.

    Attributes:
        outcome: In one word.
        topics: Topic by topic.
        problems: What is wrong, in sentences.
        wrong: Of these, what does not add up, or is no message: whatever has to do
            with the books, and not with what is missing or came again.
        checked: How often each identity was checked.
        unchecked: How often each could not be.
        gaps: What the hub says that it will not send. What of it counts is missing
            too; where a log began anew, there may be nothing of that.
        foreign: Messages of other runs.
    """

    outcome: Outcome
    topics: list[TopicAccount]
    problems: list[str]
    wrong: list[str]
    checked: dict[str, int]
    unchecked: dict[str, int]
    gaps: list[str]
    foreign: int

    @property
    def received(self) -> int:
        """Messages that came, of all topics."""
        return sum(each.received for each in self.topics)


class Ledger:
    """Takes every message of one run.

    Args:
        run: Which one; messages of others are counted only.

    Attributes:
        foreign: Messages of other runs.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._arrivals = {topic: Arrivals() for topic in TOPICS}
        self._books = Books()
        self._ends: dict[Role, Status] = {}
        self._problems: list[str] = []
        self._gaps: list[str] = []
        self._mistakes = 0
        self.foreign = 0

    def receive(self, topic: str, data: bytes) -> Message | None:
        """Take a message.

        Args:
            topic: Without a prefix.
            data: Its payload.

        Returns:
            It; None where it is none, is one of another run, or came before.
        """
        try:
            message: Message = decode(topic, data)
        except ValueError as error:
            self._note(f"{topic}: {error}")
            return None
        if message.run != self._run:
            self.foreign += 1
            return None
        arrivals = self._arrivals[topic]
        top = arrivals.top
        if not arrivals.receive(message.number):
            return None
        if message.number > top:
            # The books want the order; what is late is told as such.
            self._books.receive(message)
        if isinstance(message, Status) and message.state == "finished":
            self._ends[message.role] = message
        return message

    def note_gap(self, topic: str, count: int, reason: str) -> None:
        """Note that the hub says that something will not come.

        Args:
            topic: Without a prefix.
            count: How many; 0 where that is not known.
            reason: The hub's word.
        """
        if len(self._gaps) < _MOST_PROBLEMS:
            how_many = f"{count} will" if count else "some may"
            self._gaps.append(
                f"{topic}: the hub says that {how_many} not come: {reason}"
            )

    def has_finished(self, role: Role) -> bool:
        """Return whether a publisher has said that it is done."""
        return role in self._ends

    @property
    def is_complete(self) -> bool:
        """Whether both publishers are done and their last messages are there."""
        totals = self._totals()
        return len(self._ends) == len(_ROLES) and all(
            arrivals.top >= totals.get(topic, 0)
            for topic, arrivals in self._arrivals.items()
        )

    def judge(self) -> Account:
        """Return what it comes to; nothing is taken in after that."""
        totals = self._totals()
        topics = [
            TopicAccount(
                topic=topic,
                received=each.received,
                expected=totals.get(topic),
                missing=each.missing(totals.get(topic)),
                repeated=each.repeated,
                late=each.late,
            )
            for topic, each in self._arrivals.items()
        ]
        problems = [
            f"the {role} has not said that it is done, nor how much there was"
            for role in _ROLES
            if role not in self._ends
        ]
        problems += [words for each in topics for words in _sentences(each)]
        self._books.finish(is_whole=not problems)
        wrong = self._problems + self._books.problems
        problems += wrong
        unsaid = self._mistakes - len(self._problems)
        unsaid += self._books.broken - len(self._books.problems)
        if unsaid:
            problems.append(f"and {unsaid} more")
        outcome = Outcome.BROKEN if problems else Outcome.WHOLE
        if not problems and not self._books.checked.total():
            outcome = Outcome.UNKNOWN
        return Account(
            outcome=outcome,
            topics=topics,
            problems=problems,
            wrong=wrong,
            checked=dict(self._books.checked),
            unchecked=dict(self._books.unchecked),
            gaps=list(self._gaps),
            foreign=self.foreign,
        )

    def _totals(self) -> dict[str, int]:
        """Return how much there was, as the publishers say."""
        totals: dict[str, int] = {}
        for role, end in self._ends.items():
            room = "market." if role == "feed" else "bot."
            totals |= {t: n for t, n in end.totals.items() if t.startswith(room)}
        return totals

    def _note(self, problem: str) -> None:
        self._mistakes += 1
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(problem)

    def __repr__(self) -> str:
        """Show what came."""
        return f"<Ledger {self._arrivals}>"


_MOST_HOLES = 5


def _sentences(account: TopicAccount) -> list[str]:
    """Say what is wrong with a topic."""
    found = []
    holes = account.missing
    if holes:
        count = sum(last - first + 1 for first, last in holes)
        shown = ", ".join(
            str(first) if first == last else f"{first} to {last}"
            for first, last in holes[:_MOST_HOLES]
        )
        more = " and others" if len(holes) > _MOST_HOLES else ""
        found.append(f"{account.topic}: {count} missing: {shown}{more}")
    if account.repeated:
        found.append(f"{account.topic}: {account.repeated} came more than once")
    if account.late:
        found.append(f"{account.topic}: {account.late} came after a later one")
    expected = account.expected
    if expected is not None and account.received > expected:
        more_than = account.received - expected
        found.append(f"{account.topic}: {more_than} more than there were")
    return found
