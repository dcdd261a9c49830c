"""The spool: publications on disk until they are settled."""

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wavetank.client.aio.spool as module
from wavetank.client.aio.spool import Spool
from wavetank.client.lanes import Lanes
from wavetank.client.outbox import Entry
from wavetank.errors import TargetError, UsageError

Open = Callable[..., Spool]


@pytest.fixture
def open_spool(tmp_path: Path, quick: dict[str, Any]) -> Any:
    """Give a function that opens the one spool of this test."""
    spools: list[Spool] = []

    def open_it(**options: Any) -> Spool:
        given = {"name": "bot", "max_bytes": None, "fsync": False} | options
        spool = Spool(tmp_path / "spool", logger=quick["logger"], **given)
        spools.append(spool)
        return spool

    yield open_it
    for spool in spools:
        spool.close()


def put(spool: Spool, lanes: Lanes, topic: str = "a", key: str | None = None) -> Entry:
    """Put an entry in."""
    number = spool.number + 1
    ordinal = 0 if key else lanes.number(topic, number)
    entry = Entry(number=number, topic=topic, data=b"1", key=key, ordinal=ordinal)
    spool.put(entry, lanes)
    return entry


def lanes_of(spool: Spool) -> Lanes:
    """Return the lanes that a spool begins with."""
    return Lanes(spool.epoch, kept=spool.lanes(), waiting=spool.waiting())


def test_spool_gives_back_what_is_not_settled_at_the_next_start(
    open_spool: Open,
) -> None:
    """In order, with the same numbers, names, keys and lanes."""
    spool = open_spool()
    lanes = lanes_of(spool)
    entries = [put(spool, lanes), put(spool, lanes, key="k"), put(spool, lanes, "b")]
    before = [lanes.find("a", 1), lanes.find("b", 3)]
    spool.settle(entries[1:2])
    spool.close()

    again = open_spool(name="other")
    assert (again.name, again.count) == ("bot", 2)
    assert again.since(0, most=10) == [entries[0], entries[2]]
    assert again.since(1, most=10) == [entries[2]]
    assert again.since(0, most=1) == [entries[0]]
    found = lanes_of(again)
    assert [found.find("a", 1), found.find("b", 3)] == before
    assert again.number == 3
    assert again.epoch > max(lane.epoch for lane in before)


def test_spool_counts_its_bytes(open_spool: Open) -> None:
    """The same before and after a restart; full is full."""
    spool = open_spool(max_bytes=250)
    lanes = lanes_of(spool)
    assert spool.has_room(1)
    first = put(spool, lanes)
    put(spool, lanes, key="kéy")
    size = spool.size
    assert not spool.has_room(50)
    spool.close()
    spool = open_spool(max_bytes=250)
    assert spool.size == size
    spool.settle([first])
    assert spool.has_room(50)
    assert (spool.count, repr(spool).rpartition(" ")[2]) == (1, "bytes>")
    spool.close()
    assert open_spool(max_bytes=None).has_room(10**12)


def test_spool_uses_no_epoch_twice(open_spool: Open) -> None:
    """Neither after a clean end nor after lanes that are gone again."""
    seen = set()
    for _ in range(3):
        spool = open_spool()
        lanes = lanes_of(spool)
        entry = put(spool, lanes)
        lanes.break_behind("a", entry.number, entry.ordinal)
        spool.note(lanes)
        spool.note(lanes)
        epochs = {lanes.find("a", entry.number).epoch, lanes.epoch - 1}
        assert not epochs & seen
        seen |= epochs
        lanes.settle("a", entry.number + 1)
        spool.settle([entry])
        put(spool, lanes, "b")
        spool.close()


def test_spool_forgets_lanes_that_are_over(open_spool: Open) -> None:
    """They would only fill the disk."""
    spool = open_spool()
    lanes = lanes_of(spool)
    for _ in range(5):
        entry = put(spool, lanes)
        lanes.break_behind("a", entry.number, entry.ordinal)
        lanes.settle("a", entry.number + 1)
        spool.settle([entry])
    spool.note(lanes)
    assert len(spool.lanes()) == 1
    spool.close()
    assert open_spool().lanes() == []


