"""The warden: what it asks of the machine, and what it answers.

Its namespaces are asked for by a fake here, for they would be those of the tests;
`test_isolation.py` has the real ones.
"""

import errno
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wavetank.lab import warden as module
from wavetank.lab.warden import (
    DATA,
    MOST,
    Refusal,
    Warden,
    children_of,
    isolate,
    main,
    set_link,
)

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""
SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has network and mount namespaces"
)


# What it asks of the machine


class Machine:
    """A machine that notes what is asked of it, and refuses some."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.refuses: dict[str, int] = {}
        self.only_with_user = False

    def unshare(self, kinds: int) -> None:
        """Leave namespaces."""
        self._note("unshare", kinds)
        if self.only_with_user and not kinds & 0x1000_0000:
            raise PermissionError(errno.EPERM, "Operation not permitted")

    def mount(self, kind: str, where: str, flags: int, given: str) -> None:
        """Mount."""
        self._note(f"mount {kind or 'none'}", where, flags, given)

    def map_user(self, user: int, group: int) -> None:
        """Map a user."""
        self._note("map", user, group)

    def set_link(self, *, up: bool) -> None:
        """Set the interface."""
        self._note("link", up)

    def _note(self, what: str, *rest: object) -> None:
        self.asked.append((what, *rest))
        if what in self.refuses:
            code = self.refuses[what]
            raise OSError(code, os.strerror(code))

    @property
    def done(self) -> list[object]:
        """What was asked for, by name."""
        return [each[0] for each in self.asked]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Put a machine in the place of this one."""
    made = Machine()
    monkeypatch.setattr(module, "_unshare", made.unshare)
    monkeypatch.setattr(module, "_mount", made.mount)
    monkeypatch.setattr(module, "_map_user", made.map_user)
    monkeypatch.setattr(module, "set_link", made.set_link)
    return made


def be(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    """Be another user."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "getegid", lambda: user)


def test_root_needs_no_user_namespace(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Root leaves network and mounts alone, keeps them to itself, and has a disk."""
    be(monkeypatch, 0)
    isolate(tmp_path, 4096)
    assert machine.done == ["unshare", "mount none", "mount tmpfs", "link"]
    assert machine.asked[0] == ("unshare", 0x4002_0000)
    assert machine.asked[1][1:] == ("/", 0x4_4000, "")
    assert machine.asked[2][1:] == (str(tmp_path), 0x6, "size=4096,mode=0700")
    assert machine.asked[3] == ("link", True)
    assert (tmp_path / DATA).is_dir()


@pytest.mark.parametrize("user", [0, 1000])
def test_who_is_not_permitted_that_gets_a_user_namespace(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int
) -> None:
    """Others, and root in many a container, stay who they are inside a new one."""
    be(monkeypatch, user)
    machine.only_with_user = True
    isolate(tmp_path, 4096)
    tried = ["unshare"] * (2 if user == 0 else 1)
    assert machine.done == [*tried, "map", "mount none", "mount tmpfs", "link"]
    assert ("unshare", 0x5002_0000) in machine.asked
    assert ("map", user, user) in machine.asked


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("unshare", "user, network and mount namespaces"),
        ("map", "a user namespace"),
        ("mount none", "mounts of its own"),
        ("mount tmpfs", "a disk"),
        ("link", "a network interface"),
    ],
)
def test_each_step_that_is_not_permitted_is_told(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    step: str,
    words: str,
) -> None:
    """The reason says which one, and what the system says."""
    be(monkeypatch, 1000)
    machine.refuses[step] = errno.EPERM
    with pytest.raises(Refusal) as caught:
        isolate(tmp_path, 4096)
    told = f"this user may not have {words} here: Operation not permitted"
    assert str(caught.value) == told


