"""What this machine gives a load: processors, descriptors, ports, memory.

It refuses to know what a load needs.
"""

import contextlib
import resource
from pathlib import Path

import psutil

from wavetank.load.engine.coordinator import cores
from wavetank.load.needs import Limits

__all__ = ["limits_of_machine"]

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def limits_of_machine(*, serves: bool = False, ports: Path = _PORTS) -> Limits:
    """Return what this process and those that it starts may use.

    Args:
        serves: Whether the target is started from here, too.
        ports: Where Linux says which ports connections may come from.
    """
    soft, hard = (
        None if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return Limits(
        cores=cores(),
        soft=soft,
        hard=hard,
        ports=_ports(ports),
        memory=psutil.virtual_memory().available,
        serves=serves,
    )


def _ports(file: Path) -> int | None:
    """Return how many ports there are, None where the system does not say."""
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, file.read_text().split())
        return last - first + 1
    return None
