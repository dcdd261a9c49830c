"""The live view of a load: some rows on a terminal, else a plain line a second.

It refuses to know what the rows say.
"""

import contextlib
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live as Display
from rich.table import Table
from rich.text import Text

from wavetank.load.result import Moment
from wavetank.load.wording import moment_line, moment_rows

__all__ = ["Live"]


class Live:
    """Shows the seconds of a load as they come up.

    Args:
        console: Where to; its own idea of a terminal decides about the rows.
        seconds: Length of the whole load.
    """

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._display: Display | None = None

    def __enter__(self) -> Self:
        """Start the rows, on a terminal."""
        if self._console.is_terminal:
            self._display = Display(
                console=self._console, auto_refresh=False, transient=True
            )
            self._display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the rows away."""
        if self._display is not None:
            self._display.stop()
            self._display = None

    def saw(self, moment: Moment) -> None:
        """Show a second; one that cannot be read is left out, as the load goes on."""
        with contextlib.suppress(ValueError):
            if self._display is None:
                line = moment_line(moment, self._seconds)
                self._console.print(Text(line), soft_wrap=True)
            else:
                self._display.update(self._rows(moment), refresh=True)

    def _rows(self, moment: Moment) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, text in moment_rows(moment, self._seconds):
            table.add_row(Text(name, style="dim"), Text(text))
        return table
