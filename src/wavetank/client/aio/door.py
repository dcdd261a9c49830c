"""Door: opens connections: TLS, opening handshake, welcome, token.

It refuses to know what is said afterwards, and when to try again.
"""

import asyncio
import inspect
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypedDict

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
)
from websockets.http11 import Response
from websockets.typing import Subprotocol

from wavetank import __version__
from wavetank.client.address import Address, parse_address
from wavetank.client.aio.link import Link
from wavetank.client.aio.logger import silent_logger
from wavetank.client.backoff import Backoff
from wavetank.client.lifecycle import Cause, Ending
from wavetank.clock import Clock
from wavetank.errors import UsageError
from wavetank.protocol import (
    PROTOCOL,
    Auth,
    Authenticated,
    CloseCode,
    Error,
    Welcome,
    decode_push,
    encode_command,
)

if TYPE_CHECKING:
    import structlog

__all__ = ["Door", "LinkFailed", "LinkOptions", "Token"]

Token = str | Callable[[], str | Awaitable[str]] | None
"""A token, or what gets one; it is asked anew for each connection."""

_AUTH_ID = "auth"
_MOST_BODY = 200
"""Characters of a refusal's body that are told."""

_QUEUE = 64
"""Frames that wait unread before the network has to."""


class LinkOptions(TypedDict, total=False):
    """What all clients take beside the URL.

    Attributes:
        token: To sign in with, where the hub asks for one.
        ca: Certificate authorities to trust (PEM) instead of the system's.
        insecure: Do not verify the hub's certificate.
        allow_plain_fallback: Go on without TLS where it fails; only on loopback.
        headers: Sent with the opening handshake.
        compression: Offer permessage-deflate.
        max_retries: Attempts in vain before giving up; None is endless.
        backoff: Between attempts.
        open_timeout: Seconds until a connection is open and signed in.
        answer_timeout: Seconds that an answer to a command may take.
        grace: Seconds that a heartbeat may be late beyond two missing ones.
        max_message: Longest message to accept, in bytes.
        clock: Reads the time.
        rng: The dice of all waiting.
        logger: Takes log lines.
    """

    token: Token
    ca: Path | None
    insecure: bool
    allow_plain_fallback: bool
    headers: Mapping[str, str]
    compression: bool
    max_retries: int | None
    backoff: Backoff
    open_timeout: float
    answer_timeout: float
    grace: float
    max_message: int
    clock: Clock
    rng: Random
    logger: "structlog.typing.FilteringBoundLogger"


