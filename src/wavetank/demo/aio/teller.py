"""Teller: writes what goes on in one process, line by line.

It refuses to know what is worth telling.
"""

import os
from collections.abc import Callable
from typing import Any, BinaryIO

from wavetank.clock import Clock
from wavetank.demo.lines import json_line, text_lines
from wavetank.demo.options import DemoPlan

__all__ = ["Teller", "identity"]


def identity(plan: DemoPlan) -> dict[str, Any]:
    """Return what a process says of itself when it starts."""
    return {"pid": os.getpid(), "url": plan.url, "run": plan.run, "prefix": plan.prefix}


class Teller:
    """Writes lines, each at once, for as long as somebody may read them.

    Args:
        role: Whose.
        out: Where they go.
        clock: Reads the time.
        is_json: Whether they are for programs.
        leave: Called once, when nobody reads them any more.

    Attributes:
        clock: The same.
        is_heard: Whether somebody may still read what it writes.
    """

    def __init__(
        self,
        role: str,
        out: BinaryIO,
        clock: Clock,
        *,
        is_json: bool,
        leave: Callable[[], object] = lambda: None,
    ) -> None:
        self._role = role
        self._out = out
        self._is_json = is_json
        self._leave = leave
        self.clock = clock
        self.is_heard = True

    def tell(self, kind: str, **fields: Any) -> None:
        """Tell that something has happened.

        Args:
            kind: What.
            fields: What there is to say of it.
        """
        if self._is_json:
            told = json_line(kind, self._role, self.clock.wall(), fields)
        else:
            lines = text_lines(kind, self._role, fields)
            told = "".join(f"{line}\n" for line in lines).encode()
        if not told or not self.is_heard:
            return
        try:
            self._out.write(told)
            self._out.flush()
        except BrokenPipeError:
            # Raised here it would end whichever task has told, and that one alone.
            self.give_up()

    def give_up(self) -> None:
        """Hear that nobody reads it any more; idempotent."""
        if self.is_heard:
            self.is_heard = False
            self._leave()
