"""An isolated target: in a network of its own, and with its data on a small disk.

It refuses to know what a check makes of that.

A proxy on this machine leads to its process (`isolated_process`). While the link
is down the target's own TCP gets no answer. No proxy can bring that about, for it
acknowledges whatever comes to it.

    async with isolated(plan, target) as isolation:
        peers = Peers(isolation.target, ...)
        isolation.process.set_link(up=False)
"""

import asyncio
import contextlib
import dataclasses
import functools
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

from wavetank.chaos import Proxy
from wavetank.lab.isolated_process import ANSWERS_WITHIN, WARDEN, IsolatedProcess
from wavetank.lab.plan import Plan, Source
from wavetank.lab.target import Target, environment
from wavetank.lab.warden import DATA
from wavetank.net import ThrowAwayAuthority

__all__ = [
    "Isolation",
    "isolated",
    "keeps_data",
    "why_not",
]

_HOST = "127.0.0.1"
_PORT, _TLS_PORT, _HTTP_PORT = 9000, 9001, 9002
"""Nobody else is in that network."""


@functools.cache
def why_not() -> str:
    """Return why no target can be isolated on this machine; "" where one can."""
    if sys.platform != "linux":
        return "only Linux has network and mount namespaces"
    with tempfile.TemporaryDirectory(prefix="wavetank-") as room:
        try:
            tried = subprocess.run(
                [*WARDEN, room, str(2**20)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=ANSWERS_WITHIN,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"a process in namespaces of its own does not start: {error}"
    if tried.returncode == 0:
        return ""
    if said := (tried.stdout.strip() or tried.stderr.strip()):
        return said.splitlines()[-1]
    return f"the trial ended with status {tried.returncode}"


def keeps_data(plan: Plan) -> bool:
    """Tell whether the target can be told where to keep its data."""
    return plan.source is Source.EMBEDDED or "{data}" in plan.serve


class Isolation:
    """An isolated target, and the door to it.

    Args:
        target: What peers connect to; its process is the isolated one.
        process: That process.
        door: The proxy that leads into its network.
    """

    def __init__(self, target: Target, process: IsolatedProcess, door: Proxy) -> None:
        self.target = target
        self.process = process
        self._door = door

    @property
    def connections(self) -> int:
        """How many connections lead to the target."""
        return sum(link.is_connected for link in self._door.links.values())

    def __repr__(self) -> str:
        """Show the process and the door."""
        return f"<Isolation {self.process!r} behind {self._door!r}>"


@contextlib.asynccontextmanager
async def isolated(plan: Plan, like: Target) -> AsyncIterator[Isolation]:
    """Have another target of a plan, isolated; it is not started yet.

    Args:
        plan: What is started, and how.
        like: The target that the plan has brought about: how it speaks, and its path.

    Raises:
        LocalError: If this machine does not permit it (`why_not`).
    """
    async with contextlib.AsyncExitStack() as stack:
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="wavetank-"))
        )
        words = {"host": _HOST, "port": str(_PORT), "python": sys.executable}
        words["data"] = str(scratch / "disk" / DATA)
        if plan.wants_tls:
            words |= {"tls_port": str(_TLS_PORT)} | _certificate(stack, scratch)
        bare = dataclasses.replace(plan, coverage=False)
        command = bare.command(words, http_port=_HTTP_PORT)
        if plan.source is Source.EMBEDDED:
            command += ["--data", words["data"]]
        (scratch / "disk").mkdir()
        ports = dict.fromkeys(("PORT", "WEBSOCKET_PORT"), str(_PORT))
        process = IsolatedProcess(
            command, environ={**environment(plan), **ports}, room=scratch / "disk"
        )
        stack.push_async_callback(asyncio.to_thread, process.close)
        # As any target is ended: what it keeps elsewhere is its own to remove.
        stack.push_async_callback(asyncio.to_thread, process.stop)

        port = _TLS_PORT if plan.is_tls_only else _PORT
        door = Proxy((_HOST, port), mode="bytes", dial=process.dial)
        await stack.enter_async_context(door)
        target = dataclasses.replace(
            like,
            url=_leads_to(like.url, door.port),
            tls_url="",
            ca=plan.ca or words.get("ca", ""),
            process=process,
        )
        yield Isolation(target, process, door)


def _certificate(stack: contextlib.AsyncExitStack, scratch: Path) -> dict[str, str]:
    authority = ThrowAwayAuthority(directory=scratch)
    stack.callback(authority.close)
    credentials = authority.certificate()
    return {
        "cert": str(credentials.certificate),
        "key": str(credentials.key),
        "ca": str(authority.ca),
    }


def _leads_to(url: str, port: int) -> str:
    """Return a URL with another port."""
    parts = urllib.parse.urlsplit(url)
    host = f"{parts.hostname}:{port}"
    return urllib.parse.urlunsplit((parts.scheme, host, *parts[2:]))
