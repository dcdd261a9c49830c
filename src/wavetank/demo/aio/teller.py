"""Teller: writes what goes on in one process, line by line.

It refuses to know what is worth telling.
"""

import os
from typing import Any, BinaryIO

from wavetank.clock import Clock
from wavetank.demo.lines import json_line, text_lines
from wavetank.demo.options import DemoPlan

__all__ = ["Teller", "identity"]


def identity(plan: DemoPlan) -> dict[str, Any]:
    """Return what a process says of itself when it starts."""
    return {"pid": os.getpid(), "url": plan.url, "run": plan.run, "prefix": plan.prefix}


class Teller:
    """Writes lines, each at once.

    Args:
        role: Whose.
        out: Where they go.
        clock: Reads the time.
        is_json: Whether they are for programs.

    Attributes:
        clock: The same.
    """

    def __init__(
        self, role: str, out: BinaryIO, clock: Clock, *, is_json: bool
    ) -> None:
        self._role = role
        self._out = out
        self._is_json = is_json
        self.clock = clock

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
        if told:
            self._out.write(told)
            self._out.flush()
