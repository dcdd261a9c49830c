"""Link: one connection to a hub, from its welcome to its end.

It refuses to know what is subscribed or published, and what follows its end.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from wavetank.client.lifecycle import Cause, Ending
from wavetank.client.patience import Patience
from wavetank.clock import Clock
from wavetank.errors import RemoteError
from wavetank.protocol import (
    Auth,
    Error,
    Id,
    Ping,
    Push,
    Reply,
    Subscribe,
    Unknown,
    Unsubscribe,
    Welcome,
    decode_push,
    encode_command,
)

__all__ = ["Link", "Message"]

Message = Push | Reply | Unknown
"""Whatever a hub may send."""

_AT_ONCE = 32
"""Messages that are taken before whoever reads items has a turn."""

_ABNORMAL = frozenset({1002, 1007})
"""Codes with which we fail a connection whose other side broke a rule."""


class Link:
    """One open connection.

    Args:
        socket: Greeted, and signed in where needed.
        welcome: The hub's first word.
        clock: For deadlines.
        grace: Seconds that a heartbeat may be late.
        answer_timeout: Seconds that an answer may take.
        expires_at: When the token ends, in seconds since 1970, or None.

    Attributes:
        welcome: The hub's first word.
        expires_at: When the token ends.
        heard_at: When the hub was heard last, in seconds since 1970.
    """

    def __init__(
        self,
        socket: ClientConnection,
        welcome: Welcome,
        *,
        clock: Clock,
        grace: float,
        answer_timeout: float,
        expires_at: float | None = None,
    ) -> None:
        self.welcome = welcome
        self.expires_at = expires_at
        self._socket = socket
        self._clock = clock
        self._patience = Patience(
            interval=welcome.ping_interval,
            grace=grace,
            answer=answer_timeout,
            now=clock.now(),
        )
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._outgoing: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._questions: dict[str, asyncio.Future[Reply | Error]] = {}
        self._asked = 0
        self._ending: Ending | None = None
        self._last_words = ""

    @property
    def heard_at(self) -> float:
        """When the hub was heard last, in seconds since 1970."""
        clock = self._clock
        return clock.wall() - (clock.now() - self._patience.heard_at)

    # Sending.

    def tell(self, command: Auth | Ping | Subscribe | Unsubscribe) -> None:
        """Send a command; its answer comes to whoever hears this link."""
        self.post(command.id, encode_command(command))

    def post(self, id: Id, message: bytes) -> None:
        """Send a command that is encoded already.

        Bounded by the sender: it has few commands without an answer.

        Args:
            id: Of the command, which has to be answered in time.
            message: The command.
        """
        self._patience.asked(id, self._clock.now())
        self._outgoing.append(message)
        self._wake.set()

    async def ask(self, command: Auth) -> Reply | Error:
        """Send a command and wait for its answer.

        Args:
            command: Its id does not matter; it gets another one.

        Raises:
            RemoteError: If the connection ends before.
        """
        self._asked += 1
        id = f"ask-{self._asked}"
        question = self._questions[id] = self._loop.create_future()
        self.tell(replace(command, id=id))
        try:
            answer: Reply | Error = await question
        finally:
            self._questions.pop(id, None)
        return answer

    async def _write(self) -> None:
        # The reader learns of the end too, and knows why.
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._outgoing:
                    await self._socket.send(self._outgoing.popleft(), text=True)

    # Receiving.

    async def run(self, hear: Callable[[Message], None]) -> Ending:
        """Receive until the end.

        Args:
            hear: Called with every message but answers to ``ask``.
        """
        writing = self._loop.create_task(self._write())
        self._look()
        try:
            while True:
                for _ in range(_AT_ONCE):
                    self._take(await self._socket.recv(decode=False), hear)
                await asyncio.sleep(0)
        except ConnectionClosed as error:
            return self._ending or self._explain(error)
        finally:
            self._stop_looking()
            writing.cancel()
            self._give_up()

    def _take(self, data: bytes, hear: Callable[[Message], None]) -> None:
        self._patience.heard(self._clock.now())
        message = decode_push(data)
        id = getattr(message, "id", None)
        if id is not None:
            self._patience.answered(id)
            question = self._questions.pop(id, None)
            if question is not None:
                # Whoever asked may have been cancelled meanwhile.
                with contextlib.suppress(asyncio.InvalidStateError):
                    question.set_result(message)  # type: ignore[arg-type] # only answers have ids
                return
        if isinstance(message, Error) and message.fatal:
            self._last_words = message.message
        hear(message)

    def _explain(self, error: ConnectionClosed) -> Ending:
        received, sent = error.rcvd, error.sent
        if sent is not None and not (received and error.rcvd_then_sent):
            text = f"we had to: {sent.reason or 'no reason'}"
            code = None if sent.code in _ABNORMAL else sent.code
            return Ending(cause=Cause.CLOSED, text=text, code=code)
        if received is None:
            text = self._last_words or "without a closing handshake"
            return Ending(cause=Cause.CLOSED, text=text)
        text = self._last_words or received.reason
        return Ending(cause=Cause.CLOSED, text=text, code=received.code)

    def _give_up(self) -> None:
        for question in self._questions.values():
            with contextlib.suppress(asyncio.InvalidStateError):
                question.set_exception(RemoteError("the connection ended"))

    # Deadlines.

    def _look(self) -> None:
        """Look whether the hub is overdue, and come back when it can be."""
        now = self._clock.now()
        ending = self._patience.judge(now)
        if ending is not None:
            self._ending = ending
            self._socket.transport.abort()
            return
        wait = max(0.001, self._patience.due_at - now)
        self._timer = self._loop.call_later(wait, self._look)

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # The end.

    async def close(self) -> None:
        """Shake hands and close; it takes a bounded time."""
        await self._socket.close()

    def __repr__(self) -> str:
        """Show which connection it is."""
        return f"<Link {self.welcome.connection} of {self.welcome.node}>"
