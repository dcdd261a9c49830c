"""An echo and a broadcaster that are quick, and broken where they are told to be.

``/echo`` sends each message back, ``/pub`` hands what comes to all on ``/sub``.
The first line of output is the port.
"""

import argparse
import asyncio
import os
import select
import signal
from typing import cast

import uvloop

from wavetank.wire import (
    FrameReader,
    HeadReader,
    Opcode,
    Refusal,
    Request,
    encode_text,
    judge_request,
    switching_protocols,
)

MOST = 1024 * 1024


class Server:
    """What all connections share.

    Args:
        options: What is broken, and when.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.subscribers: list[asyncio.Transport] = []
        self.messages = 0
        self.held = b""

    def echo(self, transport: asyncio.Transport, messages: list[bytes]) -> None:
        """Send messages back; stand still, or die, when it is time."""
        self.messages += len(messages)
        options = self.options
        if options.stall_at and self.messages >= options.stall_at:
            options.stall_at = 0
            select.select([], [], [], options.stall)
        if options.die_at and self.messages >= options.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        transport.write(b"".join(map(encode_text, messages)))

    def publish(self, messages: list[bytes]) -> None:
        """Hand messages to everybody; the first subscriber gets some of them wrong."""
        frames = [encode_text(message) for message in messages]
        batch = b"".join(frames)
        options, first = self.options, self.messages
        self.messages += len(frames)
        special = {options.lose, options.repeat, options.swap} & set(
            range(first, self.messages)
        )
        for number, subscriber in enumerate(self.subscribers):
            if (special or self.held) and not number:
                subscriber.write(self.broken(frames, first))
            else:
                subscriber.write(batch)

    def broken(self, frames: list[bytes], first: int) -> bytes:
        """Return a batch with what is lost, repeated or swapped in it."""
        options, out = self.options, list(frames)
        out[0] += self.held
        self.held = b""
        at = options.swap - first
        if 0 <= at < len(out):
            # It comes behind the next one, whether that is here or still to come.
            self.held, out[at] = out[at], b""
            if at + 1 < len(out):
                out[at + 1] += self.held
                self.held = b""
        if first <= options.repeat < first + len(frames):
            out[options.repeat - first] *= 2
        if first <= options.lose < first + len(frames):
            out[options.lose - first] = b""
        return b"".join(out)


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.path = ""
        self.heads = HeadReader(of=Request)
        self.frames = FrameReader(expect_mask=True, max_payload=MOST, strict=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Hand nothing on to it any more."""
        if self.transport in self.server.subscribers:
            self.server.subscribers.remove(self.transport)

    def data_received(self, data: bytes) -> None:
        """Shake hands, then do what the path says."""
        if not self.path:
            head = self.heads.feed(data)
            if head is None:
                return
            upgrade = Refusal(400, "") if isinstance(head, Refusal) else None
            upgrade = upgrade or judge_request(head)
            if isinstance(upgrade, Refusal):
                self.transport.abort()
                return
            self.path = head.path
            self.transport.write(switching_protocols(upgrade))
            if self.path == "/sub":
                self.server.subscribers.append(self.transport)
            data = self.heads.rest
        frames = self.frames.feed(data)
        messages = [each.payload for each in frames if each.opcode == Opcode.TEXT]
        if any(each.opcode == Opcode.CLOSE for each in frames):
            self.transport.close()
        if not messages:
            return
        if self.path == "/pub":
            self.server.publish(messages)
        else:
            self.server.echo(self.transport, messages)


async def serve(options: argparse.Namespace) -> None:
    """Serve until somebody ends it."""
    loop = asyncio.get_running_loop()
    server = Server(options)
    listener = await loop.create_server(
        lambda: Connection(server), "127.0.0.1", options.port
    )
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stall-at", type=int, default=0)
    parser.add_argument("--stall", type=float, default=2.0)
    parser.add_argument("--die-at", type=int, default=0)
    for name in ("--lose", "--repeat", "--swap"):
        parser.add_argument(name, type=int, default=-1)
    uvloop.run(serve(parser.parse_args()))
