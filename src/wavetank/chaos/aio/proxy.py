"""The chaos proxy: it stands before a target, and breaks on purpose what goes by.

It refuses to know what toxics do to a stream, and who asked for them.

    async with Proxy("ws://127.0.0.1:8765", seed=7) as proxy:
        proxy.add({"type": "latency", "attributes": {"latency": 200}})
        ...  # clients connect to proxy.url
        proxy.cut()
"""

import asyncio
import contextlib
import random
import socket
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, NamedTuple, Self

from wavetank.chaos.address import Address, read_address
from wavetank.chaos.aio.counts import DONE, bytes_of, count_toxics
from wavetank.chaos.aio.link import Dial, Link, Way
from wavetank.chaos.aio.listener import Listener
from wavetank.chaos.aio.stream import Stream
from wavetank.chaos.aio.wirelog import WireLog
from wavetank.chaos.bounds import MOST_LINKS, MOST_TOXICS, TooMany
from wavetank.chaos.chain import Dice
from wavetank.chaos.framing import MAX_FRAME
from wavetank.chaos.reading import MODES
from wavetank.chaos.room import Room
from wavetank.chaos.spec import ToxicSpec, change_spec, key_of, read_spec
from wavetank.chaos.toxic import Direction, How
from wavetank.clock import Clock, SystemClock
from wavetank.errors import LocalError, UsageError, nearest
from wavetank.net.tls import client_context
from wavetank.net.trace import without_secrets

__all__ = ["Proxy"]

_PARTITION: Final = tuple(
    ToxicSpec(name=f"partition_{stream}", type="stall", stream=stream)
    for stream in Direction
)


class _Added(NamedTuple):
    """A toxic, and the links that it is meant for; None for all."""

    spec: ToxicSpec
    links: frozenset[int] | None

    def is_for(self, number: int) -> bool:
        return self.links is None or number in self.links


