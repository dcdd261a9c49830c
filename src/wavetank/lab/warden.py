"""The warden: keeps a target in a network and on a disk of its own, and ends it.

It refuses to know Wavetank, and to outlive whoever asks it.

It is a process of its own (``python -m wavetank.lab.warden``) with one thread, for only
such a process can leave its namespaces. It answers questions on its standard input, a
socket whose messages are JSON. When that ends, all that it has started is killed.
"""

import ctypes
import errno
import functools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

__all__ = [
    "DATA",
    "Answer",
    "Refusal",
    "Warden",
    "children_of",
    "isolate",
    "main",
    "set_link",
]

DATA = "data"
"""The folder on the small disk that is the target's."""
MOST = 65_536
"""Bytes of a question or an answer."""

Answer = dict[str, object]

_FILLER = "filler"
_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
_MS_NOSUID_NODEV = 0x6
_MS_REC_PRIVATE = 0x4000 | 0x4_0000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TICK = 0.05
"""Seconds from one look at who has ended, and at how full the disk is, to the next."""
_PAGE = 4096


class Refusal(Exception):
    """This machine does not permit something; the text says what."""


# Namespaces


def isolate(room: Path, size: int) -> None:
    """Move this process to namespaces of its own, with a small disk and a network.

    Args:
        room: A folder; the disk is mounted over it, for this process and its children.
        size: Bytes of the disk.

    Raises:
        Refusal: If this machine does not permit it.
    """
    _must_see_its_processes()
    user, group = os.geteuid(), os.getegid()
    if user != 0 or not _may(_unshare, _CLONE_NEWNET | _CLONE_NEWNS):
        kinds = _CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS
        _step("user, network and mount namespaces", _unshare, kinds)
        # The same user inside: the target has no more rights than it had before.
        _step("a user namespace", _map_user, user, group)
    _step("mounts of its own", _mount, "", "/", _MS_REC_PRIVATE, "")
    options = f"size={size},mode=0700"
    _step("a disk", _mount, "tmpfs", str(room), _MS_NOSUID_NODEV, options)
    (room / DATA).mkdir(mode=0o700)
    _step("a network interface", functools.partial(set_link, up=True))


def _must_see_its_processes(proc: Path = Path("/proc")) -> None:
    """Refuse where this process could not find those that it has to end.

    Those of another process namespace have the same numbers as ours, and are others.
    """
    try:
        is_ours = os.readlink(proc / "self") == str(os.getpid())
    except OSError:
        is_ours = False
    if not is_ours:
        raise Refusal(
            "there is no /proc of the processes here, so a target in namespaces of its "
            "own could not be ended; mount one (mount -t proc proc /proc)"
        )


def _step(what: str, do: Callable[..., None], *args: object) -> None:
    try:
        do(*args)
    except OSError as error:
        why = error.strerror
        if error.errno == errno.ENOSPC:
            why = "there are as many as the sysctl settings user.max_* permit"
        raise Refusal(f"this user may not have {what} here: {why}") from error


def _may(do: Callable[..., None], *args: object) -> bool:
    try:
        do(*args)
    except OSError:
        return False
    return True


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _unshare(kinds: int) -> None:
    _checked(_libc().unshare(kinds))  # `os.unshare` is from 3.12 on


def _mount(kind: str, where: str, flags: int, options: str) -> None:
    # What has no device behind it may be called anything.
    source, place, given = (kind or "none").encode(), where.encode(), options.encode()
    bits = ctypes.c_ulong(flags)
    _checked(_libc().mount(source, place, kind.encode(), bits, given))


def _map_user(user: int, group: int) -> None:
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def set_link(*, up: bool) -> None:
    """Set the loopback interface of this network up or down.

    While it is down nothing arrives and nobody is told: TCP repeats what it has sent,
    and connections go on once it is up again.

    Args:
        up: Which.

    Raises:
        OSError: If this process may not.
    """
    # Windows has none, and reads this file, too.
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        told = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("h", told, 16)
        flags = flags | _IFF_UP if up else flags & ~_IFF_UP
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


# Processes


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def children_of(pid: int, *, proc: Path = Path("/proc")) -> Iterator[int]:
    """Yield the processes that a process is the parent of.

    Args:
        pid: Of the parent.
        proc: Where the kernel lists processes.
    """
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        # Name of the program in brackets, which may have brackets and blanks in it.
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            yield int(entry.name)


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _wait(options: int) -> tuple[int, int] | None:
    """Return which child has ended, and how; None where there is none."""
    try:
        pid, status = os.waitpid(-1, options)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


