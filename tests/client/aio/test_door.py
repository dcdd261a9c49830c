"""Door: opens connections: TLS, opening handshake, welcome, token."""

import asyncio
import datetime
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.http11 import Request, Response

from wavetank.client.aio.door import Door, LinkFailed
from wavetank.client.lifecycle import Cause, Ending
from wavetank.clock import SystemClock
from wavetank.errors import UsageError

pytestmark = pytest.mark.anyio

WAIT = 20.0


@pytest.fixture
def make_door(hub: Any, quick: dict[str, Any]) -> Any:
    """Give a function that makes a door."""

    def make(url: str = "", **options: Any) -> Door:
        return Door(
            url or hub.url,
            clock=SystemClock(),
            logger=quick["logger"],
            options=options,
        )

    return make


async def opened(door: Door) -> Any:
    """Start to open."""
    return asyncio.create_task(door.open())


async def ending(door: Door) -> Ending:
    """Try in vain."""
    async with asyncio.timeout(WAIT):
        with pytest.raises(LinkFailed) as caught:
            await door.open()
    return caught.value.ending


async def test_door_opens_where_nobody_has_to_sign_in(hub: Any, make_door: Any) -> None:
    """A welcome is enough; a token that nobody asks for is not shown."""
    task = await opened(make_door(token="secret", headers={"X-Tenant": "a"}))
    call = await hub.greeted()
    link = await task
    assert link.welcome.node == "fake"
    assert link.expires_at is None
    assert call.headers["X-Tenant"] == "a"
    assert call.headers["Sec-WebSocket-Protocol"] == "wavetank.v1"
    assert "permessage-deflate" in call.headers["Sec-WebSocket-Extensions"]
    assert "Authorization" not in call.headers
    await link.close()


async def test_door_offers_no_compression_when_told_so(
    hub: Any, make_door: Any
) -> None:
    """Some want their CPU for themselves."""
    task = await opened(make_door(compression=False))
    call = await hub.greeted()
    await (await task).close()
    assert "Sec-WebSocket-Extensions" not in call.headers


async def get_later() -> str:
    """Get a token from elsewhere."""
    await asyncio.sleep(0)
    return "secret"


@pytest.mark.parametrize("token", ["secret", lambda: "secret", get_later])
async def test_door_signs_in_where_the_hub_asks_for_it(
    hub: Any, make_door: Any, token: Any
) -> None:
    """With a token, or with what a function or coroutine function returns."""
    task = await opened(make_door(token=token))
    call = await hub.greeted(auth="required")
    command = await call.read("auth")
    assert command["token"] == "secret"
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    await call.send(
        {"type": "authenticated", "id": command["id"], "user": "u", "expires_at": 9000}
    )
    link = await task
    assert link.expires_at == 9.0
    await link.close()


async def test_door_needs_a_token_where_the_hub_asks_for_one(
    hub: Any, make_door: Any
) -> None:
    """That is final, and said."""
    task = asyncio.create_task(ending(make_door()))
    await hub.greeted(auth="required")
    assert (await task).cause is Cause.NO_TOKEN


@pytest.mark.parametrize("code", [4001, 4201])
async def test_door_hears_why_a_token_is_refused(
    hub: Any, make_door: Any, code: int
) -> None:
    """The error has the words, the close has the advice."""
    task = asyncio.create_task(ending(make_door(token="secret")))
    call = await hub.greeted(auth="required")
    await call.read("auth")
    await call.refuse("auth", "unauthorized", fatal=True, message="whose is it?")
    await call.send({"type": "heartbeat", "ts": 1, "tops": {}})
    await call.close(code, "bad token")
    end = await task
    assert (end.cause, end.code, end.text) == (Cause.CLOSED, code, "whose is it?")


async def test_door_tells_that_a_token_could_not_be_had(make_door: Any) -> None:
    """Whatever went wrong there passes by itself, maybe."""

    def fail() -> str:
        raise OSError("the identity service is down")

    def fail_silently() -> str:
        raise KeyError

    end = await ending(make_door(token=fail))
    assert (end.cause, end.text) == (Cause.TOKEN, "the identity service is down")
    assert (await ending(make_door(token=fail_silently))).text == "KeyError"
    assert make_door(token=fail).can_refresh
    assert not make_door(token="secret").can_refresh


@pytest.mark.parametrize(
    "first", [{"type": "heartbeat", "ts": 1, "tops": {}}, {"type": "hello"}]
)
async def test_door_wants_a_welcome_first(
    hub: Any, make_door: Any, first: dict[str, Any]
) -> None:
    """Anything else is no hub, or not yet."""
    task = asyncio.create_task(ending(make_door()))
    call = await hub.call()
    await call.send(first)
    end = await task
    assert (end.cause, end.code) == (Cause.FOREIGN, None)
    assert end.text == "its first message is no welcome"


async def test_door_sees_that_the_hub_speaks_otherwise(
    hub: Any, make_door: Any
) -> None:
    """Another protocol is final, and so is an error that says so."""
    task = asyncio.create_task(ending(make_door()))
    await hub.greeted(protocol="wavetank.v9")
    end = await task
    assert (end.cause, end.code) == (Cause.FOREIGN, 4005)
    assert "wavetank.v9" in end.text
    for fatal, code in ((True, 4005), (False, None)):
        task = asyncio.create_task(ending(make_door()))
        call = await hub.call()
        await call.refuse(None, "protocol_unsupported", fatal=fatal)
        end = await task
        assert (end.cause, end.code) == (Cause.FOREIGN, code)


