"""The machine that figures were measured on, as a reader of them has to know it.

It refuses to know what was measured.
"""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

__all__ = ["describe_machine"]


def describe_machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return date, system, processor, Python, and the versions of some packages."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "system": platform.platform(),
        "processor": _name_processor(),
        "processors": str(os.cpu_count()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _name_processor() -> str:
    """Return the processor's name, where the system gives one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()