class Warden:
    """Starts the target and answers questions.

    Args:
        control: Where they come from.
        room: The folder that the small disk is mounted over.
        command: What starts the target.
    """

    def __init__(
        self, control: socket.socket, room: Path, command: Sequence[str]
    ) -> None:
        self._control = control
        self._room = room
        self._command = list(command)
        self._target: subprocess.Popen[bytes] | None = None
        self._filler: int | None = None
        self._made: socket.socket | None = None
        self._does: dict[str, Callable[[dict[str, object]], Answer]] = {
            "start": self._start,
            "status": self._tell,
            "signal": self._signal,
            "kill": self._kill,
            "socket": self._make,
            "link": self._link,
            "fill": self._fill,
            "free": self._free,
        }

    def run(self) -> None:
        """Answer until nobody asks any more, or a signal comes; then end everything."""
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            for number in _SIGNALS:
                # What is ignored, as under nohup, is so for the target, too.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, _leave)
            while self._answer_next():
                pass
        finally:
            # A second one does not keep it from that.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._end_all()

    def _answer_next(self) -> bool:
        """Wait a moment for a question; return False where none will come."""
        readable, _, _ = select.select([self._control], [], [], _TICK)
        self._reap()
        self._keep_full()
        if not readable:
            return True
        try:
            asked = self._control.recv(MOST)
            if not asked:
                return False
            self._answer(json.loads(asked))
        except ConnectionError:
            return False
        return True

    def _answer(self, asked: dict[str, object]) -> None:
        try:
            answer = self._does[str(asked["do"])](asked)
        except OSError as error:
            answer = {"errno": error.errno, "why": error.strerror or str(error)}
        handed = [self._made.fileno()] if self._made is not None else []
        try:
            socket.send_fds(self._control, [json.dumps(answer).encode()], handed)
        finally:
            if self._made is not None:
                self._made.close()
                self._made = None

    # The target

    def _start(self, asked: dict[str, object]) -> Answer:
        parent = os.getpid()
        self._target = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            # This process has one thread, so that nothing can go wrong in between.
            preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509
        )
        return self._tell(asked)

    def _tell(self, asked: dict[str, object]) -> Answer:
        target = self._target
        if target is None:
            return {"pid": 0, "status": None}
        return {"pid": target.pid, "status": target.returncode}

    def _signal(self, asked: dict[str, object]) -> Answer:
        if self._target is not None and self._target.returncode is None:
            os.kill(self._target.pid, int(str(asked["number"])))
        return self._tell(asked)

    def _kill(self, asked: dict[str, object]) -> Answer:
        self._end_all()
        return self._tell(asked)

    def _end_all(self) -> None:
        """Kill the target and all that comes from it.

        Whose parent ends becomes a child of this process (``PR_SET_CHILD_SUBREAPER``):
        once it has no child left, nothing is left.
        """
        while True:
            for child in children_of(os.getpid()):
                os.kill(child, signal.SIGKILL)
            ended = _wait(0)
            if ended is None:
                return
            self._note(*ended)

    def _reap(self) -> None:
        while (ended := _wait(os.WNOHANG)) is not None:
            self._note(*ended)

    def _note(self, pid: int, status: int) -> None:
        if self._target is not None and pid == self._target.pid:
            self._target.returncode = os.waitstatus_to_exitcode(status)

    # The network

    def _make(self, asked: dict[str, object]) -> Answer:
        # Where it is made decides which network it belongs to, for good.
        self._made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        return {}

    def _link(self, asked: dict[str, object]) -> Answer:
        set_link(up=bool(asked["up"]))
        return {}

    # The disk

    def _fill(self, asked: dict[str, object]) -> Answer:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if self._filler is None:
            self._filler = os.open(self._room / _FILLER, flags, 0o600)
        self._keep_full()
        return {"bytes": os.fstat(self._filler).st_size}

    def _keep_full(self) -> None:
        """Take what room there is, also what the target has given back."""
        if self._filler is None:
            return
        for size in (1024 * _PAGE, _PAGE, 1):
            try:
                while os.write(self._filler, b"\0" * size) == size:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def _free(self, asked: dict[str, object]) -> Answer:
        if self._filler is not None:
            (self._room / _FILLER).unlink()
            os.close(self._filler)
            self._filler = None
        return {}

    def __repr__(self) -> str:
        """Show what it keeps."""
        return f"<Warden {self._command} full={self._filler is not None}>"


def main(argv: Sequence[str]) -> int:
    """Isolate this process; start nothing before it is asked for.

    Args:
        argv: The folder and the bytes of the disk, then the command; without a
            command it only says whether this machine permits all this.

    Returns:
        0, or 1 where this machine does not permit it; why is said.
    """
    room, size, *command = argv
    why = ""
    try:
        isolate(Path(room), int(size))
    except Refusal as error:
        why = str(error)
    if not command:
        print(why)
        return int(bool(why))
    with socket.socket(fileno=os.dup(0)) as control:
        control.send(json.dumps({"why": why}).encode())
        if not why:
            Warden(control, Path(room), command).run()
    return int(bool(why))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
