"""TLS handshakes that go wrong, for the suite of edge cases.

They refuse to know what is spoken once a handshake is done.
"""

import contextlib
import ssl
import urllib.parse
import warnings

from wavetank.errors import RemoteError
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.reactions import REACT_WITHIN, end_of, is_served
from wavetank.lab.target import Target
from wavetank.net import RudePeer, TlsFailed

__all__ = [
    "begin_many",
    "first_hello",
    "is_served_by_tls",
    "judge_old_version",
    "judge_plain",
]

HALVES = 20
"""Handshakes of TLS that are held open, begun and not finished."""


def first_hello(target: Target) -> bytes:
    """Return the first bytes that a sound client of TLS sends."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = target.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def _connect_bare(target: Target) -> RudePeer:
    """Connect to the port of TLS without it."""
    parts = urllib.parse.urlsplit(target.address(tls=True))
    port = parts.port or 443
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return await RudePeer.connect(f"ws://{host}:{port}/")


async def judge_plain(
    notebook: Notebook, target: Target, title: str, data: bytes
) -> None:
    """Expect that what is no TLS ends the connection, and is not spoken with."""
    rude = await _connect_bare(target)
    answer = b""
    with contextlib.suppress(RemoteError):
        await rude.write(data)
        with contextlib.suppress(TimeoutError):
            answer = await rude.read(REACT_WITHIN)
    ended = await end_of(rude, REACT_WITHIN)
    notebook.expect(
        bool(ended) and b" 101 " not in answer,
        f"{title} on the port of TLS ends the connection",
        expected="an alert or nothing, and the end",
        seen=f"{answer[:40]!r}, {ended or 'it stays open'}",
    )
    await rude.close()


async def judge_old_version(notebook: Notebook, target: Target) -> None:
    """Expect that TLS 1.1 and older are not spoken."""
    context = target.context()
    with warnings.catch_warnings():
        # Python minds that anybody still asks for it; that is the point here.
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    seen = "a handshake"
    with contextlib.suppress(TimeoutError):
        try:
            rude = await RudePeer.connect(target.address(tls=True), tls=context)
            await rude.close()
        except TlsFailed as error:
            seen = str(error)
    notebook.expect(
        seen != "a handshake",
        "TLS 1.1 is not spoken",
        expected="no handshake",
        seen=seen,
        clause="RFC 8996 5",
    )


async def begin_many(target: Target, hello: bytes) -> list[RudePeer]:
    """Begin handshakes of TLS, each to another place, and leave them."""
    halves = []
    for number in range(HALVES):
        rude = await _connect_bare(target)
        halves.append(rude)
        await rude.write(hello[: len(hello) * number // (HALVES - 1)] or hello[:1])
    return halves


async def is_served_by_tls(peer: Peers, notebook: Notebook, when: str) -> None:
    """Expect that a client with TLS is served."""
    try:
        conversation = await peer.open_to_itself(tls=True)
    except (RemoteError, TimeoutError) as error:
        notebook.expect(
            False, f"a client is served, {when}", expected="an answer", seen=error
        )
        return
    await is_served(conversation, notebook, who=f"a client, {when},")
    await conversation.close()