async def test_door_hears_a_close_instead_of_a_welcome(
    hub: Any, make_door: Any
) -> None:
    """With its code, or without any."""
    task = asyncio.create_task(ending(make_door()))
    await (await hub.call()).close(4100, "busy")
    end = await task
    assert (end.cause, end.code, end.text) == (Cause.CLOSED, 4100, "busy")
    task = asyncio.create_task(ending(make_door()))
    (await hub.call()).cut()
    end = await task
    assert (end.cause, end.code) == (Cause.CLOSED, None)


@pytest.mark.hasty
async def test_door_waits_for_a_welcome_for_a_bounded_time(
    hub: Any, make_door: Any
) -> None:
    """A hub that accepts and then says nothing does not hold anybody up."""
    end = await ending(make_door(open_timeout=0.05))
    assert end.cause is Cause.UNREACHED
    assert "longer than 0.05 s" in end.text
    assert await (await hub.call()).closed() == 1006


async def test_door_waits_for_a_token_for_a_bounded_time(make_door: Any) -> None:
    """The same for whoever gets tokens."""

    async def never() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    end = await ending(make_door(token=never, open_timeout=0.05))
    assert (end.cause, end.text) == (Cause.TOKEN, "TimeoutError")


async def test_door_tells_that_nobody_is_there(hub: Any, make_door: Any) -> None:
    """A closed port, or a name that nobody has."""
    door = make_door()
    await hub.stop()
    assert (await ending(door)).cause is Cause.UNREACHED


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (503, {"Retry-After": "7"}, 7.0),
        (429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        (403, {}, 0.0),
        (302, {"Location": "ws://elsewhere/ws"}, 0.0),
    ],
)
async def test_door_tells_how_the_handshake_was_refused(
    hub: Any, make_door: Any, status: int, headers: dict[str, str], after: float
) -> None:
    """Status, words and when to come again; a redirect is not followed."""

    def refuse(connection: Any, _request: Request) -> Response:
        response: Response = connection.respond(HTTPStatus(status), "go\n away\n")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    await hub.stop()
    await hub.start(process_request=refuse)
    end = await ending(make_door())
    assert (end.cause, end.code, end.after) == (Cause.REFUSED, status, after)
    assert end.text == "go away"


async def test_door_tells_that_it_is_no_websocket_server(make_door: Any) -> None:
    """Something answers, in another language."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        end = await ending(make_door(f"ws://127.0.0.1:{port}/ws"))
    assert end.cause is Cause.UNREACHED


# TLS.


@pytest.fixture
def authority() -> trustme.CA:
    """Give a certificate authority."""
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Give what a server for localhost needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    """Give the authority's certificate as a file."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


async def test_door_verifies_the_hubs_certificate(
    hub: Any, make_door: Any, tls: ssl.SSLContext, ca: Path
) -> None:
    """Unknown authorities are refused; one that was named is trusted."""
    await hub.stop()
    await hub.start(ssl=tls)
    end = await ending(make_door())
    assert end.cause is Cause.TLS
    assert "certificate" in end.text
    task = await opened(make_door(ca=ca))
    await hub.greeted()
    await (await task).close()


async def test_door_verifies_names_and_dates(
    hub: Any, make_door: Any, authority: trustme.CA, ca: Path
) -> None:
    """A trusted authority is not enough."""
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    for certificate in (
        authority.issue_cert("elsewhere.example"),
        authority.issue_cert("127.0.0.1", not_before=past, not_after=past),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        await hub.stop()
        await hub.start(ssl=context)
        assert (await ending(make_door(ca=ca))).cause is Cause.TLS


async def test_door_verifies_nothing_when_told_so_and_says_it(
    hub: Any, make_door: Any, tls: ssl.SSLContext, lines: Any
) -> None:
    """Insecure is a word that has to be typed."""
    await hub.stop()
    await hub.start(ssl=tls)
    task = await opened(make_door(insecure=True))
    await hub.greeted()
    await (await task).close()
    assert lines.of("certificate_not_verified")["level"] == "warning"


async def test_door_never_goes_on_without_tls_by_itself(
    hub: Any, make_door: Any
) -> None:
    """A plain server behind a wss:// URL is a failure."""
    url = hub.url.replace("ws://", "wss://")
    end = await ending(make_door(url))
    assert (end.cause, end.text) == (Cause.TLS, "ConnectionResetError")
    assert hub.calls.empty()


async def test_door_goes_on_without_tls_on_this_machine_when_told_so(
    hub: Any, make_door: Any, lines: Any
) -> None:
    """Loudly."""
    url = hub.url.replace("ws://", "wss://")
    task = await opened(make_door(url, allow_plain_fallback=True))
    await hub.greeted()
    await (await task).close()
    line = lines.of("going_on_without_tls")
    assert line["level"] == "warning"
    assert "plain text" in line["danger"]


async def test_door_tries_the_fallback_only_where_tls_fails(
    hub: Any, make_door: Any, lines: Any
) -> None:
    """A hub that is not there is not there in plain text either."""
    url = hub.url.replace("ws://", "wss://")
    await hub.stop()
    door = make_door(url, allow_plain_fallback=True)
    assert (await ending(door)).cause is Cause.UNREACHED
    assert lines.names == []


async def test_door_refuses_a_fallback_beyond_this_machine(make_door: Any) -> None:
    """Before anything is tried."""
    with pytest.raises(UsageError, match="this machine only"):
        make_door("wss://hub.example/ws", allow_plain_fallback=True)


@pytest.mark.parametrize("text", [None, "no certificate"])
async def test_door_refuses_authorities_that_it_cannot_read(
    make_door: Any, tmp_path: Path, text: str | None
) -> None:
    """A file that is missing, or something else."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=r"ca: .*ca\.pem cannot be used"):
        make_door("wss://localhost/ws", ca=file)