class LinkFailed(Exception):
    """An attempt was in vain."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending


class _Connect(connect):
    """Opens one connection; it does not follow a redirect to who knows where."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class Door:
    """Where a hub is, and how one gets in.

    Args:
        url: Of the hub.
        clock: For deadlines.
        logger: Takes log lines.
        options: What the user set; see ``LinkOptions``.

    Raises:
        UsageError: If they do not fit together, or ``ca`` cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        logger: "structlog.typing.FilteringBoundLogger",
        options: LinkOptions,
    ) -> None:
        self.address = parse_address(url)
        self._clock = clock
        self._logger = logger
        self._token = options.get("token")
        self._headers = dict(options.get("headers", {}))
        self._compression = options.get("compression", True)
        self._open_timeout = options.get("open_timeout", 10.0)
        self._answer_timeout = options.get("answer_timeout", 10.0)
        self._grace = options.get("grace", 5.0)
        self._max_message = options.get("max_message", 16 * 1024 * 1024)
        self._may_fall_back = options.get("allow_plain_fallback", False)
        self._check()
        self._tls = self._make_tls(
            options.get("ca"), is_verifying=not options.get("insecure", False)
        )

    def _check(self) -> None:
        if self._may_fall_back and not self.address.is_loopback:
            raise UsageError(
                "allow_plain_fallback is for this machine only: beyond it everybody "
                f"on the way could read and change everything ({self.address.host})"
            )

    def _make_tls(
        self, ca: Path | None, *, is_verifying: bool
    ) -> ssl.SSLContext | None:
        if not self.address.is_secure:
            return None
        try:
            context = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"ca: {ca} cannot be used: {error}") from None
        if not is_verifying:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._logger.warning("certificate_not_verified", host=self.address.host)
        return context

    @property
    def can_refresh(self) -> bool:
        """Whether a new token can be had."""
        return callable(self._token)

    async def open(self) -> Link:
        """Open a connection.

        Raises:
            LinkFailed: If that was in vain.
        """
        try:
            return await self._open(self.address)
        except LinkFailed as failure:
            if failure.ending.cause is not Cause.TLS or not self._may_fall_back:
                raise
            self._logger.warning(
                "going_on_without_tls",
                host=self.address.host,
                reason=failure.ending.text,
                danger="everything is sent as plain text",
            )
            return await self._open(self.address.plain)

    async def _open(self, address: Address) -> Link:
        token = await self.take_token()
        try:
            async with asyncio.timeout(self._open_timeout):
                socket = await self._connect(address)
                try:
                    return await self._greet(socket, token)
                except BaseException:
                    socket.transport.abort()
                    raise
        except TimeoutError:
            words = f"it took longer than {self._open_timeout:g} s"
            raise LinkFailed(Ending(cause=Cause.UNREACHED, text=words)) from None

    async def take_token(self) -> str | None:
        """Return a token, a new one if that can be had.

        Raises:
            LinkFailed: If there should be one and it cannot be had.
        """
        if not callable(self._token):
            return self._token
        try:
            async with asyncio.timeout(self._open_timeout):
                token = self._token()
                return await token if inspect.isawaitable(token) else token
        except Exception as error:
            words = type(error).__name__ if not str(error) else str(error)
            raise LinkFailed(Ending(cause=Cause.TOKEN, text=words)) from error

    async def _connect(self, address: Address) -> ClientConnection:
        context: dict[str, Any] = {"ssl": self._tls} if address.is_secure else {}
        try:
            return await _Connect(
                address.url,
                subprotocols=[Subprotocol(PROTOCOL)],
                compression="deflate" if self._compression else None,
                additional_headers=self._headers,
                user_agent_header=f"wavetank/{__version__}",
                # A proxy that the environment names cannot reach this machine.
                proxy=None if address.is_loopback else True,
                open_timeout=None,  # one deadline for everything, see _open
                ping_interval=None,  # heartbeats are what is waited for
                close_timeout=2.0,
                max_size=self._max_message,
                max_queue=_QUEUE,
                logger=silent_logger(),
                **context,
            )
        except ssl.SSLError as error:
            ending = Ending(cause=Cause.TLS, text=str(error))
        except InvalidStatus as error:
            ending = _refused(error.response)
        except (InvalidHandshake, InvalidProxy, OSError, EOFError) as error:
            # A plain server may just hang up when it is greeted in TLS.
            is_tls = address.is_secure and isinstance(error, ConnectionResetError)
            cause = Cause.TLS if is_tls else Cause.UNREACHED
            ending = Ending(cause=cause, text=str(error) or type(error).__name__)
        raise LinkFailed(ending)

    async def _greet(self, socket: ClientConnection, token: str | None) -> Link:
        """Take the welcome, and sign in where it asks for that."""
        try:
            welcome = decode_push(await socket.recv(decode=False))
            if not isinstance(welcome, Welcome):
                raise LinkFailed(_no_welcome(welcome))
            if welcome.protocol != PROTOCOL:
                words = f"it speaks {welcome.protocol[:40]!r}"
                code = CloseCode.PROTOCOL_UNSUPPORTED
                ending = Ending(cause=Cause.FOREIGN, text=words, code=code)
                raise LinkFailed(ending)
            expires_at = None
            if welcome.auth == "required":
                expires_at = await self._sign_in(socket, token)
        except ConnectionClosed as error:
            raise LinkFailed(_closed(error)) from None
        return Link(
            socket,
            welcome,
            clock=self._clock,
            grace=self._grace,
            answer_timeout=self._answer_timeout,
            expires_at=expires_at,
        )

    async def _sign_in(
        self, socket: ClientConnection, token: str | None
    ) -> float | None:
        if token is None:
            raise LinkFailed(Ending(cause=Cause.NO_TOKEN))
        command = Auth(id=_AUTH_ID, token=token)
        await socket.send(encode_command(command), text=True)
        while True:
            answer = decode_push(await socket.recv(decode=False))
            if isinstance(answer, Authenticated) and answer.id == _AUTH_ID:
                return answer.expires_at
            if isinstance(answer, Error):
                await self._hear_why(socket, answer)

    async def _hear_why(self, socket: ClientConnection, error: Error) -> None:
        """Wait for the close that follows a fatal error; its code is the advice."""
        try:
            while True:
                await socket.recv(decode=False)
        except ConnectionClosed as closed:
            ending = _closed(closed)
        raise LinkFailed(
            Ending(cause=ending.cause, text=error.message, code=ending.code)
        )


def _refused(response: Response) -> Ending:
    body = (response.body or b"")[:_MOST_BODY].decode(errors="replace")
    after = response.headers.get("Retry-After", "")
    return Ending(
        cause=Cause.REFUSED,
        text=" ".join(body.split()) or response.reason_phrase,
        code=response.status_code,
        # A date (RFC 9110 10.2.3) is passed over: our own waiting is as good.
        after=float(after) if after.isascii() and after.isdigit() else 0.0,
    )


def _closed(error: ConnectionClosed) -> Ending:
    if error.rcvd is None:
        return Ending(cause=Cause.CLOSED, text="before it was open")
    return Ending(cause=Cause.CLOSED, text=error.rcvd.reason, code=error.rcvd.code)


def _no_welcome(message: object) -> Ending:
    if isinstance(message, Error):
        # Such as protocol_unsupported; nothing that follows would be better.
        code = CloseCode.PROTOCOL_UNSUPPORTED if message.fatal else None
        return Ending(cause=Cause.FOREIGN, text=message.message, code=code)
    return Ending(cause=Cause.FOREIGN, text="its first message is no welcome")
