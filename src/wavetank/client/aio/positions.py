"""The position file: where subscriptions were, kept over restarts.

It refuses to know what a position is good for.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import structlog

from wavetank.client.places import Places, read_places, write_places
from wavetank.errors import UsageError
from wavetank.protocol import Position

__all__ = ["PositionFile", "set_aside"]

_MOST_BYTES = 64 * 1024 * 1024
"""A file that is larger is none of ours."""


class PositionFile:
    """One file; it is replaced as a whole, so that a crash leaves the old or the new.

    Args:
        path: Of the file; its folder has to be there.
        logger: Takes log lines.
    """

    def __init__(
        self, path: Path, logger: structlog.typing.FilteringBoundLogger
    ) -> None:
        self._path = path
        self._logger = logger

    def load(self) -> dict[str, Mapping[str, Position]]:
        """Read it; what cannot be read is kept aside, told, and counts as empty.

        Raises:
            UsageError: If it is there and may not be read, or its folder is not.
        """
        if not self._path.parent.is_dir():
            raise UsageError(f"positions: there is no folder {self._path.parent}")
        try:
            with self._path.open("rb") as file:
                text = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UsageError(f"positions: {self._path}: {error.strerror}") from None
        try:
            return dict(read_places(text))
        except ValueError as error:
            aside = set_aside(self._path)
            self._logger.error(
                "positions_lost",
                file=str(self._path),
                reason=str(error),
                kept_as=str(aside),
            )
            return {}

    def save(self, places: Places) -> None:
        """Replace it.

        Raises:
            OSError: If that is not possible; then the old one is still there.
        """
        text = write_places(places)
        descriptor, name = tempfile.mkstemp(
            prefix=f".{self._path.name}.", dir=self._path.parent
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                file.flush()
                # Otherwise the name could be on disk before the bytes.
                os.fsync(descriptor)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def __repr__(self) -> str:
        """Show which file it is."""
        return f"<PositionFile {self._path}>"


def set_aside(path: Path) -> Path:
    """Give a file that cannot be used another name, and return that."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    return path.rename(aside)
