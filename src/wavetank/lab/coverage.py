"""Runs a Python target under coverage.py and tells what was reached.

It refuses to know why the target ran.
"""

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["coverage_environment", "coverage_report"]

# A target is ended by SIGTERM, and coverage.py saves nothing then unless told to.
_SETTINGS = "[run]\nsigterm = true\nparallel = true\nbranch = true\n"


def coverage_environment(scratch: Path) -> dict[str, str]:
    """Return what the target's environment needs; its data goes to ``scratch``."""
    settings = scratch / "coveragerc"
    settings.write_text(_SETTINGS, encoding="utf-8")
    return {
        "COVERAGE_FILE": str(scratch / "coverage-data"),
        "COVERAGE_RCFILE": str(settings),
    }


def coverage_report(scratch: Path) -> str:
    """Return coverage.py's table; its last line is the total.

    Where the target saved nothing (it was killed), the text says so.
    """
    environ = {**os.environ, **coverage_environment(scratch)}
    for arguments in (["combine", "--quiet"], ["report", "--skip-empty"]):
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            reason = (done.stdout + done.stderr).strip()
            return f"no coverage was measured: {reason}\n"
    return done.stdout
