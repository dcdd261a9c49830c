"""The target: where it listens, how it speaks, what it can do, and its process.

It refuses to know checks and reports.
"""

import asyncio
import contextlib
import os
import shlex
import ssl
import sys
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wavetank.dialects import (
    Bare,
    Capability,
    Dialect,
)
from wavetank.errors import RemoteError, TargetError, UsageError
from wavetank.lab.check import BROADCAST, PROCESS, ROUND_TRIP, TLS
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process import TargetProcess
from wavetank.lab.recognition import recognised
from wavetank.net import (
    HandshakeRefused,
    NotReached,
    RudePeer,
    ThrowAwayAuthority,
    TlsFailed,
    client_context,
    find_available_port,
    find_dynamic_port,
    hand_over,
    hold_port,
    open_peer,
    release_port,
)

__all__ = ["Target", "TargetStart"]

_PROBE_WITHIN = 1.0
_STEP = 0.05


@dataclass(slots=True, kw_only=True)
class Target:
    """A target that answers.

    Attributes:
        url: Its plain (or only) URL.
        tls_url: The URL of its TLS twin, or "".
        dialect: How it speaks.
        headers: Sent with every opening handshake.
        subprotocols: Offered with every opening handshake.
        origin: Sent as Origin header, or "".
        token: Presented by a message where the dialect has one for it, or "".
        ca: PEM file of the authorities to trust, or "".
        insecure: Whether any certificate will do.
        process: Its process, where the lab started it.
        took: Seconds from start to readiness.
        ready_within: Seconds that the user lets it take for that.
    """

    url: str
    dialect: Dialect
    tls_url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    origin: str = ""
    token: str = ""
    ca: str = ""
    insecure: bool = False
    process: TargetProcess | None = None
    took: float = 0.0
    ready_within: float = 0.0

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do, by name: its dialect's, and what follows from them."""
        have = self.dialect.capabilities
        names = set(map(str, have))
        if self.tls_url or self.url.startswith("wss:"):
            names.add(TLS)
        if self.process is not None:
            names.add(PROCESS)
        if {Capability.PUBLISH, Capability.SUBSCRIBE} <= have:
            names |= {BROADCAST, *([ROUND_TRIP] if Capability.OWN in have else [])}
        if Capability.ECHO in have:
            names.add(ROUND_TRIP)
        return frozenset(names)

    def context(self) -> ssl.SSLContext:
        """Return the TLS context that the run's options ask for."""
        # Trust in anybody includes the authority that the lab made for the target.
        ca = Path(self.ca) if self.ca and not self.insecure else None
        return client_context(ca=ca, insecure=self.insecure)

    def context_for(self, url: str) -> ssl.SSLContext | None:
        """Return the TLS context for a URL, None where it needs none."""
        return self.context() if url.startswith("wss:") else None

    def address(self, *, tls: bool) -> str:
        """Return the URL of one of its listeners."""
        return self.tls_url if tls and self.tls_url else self.url

    @property
    def status_url(self) -> str:
        """Return the URL of its status page, or "" where there is none."""
        if self.dialect.status is None:
            return ""
        parts = urllib.parse.urlsplit(self.url)
        scheme = "https" if parts.scheme == "wss" else "http"
        return f"{scheme}://{parts.netloc}{self.dialect.status.path}"


