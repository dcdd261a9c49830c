"""A worker without a process: it answers each word as a test tells it to."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

from wavetank.errors import RemoteError
from wavetank.load.exchange import (
    Begin,
    Drain,
    Drained,
    End,
    Ended,
    FromWorker,
    Generator,
    Job,
    Opened,
    Operation,
    Quit,
    Second,
    Tally,
    ToWorker,
    decode_to_worker,
    encode,
)

__all__ = ["END", "Answer", "Answers", "ScriptedWorker", "second", "sound"]

END = b""
"""Stands for the good end of a worker."""

Answer = FromWorker | RemoteError | bytes
Answers = Callable[[ToWorker], Iterable[Answer]]


class ScriptedWorker:
    """Keeps the contract of `processes.Worker`.

    Args:
        answers: What it says to each word.
        problems: What it complains of.
        refusal: Why it cannot be started; "" if it can.

    Attributes:
        heard: What it was told.
        stops: The grace of each time that it was stopped.
    """

    def __init__(
        self, answers: Answers, *, problems: Iterable[str] = (), refusal: str = ""
    ) -> None:
        self.problems = list(problems)
        self.heard: list[ToWorker] = []
        self.stops: list[float] = []
        self._answers = answers
        self._refusal = refusal
        self._said: asyncio.Queue[Answer] = asyncio.Queue()

    async def start(self) -> None:
        """Start, or refuse to."""
        if self._refusal:
            raise RemoteError(self._refusal)

    async def send(self, line: bytes) -> None:
        """Answer a word."""
        message = decode_to_worker(line)
        self.heard.append(message)
        for answer in self._answers(message):
            self._said.put_nowait(answer)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what it says."""
        while (said := await self._said.get()) != END:
            if isinstance(said, RemoteError):
                raise said
            yield said if isinstance(said, bytes) else encode(said)

    async def stop(self, *, grace: float) -> None:
        """Note it."""
        self.stops.append(grace)
        self._said.put_nowait(END)


def second(number: int, *, sent: int = 1) -> Second:
    """Return a second in which so much was sent."""
    tally = Tally(scenario="s", operation=Operation.REQUEST, sent=sent, received=sent)
    return Second(number=number, tallies=[tally], generator=Generator(cpu=0.1, open=2))


def sound(message: ToWorker) -> Iterable[Answer]:
    """Answer as a worker does that has done all it should."""
    match message:
        case Job():
            return [Opened(users=2)]
        case Begin():
            published = {"s": {0: 2}}
            return [second(0), second(1), Ended(published=published, at=2.0)]
        case Drain():
            return [Drained(tallies=[], generator=Generator())]
        case End():
            return [Ended(published={}, at=0.5)]
        case Quit():
            return []
