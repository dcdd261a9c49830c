"""The results folder: made for one run alone.

It refuses to know what will lie in it.
"""

import datetime
from collections.abc import Sequence
from pathlib import Path

from wavetank.errors import UsageError

__all__ = ["make_folder"]

_MOST_TWINS = 1000


def make_folder(base: Path, suites: Sequence[str], *, wall: float) -> Path:
    """Make ``<suite>_YYYYMMDD_HHMMSS`` in ``base`` and return it.

    It is created exclusively: where another run took the same second, a suffix
    (``_2``, ``_3`` …) tells them apart.

    Args:
        base: Folder of all results; made where it is missing.
        suites: Suites of the run; several are called ``all`` or joined by ``-``.
        wall: Start of the run in seconds since 1970 UTC.

    Raises:
        UsageError: If the folder cannot be made.
    """
    name = "-".join(suites) if len(suites) <= 2 else "all"
    # Local time: the user looks for "the run of a minute ago".
    stamp = datetime.datetime.fromtimestamp(wall, tz=datetime.UTC).astimezone()
    stem = f"{name}_{stamp:%Y%m%d_%H%M%S}"
    for number in range(1, _MOST_TWINS):
        folder = base / (stem if number == 1 else f"{stem}_{number}")
        try:
            base.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            if base.is_dir():
                continue
            raise UsageError(f"--output {base}: there is a file of that name") from None
        except OSError as error:
            raise UsageError(
                f"--output {base}: {error.strerror}; choose another folder"
            ) from None
        return folder
    raise UsageError(f"--output {base}: {_MOST_TWINS} runs in one second; try again")
