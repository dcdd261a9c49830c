"""Known failures: each with a reason and an end.

They refuse to know how a check came out.
"""

import datetime
from collections.abc import Collection

import msgspec

from wavetank.errors import UsageError, nearest

__all__ = ["Excuse", "excuses", "read_known_failures"]


class Excuse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a file of known failures.

    Attributes:
        check: ``suite.check``.
        reason: Why it fails and is let through.
        until: Last day on which it is let through.
    """

    check: str
    reason: str
    until: datetime.date


def read_known_failures(name: str, text: str) -> list[Excuse]:
    """Read a TOML file of known failures: ``[[known]]`` with check, reason, until.

    Raises:
        UsageError: If it is not such a file.
    """

    class File(msgspec.Struct, forbid_unknown_fields=True):
        known: list[Excuse] = []

    try:
        return msgspec.toml.decode(text, type=File).known
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(
            f"{name}: {error}; each failure is a table [[known]] with check, reason "
            "and until (a date)"
        ) from None


def excuses(
    file: tuple[str, str] | None,
    known: Collection[str],
    *,
    today: datetime.date,
    problems: list[str],
    notes: list[str],
) -> dict[str, Excuse]:
    """Return the known failures that hold today, by check.

    Args:
        file: Name and text of the file, where one was given.
        known: Every ``suite.check`` that there is.
        today: An excuse whose last day is before it does not hold.
        problems: Where mistakes of the file go.
        notes: Where excuses go that have ended.
    """
    if file is None:
        return {}
    name, text = file
    holding: dict[str, Excuse] = {}
    try:
        rows = read_known_failures(name, text)
    except UsageError as error:
        problems.extend(error.problems)
        return {}
    for row in rows:
        if row.check not in known:
            problems.append(
                f"{name}: there is no check {row.check}{nearest(row.check, known)}"
            )
        elif not row.reason.strip():
            problems.append(
                f"{name}: {row.check} has no reason; say why it is let through"
            )
        elif row.until < today:
            notes.append(f"{name}: the excuse of {row.check} ended on {row.until}")
        else:
            holding[row.check] = row
    return holding
