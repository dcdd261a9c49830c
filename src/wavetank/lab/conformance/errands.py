"""What a client comes for: the next case, or what drivers for Autobahn ask for.

They refuse to know the cases, and connections.
"""

import re
import urllib.parse
from typing import Final

import msgspec

__all__ = [
    "Count",
    "Errand",
    "Info",
    "Next",
    "Numbered",
    "Report",
    "Status",
    "errand_of",
]

_is_number = re.compile(r"[0-9]{1,6}").fullmatch


class Next(msgspec.Struct, frozen=True):
    """The next case, whichever it is."""


class Count(msgspec.Struct, frozen=True):
    """How many cases there are; a text says it, then the connection is closed."""


class Numbered(msgspec.Struct, frozen=True):
    """A certain case.

    Attributes:
        number: Its place, from 1; 0 is none.
        name: Its id, where the client has that.
    """

    number: int
    name: str = ""


class Info(Numbered, frozen=True):
    """Id and title of a case, as JSON."""


class Status(Numbered, frozen=True):
    """What a case came to, as JSON."""


class Report(msgspec.Struct, frozen=True):
    """That a report is written; here one always is."""


Errand = Next | Count | Numbered | Report

_ASKED: Final[dict[str, type[Errand]]] = {
    "getCaseCount": Count,
    "runCase": Numbered,
    "getCaseInfo": Info,
    "getCaseStatus": Status,
    "updateReports": Report,
}
"""The last part of a path, as the drivers of Autobahn's clients have it."""


def errand_of(target: str) -> Errand:
    """Return what the target of a request asks for."""
    path, _, query = target.partition("#")[0].partition("?")
    kind = _ASKED.get(path.rpartition("/")[2], Next)
    if not issubclass(kind, Numbered):
        return kind()
    said = dict(urllib.parse.parse_qsl(query))
    number, name = said.get("case", ""), said.get("casetuple", "")
    if not name and "." in number:
        name = number
    return kind(int(number) if _is_number(number) else 0, name)