class Proxy:
    """A proxy, as an asynchronous context manager.

    What it does to its links is done at once: nothing of that is awaited.

    Args:
        upstream: The target: a URL (``wss`` and ``https`` mean TLS), ``host:port``,
            or host and port.
        listen: Host and port; port 0 takes a free one.
        mode: One of `MODES`.
        seed: Of all dice.
        upstream_tls: What TLS towards the target needs; None: what the system
            trusts, where its URL says so, else plain TCP.
        listen_tls: What TLS towards clients needs; None for plain TCP.
        connect_timeout: Seconds until a connection has to stand, its TLS included.
        max_frame: Largest frame in bytes that toxics see as one.
        log: Notes each frame, where there is one; frames alone.
        dial: Connects to the target; None: the event loop does, on this network.
        clock: Tells the time to toxics.

    Raises:
        UsageError: If upstream is no address or the mode is not known.
        LocalError: If there is a log, and no frames to note in it.
    """

    def __init__(
        self,
        upstream: str | tuple[str, int],
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        mode: str = "frames",
        seed: int = 0,
        upstream_tls: ssl.SSLContext | None = None,
        listen_tls: ssl.SSLContext | None = None,
        connect_timeout: float = 10.0,
        max_frame: int = MAX_FRAME,
        log: WireLog | None = None,
        dial: Dial | None = None,
        clock: Clock | None = None,
    ) -> None:
        if mode not in MODES:
            offered = " or ".join(MODES)
            hint = nearest(mode, MODES)
            raise UsageError(f"a proxy's mode is {offered}, not {mode!r}{hint}")
        if log is not None and mode != "frames":
            raise LocalError("a wire log notes frames: give mode='frames'")
        self.mode = mode
        self.seed = seed
        self.log = log
        self._listen = listen
        self._clock = clock or SystemClock()
        self._upstream_tls = upstream_tls
        self._listen_tls = listen_tls
        self._connect_timeout = connect_timeout
        self._max_frame = max_frame
        self._dial = dial
        self._toxics: dict[str, _Added] = {}
        self._links: dict[int, Link] = {}
        self._counts: Counter[str] = Counter()
        self._done: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._room = Room()
        self._listener = Listener(self._receive)
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()
        self._number = 0
        self._is_open = False
        self.redirect(upstream)

    # Where

    def redirect(self, upstream: str | tuple[str, int]) -> None:
        """Lead new links to another target; those that stand stay where they are.

        Raises:
            UsageError: If it is no address.
        """
        self._upstream = read_address(upstream)
        tls = self._upstream_tls
        if tls is None and self._upstream.tls:
            tls = client_context()
        self._way = Way(
            self._upstream.host,
            self._upstream.port,
            frames=self.mode == "frames",
            target_tls=tls,
            client_tls=self._listen_tls,
            timeout=self._connect_timeout,
            max_frame=self._max_frame,
            dial=self._dial,
        )

    @property
    def upstream(self) -> Address:
        """Where the target is."""
        return self._upstream

    @property
    def address(self) -> tuple[str, int]:
        """Host and port on which it listens."""
        return self._listener.address

    @property
    def port(self) -> int:
        """Port on which it listens; it stays the same while it is disabled."""
        return self.address[1]

    @property
    def url(self) -> str:
        """What clients connect to: the target's path, and the proxy's address."""
        host, port = self.address
        scheme = "ws" if self._listen_tls is None else "wss"
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{port}{self._upstream.path}"

    # What stands

    @property
    def links(self) -> Mapping[int, Link]:
        """The links that there are now, by their numbers, from 1 in order of coming."""
        return MappingProxyType(self._links)

    @property
    def toxics(self) -> tuple[ToxicSpec, ...]:
        """All toxics, in the order in which they were added."""
        return tuple(added.spec for added in self._toxics.values())

    @property
    def is_enabled(self) -> bool:
        """Whether clients are let in."""
        return self._listener.is_listening

    def statistics(self) -> dict[str, int]:
        """Return what has happened, as numbers.

        Links that came in (opened), are there (open), whose target could not be
        reached (unreachable), who failed in TLS (refused), who were too many
        (turned_away); bytes that came
        (received_...) and were handed on (sent_...).
        """
        counts = Counter(self._counts)
        for link in self._links.values():
            counts += bytes_of(link)
        names = ("opened", "unreachable", "refused", "turned_away")
        ways = [f"{what}_{way}" for way in Direction for what in ("received", "sent")]
        return {
            **{name: counts[name] for name in (*names, *ways)},
            "open": len(self._links),
            "pauses": self._listener.pauses,
        }

    def toxic_statistics(self) -> dict[str, Counter[str]]:
        """Return what each toxic has done, on all links, by its name.

        Items that came to it (seen), that it was for (chosen), that did not simply go
        on because of it (hurt), and text messages that its ``when`` could not look
        into (unread), since it was added.
        """
        counts = defaultdict(
            Counter, {name: done.copy() for name, done in self._done.items()}
        )
        for link in self._links.values():
            count_toxics(link, counts)
        return {
            name: Counter({what: counts[name][what] for what in DONE})
            for name in self._toxics
        }

    def __repr__(self) -> str:
        """Show where it is, where it leads, and what it does."""
        state = "enabled" if self.is_enabled else "disabled"
        names = ", ".join(self._toxics) or "no toxics"
        host, port = self.address
        target = without_secrets(str(self._upstream))
        return (
            f"<Proxy {host}:{port} -> {target} {self.mode} {state}, "
            f"{len(self._links)} links, {names}>"
        )

    # Toxics

    def add(
        self,
        given: ToxicSpec | Mapping[str, object],
        *,
        links: Collection[int] | None = None,
    ) -> ToxicSpec:
        """Add a toxic to all links, those that are still to come too.

        Args:
            given: What `read_spec` reads, or has read.
            links: Numbers of the links that it is for; None for all.

        Returns:
            The toxic as it was understood; its name may have been chosen for it.

        Raises:
            UsageError: With every mistake in it.
            LocalError: If there is one of its name, or it is for frames and the
                proxy looks for none.
            TooMany: If there are `MOST_TOXICS`.
        """
        spec = given if isinstance(given, ToxicSpec) else read_spec(given)
        if spec.name in self._toxics:
            raise LocalError(
                f"there is a toxic {spec.name} already; change it, or give a name"
            )
        if spec.is_for_frames and self.mode != "frames":
            raise LocalError(
                f"toxic {spec.name}: {spec.type} is for frames, and this proxy looks "
                "at bytes; give it mode='frames'"
            )
        if len(self._toxics) >= MOST_TOXICS:
            raise TooMany(
                f"toxic {spec.name}: a proxy has {MOST_TOXICS} toxics at most; "
                "remove some"
            )
        self._add(spec, links)
        return spec

    def _add(self, spec: ToxicSpec, links: Collection[int] | None = None) -> None:
        added = _Added(spec, None if links is None else frozenset(links))
        self._toxics[spec.name] = added
        for stream in self._standing(added):
            stream.add(spec, self._dice(stream))

    def change(self, name: str, given: Mapping[str, object]) -> ToxicSpec:
        """Change a toxic where it stands.

        Args:
            name: Its name.
            given: What `change_spec` reads: ``{"attributes": {...}}``, say.

        Raises:
            UsageError: With every mistake in it.
            LocalError: If there is none of this name.
        """
        old = self._known(name)
        spec = change_spec(old.spec, given)
        added = self._toxics[name] = _Added(spec, old.links)
        for stream in self._standing(added):
            stream.change(spec)
        return spec

    def remove(self, name: str) -> Counter[str]:
        """Take a toxic out; what it kept goes on.

        Returns:
            What it has done; as `toxic_statistics`.

        Raises:
            LocalError: If there is none of this name.
        """
        added = self._known(name)
        del self._toxics[name]
        done = self._done.pop(name, Counter())
        for stream in self._standing(added):
            done.update(stream.remove(name))
        return Counter({what: done[what] for what in DONE})

    def reset(self) -> None:
        """Take all toxics out, heal a partition too, and let clients in again."""
        for name in reversed(list(self._toxics)):
            self.remove(name)
        self.enable()

    def _known(self, name: str) -> _Added:
        if name not in self._toxics:
            raise LocalError(f"there is no toxic {name}{nearest(name, self._toxics)}")
        return self._toxics[name]

    def _standing(self, added: _Added) -> Iterator[Stream]:
        """Yield the streams that stand and that a toxic is for."""
        for number, link in list(self._links.items()):
            if added.is_for(number):
                yield link.stream(added.spec.stream)

    def _dice(self, stream: Stream) -> Dice:
        """Return what makes a stream's dice: the same ones for the same seed."""

        def throw(name: str) -> random.Random:
            key = key_of(self.seed, stream.number, stream.direction, name)
            return random.Random(key)

        return throw

    # All at once

    def cut(
        self, how: How | str = How.RST, *, links: Collection[int] | None = None
    ) -> int:
        """Cut links now; whoever was cut may come again.

        Args:
            how: ``rst``: at once, what was not read is gone; ``fin``: in order.
            links: Numbers of the links; None for all.

        Returns:
            How many were cut.

        Raises:
            UsageError: If it is another way.
        """
        ways = {How.RST: Link.reset, How.FIN: Link.close}
        if how not in ways:
            raise UsageError(f"links are cut with rst or fin, not with {how!r}")
        numbers = set(self._links) if links is None else set(links) & set(self._links)
        for number in sorted(numbers):
            ways[How(how)](self._links[number])
        return len(numbers)

    def stall(self) -> None:
        """Let nothing by in either direction, as in a partition; nobody is told.

        Clients are let in, and nothing answers them. What comes is kept, and goes by
        after ``heal``.
        """
        for spec in _PARTITION:
            if spec.name not in self._toxics:
                self._add(spec)  # There is always room for a partition.

    def heal(self) -> None:
        """End what ``stall`` began; nothing if it did not."""
        for spec in _PARTITION:
            if spec.name in self._toxics:
                self.remove(spec.name)

    @contextlib.asynccontextmanager
    async def partition(self) -> AsyncIterator[None]:
        """Let nothing by as long as the block takes."""
        self.stall()
        try:
            yield
        finally:
            self.heal()

    def disable(self) -> None:
        """Close all links, and let nobody in: who comes is refused; nothing else ends.

        The port stays the proxy's own.
        """
        self._listener.refuse()
        self.cut(How.FIN)

    def enable(self) -> None:
        """Let clients in again; nothing if they are let in.

        Raises:
            LocalError: If somebody else listens on the port meanwhile.
        """
        try:
            self._listener.listen()
        except OSError as error:
            host, port = self.address
            raise LocalError(
                f"cannot listen on {host}:{port} again: {error.strerror or error}"
            ) from error

    # Its own beginning and end

    async def start(self) -> None:
        """Listen.

        Raises:
            UsageError: If the address cannot be had.
            LocalError: If it has been started before.
        """
        if self._is_open:
            raise LocalError("the proxy has been started already")
        await self._listener.open(*self._listen)
        self._is_open = True

    async def close(self) -> None:
        """End all links and listen no more; nothing if that was done before."""
        self._listener.close()
        self.cut(How.RST)
        await self._is_quiet.wait()
        self._is_open = False

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        await self.close()

    def _receive(self, accepted: socket.socket) -> None:
        """Make a link for a client that has come."""
        if len(self._links) >= MOST_LINKS:
            self._counts["turned_away"] += 1
            accepted.close()
            return
        self._number += 1
        self._counts["opened"] += 1
        link = Link(
            self._number,
            self._way,
            self._forget,
            clock=self._clock,
            log=self.log,
            room=self._room,
        )
        self._links[link.number] = link
        self._is_quiet.clear()
        for added in self._toxics.values():
            if added.is_for(link.number):
                stream = link.stream(added.spec.stream)
                stream.add(added.spec, self._dice(stream))
        link.accept(accepted)

    def _forget(self, link: Link) -> None:
        """Keep nothing of a link that is over but its counts."""
        del self._links[link.number]
        self._counts["unreachable"] += bool(link.unreachable)
        self._counts["refused"] += bool(link.refused)
        self._counts += bytes_of(link)
        count_toxics(link, self._done)
        if not self._links:
            self._is_quiet.set()
