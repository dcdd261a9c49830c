"""All proxies of a process, by their names: created, changed, deleted, reset.

They refuse to know who asks, and how.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec

from wavetank.chaos.address import read_address
from wavetank.chaos.aio.proxy import Proxy
from wavetank.chaos.aio.recorder import Recorder
from wavetank.chaos.aio.wirelog import WireLog
from wavetank.chaos.bounds import MOST_PROXIES, TooMany
from wavetank.chaos.reading import ProxySpec, address_text, change_proxy
from wavetank.chaos.spec import ToxicSpec
from wavetank.chaos.toxic import How
from wavetank.chaos.toxics import TYPES
from wavetank.errors import LocalError, UsageError
from wavetank.net.trace import without_secrets

__all__ = ["CannotListen", "Proxies", "address_problems"]


class CannotListen(UsageError):
    """A proxy's address cannot be had."""


class _Standing:
    """A proxy, and what was asked for."""

    __slots__ = ("proxy", "spec")

    def __init__(self, spec: ProxySpec, proxy: Proxy) -> None:
        self.spec = spec
        self.proxy = proxy


class Proxies(Mapping[str, Proxy]):
    """Proxies by name, in the order in which they were created.

    What is changed is told, one line each: whoever looks on sees who broke what.

    Args:
        seed: Of proxies that have none of their own.
        upstream_tls: What TLS towards a target needs whose URL asks for TLS; None
            trusts whom the system trusts.
        listen_tls: What TLS towards clients needs; None for plain TCP.
        recorder: Has their wire logs written to a file; then proxies keep one that
            say nothing about it.
        tell: Is called with each line.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        upstream_tls: ssl.SSLContext | None = None,
        listen_tls: ssl.SSLContext | None = None,
        recorder: Recorder | None = None,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._seed = seed
        self._upstream_tls = upstream_tls
        self._listen_tls = listen_tls
        self._recorder = recorder
        self._tell = tell
        self._standing: dict[str, _Standing] = {}
        # Two who create the same name, or change the same proxy, take turns.
        self._turn = asyncio.Lock()

    def __getitem__(self, name: str) -> Proxy:
        return self._standing[name].proxy

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._standing))

    def __len__(self) -> int:
        return len(self._standing)

    def __repr__(self) -> str:
        """Show their names."""
        return f"<Proxies {', '.join(self._standing) or 'none'}>"

    def spec(self, name: str) -> ProxySpec:
        """Return a proxy as it stands: with its port and its toxics."""
        standing = self._standing[name]
        proxy = standing.proxy
        return msgspec.structs.replace(
            standing.spec,
            listen=proxy.address,
            enabled=proxy.is_enabled,
            seed=proxy.seed,
            wire_log=proxy.log is not None,
            toxics=proxy.toxics,
        )

    # Proxies

    async def create(self, spec: ProxySpec) -> Proxy:
        """Create a proxy, with its toxics.

        Raises:
            LocalError: If there is one of its name.
            UsageError: If its target is no address.
            CannotListen: If its address cannot be had.
            TooMany: If there are `MOST_PROXIES`.
        """
        async with self._turn:
            if spec.name in self._standing:
                raise LocalError(f"there is a proxy {spec.name} already")
            self._check_room([spec])
            return await self._create(spec)

    async def change(self, name: str, given: Mapping[str, object]) -> None:
        """Change a proxy; what is not said stays as it is.

        A new target, or another address, ends the links that there are.

        Raises:
            UsageError: With every mistake at once.
            CannotListen: If its new address cannot be had; the old one stays, but
                where the port is the same, and somebody else takes it meanwhile.
            LocalError: If there is none of this name.
        """
        async with self._turn:
            self._known(name)
            old = self.spec(name)
            new = change_proxy(old, given)
            problems = address_problems([new])
            if problems:
                raise UsageError(problems)
            if self._is_another(old, new):
                await self._replace(old, new)
                return
            if new.upstream != old.upstream:
                self._redirect(new)
            if new.enabled != old.enabled:
                self._enable(name, is_enabled=new.enabled)

    async def delete(self, name: str) -> None:
        """End a proxy, and all of its links.

        Raises:
            LocalError: If there is none of this name.
        """
        async with self._turn:
            await self._end(self._known(name))
            del self._standing[name]
            self._tell(f"{name}: deleted")

    async def populate(self, specs: Sequence[ProxySpec]) -> list[str]:
        """Create proxies, and replace those whose target or address is another one.

        Returns:
            The names of those that stand now, in order.

        Raises:
            UsageError: If a target is no address, and nothing is done.
            CannotListen: If an address cannot be had; what was created before stays.
            TooMany: If there would be more than `MOST_PROXIES`, and nothing is done.
        """
        problems = address_problems(specs)
        if problems:
            raise UsageError(problems)
        async with self._turn:
            self._check_room(specs)
            for spec in specs:
                if spec.name in self._standing:
                    if self._is_same(spec):
                        continue
                    await self._end(self._standing[spec.name].proxy)
                    del self._standing[spec.name]
                await self._create(spec)
        return [spec.name for spec in specs]

    def reset(self) -> None:
        """Let clients in everywhere, and take all toxics out.

        Raises:
            LocalError: If somebody else has taken a port meanwhile.
        """
        for name, standing in self._standing.items():
            standing.proxy.reset()
            self._tell(f"{name}: reset")

    async def close(self) -> None:
        """End all proxies; nothing if that was done before."""
        async with self._turn:
            await asyncio.gather(*map(self._end, self.values()))

    async def __aenter__(self) -> Self:
        """Return them."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all."""
        await self.close()

    # Toxics and links

    def add(self, name: str, toxic: ToxicSpec) -> ToxicSpec:
        """Add a toxic to a proxy; it raises what the proxy raises."""
        spec = self._known(name).add(toxic)
        self._tell(f"{name}: {_words(spec)} added")
        return spec

    def change_toxic(
        self, name: str, toxic: str, given: Mapping[str, object]
    ) -> ToxicSpec:
        """Change a toxic of a proxy; it raises what the proxy raises."""
        spec = self._known(name).change(toxic, given)
        self._tell(f"{name}: {_words(spec)} changed")
        return spec

    def remove(self, name: str, toxic: str) -> None:
        """Take a toxic out of a proxy; it raises what the proxy raises."""
        self._known(name).remove(toxic)
        self._tell(f"{name}: {toxic} removed")

    def cut(self, name: str, how: str, links: Sequence[int] | None = None) -> int:
        """Cut links of a proxy; it raises what the proxy raises."""
        count = self._known(name).cut(how, links=links)
        self._tell(f"{name}: {count} links cut with {how}")
        return count

    # How

    def _known(self, name: str) -> Proxy:
        if name not in self._standing:
            raise LocalError(f"there is no proxy {name}")
        return self._standing[name].proxy

    def _check_room(self, specs: Sequence[ProxySpec]) -> None:
        """Refuse proxies for which there is no room."""
        if len({*self._standing, *(spec.name for spec in specs)}) > MOST_PROXIES:
            raise TooMany(f"there may be {MOST_PROXIES} proxies; delete some")

    async def _create(self, spec: ProxySpec) -> Proxy:
        proxy = self._make(spec)
        await _start(proxy)
        self._settle(spec, proxy)
        return proxy

    async def _end(self, proxy: Proxy) -> None:
        await proxy.close()
        if self._recorder is not None:
            self._recorder.leave(proxy.log)

    def _log(self, spec: ProxySpec) -> WireLog | None:
        """Return a proxy's wire log, if it has one."""
        recorder = self._recorder
        keeps_log = recorder is not None if spec.wire_log is None else spec.wire_log
        if not keeps_log or spec.mode != "frames":
            return None
        return WireLog() if recorder is None else recorder.follow(spec.name)

    def _make(self, spec: ProxySpec) -> Proxy:
        has_tls = read_address(spec.upstream).tls
        return Proxy(
            spec.upstream,
            listen=spec.listen,
            mode=spec.mode,
            seed=self._seed if spec.seed is None else spec.seed,
            upstream_tls=self._upstream_tls if has_tls else None,
            listen_tls=self._listen_tls,
            log=self._log(spec),
        )

    def _settle(self, spec: ProxySpec, proxy: Proxy) -> None:
        """Keep a proxy that listens, as it was asked for."""
        self._standing[spec.name] = _Standing(spec, proxy)
        for toxic in spec.toxics:
            proxy.add(toxic)
        if not spec.enabled:
            proxy.disable()
        state = "" if spec.enabled else ", disabled"
        url = without_secrets(proxy.url)
        self._tell(f"{spec.name}: listens on {url}, leads to {_shown(spec)}{state}")
        for toxic in proxy.toxics:
            self._tell(f"{spec.name}: {_words(toxic)}")

    def _is_same(self, spec: ProxySpec) -> bool:
        """Tell whether a proxy stands where one is wanted, and leads there."""
        standing = self._standing[spec.name]
        wanted = {standing.spec.listen, standing.proxy.address}
        return spec.listen in wanted and spec.upstream == standing.spec.upstream

    def _is_another(self, old: ProxySpec, new: ProxySpec) -> bool:
        """Tell whether a change needs another proxy."""
        is_same = all(
            getattr(old, field) == getattr(new, field)
            for field in ("listen", "mode", "seed", "wire_log")
        )
        tls = [read_address(spec.upstream).tls for spec in (old, new)]
        return not is_same or tls[0] != tls[1]

    async def _replace(self, old: ProxySpec, new: ProxySpec) -> None:
        """Put another proxy in the place of one."""
        frames = [toxic.name for toxic in new.toxics if toxic.is_for_frames]
        if frames and new.mode != "frames":
            raise UsageError(
                f"proxy {new.name}: its toxics {', '.join(frames)} are for frames; "
                "remove them first"
            )
        proxy = self._make(new)
        before = self._standing[new.name].proxy
        if new.listen[1] == old.listen[1]:
            await self._end(before)
            try:
                await _start(proxy)
            except CannotListen:
                del self._standing[new.name]
                self._tell(f"{new.name}: gone, it could not listen again")
                raise
        else:
            await _start(proxy)
            await self._end(before)
        self._settle(new, proxy)

    def _redirect(self, new: ProxySpec) -> None:
        standing = self._standing[new.name]
        standing.proxy.redirect(new.upstream)
        standing.proxy.cut(How.FIN)
        standing.spec = msgspec.structs.replace(standing.spec, upstream=new.upstream)
        self._tell(f"{new.name}: leads to {_shown(new)}")

    def _enable(self, name: str, *, is_enabled: bool) -> None:
        proxy = self._standing[name].proxy
        if is_enabled:
            proxy.enable()
        else:
            proxy.disable()
        self._tell(f"{name}: {'enabled' if is_enabled else 'disabled'}")