def test_a_limit_that_is_reached_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That no space is left on a device would lead nobody to it."""
    be(monkeypatch, 1000)
    machine.refuses["unshare"] = errno.ENOSPC
    with pytest.raises(Refusal, match=r"as many as the sysctl settings user\.max_\*"):
        isolate(tmp_path, 4096)


@pytest.mark.parametrize("shown", [None, "1", "77"])
def test_without_its_own_processes_in_sight_nothing_is_isolated(
    tmp_path: Path, shown: str | None
) -> None:
    """What it has started could not be ended: none is seen, or only those of others.

    Without /proc the warden waited for ever for children that it had not found, and was
    left behind with them.
    """
    if shown is not None:
        (tmp_path / "self").symlink_to(shown)
    with pytest.raises(Refusal, match="no /proc of the processes here"):
        module._must_see_its_processes(tmp_path)
    (tmp_path / "self").unlink(missing_ok=True)
    (tmp_path / "self").symlink_to(str(os.getpid()))
    module._must_see_its_processes(tmp_path)


class Libc:
    """A C library that notes what is called, and answers the same each time."""

    def __init__(self, answer: int = 0) -> None:
        self.answer = answer
        self.called: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., int]:
        """Return a function of any name."""

        def call(*words: Any) -> int:
            values = [getattr(word, "value", word) for word in words]
            self.called.append((name, *values))
            return self.answer

        return call


def test_the_system_is_asked_by_its_own_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unshare and mount have the words that the kernel knows."""
    libc = Libc()
    monkeypatch.setattr(module, "_libc", lambda: libc)
    module._unshare(7)
    module._mount("tmpfs", "/x", 6, "size=1")
    module._mount("", "/", 7, "")
    assert libc.called == [
        ("unshare", 7),
        ("mount", b"tmpfs", b"/x", b"tmpfs", 6, b"size=1"),
        ("mount", b"none", b"/", b"", 7, b""),
    ]


def test_a_call_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the system's own number and words."""
    monkeypatch.setattr(module, "_libc", lambda: Libc(answer=-1))
    monkeypatch.setattr(module.ctypes, "get_errno", lambda: errno.EPERM)
    with pytest.raises(PermissionError, match="not permitted"):
        module._unshare(7)


def test_the_c_library_is_there() -> None:
    """Both calls are found in the one of this machine."""
    assert module._libc().unshare
    assert module._libc().mount


def test_a_user_stays_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and group are mapped to themselves, and no other group can be dropped."""
    written: list[tuple[str, str]] = []
    monkeypatch.setattr(
        Path, "write_text", lambda path, text, **_: written.append((path.name, text))
    )
    module._map_user(7, 8)
    assert written == [
        ("setgroups", "deny"),
        ("uid_map", "7 7 1"),
        ("gid_map", "8 8 1"),
    ]


@pytest.mark.parametrize(
    ("up", "before", "after"), [(True, 0x48, 0x49), (False, 0x49, 0x48)]
)
def test_only_the_one_flag_of_the_interface_changes(
    monkeypatch: pytest.MonkeyPatch, *, up: bool, before: int, after: int
) -> None:
    """It is set up or down, and all else stays as the kernel has it."""
    asked: list[tuple[int, str, int]] = []

    def ioctl(_: socket.socket, request: int, given: bytes) -> bytes:
        name, flags = struct.unpack("16sh14x", given)
        asked.append((request, name.rstrip(b"\0").decode(), flags))
        return struct.pack("16sh14x", b"lo", before)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    set_link(up=up)
    assert asked == [(0x8913, "lo", 0), (0x8914, "lo", after)]


# Processes


def test_a_child_dies_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is told to see to it; a parent that is gone already is noticed."""
    libc, left = Libc(), []
    monkeypatch.setattr(module, "_libc", lambda: libc)
    monkeypatch.setattr(os, "_exit", left.append)
    module._die_with(os.getppid())
    assert libc.called == [("prctl", 1, signal.SIGKILL)]
    assert left == []
    module._die_with(os.getppid() + 1)
    assert left == [1]


