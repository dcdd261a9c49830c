"""The position file: where subscriptions were, kept over restarts.

It refuses to know what a position is good for.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wavetank.client.aio.disk import Lock, disk_error
from wavetank.client.places import Places, read_places, write_places
from wavetank.errors import UsageError
from wavetank.protocol import Position

if TYPE_CHECKING:
    import structlog

__all__ = ["PositionFile", "set_aside"]

_MOST_BYTES = 64 * 1024 * 1024
"""A file that is larger is none of ours."""


class PositionFile:
    """One file; it is replaced as a whole, so that a crash leaves the old or the new.

    Args:
        path: Of the file; its folder has to be there. A link is followed.
        logger: Takes log lines.

    Attributes:
        is_lost: Whether there were positions that could not be read.
    """

    def __init__(
        self, path: Path, logger: "structlog.typing.FilteringBoundLogger"
    ) -> None:
        self._path = path
        self._logger = logger
        self._lock: Lock | None = None
        self._is_damaged = False
        self.is_lost = False

    def take(self) -> None:
        """Make the file ours, until ``release`` or the end of this process.

        Two that write one file would forget each other's positions.

        Raises:
            UsageError: If it is no regular file, or its folder is not there or
                cannot be written to.
            TargetError: If somebody else has it, or the disk is full.
        """
        try:
            # Not only by opening it: that can set a device going.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._check(self._path.stat())
            path = Path(os.path.realpath(self._path))
            if not path.parent.is_dir():
                raise UsageError(f"positions: there is no folder {path.parent}")
            lock = Lock(path.with_name(f".{path.name}.lock"))
            lock.take()
        except OSError as error:
            raise disk_error(f"positions: {self._path}", error) from None
        self._path, self._lock = path, lock

    def release(self) -> None:
        """Let others use it."""
        if self._lock is not None:
            self._lock.release()

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"positions: {self._path} is no regular file")

    def load(self) -> dict[str, Mapping[str, Position]]:
        """Read it; what cannot be read is told, and counts as empty.

        It stays where it is until ``save`` keeps it aside, so that a start that
        comes to nothing does not make the next one believe that nothing was lost.

        Raises:
            UsageError: If it is there and may not be read.
        """
        try:
            text = self._read()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise disk_error(f"positions: {self._path}", error) from None
        if not text:
            # As mktemp makes one.
            return {}
        try:
            return dict(read_places(text))
        except ValueError as error:
            self.is_lost = self._is_damaged = True
            self._logger.error(
                "positions_lost", file=str(self._path), reason=str(error)
            )
            return {}

    def _read(self) -> bytes:
        # What became a pipe since it was looked at would never end.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            self._check(os.fstat(descriptor))
            return file.read(_MOST_BYTES + 1)

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
            if self._is_damaged:
                self._keep_aside()
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _keep_aside(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            aside = set_aside(self._path)
            self._logger.warning(
                "positions_kept_aside", file=str(self._path), kept_as=str(aside)
            )
        self._is_damaged = False

    def __repr__(self) -> str:
        """Show which file it is."""
        return f"<PositionFile {self._path}>"


def set_aside(path: Path) -> Path:
    """Give a file that cannot be used another name, and return that."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    return path.rename(aside)
