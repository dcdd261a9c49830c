"""An echo client that does everything right, and others that break one rule each.

    python wrecked.py NAME ws://127.0.0.1:PORT

Each decision is a method of its own, so that a wreck overrides exactly one.
"""

import asyncio
import contextlib
import itertools
import random
import secrets
import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from wavetank.wire import (
    ANY_BITS,
    Agreement,
    Closing,
    Control,
    DeflateParameters,
    HeadReader,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    Response,
    Violation,
    encode_close,
    encode_frame,
    inflater_for,
    judge_response,
    make_key,
    make_request,
)
from wavetank.wrecks.lax import LaxReader

MAX_MESSAGE = 2**22
STUBBORN = 1.0
"""Seconds that who is deaf to FIN stays."""
OFFER = DeflateParameters(client_max_window_bits=ANY_BITS)
Reader = MessageReader | LaxReader
Unit = Message | Control | Closing


async def stay() -> None:
    """Do nothing for a while."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STUBBORN):
            await asyncio.Event().wait()


class SoundClient:
    """It echoes, and connects again until it is told that there is nothing more.

    Args:
        url: Where to.
    """

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.writer: asyncio.StreamWriter

    async def run(self) -> None:
        """Visit until 410 comes, or nobody listens any more."""
        with contextlib.suppress(ConnectionRefusedError):
            while await self.visit() != 410:
                pass

    async def visit(self) -> int:
        """Open one connection, and echo on it to its end; return the status."""
        host, port = self.host.split(":")
        reader, self.writer = await asyncio.open_connection(host, int(port))
        status = 0
        try:
            key = self.key()
            self.writer.write(self.request(key))
            response, rest = await self.read_response(reader)
            if response is not None:
                status = response.status
            agreement = self.judge(response, key)
            if agreement is not None:
                await self.talk(reader, self.make_reader(agreement), rest)
            elif response is None or status == 101:
                await self.refuse(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writer.transport.abort()
        return status

    # The opening handshake

    def key(self) -> str:
        """Return a key that nobody can guess."""
        return make_key(secrets.token_bytes(16))

    def request(self, key: str) -> bytes:
        """Return the request."""
        return make_request(self.host, "/", key, offers=[OFFER])

    async def read_response(
        self, reader: asyncio.StreamReader
    ) -> tuple[Response | None, bytes]:
        """Read the head of the final answer; None where none comes."""
        heads = HeadReader(of=Response)
        data = b""
        while True:
            head = heads.feed(data)
            if isinstance(head, Response) and (
                head.status >= 200 or head.status == 101
            ):
                return head, heads.rest
            if isinstance(head, Response):
                data, heads = heads.rest, HeadReader(of=Response)
            elif head is not None or not (data := await reader.read(65536)):
                return None, b""

    def judge(self, response: Response | None, key: str) -> Agreement | None:
        """Return what is agreed; None where the connection is not open."""
        if response is None:
            return None
        agreed = judge_response(response, key, offers=[OFFER])
        return agreed if isinstance(agreed, Agreement) else None

    async def refuse(self, reader: asyncio.StreamReader) -> None:
        """Do nothing more: TCP is ended at once."""

    # The connection

    def make_reader(self, agreement: Agreement) -> Reader:
        """Return what reads messages."""
        inflater = None
        if agreement.deflate is not None:
            inflater = inflater_for(
                agreement.deflate, by_server=False, limit=MAX_MESSAGE
            )
        limits = MessageLimits(message_bytes=MAX_MESSAGE, fragments=16_384)
        return MessageReader(expect_mask=False, limits=limits, inflater=inflater)

    async def talk(
        self, reader: asyncio.StreamReader, messages: Reader, rest: bytes
    ) -> None:
        """Echo until the end."""
        data = rest
        while True:
            for unit in messages.feed(data):
                if not await self.take(unit, reader):
                    return
            if messages.violation is not None:
                await self.fail(messages.violation, reader)
                return
            if not (data := await reader.read(65536)):
                return

    async def take(self, unit: Unit, reader: asyncio.StreamReader) -> bool:
        """Do what a unit asks for; tell whether the connection goes on."""
        if isinstance(unit, Message):
            self.send(unit.opcode, unit.data)
        elif isinstance(unit, Control):
            self.answer(unit)
        else:
            await self.close(unit.code, reader)
            return False
        return True

    def answer(self, control: Control) -> None:
        """Answer a ping."""
        if control.opcode == Opcode.PING:
            self.send(Opcode.PONG, control.payload)

    async def fail(self, violation: Violation, reader: asyncio.StreamReader) -> None:
        """Fail the connection (RFC 6455 7.1.7)."""
        await self.close(violation.code, reader)

    async def close(self, code: int | None, reader: asyncio.StreamReader) -> None:
        """Send a close frame, and wait for the server to end TCP."""
        self.send(Opcode.CLOSE, encode_close(code))
        while await reader.read(65536):
            pass

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one frame."""
        self.writer.write(encode_frame(opcode, payload, mask=self.mask()))

    def mask(self) -> bytes | None:
        """Return a masking key that nobody can guess."""
        return secrets.token_bytes(4)


