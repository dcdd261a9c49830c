"""``wavetank proxy``: stand before a target, and break on purpose what goes by.

It refuses to know what toxics do.
"""

import asyncio
import contextlib
import os
import resource
import secrets
import signal
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from wavetank.chaos.control import PORT
from wavetank.chaos.options import PROXY_OPTIONS
from wavetank.chaos.reading import ProxySpec, read_file
from wavetank.cli.parser import Parser
from wavetank.errors import ExitCode, LocalError, UsageError
from wavetank.net.trace import without_secrets
from wavetank.settings import DEFAULT, Settings, resolve

if TYPE_CHECKING:
    from wavetank.chaos.aio.proxies import Proxies
    from wavetank.chaos.aio.recorder import Recorder

__all__ = ["main"]

_DESCRIPTION = """\
Stand before a WebSocket server (or any server that speaks TCP), and break on purpose
what goes by: delays, cuts, lost and damaged frames. Clients connect to the proxy.

  wavetank proxy --upstream ws://127.0.0.1:8765 --toxic 'latency latency=200 jitter=50'
  wavetank proxy --config faults.toml --control 127.0.0.1:8474
  wavetank proxy                    # Toxiproxy's clients create the proxies

A toxic is its type and then words: its attributes, name, stream (upstream or
downstream), toxicity (the share of connections that have it), and for toxics of frames
when.opcodes, when.at_least, when.at_most, when.json.PATH, when.probability, when.after,
when.count, when.since, when.until:

  --toxic 'drop stream=upstream when.opcodes=text when.json.kind=ack when.count=1'
"""

_EPILOG = """\
Every option can come from the environment too, as WAVETANK_PROXY_<NAME>. All toxics:
docs/reference/proxy.md.

exit codes:
    0  stopped, by Ctrl-C or SIGTERM, or --seconds are over
    2  the command line, the environment or the file is wrong, or a port is taken
    3  the wire log could not be written, such as on a full disk
"""

_PREFIX = "WAVETANK_PROXY_"
_NAME = "proxy"
"""Of the proxy that --upstream asks for."""

_GLANCE = 1.0
_OF_ONE = ("listen", "mode", "toxic")
"""What is about the proxy of --upstream alone."""


def main(argv: list[str]) -> int:
    """Run proxies until they are stopped.

    Args:
        argv: What stands behind ``wavetank proxy``.

    Raises:
        UsageError: With everything that is wrong with it, or if a port is taken.
    """
    parser = Parser(
        "proxy", description=_DESCRIPTION, options=PROXY_OPTIONS, epilog=_EPILOG
    )
    order = _read_order(parser.flags(parser.parse(argv)), os.environ)
    with contextlib.ExitStack() as stack:
        wire_log = None
        if order.wire_log is not None:
            wire_log = stack.enter_context(_opened(order.wire_log))
        _raise_file_limit()
        with asyncio.Runner(loop_factory=_loop_factory) as runner:
            return runner.run(_run(order, wire_log))


# From what was typed to an order.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is to be done."""

    specs: tuple[ProxySpec, ...]
    control: tuple[str, int] | None
    seed: int
    wire_log: Path | None
    seconds: float | None
    upstream_tls: ssl.SSLContext | None
    listen_tls: ssl.SSLContext | None


def _read_order(flags: Mapping[str, object], environ: Mapping[str, str]) -> _Order:
    """Read options and file; every mistake is told at once."""
    from wavetank.chaos.aio.proxies import address_problems

    problems: list[str] = []
    settings = resolve(
        PROXY_OPTIONS, flags=flags, environ=environ, prefix=_PREFIX, problems=problems
    )
    specs = _specs(settings, problems)
    problems += address_problems(specs)
    upstream_tls, listen_tls = _contexts(settings, problems)
    if problems:
        raise UsageError(problems)
    control = settings["control"]
    is_bare = not specs and control is None
    seed = settings["seed"]
    return _Order(
        specs=specs,
        control=("127.0.0.1", PORT) if is_bare else control,
        seed=secrets.randbelow(2**32) if seed is None else seed,
        wire_log=settings["wire_log"],
        seconds=settings["seconds"],
        upstream_tls=upstream_tls,
        listen_tls=listen_tls,
    )


def _specs(settings: Settings, problems: list[str]) -> tuple[ProxySpec, ...]:
    file = settings["config"]
    specs = () if file is None else _from_file(file, problems)
    if not settings["upstream"]:
        problems += [
            f"{settings.source(key)}: it is about --upstream, which is missing"
            for key in _OF_ONE
            if settings.source(key) != DEFAULT
        ]
        return specs
    spec = ProxySpec(
        name=_NAME,
        upstream=settings["upstream"],
        listen=settings["listen"],
        mode=settings["mode"],
        toxics=settings["toxic"],
    )
    problems += _own_problems(spec, settings)
    if any(other.name == _NAME for other in specs):
        problems.append(
            f"{file}: a proxy is called {_NAME}, as that of --upstream is; call it "
            "otherwise"
        )
    return (spec, *specs)


