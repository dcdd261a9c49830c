"""The status page: one number from a page that may be anything."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from wavetank.dialects import Bare, Hub, StatusPage
from wavetank.errors import RemoteError
from wavetank.lab import status
from wavetank.lab.status import open_connections, read_page
from wavetank.lab.target import Target
from wavetank.net import ThrowAwayAuthority

pytestmark = pytest.mark.anyio

Talk = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[Target]]


class Paged(Bare):
    """A dialect with a status page."""

    status = StatusPage(path="/status", connections=("nodes", "0", "open"))


def page(body: bytes, status: str = "200 OK", *fields: str) -> Talk:
    """Answer with this page."""

    async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return talk


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start an HTTP server that talks as told to; return a target with that page."""
    servers: list[asyncio.Server] = []
    talks: set[asyncio.Task[None]] = set()

    async def start(talk: Talk, authority: ThrowAwayAuthority | None = None) -> Target:
        async def accept(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            try:
                # The reader may go away, or the test be over: no error here.
                with contextlib.suppress(
                    asyncio.CancelledError, asyncio.IncompleteReadError, OSError
                ):
                    await talk(await reader.readuntil(b"\r\n\r\n"), writer)
                    await writer.drain()
            finally:
                talks.discard(task)
                writer.close()

        context = authority.server_context() if authority else None
        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return Target(
            url=f"{'wss' if authority else 'ws'}://localhost:{port}/ws?a=b",
            dialect=Paged(),
            headers=(("X-Key", "mine"),),
            ca=str(authority.ca) if authority else "",
        )

    yield start
    for server in servers:
        server.close()
    for task in talks:
        task.cancel()
    if talks:
        await asyncio.wait(talks)


async def drip(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Say a little again and again, and never come to an end."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0)


GOOD = json.dumps({"nodes": [{"open": 7}]}).encode()


async def test_the_number_is_found_where_the_dialect_says(serve: Serve) -> None:
    """Through objects by name, through lists by place."""
    assert await open_connections(await serve(page(GOOD))) == 7


async def test_the_page_is_asked_for_with_the_run_s_headers(serve: Serve) -> None:
    """A page may need the same key as the connection, and is asked for over HTTP."""
    asked: list[bytes] = []

    async def listen(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        await page(GOOD)(request, writer)

    await open_connections(await serve(listen))
    assert asked[0].startswith(b"GET /status HTTP/1.1\r\n")
    assert b"X-Key: mine" in asked[0]


async def test_the_page_of_a_wss_target_is_asked_for_over_tls(serve: Serve) -> None:
    """With the trust that the options give."""
    with ThrowAwayAuthority() as authority, ThrowAwayAuthority() as stranger:
        target = await serve(page(GOOD), authority)
        assert await open_connections(target) == 7
        target.ca = str(stranger.ca)
        with pytest.raises(RemoteError, match="certificate"):
            await open_connections(target)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b"[" * 100_000, b"null", b"7", b"[]", b"{}"),
        *(b'{"nodes":{}}', b'{"nodes":[]}', b'{"nodes":"open"}'),
        *(b'{"nodes":[{"open":null}]}', b'{"nodes":[{"open":"many"}]}'),
        *(b'{"nodes":[{"open":1e999}]}', b'{"nodes":[{"open":[]}]}'),
    ],
)
async def test_a_page_without_the_number_is_the_target_s_failure(
    serve: Serve, body: bytes
) -> None:
    """Whatever stands there instead, it crashes nobody."""
    target = await serve(page(body))
    with pytest.raises(RemoteError, match=r"/status: no number at nodes\.0\.open"):
        await open_connections(target)


async def test_a_page_that_is_refused_is_told_with_its_status(serve: Serve) -> None:
    """A redirect is one of these: our headers go nowhere else."""
    target = await serve(page(b"", "403 Forbidden"))
    with pytest.raises(RemoteError, match=r"/status: HTTP 403 Forbidden$"):
        await open_connections(target)
    target = await serve(page(b"", "302 Found", "Location: http://127.0.0.1:9/"))
    with pytest.raises(RemoteError, match=r"/status: HTTP 302 Found$"):
        await open_connections(target)


async def test_a_page_that_is_not_there_is_told(serve: Serve) -> None:
    """No HTTP, no answer, nobody who listens."""

    async def grunt(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"grunt\r\n\r\n")

    async def hang_up(request: bytes, writer: asyncio.StreamWriter) -> None:
        pass

    for talk in (grunt, hang_up):
        with pytest.raises(RemoteError, match="/status: "):
            await open_connections(await serve(talk))
    with pytest.raises(RemoteError, match="Connection refused"):
        await open_connections(Target(url="ws://127.0.0.1:9/", dialect=Hub()))


async def test_a_page_that_never_ends_is_cut(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that came byte by byte once kept a thread, and so the lab, for ever."""
    monkeypatch.setattr(status, "_WITHIN", 0.1)
    with pytest.raises(RemoteError, match="/status: "):
        await open_connections(await serve(drip))


async def test_a_page_is_read_only_so_far(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than that is no page of a status."""
    monkeypatch.setattr(status, "_MOST", 10)
    with pytest.raises(RemoteError, match="no number"):
        await open_connections(await serve(page(GOOD)))


# Any other page


async def test_any_page_of_the_target_can_be_read(serve: Serve) -> None:
    """By its path, from where the target listens."""
    asked: list[bytes] = []

    async def listen(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        await page(b"{}")(request, writer)

    assert await read_page(await serve(listen), "/asyncapi.json") == b"{}"
    assert asked[0].startswith(b"GET /asyncapi.json HTTP/1.1\r\n")


async def test_a_page_of_a_wss_target_is_read_over_tls(serve: Serve) -> None:
    """As its messages are."""
    with ThrowAwayAuthority() as authority:
        assert await read_page(await serve(page(b"x"), authority), "/a") == b"x"


async def test_a_page_that_is_not_there_is_the_target_s_failure(serve: Serve) -> None:
    """With its address and the status."""
    target = await serve(page(b"", "404 Not Found"))
    with pytest.raises(RemoteError, match=r"^http://.*/asyncapi\.json: HTTP 404"):
        await read_page(target, "/asyncapi.json")