async def _start(proxy: Proxy) -> None:
    try:
        await proxy.start()
    except UsageError as error:
        raise CannotListen(error.problems) from error


def address_problems(specs: Sequence[ProxySpec]) -> list[str]:
    """Return what is wrong with the targets of proxies, and where two want one port."""
    problems = []
    taken: dict[tuple[str, int], str] = {}
    for spec in specs:
        try:
            if spec.upstream:
                read_address(spec.upstream)
        except UsageError as error:
            problems += [f"proxy {spec.name}: {problem}" for problem in error.problems]
        other = taken.setdefault(spec.listen, spec.name)
        if spec.listen[1] and other != spec.name:
            problems.append(
                f"proxy {spec.name}: proxy {other} listens on "
                f"{address_text(spec.listen)} already"
            )
    return problems


def _shown(spec: ProxySpec) -> str:
    return without_secrets(spec.upstream)


def _words(spec: ToxicSpec) -> str:
    """Say a toxic in words: what of it is not as usual."""
    usual = {row.name: row.default for row in TYPES[spec.type].attributes}
    said = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in spec.attributes.items()
        if value != usual[name]
    ]
    share = [f"toxicity={spec.toxicity:g}"] if spec.toxicity < 1 else []
    chosen = ["for chosen frames"] if spec.when is not None else []
    words = " ".join([str(spec.stream), *said, *share, *chosen])
    name = "" if spec.name.startswith(f"{spec.type}_") else f" called {spec.name}"
    return f"{spec.type}{name} ({words})"
