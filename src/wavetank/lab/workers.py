"""The workers of a target: those of its processes that accept connections for it.

It refuses to know what is done to them, and how a server comes by them.
"""

import contextlib
from collections.abc import Iterator

import psutil

__all__ = ["workers_of"]


def workers_of(pid: int, port: int) -> list[psutil.Process]:
    """Return the workers below a process, oldest first; nothing where it has none.

    A worker has the listening socket of the port, as a child whose parent has it, too
    (gunicorn, uvicorn: the parent starts another one for each that ends), or beside
    others that have one (SO_REUSEPORT). One alone below a process without the socket
    is a server that a shell has started, and no worker.

    Args:
        pid: Of the process on top.
        port: Where the target listens.
    """
    accepting = [each for each in _family(pid) if _listens(each, port)]
    pids = {each.pid for each in accepting}
    parents = {parent for each in accepting if (parent := _parent(each)) in pids}
    leaves = [each for each in accepting if each.pid not in parents]
    if not parents and len(leaves) < 2:
        return []
    return sorted(leaves, key=_age)


def _family(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        yield top
        yield from top.children(recursive=True)


def _listens(process: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == port
            for one in process.net_connections(kind="tcp")
        )
    return False


def _parent(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.ppid())
    return 0


def _age(process: psutil.Process) -> tuple[float, int]:
    # subtle: kept from when the process was found, so that it is known of ended ones.
    return process.create_time(), process.pid
