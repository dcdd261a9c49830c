"""Dotted paths into a JSON text: ``data.0.seq``.

They refuse to decode what is not on the path: the rest of the text stays as it
came, byte for byte, and costs nothing.
"""

import re

import msgspec

__all__ = ["Opened", "Path", "parse_path"]

Path = tuple[str, ...]
"""Keys and list indices from the outside in; the empty path is the whole text."""

_INDEX = re.compile(r"-?[0-9]{1,6}")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_RAW = msgspec.json.Decoder(msgspec.Raw)
_VALUE: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)

_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
"""Not JSON, not Unicode, a number that no float holds; nested without end."""


def parse_path(written: str) -> Path:
    """Read a path such as ``data.0.seq``; a negative index counts from the end.

    Raises:
        ValueError: If a name between two dots is missing.
    """
    if not written:
        return ()
    path = tuple(written.split("."))
    if not all(path):
        raise ValueError(f"{written!r} has an empty name between its dots")
    return path


class Opened:
    """A JSON text, opened only where somebody looks.

    Args:
        text: The text of one message.

    Raises:
        ValueError: If it is not JSON.
    """

    def __init__(self, text: str) -> None:
        try:
            self._raws: dict[Path, msgspec.Raw | None] = {
                (): _RAW.decode(text.encode())
            }
        except _UNREADABLE:
            raise ValueError("not JSON") from None
        self._levels: dict[Path, dict[str, msgspec.Raw] | list[msgspec.Raw]] = {}

    def text(self, path: Path) -> str | None:
        """Return the JSON text at a path as it came, or None where there is none."""
        raw = self._raw(path)
        return None if raw is None else bytes(raw).decode()

    def value(self, path: Path) -> object:
        """Return the value at a path; None where there is none, or null."""
        raw = self._raw(path)
        if raw is None:
            return None
        try:
            return _VALUE.decode(raw)
        except _UNREADABLE:
            return None

    def has(self, path: Path) -> bool:
        """Return whether something other than null is at a path."""
        raw = self._raw(path)
        return raw is not None and bytes(memoryview(raw)[:5]) != b"null"

    def _raw(self, path: Path) -> msgspec.Raw | None:
        if path not in self._raws:
            self._raws[path] = self._step(self._level(path[:-1]), path[-1])
        return self._raws[path]

    def _level(self, path: Path) -> dict[str, msgspec.Raw] | list[msgspec.Raw]:
        """Return the object or array at a path, opened one level deep."""
        level = self._levels.get(path)
        if level is None:
            raw = self._raw(path)
            first = b"" if raw is None else bytes(memoryview(raw)[:1])
            if raw is not None and first == b"{":
                level = _OBJECT.decode(raw)
            elif raw is not None and first == b"[":
                level = _ARRAY.decode(raw)
            else:
                level = []
            self._levels[path] = level
        return level

    @staticmethod
    def _step(
        level: dict[str, msgspec.Raw] | list[msgspec.Raw], name: str
    ) -> msgspec.Raw | None:
        if isinstance(level, dict):
            return level.get(name)
        if not _INDEX.fullmatch(name) or not -len(level) <= int(name) < len(level):
            return None
        return level[int(name)]