# Answers


class Trusting(SoundClient):
    """It takes whatever comes for a right answer."""

    async def read_response(
        self, reader: asyncio.StreamReader
    ) -> tuple[Response | None, bytes]:
        """Wait for the first bytes."""
        data = await reader.read(65536)
        if b"410" in data[:20]:
            return Response(410, "", (), "HTTP/1.1"), b""  # type: ignore[arg-type]
        if data.endswith(b"\r\n"):
            # Frames come with the next read.
            data = await reader.read(65536)
        return None, data[
            data.rfind(b"\r\n\r\n") + 4 :
        ] if b"\r\n\r\n" in data else data

    def judge(self, response: Response | None, key: str) -> Agreement | None:
        """Agree."""
        return Agreement() if response is None else None


class Impatient(SoundClient):
    """It speaks before there is an answer."""

    def request(self, key: str) -> bytes:
        """Say hello at once."""
        hello = encode_frame(Opcode.TEXT, b"hello", mask=self.mask())
        return super().request(key) + hello


class Refusing(SoundClient):
    """It takes no answer at all."""

    def judge(self, response: Response | None, key: str) -> Agreement | None:
        """Take none."""
        return None


class Hanging(Refusing):
    """It takes no answer, and does not end TCP either."""

    async def refuse(self, reader: asyncio.StreamReader) -> None:
        """Wait for the server to do it, and then some more."""
        while await reader.read(65536):
            pass
        await stay()


class Joined(SoundClient):
    """It loses what comes in one read with the answer."""

    async def read_response(
        self, reader: asyncio.StreamReader
    ) -> tuple[Response | None, bytes]:
        """Lose it."""
        response, _ = await super().read_response(reader)
        return response, b""


# Requests


def _asking(change: Callable[[bytes], bytes]) -> type[SoundClient]:
    """Return a client whose request is changed, its key but for the rest right."""

    class Asking(SoundClient):
        def request(self, key: str) -> bytes:
            return change(super().request(key))

    return Asking


def _replaced(old: bytes, new: bytes) -> type[SoundClient]:
    return _asking(lambda request: request.replace(old, new, 1))