def test_children_are_found_by_their_parent(tmp_path: Path) -> None:
    """A program may have any name; who ends meanwhile and what is none is left out."""
    for pid, stat in (
        (10, "10 (a) S 7 1 1"),
        (11, "11 (b) (c 7) S 8 1 1"),
        (12, "12 (odd) 9) S 7 1 1"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(stat)
    (tmp_path / "13").mkdir()
    (tmp_path / "self").mkdir()
    assert sorted(children_of(7, proc=tmp_path)) == [10, 12]


# What it answers


class Asker:
    """Asks a warden in this very process, which has no other child to lose by it."""

    def __init__(self, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs = theirs
        self.ours.settimeout(DEADLINE)
        self.warden = Warden(theirs, room, SLEEP)
        self._others = set(children_of(os.getpid()))
        monkeypatch.setattr(module, "children_of", self._children)
        monkeypatch.setattr(module, "_wait", self._wait)

    def _children(self, pid: int) -> Iterator[int]:
        yield from (child for child in children_of(pid) if child not in self._others)

    def _wait(self, options: int) -> tuple[int, int] | None:
        for child in self._children(os.getpid()):
            pid, status = os.waitpid(child, options)
            if pid:
                return pid, status
        return None

    def ask(self, do: str, **words: object) -> dict[str, Any]:
        """Ask one question."""
        self.ours.send(json.dumps({"do": do, **words}).encode())
        assert self.warden._answer_next()
        data, self.descriptors, _, _ = socket.recv_fds(self.ours, MOST, 1)
        return dict(json.loads(data))

    def until_ended(self) -> dict[str, Any]:
        """Wait for the target's end."""
        ends = time.monotonic() + DEADLINE
        while (told := self.ask("status"))["status"] is None:
            assert time.monotonic() < ends
        return told


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asker]:
    """Ask a warden; what it has started is ended."""
    made = Asker(tmp_path, monkeypatch)
    before = {number: signal.getsignal(number) for number in module._SIGNALS}
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)
    made.warden._end_all()
    made.ours.close()
    made.theirs.close()


def test_it_starts_and_kills_the_target(asker: Asker) -> None:
    """It says which process that is and how it ended; again, after a new start."""
    assert asker.ask("status") == {"pid": 0, "status": None}
    assert asker.ask("signal", number=15) == {"pid": 0, "status": None}
    first = asker.ask("start")
    assert first["pid"] in children_of(os.getpid())
    assert first["status"] is None
    assert asker.ask("kill") == {"pid": first["pid"], "status": -9}
    second = asker.ask("start")
    assert second["status"] is None
    asker.ask("signal", number=int(signal.SIGTERM))
    assert asker.until_ended() == {"pid": second["pid"], "status": -15}
    assert asker.ask("signal", number=int(signal.SIGTERM))["status"] == -15


def test_the_end_of_another_child_is_not_the_targets(asker: Asker) -> None:
    """Who came from the target and lost its parent is only buried."""
    asker.ask("start")
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        ends = time.monotonic() + DEADLINE
        while other.pid in children_of(os.getpid()):
            assert time.monotonic() < ends
            assert asker.ask("status")["status"] is None
        other.returncode = 0


def test_a_program_that_is_not_there_is_an_answer(asker: Asker) -> None:
    """The system's words say why."""
    asker.warden._command = ["/nowhere/to/be/found"]
    answer = asker.ask("start")
    assert (answer["errno"], answer["why"]) == (2, "No such file or directory")


def test_it_hands_out_sockets(asker: Asker) -> None:
    """A TCP socket comes with the answer."""
    assert asker.ask("socket") == {}
    with socket.socket(fileno=asker.descriptors[0]) as made:
        assert made.type == socket.SOCK_STREAM


def test_it_goes_on_where_there_is_no_socket(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is an answer; it was its end, and the target's."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENFILE, "Too many open files in system")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        asker.ours.send(b'{"do":"socket"}')
        assert asker.warden._answer_next()
    data, descriptors, _, _ = socket.recv_fds(asker.ours, MOST, 1)
    assert json.loads(data)["why"] == "Too many open files in system"
    assert descriptors == []


def test_it_sets_the_link(asker: Asker, machine: Machine) -> None:
    """Down and up, as it is asked; what the system refuses is an answer."""
    assert asker.ask("link", up=False) == {}
    assert asker.ask("link", up=True) == {}
    assert machine.asked == [("link", False), ("link", True)]
    machine.refuses["link"] = errno.EPERM
    assert asker.ask("link", up=True)["why"] == "Operation not permitted"


def disk_of(monkeypatch: pytest.MonkeyPatch, room: int) -> Callable[[int], None]:
    """Have a disk of so many bytes; return what changes that."""
    left = room
    write = os.write

    def bounded(descriptor: int, data: bytes) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[:left])
        left -= written
        return written

    def give(more: int) -> None:
        nonlocal left
        left += more

    monkeypatch.setattr(os, "write", bounded)
    return give


def test_it_fills_the_disk_and_keeps_it_full(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Room that the target gives back is taken, too, until it is freed."""
    give = disk_of(monkeypatch, 10_000)
    assert asker.ask("free") == {}
    assert asker.ask("fill") == {"bytes": 10_000}
    give(77)
    asker.ask("status")
    assert (tmp_path / "filler").stat().st_size == 10_077
    assert asker.ask("fill") == {"bytes": 10_077}
    assert asker.ask("free") == {}
    assert not (tmp_path / "filler").exists()
    asker.ask("status")
    assert not (tmp_path / "filler").exists()


def test_a_disk_that_is_broken_is_not_full(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another error than that there is no room is told."""

    def broken(_: int, __: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    # Not `undo`: the warden would end all children of these tests, and did.
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", broken)
        assert asker.ask("fill")["why"] == "Input/output error"
    asker.warden._filler = None


def test_it_ends_everything_when_nobody_asks_any_more(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the socket is the end of the target; silence is not."""
    libc = Libc()
    monkeypatch.setattr(module, "_libc", lambda: libc)
    target = asker.ask("start")["pid"]
    assert asker.warden._answer_next()
    asker.ours.close()
    asker.warden.run()
    assert libc.called == [("prctl", 36, 1, 0, 0, 0)]
    assert target not in children_of(os.getpid())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_everything_when_it_is_told_to_end(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """One signal is enough, and what is ignored stays so."""
    monkeypatch.setattr(module, "_libc", Libc)
    for each in module._SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    signal.signal(number, signal.SIG_DFL)
    target = asker.ask("start")["pid"]
    handlers: list[object] = []

    def look() -> bool:
        handlers.extend(map(signal.getsignal, module._SIGNALS))
        signal.raise_signal(number)
        return True

    monkeypatch.setattr(asker.warden, "_answer_next", look)
    with pytest.raises(SystemExit) as caught:
        asker.warden.run()
    assert caught.value.code == 128 + number
    assert handlers.count(signal.SIG_IGN) == 2
    assert target not in children_of(os.getpid())


def test_it_ends_everything_when_its_answer_finds_nobody(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked may be killed before the answer."""
    asker.ours.send(b'{"do":"status"}')
    asker.ours.close()
    assert not asker.warden._answer_next()


def test_its_representation_shows_what_it_keeps(asker: Asker) -> None:
    """Command, and whether the disk is full."""
    assert repr(asker.warden) == f"<Warden {SLEEP} full=False>"


# As a program


def test_a_trial_says_what_is_not_permitted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a command nothing is started; the exit status says the same."""

    def refuse(*_: object) -> None:
        raise Refusal("no")

    monkeypatch.setattr(module, "isolate", refuse)
    assert main(["/room", "4096"]) == 1
    assert capsys.readouterr().out == "no\n"
    monkeypatch.setattr(module, "isolate", lambda *_: None)
    assert main(["/room", "4096"]) == 0
    assert capsys.readouterr().out == "\n"


@pytest.mark.parametrize("why", ["", "no"])
def test_it_says_first_whether_it_can(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Then it answers, if it can."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ran: list[bool] = []

    def tried(*_: object) -> None:
        if why:
            raise Refusal(why)

    monkeypatch.setattr(module, "isolate", tried)
    monkeypatch.setattr(os, "dup", lambda _: theirs.detach())
    monkeypatch.setattr(
        module, "Warden", lambda *_: SimpleNamespace(run=lambda: ran.append(True))
    )
    assert main(["/room", "4096", "a", "command"]) == int(bool(why))
    assert json.loads(ours.recv(MOST)) == {"why": why}
    assert ran == ([] if why else [True])
    ours.close()
