"""Asks the target's pages over HTTP: how many connections it has, and any other.

It refuses to know what else stands there.
"""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

from wavetank.errors import RemoteError
from wavetank.lab.target import Target

__all__ = ["open_connections", "read_page"]

_WITHIN = 5.0
_MOST = 4 * 1024 * 1024


async def open_connections(target: Target) -> int:
    """Return the number of open connections that the target tells.

    Raises:
        RemoteError: If the page is not there or does not say it.
    """
    return await asyncio.to_thread(_ask, target)


async def read_page(target: Target, path: str) -> bytes:
    """Return what the target serves at a path.

    Raises:
        RemoteError: If it serves nothing there.
    """
    parts = urllib.parse.urlsplit(target.url)
    scheme = "https" if parts.scheme == "wss" else "http"
    url = f"{scheme}://{parts.netloc}{path}"
    try:
        return await asyncio.to_thread(_read, target, url)
    except (OSError, http.client.HTTPException) as error:
        raise RemoteError(f"{url}: {error}") from None


def _ask(target: Target) -> int:
    page = target.dialect.status
    assert page is not None, "the check needs the capability"
    url = target.status_url
    try:
        value: Any = json.loads(_read(target, url))
        for key in page.connections:
            value = value[int(key)] if isinstance(value, list) else value[key]
        return int(value)
    except (OSError, http.client.HTTPException) as error:
        raise RemoteError(f"{url}: {error}") from None
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as e:
        keys = ".".join(page.connections)
        raise RemoteError(f"{url}: no number at {keys} ({e!r})") from None


def _read(target: Target, url: str) -> bytes:
    """Return the page, by no proxy and following no redirect."""
    parts = urllib.parse.urlsplit(url)
    host, port = parts.hostname or "", parts.port
    context = target.context_for(target.url)
    connection = (
        http.client.HTTPConnection(host, port, timeout=_WITHIN)
        if context is None
        else http.client.HTTPSConnection(host, port, timeout=_WITHIN, context=context)
    )
    with contextlib.closing(connection):
        connection.connect()
        with _bounded(connection.sock):
            connection.request("GET", parts.path, headers=dict(target.headers))
            answer = connection.getresponse()
            if answer.status != 200:
                raise http.client.HTTPException(
                    f"HTTP {answer.status} {answer.reason}".strip()
                )
            return answer.read(_MOST)


@contextlib.contextmanager
def _bounded(connected: socket.socket) -> Iterator[None]:
    """Cut a connection after a while, however slowly the target talks."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            # Not SSLSocket's own shutdown, which is no business of another thread.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(_WITHIN, cut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