def _added(line: bytes) -> type[SoundClient]:
    return _replaced(b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\n" + line)


def _keyed(make: Callable[[int], bytes]) -> type[SoundClient]:
    """Return a client whose keys can be guessed."""

    class Keyed(SoundClient):
        numbers = itertools.count(1)

        def key(self) -> str:
            return make_key(make(next(self.numbers)))

    return Keyed


REQUESTS: dict[str, type[SoundClient]] = {
    "K.1": _replaced(b"Upgrade: websocket", b"Upgrade websocket"),
    "K.2": _replaced(b"GET", b"POST"),
    "K.3": _replaced(b"HTTP/1.1", b"HTTP/1.0"),
    "K.4": _replaced(b" / ", b" /#top "),
    "K.5": _replaced(b"Host: 127", b"Host: 128"),
    "K.6": _replaced(b"websocket", b"websockets"),
    "K.7": _replaced(b": Upgrade", b": keep-alive"),
    "K.8": _replaced(b"==", b"="),
    "K.9": _replaced(b"Version: 13", b"Version: 8"),
    "K.10": _added(b"Origin: http://a\r\nOrigin: http://b\r\n"),
    "K.11": _added(b"Transfer-Encoding: chunked\r\n"),
    "K.12": _added(b"Sec-WebSocket-Protocol: chat, chat\r\n"),
    "K.13": _added(b"Sec-WebSocket-Extensions: ;\r\n"),
    "K.14": _replaced(b"window_bits", b"window_bits=99"),
    "K.15": Impatient,
    "K.16": _keyed(lambda number: random.Random(number // 2).randbytes(16)),
    "K.17": _keyed(lambda number: number.to_bytes(16, "big")),
}
"""By the rule that each breaks."""


# Masks


def _masking(make: Callable[[], Iterator[bytes | None]]) -> type[SoundClient]:
    """Return a client with masks of a certain kind."""

    class Masking(SoundClient):
        masks = make()

        def mask(self) -> bytes | None:
            return next(self.masks)

    return Masking


def _pool() -> Iterator[bytes]:
    return itertools.cycle([bytes([first] * 4) for first in (1, 50, 7, 250, 99)])


def _counted() -> Iterator[bytes]:
    return (number.to_bytes(4, "big") for number in itertools.count(1))


def _doubled() -> Iterator[bytes]:
    return (key for _ in itertools.count() for key in [secrets.token_bytes(4)] * 2)


def _half() -> Iterator[bytes]:
    return (secrets.token_bytes(2) * 2 for _ in itertools.count())


MASKS: dict[str, type[SoundClient]] = {
    "K.111": _masking(lambda: itertools.repeat(None)),
    "K.112": _masking(lambda: itertools.repeat(bytes(4))),
    "K.113": _masking(_doubled),
    "K.114": _masking(_pool),
    "K.115": _masking(_counted),
    "K.116": _masking(_half),
}
"""By the rule that each breaks."""


# Frames


class Forgiving(SoundClient):
    """It overlooks every broken rule, and inflates nothing."""

    def make_reader(self, agreement: Agreement) -> Reader:
        """Overlook everything."""
        return LaxReader(lambda _: True, max_message=MAX_MESSAGE)


class Touchy(Forgiving):
    """It fails every connection at the first message, or close frame, that comes."""

    async def take(self, unit: Unit, reader: asyncio.StreamReader) -> bool:
        """Have enough; but it is open, as a pong shows."""
        if isinstance(unit, Control) and unit.payload == b"open?":
            self.answer(unit)
            return True
        await self.close(1011, reader)
        return False


class Cheerful(SoundClient):
    """It fails connections as it should, and says that all was well."""

    async def fail(self, violation: Violation, reader: asyncio.StreamReader) -> None:
        """Call it normal."""
        await self.close(1000, reader)


class Deaf(Forgiving):
    """It opens, answers the first ping, and does nothing from then on."""

    async def take(self, unit: Unit, reader: asyncio.StreamReader) -> bool:
        """Answer the ping that asks whether it is open."""
        if isinstance(unit, Control) and unit.payload == b"open?":
            self.answer(unit)
        return True

    async def talk(
        self, reader: asyncio.StreamReader, messages: Reader, rest: bytes
    ) -> None:
        """Stay for a while where the server has ended its side."""
        await super().talk(reader, messages, rest)
        await stay()


CLIENTS: dict[str, type[SoundClient]] = {
    "sound": SoundClient,
    "trusting": Trusting,
    "refusing": Refusing,
    "forgiving": Forgiving,
    "cheerful": Cheerful,
    **REQUESTS,
    **MASKS,
}
"""What can be named on the command line."""


if __name__ == "__main__":
    asyncio.run(CLIENTS[sys.argv[1]](sys.argv[2]).run())
