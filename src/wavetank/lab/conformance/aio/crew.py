"""The crew: processes of one command, a few side by side, started as they end.

It refuses to know what they do, and when it is enough.
"""

import asyncio
import re
import shlex
import sys
import urllib.parse
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wavetank.errors import nearest
from wavetank.lab.process import TargetProcess

__all__ = ["Crew", "Ended", "command_of", "problem_of"]

_PLACEHOLDER = re.compile(r"\{(url|host|port|python)\}")
_any_word = re.compile(r"\{\w+\}")
_TOLD = ("{url}", "{port}")
_GRACE = 1.0
_LINES = 60


def problem_of(template: str) -> str:
    """Say what is wrong with the command of a client; "" if nothing is."""
    try:
        words = shlex.split(template)
    except ValueError as error:
        return f"--client {template}: {error}".replace("No closing", "no closing")
    if not words:
        return "--client: the command is empty"
    if not {"url", "port"} & set(_PLACEHOLDER.findall(template)):
        found = (nearest(word, _TOLD) for word in _any_word.findall(template))
        meant = next(filter(None, found), "")
        needed = "the client has to be told {url}, or {port}"
        return f"--client {template}: {needed}{meant}"
    return ""


def command_of(template: str, url: str) -> list[str]:
    """Return program and arguments, placeholders filled in.

    Args:
        template: As it was typed.
        url: Where the client is to connect.
    """
    parts = urllib.parse.urlsplit(url)
    words = {
        "url": url,
        "host": str(parts.hostname),
        "port": str(parts.port),
        "python": sys.executable,
    }
    # Split first: a path with a space stays one argument.
    return [
        _PLACEHOLDER.sub(lambda found: words[found[1]], part)
        for part in shlex.split(template)
    ]


class Ended(NamedTuple):
    """A process that ended by itself.

    Attributes:
        status: Its exit status, negative for a signal.
        output: The last lines that it printed.
    """

    status: int
    output: tuple[str, ...]


class Crew:
    """Processes of one command.

    Args:
        environ: The whole environment of each.
        command: Program and arguments; they may become known later.

    Attributes:
        command: Likewise.
        starts: How many were started.
        output: The last lines that those printed that are gone, oldest first.
    """

    def __init__(self, environ: Mapping[str, str], command: Sequence[str] = ()) -> None:
        self.command = tuple(command)
        self.starts = 0
        self.output: deque[str] = deque(maxlen=_LINES)
        self._environ = environ
        self._processes: list[TargetProcess] = []

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._processes)

    def start(self) -> None:
        """Start one more.

        Raises:
            TargetError: If there is no such program or it may not be run.
        """
        process = TargetProcess(self.command, environ=self._environ)
        process.start()
        self.starts += 1
        self._processes.append(process)

    async def reap(self) -> list[Ended]:
        """Take leave of those that ended by themselves, and of their children."""
        ended = [each for each in self._processes if not each.is_alive]
        await self._end(ended)
        return [Ended(each.status or 0, tuple(each.output())) for each in ended]

    async def stop(self) -> None:
        """End all, with all that they started; idempotent."""
        await self._end(list(self._processes))

    async def _end(self, processes: Sequence[TargetProcess]) -> None:
        # In threads: each may take its grace.
        await asyncio.gather(
            *(asyncio.to_thread(each.stop, grace=_GRACE) for each in processes)
        )
        for each in processes:
            self.output.extend(each.output())
            self._processes.remove(each)

    def __repr__(self) -> str:
        """Show the command, and how many run."""
        return f"<Crew {shlex.join(self.command)!r} {self.running} running>"
