"""Does what a call of the control interface asks for, and says what came of it.

It refuses to know HTTP: it is handed calls, and hands out answers.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from wavetank import __version__
from wavetank.chaos.aio.link import Link
from wavetank.chaos.aio.proxies import CannotListen, Proxies, address_problems
from wavetank.chaos.bounds import TooMany
from wavetank.chaos.control import (
    API_VERSION,
    Action,
    Answer,
    Call,
    answer,
    populated,
    proxy_value,
    read_orders,
    refusal,
    toxic_refusal,
    toxic_value,
)
from wavetank.chaos.fates import encode_crossing
from wavetank.chaos.spec import ToxicSpec, change_spec, read_spec
from wavetank.chaos.toxic import How
from wavetank.errors import LocalError, UsageError

__all__ = ["Desk"]

_NO_PROXY: Final = refusal(404, "proxy not found")
_NO_TOXIC: Final = refusal(404, "toxic not found")
_TWICE: Final = refusal(409, "proxy already exists")
_DONE: Final = Answer(status=204)
_AT_ONCE: Final = 256
"""Lines of a wire log that are written before others have their turn."""
_ABOUT_TOXICS: Final = frozenset(
    {Action.SHOW_TOXIC, Action.CHANGE_TOXIC, Action.REMOVE_TOXIC}
)


class Desk:
    """Answers calls.

    Args:
        proxies: What they are about.
    """

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._doers = {
            Action.LIST_PROXIES: self._list_proxies,
            Action.CREATE_PROXY: self._create_proxy,
            Action.POPULATE: self._populate,
            Action.SHOW_PROXY: self._show_proxy,
            Action.CHANGE_PROXY: self._change_proxy,
            Action.DELETE_PROXY: self._delete_proxy,
            Action.LIST_TOXICS: self._list_toxics,
            Action.ADD_TOXIC: self._add_toxic,
            Action.SHOW_TOXIC: self._show_toxic,
            Action.CHANGE_TOXIC: self._change_toxic,
            Action.REMOVE_TOXIC: self._remove_toxic,
            Action.RESET: self._reset,
            Action.VERSION: self._version,
            Action.METRICS: self._metrics,
            Action.LIST_LINKS: self._list_links,
            Action.COUNTS: self._counts,
            Action.CUT: self._cut,
            Action.WIRE_LOG: self._wire_log,
        }

    def __repr__(self) -> str:
        """Show what it is about."""
        return f"<Desk of {self._proxies!r}>"

    async def answer(self, call: Call) -> Answer:
        """Do what a call asks for."""
        if call.proxy and call.proxy not in self._proxies:
            return _NO_PROXY
        if call.action in _ABOUT_TOXICS and self._toxic(call) is None:
            return _NO_TOXIC
        try:
            return await self._doers[call.action](call)
        except CannotListen as error:
            return refusal(500, str(error), error.problems)
        except UsageError as error:
            words = "; ".join(error.problems)
            return refusal(400, f"bad request body: {words}", error.problems)
        except LocalError as error:
            # A port that somebody else has taken while a proxy was disabled.
            return refusal(500, str(error))

    def _toxic(self, call: Call) -> ToxicSpec | None:
        toxics = self._proxies[call.proxy].toxics
        return next((toxic for toxic in toxics if toxic.name == call.toxic), None)

    def _shown(self, name: str) -> dict[str, object]:
        spec = self._proxies.spec(name)
        return proxy_value(spec, is_enabled=spec.enabled)

    # Proxies

    async def _list_proxies(self, _: Call) -> Answer:
        return answer(200, {name: self._shown(name) for name in self._proxies})

    async def _create_proxy(self, call: Call) -> Answer:
        orders = read_orders(call)
        if isinstance(orders, Answer):
            return orders
        (spec,) = orders
        if spec.name in self._proxies:
            return _TWICE
        _check(address_problems(orders))
        await self._proxies.create(spec)
        return answer(201, self._shown(spec.name))

    async def _populate(self, call: Call) -> Answer:
        orders = read_orders(call)
        if isinstance(orders, Answer):
            return populated([], orders)
        try:
            names = await self._proxies.populate(orders)
        except TooMany as error:
            words = f"bad request body: {error}"
            return populated([], refusal(400, words, error.problems))
        except CannotListen as error:
            standing = [spec.name for spec in orders if spec.name in self._proxies]
            told = refusal(500, str(error), error.problems)
            return populated([self._shown(name) for name in standing], told)
        return populated([self._shown(name) for name in names])

    async def _show_proxy(self, call: Call) -> Answer:
        return answer(200, self._shown(call.proxy))

    async def _change_proxy(self, call: Call) -> Answer:
        given = {key: each for key, each in call.given.items() if key != "toxics"}
        await self._proxies.change(call.proxy, given)
        return answer(200, self._shown(call.proxy))

    async def _delete_proxy(self, call: Call) -> Answer:
        await self._proxies.delete(call.proxy)
        return _DONE

    async def _reset(self, _: Call) -> Answer:
        self._proxies.reset()
        return _DONE

    # Toxics

    async def _list_toxics(self, call: Call) -> Answer:
        toxics = self._proxies[call.proxy].toxics
        return answer(200, [toxic_value(toxic) for toxic in toxics])

    async def _add_toxic(self, call: Call) -> Answer:
        proxy = self._proxies[call.proxy]
        try:
            spec = read_spec(call.given)
        except UsageError as error:
            return toxic_refusal(call.given, error.problems)
        if any(toxic.name == spec.name for toxic in proxy.toxics):
            return refusal(409, "toxic already exists")
        if spec.is_for_frames and proxy.mode != "frames":
            words = f"{spec.type} is for frames, and this proxy looks at bytes"
            return refusal(400, f"bad request body: {words}", [words])
        self._proxies.add(call.proxy, spec)
        return answer(200, toxic_value(spec))

    async def _show_toxic(self, call: Call) -> Answer:
        return _toxic_answer(self._toxic(call))

    async def _change_toxic(self, call: Call) -> Answer:
        old = self._toxic(call)
        if old is not None:
            change_spec(old, call.given)
        spec = self._proxies.change_toxic(call.proxy, call.toxic, call.given)
        return _toxic_answer(spec)

    async def _remove_toxic(self, call: Call) -> Answer:
        self._proxies.remove(call.proxy, call.toxic)
        return _DONE

    # The rest

    async def _version(self, _: Call) -> Answer:
        return answer(200, {"version": API_VERSION, "wavetank": __version__})

    async def _metrics(self, _: Call) -> Answer:
        # Here: prometheus_client takes as long as the rest of a proxy's start.
        from wavetank.chaos.aio.metrics import KIND, exposition

        return Answer(status=200, body=exposition(self._proxies), kind=KIND)

    async def _list_links(self, call: Call) -> Answer:
        links = self._proxies[call.proxy].links
        return answer(200, [_link_value(link) for link in links.values()])

    async def _counts(self, call: Call) -> Answer:
        proxy = self._proxies[call.proxy]
        counts = {**proxy.statistics(), "toxics": proxy.toxic_statistics()}
        return answer(200, counts)

    async def _cut(self, call: Call) -> Answer:
        how, links = _read_cut(call.given)
        return answer(200, {"cut": self._proxies.cut(call.proxy, how, links)})

    async def _wire_log(self, call: Call) -> Answer:
        log = self._proxies[call.proxy].log
        if log is None:
            return refusal(404, "the proxy keeps no wire log; give it wire_log: true")
        lines = []
        for number, crossing in enumerate(log, start=1):
            lines.append(encode_crossing(crossing) + b"\n")
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # Links do not wait for whoever reads this.
        dropped = (("Wavetank-Dropped", str(log.dropped)),)
        body, kind = b"".join(lines), "application/x-ndjson"
        return Answer(status=200, body=body, kind=kind, headers=dropped)


def _check(problems: list[str]) -> None:
    if problems:
        raise UsageError(problems)


def _toxic_answer(spec: ToxicSpec | None) -> Answer:
    return _NO_TOXIC if spec is None else answer(200, toxic_value(spec))


def _link_value(link: Link) -> dict[str, object]:
    return {
        "number": link.number,
        "connected": link.is_connected,
        **{
            str(stream.direction): {
                "received": stream.received,
                "sent": stream.sent,
                "held": stream.held,
                "toxics": stream.chain.statistics(),
            }
            for stream in (link.upstream, link.downstream)
        },
    }


def _read_cut(given: Mapping[str, Any]) -> tuple[str, list[int] | None]:
    """Read ``{"how": "rst", "links": [1, 2]}``; nothing is RST for all."""
    problems = [
        f"{key!r:.60} is not known; a cut has how and links"
        for key in given
        if key not in {"how", "links"}
    ]
    how, links = given.get("how") or str(How.RST), given.get("links")
    if how not in (How.RST, How.FIN):
        problems.append(f"how: links are cut with rst or fin, not with {how!r:.60}")
    is_list = isinstance(links, list) and all(type(link) is int for link in links)
    if links is not None and not is_list:
        problems.append("links: a list of numbers, or nothing for all")
    _check(problems)
    return str(how), links
