"""Logs in a file: what a later life finds there."""

from pathlib import Path
from typing import Any

import pytest

from wavetank.errors import UsageError
from wavetank.wrecks.durable import FileStore
from wavetank.wrecks.producers import Producer


def kept(path: Path, *payloads: bytes) -> FileStore:
    """Return a store with so many entries of one topic."""
    store = FileStore(path, epoch="first")
    for number, data in enumerate(payloads, start=1):
        store.append("a.b", data, float(number))
    return store


def test_file_keeps_positions_for_the_next_life(tmp_path: Path) -> None:
    """Epoch, numbers, tags, times and payloads are as they were, byte for byte."""
    path = tmp_path / "log"
    store = kept(path, b'{"a":\n1}', b"2", '"é"'.encode())
    before = list(store.log("a.b").entries)
    store.close()
    store.close()
    store = FileStore(path, epoch="second")
    assert store.epoch == "first"
    assert list(store.log("a.b").entries) == before
    assert store.append("a.b", b"4", 4.0).seq == 4
    store.close()


def test_file_keeps_whose_publications_there_were(tmp_path: Path) -> None:
    """Who publishes again, because the answer was lost in a kill, is known.

    The same publication was taken twice, each time under a new number.
    """
    path = tmp_path / "log"
    store = FileStore(path, epoch="first")
    ann, bob = Producer("ann 1\n\ud800é", 7, 1), Producer("bob", 1, 1)
    store.append("t", b"1", 1.0, ann)
    store.append("t", b"2", 2.0)
    store.append("t", b"3", 3.0, bob)
    store.close()
    store = FileStore(path, epoch="second")
    again = store.producers.answer("t", ann)
    assert again == {"topic": "t", "seq": 1, "duplicate": True}
    assert store.producers.answer("t", bob) == again | {"seq": 3}
    assert store.producers.answer("t", ann._replace(seq=2)) is None
    assert [entry.data for entry in store.log("t").entries] == [b"1", b"2", b"3"]
    store.close()


def test_entry_is_in_the_file_before_it_is_in_the_log(tmp_path: Path) -> None:
    """Whoever has the number of an entry can count on the file, without any close."""
    path = tmp_path / "log"
    store = kept(path, b"1")
    assert path.read_bytes() == b"wavetank-wreck-log-1 first\na.b 1.0 1\n1\n"
    store.close()


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 9, 11])
def test_record_that_was_being_written_is_none(tmp_path: Path, cut: int) -> None:
    """What was torn is thrown away, and what follows is whole."""
    path = tmp_path / "log"
    kept(path, b"1", b"2").close()
    path.write_bytes(path.read_bytes()[:-cut])
    store = FileStore(path, epoch="second")
    assert (store.epoch, store.log("a.b").top.seq) == ("first", 1)
    store.append("a.b", b"3", 3.0)
    store.close()
    store = FileStore(path, epoch="third")
    assert [entry.data for entry in store.log("a.b").entries] == [b"1", b"3"]
    store.close()


@pytest.mark.parametrize("content", [b"", b"wave", b"wavetank-wreck-log-1 fir"])
def test_file_without_a_whole_first_line_is_a_new_one(
    tmp_path: Path, content: bytes
) -> None:
    """The server that began it has told its epoch to nobody."""
    path = tmp_path / "log"
    path.write_bytes(content)
    store = FileStore(path, epoch="second")
    assert store.epoch == "second"
    assert path.read_bytes() == b"wavetank-wreck-log-1 second\n"
    store.close()


@pytest.mark.parametrize("content", [b"# Notes\n", b"no line"])
def test_file_that_is_something_else_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    """A mistyped name costs nobody anything."""
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="something else than a log"):
        FileStore(path, epoch="e")
    assert path.read_bytes() == content


def test_file_of_a_living_server_is_refused(tmp_path: Path) -> None:
    """Two servers would write over each other; when the first is gone it may be had."""
    path = tmp_path / "log"
    store = kept(path)
    with pytest.raises(UsageError, match="is another server at it"):
        FileStore(path, epoch="e")
    store.close()
    FileStore(path, epoch="e").close()


def test_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    """A folder is no file."""
    with pytest.raises(UsageError, match="cannot keep a log in"):
        FileStore(tmp_path, epoch="e")


class _Full:
    """A file that takes so many bytes, a few at a time."""

    def __init__(self, file: Any, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, data: Any) -> int:
        """Take three bytes at most."""
        if not self.room:
            raise OSError(28, "No space left on device")
        taken: int = self.file.write(bytes(data[: min(3, self.room)]))
        self.room -= taken
        return taken

    def truncate(self, size: int) -> None:
        """Cut it."""
        self.file.truncate(size)


def test_file_that_is_full_keeps_nothing_of_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither log nor file have a part of it; later ones find no hole."""
    path = tmp_path / "log"
    store = kept(path, b"1")
    before = path.read_bytes()
    file = store._file
    monkeypatch.setattr(store, "_file", _Full(file, room=7))
    with pytest.raises(OSError, match="No space"):
        store.append("a.b", b"2", 2.0)
    assert path.read_bytes() == before
    assert store.log("a.b").top.seq == 1
    monkeypatch.setattr(store, "_file", _Full(file, room=700))
    assert store.append("a.b", b"3", 3.0).seq == 2
    assert path.read_bytes() == before + b"a.b 3.0 1\n3\n"
    file.close()
