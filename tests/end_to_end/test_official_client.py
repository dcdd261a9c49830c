"""The official `websockets` client, which nobody here wrote, talks to the hub."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidStatus,
)
from websockets.sync.client import ClientConnection, connect

DEADLINE = 30.0
LONG = {"price": 67123.45, "note": "abcdefgh" * 64}
"""A payload that compression makes shorter."""


class Asker:
    """A blocking client that keeps what it is not asking for."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.pushes: list[dict[str, Any]] = []

    def receive(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=DEADLINE))
        return message

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command, and return its reply."""
        self.socket.send(json.dumps(command))
        while (message := self.receive()).get("id") != command["id"]:
            self.pushes.append(message)
        return message

    def next_event(self) -> dict[str, Any]:
        """Return the next event."""
        while not self.pushes or self.pushes[-1]["type"] != "event":
            self.pushes.append(self.receive())
        return self.pushes.pop()


@pytest.fixture(params=["deflate", None], ids=["compressed", "plain"])
def compression(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """What the client offers; the hub always agrees."""
    return request.param


def test_the_blocking_client_talks_to_the_hub(
    hub: Callable, compression: str | None
) -> None:
    """It subscribes, publishes, reads history, and both sides close cleanly."""
    server = hub("--compression")
    with connect(
        server.url, subprotocols=["wavetank.v1"], compression=compression
    ) as socket:
        asker = Asker(socket)
        assert asker.receive()["type"] == "welcome"
        assert socket.subprotocol == "wavetank.v1"
        assert [one.name for one in socket.protocol.extensions] == (
            ["permessage-deflate"] if compression else []
        )

        subscribed = asker.ask(type="subscribe", id=1, topic="prices.btc")
        published = asker.ask(type="publish", id="p", topic="prices.btc", data=LONG)
        event = asker.next_event()
        history = asker.ask(type="history", id=2, topic="prices.btc")

        assert subscribed["recovered"] is None
        assert published["seq"] == event["seq"] == 1
        assert event["data"] == history["events"][0]["data"] == LONG
        assert history["more"] is False
        assert socket.ping().wait(DEADLINE)
    assert socket.close_code == 1000
    assert socket.protocol.close_rcvd is not None


def test_the_asyncio_client_talks_to_the_hub(
    hub: Callable, compression: str | None
) -> None:
    """It subscribes to a pattern, publishes, comes back with a position, and closes."""
    server = hub("--compression")

    async def ask(socket: Any, **command: Any) -> dict[str, Any]:
        await socket.send(json.dumps(command))
        async for text in socket:
            message: dict[str, Any] = json.loads(text)
            if message.get("id") == command["id"]:
                return message
        raise AssertionError("closed before the answer")

    async def talk() -> None:
        async with connect_async(server.url, compression=compression) as socket:
            await ask(socket, type="subscribe", id=1, topic="prices.*")
            for number in range(3):
                data = LONG | {"number": number}
                await ask(
                    socket, type="publish", id=2 + number, topic="prices.btc", data=data
                )
        assert socket.close_code == 1000

        async with connect_async(server.url, compression=compression) as socket:
            page = await ask(socket, type="history", id=1, topic="prices.btc", limit=1)
            since = {"epoch": page["epoch"], "seq": 1}
            reply = await ask(
                socket, type="subscribe", id=2, topic="prices.btc", since=since
            )
            events = [json.loads(await socket.recv()) for _ in range(2)]
            assert reply["recovered"] is True
            assert [event["data"]["number"] for event in events] == [1, 2]
            assert [event["seq"] for event in events] == [2, 3]

    asyncio.run(asyncio.wait_for(talk(), DEADLINE))


def test_the_client_hears_why_it_is_closed(hub: Callable) -> None:
    """A wrong token in the first message is an error and then a close with 4001."""
    server = hub("--token", "right")
    with connect(server.url) as socket:
        asker = Asker(socket)
        assert asker.receive()["auth"] == "required"
        assert asker.ask(type="auth", id=1, token="wrong")["code"] == "unauthorized"
        with pytest.raises(ConnectionClosedError) as closed:
            asker.receive()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "bad token")


def test_the_client_hears_that_the_hub_goes_away(hub: Callable) -> None:
    """SIGTERM is told, and then the closing handshake has 4200."""
    server = hub()
    with connect(server.url) as socket:
        asker = Asker(socket)
        assert asker.receive()["type"] == "welcome"
        server.terminate()
        notice = asker.receive()
        assert (notice["type"], notice["code"]) == ("notice", "going_away")
        with pytest.raises(ConnectionClosedError) as closed:
            asker.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4200
    assert server.process.wait(DEADLINE) == 0


def test_the_client_is_told_why_its_origin_is_refused(hub: Callable) -> None:
    """403, the origin, and the option that would allow it."""
    server = hub()
    with pytest.raises(InvalidStatus) as refused:
        connect(server.url, origin="http://localhost.example")
    response = refused.value.response
    assert response.status_code == 403
    body = response.body.decode()
    assert "--allow-origin 'http://localhost.example'" in body


def test_a_clean_close_ends_the_client_s_loop(hub: Callable) -> None:
    """Who closes with 1000 gets 1000 back, and reading ends without an error."""
    server = hub()
    with connect(server.url) as socket:
        Asker(socket).receive()
        socket.close(1000, "done")
        with pytest.raises(ConnectionClosedOK):
            socket.recv(timeout=DEADLINE)