def test_spool_belongs_to_one_process(open_spool: Open, tmp_path: Path) -> None:
    """A second one would send everything twice."""
    first = open_spool()
    with pytest.raises(TargetError, match="another process has it; end that one"):
        open_spool()
    # In vain, and without taking the lock away from the first one.
    script = (
        "import sqlite3, sys\n"
        "sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM life')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "spool" / "spool.sqlite")]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert b"database is locked" in done.stderr
    first.close()
    open_spool()


def test_spool_survives_a_kill_at_any_moment(open_spool: Open, tmp_path: Path) -> None:
    """What was accepted is there, and the lock is not."""
    script = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from wavetank.client.aio.logger import make_logger\n"
        "from wavetank.client.aio.spool import Spool\n"
        "from wavetank.client.lanes import Lanes\n"
        "from wavetank.client.outbox import Entry\n"
        "spool = Spool(Path(sys.argv[1]), name='bot', max_bytes=None, fsync=False,"
        " logger=make_logger())\n"
        "lanes = Lanes(spool.epoch)\n"
        "for number in range(1, 101):\n"
        "    spool.put(Entry(number=number, topic='a', data=b'1',"
        " ordinal=lanes.number('a', number)), lanes)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "spool")]
    done = subprocess.run(command, check=False, env=os.environ, timeout=60)
    assert done.returncode == -signal.SIGKILL
    spool = open_spool(fsync=True)
    assert spool.count == 100
    assert [entry.ordinal for entry in spool.since(0, most=1000)] == [*range(1, 101)]


@pytest.mark.parametrize("damage", ["text", "page"])
def test_spool_that_cannot_be_read_is_kept_aside_and_told(
    open_spool: Open, tmp_path: Path, lines: Any, damage: str
) -> None:
    """The publisher goes on; somebody can still look at what is left."""
    file = tmp_path / "spool" / "spool.sqlite"
    spool = open_spool()
    lanes = lanes_of(spool)
    for _ in range(300):
        put(spool, lanes)
    spool.close()
    if damage == "text":
        file.write_bytes(b"damaged" * 1000)
    else:
        content = bytearray(file.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        file.write_bytes(content)
    (tmp_path / "spool" / "spool.sqlite-wal").write_bytes(b"rest")
    spool = open_spool()
    assert spool.count == 0
    put(spool, lanes_of(spool))
    line = lines.of("spool_lost")
    assert line["kept_as"].endswith("spool.sqlite.broken-1")
    aside = tmp_path / "spool" / "spool.sqlite.broken-1"
    assert aside.exists()
    assert spool.lost == aside
    spool.close()
    assert open_spool().lost is None


def test_spool_of_a_later_version_is_left_alone(
    open_spool: Open, tmp_path: Path
) -> None:
    """It is not broken, only not for us."""
    open_spool().close()
    with sqlite3.connect(tmp_path / "spool" / "spool.sqlite") as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(UsageError, match="a spool of version 9"):
        open_spool()


@pytest.fixture
def database(tmp_path: Path) -> Any:
    """Give a database where the spool would be, of another program."""
    (tmp_path / "spool").mkdir()
    database = sqlite3.connect(tmp_path / "spool" / "spool.sqlite")
    yield database
    database.close()


ENTRIES = (
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, topic TEXT, data BLOB,"
    "key TEXT, ordinal INTEGER);"
)
LANES = "CREATE TABLE lanes (topic TEXT, after INTEGER, epoch INTEGER, base INTEGER);"
LIFE = "CREATE TABLE life (name TEXT, epoch INTEGER, number INTEGER);"


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE bookmarks (url)",
        "CREATE TABLE entries (id, text)",
        ENTRIES,
        ENTRIES + LANES + "CREATE TABLE life (name TEXT, hours INTEGER)",
        ENTRIES + LANES + "CREATE TABLE life (name TEXT, epoch TEXT, number TEXT)",
        ENTRIES + LANES + LIFE + "CREATE TABLE bookmarks (url)",
        ENTRIES + LANES + LIFE + "CREATE VIEW names AS SELECT name FROM life",
        ENTRIES + LANES + LIFE + "CREATE TRIGGER t AFTER INSERT ON life "
        "BEGIN DELETE FROM entries; END",
        ENTRIES + LANES + LIFE + "PRAGMA user_version = 9",
        "PRAGMA application_id = 7",
        ENTRIES + LANES + LIFE + "PRAGMA application_id = 7",
        f"PRAGMA application_id = {module._APPLICATION}; PRAGMA user_version = 1;"
        "CREATE TABLE entries (id, text)",
    ],
)
def test_spool_leaves_the_database_of_another_program_alone(
    open_spool: Open, tmp_path: Path, database: Any, script: str
) -> None:
    """One sentence, and not a byte of it is changed."""
    database.executescript(script)
    database.close()
    file = tmp_path / "spool" / "spool.sqlite"
    before = file.read_bytes()
    with pytest.raises(UsageError, match="is a database of another program; choose"):
        open_spool()
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("version", [0, 1])
def test_spool_takes_one_that_was_not_marked_yet(
    open_spool: Open, tmp_path: Path, version: int
) -> None:
    """The first ones had no application_id; their entries go out all the same."""
    spool = open_spool()
    entry = put(spool, lanes_of(spool))
    spool.close()
    database = sqlite3.connect(tmp_path / "spool" / "spool.sqlite")
    pragma = "PRAGMA application_id"
    assert database.execute(pragma).fetchone() == (module._APPLICATION,)
    database.execute(f"{pragma} = 0")
    database.execute(f"PRAGMA user_version = {version}")
    database.commit()
    database.close()
    spool = open_spool()
    assert spool.since(0, most=9) == [entry]
    assert spool._database.execute(pragma).fetchone() == (module._APPLICATION,)


