"""Live progress in the terminal: a line for each check, and what runs now.

It refuses to know what the lines say; on anything but a terminal they are plain.
"""

import os
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    Record,
    RunStarted,
    TargetReady,
)
from wavetank.report import check_line

__all__ = ["Progress", "Screen", "coloured"]

_STYLES = {"PASS": "green", "FAIL": "bold red", "UNKNOWN": "yellow", "SKIP": "dim"}


class Screen(Console):
    """A console whose reader may leave (``| head``): the work goes on unseen."""

    def on_broken_pipe(self) -> None:
        """Write to nowhere from here on."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class Progress:
    """Prints records as they come up.

    Args:
        console: Where to; its own idea of a terminal decides about colours.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def __enter__(self) -> Self:
        """Start the line that says what runs now, on a terminal."""
        if self._console.is_terminal:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take that line away."""
        if self._status is not None:
            self._status.stop()

    def saw(self, record: Record) -> None:
        """Show a record, if it is one for people."""
        match record:
            case RunStarted():
                self._now(f"starting the target: {record.target}")
                self._print(f"target   {record.target}")
            case TargetReady():
                self._print(
                    f"ready    {record.url} after {record.took:.2f} s, "
                    f"dialect {record.dialect}"
                )
            case CheckStarted():
                self._now(f"{record.suite}.{record.check}: {record.title}")
            case CheckFinished():
                self._print(check_line(record))

    def _print(self, line: str) -> None:
        self._console.print(coloured(line), soft_wrap=True)

    def _now(self, text: str) -> None:
        if self._status is not None:
            self._status.update(Text(text, overflow="ellipsis", no_wrap=True))


def coloured(block: str) -> Text:
    """Return a block whose lines are coloured by the verdict they begin with."""
    text = Text()
    for number, line in enumerate(block.split("\n")):
        word = line.partition(" ")[0]
        text.append("\n" if number else "")
        text.append(word, style=_STYLES.get(word, ""))
        text.append(line[len(word) :])
    return text
