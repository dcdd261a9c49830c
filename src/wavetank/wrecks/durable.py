"""Topics' logs in a file, so that a server that was killed knows its positions again.

It refuses to know connections and JSON commands. The file grows for as long as the
server lives and is read whole at the next start: fine for minutes, which is how long
a wreck is of use.
"""

import fcntl
from io import BufferedReader
from pathlib import Path

from wavetank.errors import UsageError
from wavetank.wrecks.log import Entry, Store
from wavetank.wrecks.producers import Producer

__all__ = ["FileStore"]

_MARK = b"wavetank-wreck-log-1 "
_LONGEST_LINE = 2048
"""Bytes of a head: a topic, and a name of 128 characters at up to eight digits each."""


class FileStore(Store):
    """Logs whose entries are handed to the operating system before they are in them.

    What was appended outlives SIGKILL, and not the loss of power.

    Args:
        path: The file; made where it is not there.
        epoch: Which life this is, where the file is new; else it says so itself.

    Raises:
        UsageError: If the file cannot be used, or another server has it open.
    """

    def __init__(self, path: Path, *, epoch: str) -> None:
        super().__init__(epoch)
        try:
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise UsageError(f"cannot keep a log in {path}: {error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = self._read(path)
            self._file.truncate(self._size)
            if not self._size:
                self.write(_MARK + self.epoch.encode() + b"\n")
        except OSError as error:
            self._file.close()
            text = f"cannot keep a log in {path}: {error}; is another server at it?"
            raise UsageError(text) from error
        except UsageError:
            self._file.close()
            raise

    def append(
        self, topic: str, data: bytes, now: float, producer: Producer | None = None
    ) -> Entry:
        """Write the entry and whose it is, then keep both.

        In one record: who publishes again after a kill must not find one of the two.

        Raises:
            OSError: If it cannot be written; then it is not kept either.
        """
        head = b"%s %r %d" % (topic.encode(), now, len(data))
        if producer is not None:
            name = producer.name.encode("utf-8", "surrogatepass").hex().encode()
            head += b" %s %d %d" % (name, producer.epoch, producer.seq)
        self.write(head + b"\n" + data + b"\n")
        return super().append(topic, data, now, producer)

    def write(self, record: bytes) -> None:
        """Write all of a record, or nothing of it.

        Raises:
            OSError: If the file takes no more.
        """
        try:
            rest = memoryview(record)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(record)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def _read(self, path: Path) -> int:
        """Read what an earlier life has written; return where it ends.

        A record that was being written when that life ended is none.
        """
        with path.open("rb") as file:
            first = file.readline(_LONGEST_LINE)
            if not first.endswith(b"\n"):
                if _MARK.startswith(first[: len(_MARK)]):
                    return 0
                raise UsageError(f"{path} is something else than a log")
            if not first.startswith(_MARK):
                raise UsageError(f"{path} is something else than a log")
            self.epoch = first[len(_MARK) :].decode().strip()
            end = file.tell()
            while self._read_entry(file):
                end = file.tell()
        return end

    def _read_entry(self, file: BufferedReader) -> bool:
        """Keep the next entry of the file; tell whether there was a whole one."""
        head = file.readline(_LONGEST_LINE)
        if not head.endswith(b"\n"):
            return False
        topic, now, size, *author = head.decode().split()
        data = file.read(int(size) + 1)
        if len(data) <= int(size):
            return False
        super().append(topic, data[:-1], float(now), _producer(author))
        return True


def _producer(words: list[str]) -> Producer | None:
    """Return whose an entry is; None where its record does not say."""
    if len(words) != 3:
        return None
    name = bytes.fromhex(words[0]).decode("utf-8", "surrogatepass")
    return Producer(name, int(words[1]), int(words[2]))