def _own_problems(spec: ProxySpec, settings: Settings) -> list[str]:
    """Return what is wrong with the proxy of --upstream."""
    names = [toxic.name for toxic in spec.toxics]
    problems = [
        f"--toxic: {names.count(name)} are called {name}; say name=... to tell them "
        "apart"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if spec.mode != "frames":
        problems += [
            f"--toxic {toxic.name}: {toxic.type} is for frames, and --mode bytes looks "
            "at none"
            for toxic in spec.toxics
            if toxic.is_for_frames
        ]
        if settings["wire_log"] is not None:
            problems.append("--wire-log: it notes frames, and --mode bytes has none")
    return problems


def _from_file(file: Path, problems: list[str]) -> tuple[ProxySpec, ...]:
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(f"--config {file}: not a text file in UTF-8")
    except OSError as error:
        problems.append(f"--config {file}: {error.strerror}")
    else:
        return read_file(str(file), content, problems)
    return ()


def _contexts(
    settings: Settings, problems: list[str]
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return what TLS needs towards targets and towards clients."""
    from wavetank.net.tls import Credentials, client_context, server_context

    upstream_tls = listen_tls = None
    ca, cert, key = settings["ca"], settings["cert"], settings["key"]
    if (cert is None) != (key is None):
        problems.append("--cert and --key go together")
    try:
        if ca is not None or settings["insecure"]:
            upstream_tls = client_context(ca=ca, insecure=settings["insecure"])
    except LocalError:
        problems.append("--ca and --insecure: give one of the two")
    except UsageError as error:
        problems += error.problems
    try:
        if cert is not None and key is not None:
            listen_tls = server_context(Credentials(cert, key))
    except UsageError as error:
        problems += error.problems
    return upstream_tls, listen_tls


def _opened(file: Path) -> FileIO:
    try:
        return file.open("wb", buffering=0)
    except OSError as error:
        raise UsageError(f"--wire-log {file}: {error.strerror}") from None


def _raise_file_limit() -> None:
    """Ask for as many descriptors as there may be: each link needs two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # Some systems have a lower bound.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_factory() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


# Doing it.


async def _run(order: _Order, wire_log: FileIO | None) -> int:
    from wavetank.chaos.aio.control import Control
    from wavetank.chaos.aio.proxies import Proxies
    from wavetank.chaos.aio.recorder import Recorder

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    recorder = None if wire_log is None else Recorder(wire_log)
    proxies = Proxies(
        seed=order.seed,
        upstream_tls=order.upstream_tls,
        listen_tls=order.listen_tls,
        recorder=recorder,
        tell=_say,
    )
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(proxies)
        for spec in order.specs:
            await proxies.create(spec)
        if order.control is not None:
            control = await stack.enter_async_context(Control(proxies, order.control))
            _say(f"control interface on {control.url}, for Toxiproxy's clients")
        _say(f"the same faults again: --seed {order.seed}")
        _print(f"wavetank proxy ready: {' '.join(_urls(proxies))}".rstrip(" :"))
        await _until(stop, order.seconds, _Glance(proxies, recorder))
        _sum_up(proxies)
    if recorder is not None:
        await recorder.write()  # What was still inside is lost, and noted as such.
        if recorder.failure is not None:
            raise recorder.failure
    return ExitCode.PASS


async def _until(stop: asyncio.Event, seconds: float | None, glance: "_Glance") -> None:
    """Wait for a stop or the end of the time, and look around meanwhile."""
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    while not stop.is_set() and (end is None or loop.time() < end):
        left = _GLANCE if end is None else min(_GLANCE, max(end - loop.time(), 0.0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await stop.wait()
        await glance.look()


class _Glance:
    """Looks at proxies now and then, and tells once what a user would not expect."""

    def __init__(self, proxies: "Proxies", recorder: "Recorder | None") -> None:
        self._proxies = proxies
        self._recorder = recorder
        self._told: dict[tuple[str, str], int] = {}
        self._has_failed = False

    async def look(self) -> None:
        """Write what is known of frames; tell whose target is away, and the like."""
        if self._recorder is not None:
            await self._recorder.write()
            if self._recorder.failure is not None and not self._has_failed:
                self._has_failed = True
                why = self._recorder.failure.strerror
                _say(f"--wire-log: cannot be written any more: {why}")
        for name, proxy in self._proxies.items():
            self._tell_more(
                (name, ""),
                proxy.statistics()["unreachable"],
                "the target could not be reached, by {} of those who came",
            )
            for toxic, done in proxy.toxic_statistics().items():
                self._tell_more(
                    (name, toxic),
                    done["unread"],
                    f"when.json of {toxic} could not look into {{}} text messages: "
                    "compressed, in fragments, or not JSON",
                )

    def _tell_more(self, key: tuple[str, str], count: int, words: str) -> None:
        more = count - self._told.get(key, 0)
        self._told[key] = count
        if more > 0:
            _say(f"{key[0]}: {words.format(more)}")


def _sum_up(proxies: "Proxies") -> None:
    for name, proxy in proxies.items():
        counts = proxy.statistics()
        _say(
            f"{name}: {counts['opened']} connections; upstream "
            f"{_way(counts, 'upstream')}; downstream {_way(counts, 'downstream')}"
        )


def _way(counts: Mapping[str, int], way: str) -> str:
    return f"{counts[f'received_{way}']:,} bytes in, {counts[f'sent_{way}']:,} out"


def _urls(proxies: "Proxies") -> list[str]:
    return [without_secrets(proxy.url) for proxy in proxies.values()]


def _say(line: str) -> None:
    _print(f"wavetank proxy: {line}")


def _print(line: str) -> None:
    """Print, if it can be: a proxy does not end because nobody looks at it."""
    with contextlib.suppress(OSError):
        print(line, flush=True)