@dataclass(slots=True)
class TargetStart:
    """Starts the target of a plan, and ends what it started.

    Attributes:
        plan: What to start.
        scratch: A private folder for certificates; its owner removes it.
        environ: Environment of the process.
    """

    plan: Plan
    scratch: Path
    environ: Mapping[str, str]
    process: TargetProcess | None = None
    ports: list[int] = field(default_factory=list)
    authority: ThrowAwayAuthority | None = None

    def run(self) -> Target:
        """Start and wait for readiness.

        Returns:
            The target, ready: it answered an opening handshake.

        Raises:
            TargetError: If it cannot be started or does not become ready in time.
        """
        started = time.monotonic()
        draft = self._start()
        try:
            url, dialect = self._wait_for(draft, started + self.plan.ready_timeout)
        except TargetError:
            self.stop()
            raise
        draft.url, draft.dialect = url, dialect
        draft.subprotocols = self.plan.subprotocols or dialect.endpoint.subprotocols
        draft.took = time.monotonic() - started
        draft.ready_within = self.plan.ready_timeout
        if draft.tls_url:
            draft.tls_url = _with_path(draft.tls_url, urllib.parse.urlsplit(url).path)
        return draft

    def stop(self) -> None:
        """End the process, if there is one, and give its ports back; idempotent."""
        try:
            if self.process is not None:
                self.process.stop()
        finally:
            for port in self.ports:
                release_port(port)
            self.ports.clear()
            if self.authority is not None:
                self.authority.close()

    # Starting

    def _start(self) -> Target:
        plan = self.plan
        common = Target(
            url=plan.url,
            dialect=Bare(),
            headers=plan.headers,
            origin=plan.origin,
            token=plan.token,
            ca=plan.ca,
            insecure=plan.insecure,
        )
        if plan.source is Source.URL:
            return common
        port, tls_port = self._take_ports()
        words = {"host": "127.0.0.1", "port": str(port), "python": sys.executable}
        if "{data}" in plan.serve:
            (self.scratch / "data").mkdir(mode=0o700)
            words["data"] = str(self.scratch / "data")
        if plan.wants_tls:
            words |= self._certificate() | {"tls_port": str(tls_port)}
            common.tls_url = f"wss://localhost:{tls_port}"
            common.ca = common.ca or words["ca"]
        common.url = f"ws://127.0.0.1:{port}"
        if plan.is_tls_only:
            common.url, common.tls_url = common.tls_url, ""
        command = plan.command(words, http_port=self._take_port(None))
        environ = {**self.environ, "PORT": str(port), "WEBSOCKET_PORT": str(port)}
        self.process = common.process = TargetProcess(command, environ=environ)
        for held in self.ports:
            hand_over(held)
        self.process.start()
        return common

    def _take_ports(self) -> tuple[int, int]:
        return self._take_port(self.plan.port), self._take_port(self.plan.tls_port)

    def _take_port(self, wanted: int | None) -> int:
        if wanted is not None:
            port = _exactly(wanted)
        elif self.plan.dynamic_ports:
            port = find_dynamic_port()
        else:
            port = find_available_port(self.plan.start_port, 1000)
        self.ports.append(port)
        return port

    def _certificate(self) -> dict[str, str]:
        self.authority = ThrowAwayAuthority(directory=self.scratch)
        credentials = self.authority.certificate()
        return {
            "cert": str(credentials.certificate),
            "key": str(credentials.key),
            "ca": str(self.authority.ca),
        }

    # Waiting

    def _wait_for(self, draft: Target, ends: float) -> tuple[str, Dialect]:
        reasons: dict[str, str] = {}
        candidates = self._candidates(draft.url)
        while time.monotonic() < ends:
            INTERRUPTION.check()
            self._still_runs()
            met = self._try_to_meet(draft, candidates, reasons)
            if met is not None:
                self._wait_for_tls(draft, ends)
                return met
            time.sleep(_STEP)
        self._still_runs()
        why = "; ".join(dict.fromkeys(reasons.values())) or "nobody was asked"
        raise TargetError(
            f"the target at {draft.url} was not ready within "
            f"{self.plan.ready_timeout:g} s: {why}",
            output=self.process.output() if self.process else (),
        )

    def _try_to_meet(
        self, draft: Target, candidates: Sequence[str], reasons: dict[str, str]
    ) -> tuple[str, Dialect] | None:
        """Return where the target answers and how it speaks; None, and why, if not."""
        for url in candidates:
            try:
                return url, asyncio.run(self._meet(draft, url))
            except HandshakeRefused as error:
                reasons[url] = str(error)
                if error.status == 401:
                    # No time makes this better.
                    raise TargetError(
                        f"{error}; it wants credentials: give --token, or the variable "
                        "WAVETANK_TOKEN, or --header"
                    ) from None
            except NotReached as error:
                # Nobody listens yet: to ask for another path now would be a race,
                # and the path that is found would depend on who wins it.
                reasons[url] = str(error)
                return None
            except (RemoteError, TimeoutError) as error:
                reasons[url] = str(error)
        return None

    def _wait_for_tls(self, draft: Target, ends: float) -> None:
        """Wait until the TLS twin listens, too; a check says if it never does."""
        while draft.tls_url and time.monotonic() < ends:
            INTERRUPTION.check()
            self._still_runs()
            with contextlib.suppress(TlsFailed):
                try:
                    asyncio.run(_reach(draft))
                except (NotReached, TimeoutError):
                    time.sleep(_STEP)
                    continue
            return

    def _candidates(self, url: str) -> list[str]:
        """Return the URLs to try: the path given, else those of the dialects."""
        if urllib.parse.urlsplit(url).path not in {"", "/"}:
            return [url]
        if self.plan.dialect is not None:
            return [_with_path(url, self.plan.dialect.endpoint.path)]
        return [_with_path(url, path) for path in ("/", "/ws")]

    def _still_runs(self) -> None:
        """Notice at once that the process is gone, instead of at the deadline."""
        process = self.process
        if process is not None and not process.is_alive:
            raise TargetError(
                f"`{shlex.join(process.command)}` ended with status {process.status} "
                "before it was ready",
                output=process.output(),
            )

    async def _meet(self, draft: Target, url: str) -> Dialect:
        """Shake hands and find out how the target speaks."""
        plan = self.plan
        offered = plan.dialect.endpoint.subprotocols if plan.dialect else ()
        peer = await open_peer(
            url,
            subprotocols=plan.subprotocols or offered,
            headers=draft.headers,
            origin=draft.origin or None,
            tls=draft.context_for(url),
            open_timeout=min(_PROBE_WITHIN * 2, plan.ready_timeout),
        )
        try:
            return plan.dialect or await recognised(peer)
        finally:
            with contextlib.suppress(RemoteError, TimeoutError):
                await peer.close(timeout=_PROBE_WITHIN)


def _exactly(port: int) -> int:
    try:
        hold_port(port)
    except UsageError:
        raise TargetError(
            f"port {port} is in use; end what listens there, or leave --port out and "
            "take a free one"
        ) from None
    return port


async def _reach(draft: Target) -> None:
    """Connect to the TLS twin and hang up."""
    url = draft.tls_url
    rude = await RudePeer.connect(
        url, tls=draft.context_for(url), timeout=_PROBE_WITHIN
    )
    await rude.close()


def _with_path(url: str, path: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((*parts[:2], path or parts.path, *parts[3:]))


def environment(plan: Plan) -> dict[str, str]:
    """Return the environment of a target's process.

    A token goes through it: a command line is there for everybody to read. What
    pytest says to its own children stays out: a target may act on it.
    """
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_")
    }
    environ["PYTHONUNBUFFERED"] = "1"
    if plan.token:
        # Our own hub does not take what clients sign in with for a token of its own.
        environ["WAVETANK_TOKEN"] = environ["WAVETANK_HUB_TOKEN"] = plan.token
    return environ