def test_spool_takes_an_empty_file(open_spool: Open, tmp_path: Path) -> None:
    """A kill may leave one, between making it and writing to it."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "spool.sqlite").touch()
    spool = open_spool()
    put(spool, lanes_of(spool))
    assert spool.lost is None


def test_spool_is_for_its_user_alone(open_spool: Open, tmp_path: Path) -> None:
    """Whatever the umask; what was there before stays as it was."""
    folder = tmp_path / "spool"

    def modes() -> set[tuple[str, int]]:
        every = [folder, *folder.iterdir()]
        return {(path.name, stat.S_IMODE(path.stat().st_mode)) for path in every}

    old = os.umask(0)
    try:
        spool = open_spool()
        put(spool, lanes_of(spool))
        own = {("spool", 0o700), ("spool.sqlite", 0o600), ("spool.sqlite-wal", 0o600)}
        assert modes() == own
        spool.close()
        (folder / "spool.sqlite").write_bytes(b"damaged" * 1000)
        open_spool().close()
        assert modes() >= {("spool", 0o700), ("spool.sqlite", 0o600)}
        folder.chmod(0o750)
        (folder / "spool.sqlite").chmod(0o640)
        open_spool().close()
        assert modes() >= {("spool", 0o750), ("spool.sqlite", 0o640)}
    finally:
        os.umask(old)


def test_spool_on_a_full_disk_is_no_mistake_of_the_command_line(
    open_spool: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its folder, its file or a page of it has no room."""
    real = sqlite3.connect

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        database = real(*args, **options)
        database.execute("PRAGMA max_page_count = 1")
        return database

    with monkeypatch.context() as patch:
        patch.setattr(module.sqlite3, "connect", connect)
        with pytest.raises(TargetError, match="disk is full; make room"):
            open_spool()

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "spool" / "spool.sqlite").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "open", fail)
        with pytest.raises(TargetError, match="No space left on device; make room"):
            open_spool()
    open_spool()


def test_spool_needs_a_folder(tmp_path: Path, quick: dict[str, Any]) -> None:
    """A file in the way is told."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="spool: "):
        Spool(
            tmp_path / "file",
            name="bot",
            max_bytes=None,
            fsync=False,
            logger=quick["logger"],
        )


def test_spool_tells_when_the_disk_does_not_take_it(open_spool: Open) -> None:
    """Nothing has changed then, in memory neither."""
    spool = open_spool()
    lanes = lanes_of(spool)
    entry = put(spool, lanes)
    spool._database.execute("PRAGMA query_only = ON")
    with pytest.raises(OSError, match="cannot be written"):
        put(spool, lanes)
    with pytest.raises(OSError, match="cannot be written"):
        spool.settle([entry])
    lanes.break_behind("a", 1, 1)
    with pytest.raises(OSError, match="cannot be written"):
        spool.note(lanes)
    assert (spool.count, spool.number) == (1, 1)
    spool._database.execute("PRAGMA query_only = OFF")
    assert spool.since(0, most=9) == [entry]
    spool.close()
    with pytest.raises(OSError, match="cannot be read"):
        spool.since(0, most=9)
