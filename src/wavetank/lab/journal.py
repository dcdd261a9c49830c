"""The journal's file: appends records, each on disk before the next.

It refuses to know what a record means, and it never writes a secret.
"""

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wavetank.evidence import (
    CheckFinished,
    Fault,
    FaultBegan,
    FaultsPlanned,
    Finding,
    LoadSampled,
    Noted,
    Operation,
    Record,
    RunStarted,
    Schedule,
    Step,
    TargetEnded,
    TargetReady,
    encode_record,
)

__all__ = ["REDACTED", "JournalFile", "Redaction"]

REDACTED = "[secret]"

_FREE: dict[type, tuple[str, ...]] = {
    # Texts that may hold what the user or the target said. All others are ours:
    # a secret that reads like one of them ("1", "core") must not break the journal.
    RunStarted: ("target", "options", "again"),
    TargetReady: ("url", "tls_url"),
    TargetEnded: ("output", "reason"),
    CheckFinished: ("findings",),
    Finding: ("title", "expected", "seen", "clause", "known", "note"),
    Operation: ("topic", "detail"),
    Noted: ("text",),
    LoadSampled: ("scenario",),
    FaultBegan: ("where", "attributes"),
    FaultsPlanned: ("schedule",),
    Schedule: ("steps", "text"),
    Step: ("fault",),
    Fault: ("attributes",),
}
_DETAIL = 120


class Redaction:
    """Replaces secrets in texts, as they are and as they are commonly escaped.

    Args:
        secrets: The texts that nobody may see.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        spellings = {
            spelling
            for secret in secrets
            if secret
            for spelling in (
                secret,
                json.dumps(secret)[1:-1],
                repr(secret)[1:-1],
                urllib.parse.quote(secret, safe=""),
            )
        }
        # The longest first, so that one that holds another is replaced whole.
        self._spellings = sorted(spellings, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for spelling in self._spellings:
            text = text.replace(spelling, REDACTED)
        return text

    def record(self, record: Record) -> Record:
        """Return a record without secrets."""
        clean: Record = self._clean(record) if self._spellings else record
        return clean

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return type(value)(self._clean(item) for item in value)
        if isinstance(value, dict):
            return {key: self._clean(item) for key, item in value.items()}
        free = _FREE.get(type(value), ())
        changes = {name: self._clean(getattr(value, name)) for name in free}
        return msgspec.structs.replace(value, **changes) if changes else value


class JournalFile:
    """Appends records to ``journal.ndjson``; safe to call from any thread.

    Each record goes to the operating system before the call returns, so that a
    crash of the lab loses none that was written. (A crash of the machine may.)

    Args:
        path: Where; the file must not exist yet.
        secrets: Texts that are replaced wherever they stand.
        watch: Called with each record as it was written.

    Raises:
        FileExistsError: If the file is there already.
    """

    def __init__(
        self,
        path: Path,
        *,
        secrets: Sequence[str] = (),
        watch: Callable[[Record], None] | None = None,
    ) -> None:
        self.path = path
        self._watch = watch
        self._file = path.open("xb", buffering=0)
        self._lock = threading.Lock()
        self._redaction = Redaction(secrets)

    def append(self, record: Record) -> None:
        """Write a record; after `close` it is dropped."""
        # Secrets first: a cut one would no longer be found.
        record = _cut(self._redaction.record(record))
        line = encode_record(record)
        with self._lock:
            if self._file.closed:
                return
            self._file.write(line)
        if self._watch is not None:
            self._watch(record)

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock, contextlib.suppress(OSError):
            self._file.close()

    def __repr__(self) -> str:
        """Show where it writes."""
        return f"<JournalFile {self.path}>"


def _cut(record: Record) -> Record:
    """Shorten what an operation says: payloads may be long, and there are many."""
    if not isinstance(record, Operation) or len(record.detail) <= _DETAIL:
        return record
    detail = f"{record.detail[:_DETAIL]}… ({len(record.detail)} characters)"
    return msgspec.structs.replace(record, detail=detail)
