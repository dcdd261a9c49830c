"""A pytest plugin: a hasty test that fails while the machine stands still runs again.

A virtual machine may stand still for a second at any moment. A test of what does not
come within 0.2 s, or of a load that lasts one second, can fail for that alone, and it
is marked ``hasty``. One that fails on a machine that did not stand still has failed,
and so has one that fails at every look.

It refuses to know what tests prove, and looks at no test without the mark.
"""

import contextlib
import gc
import sys
import threading
import time
from types import TracebackType

import pytest
from _pytest.runner import runtestprotocol

__all__ = ["LOOKS", "STILL", "Standstill", "pytest_runtest_protocol"]

LOOKS = 5
"""How often a test runs at most."""

STILL = 0.1
"""Seconds that its process has to have stood still for another look."""

_EVERY = 0.02


class Standstill:
    """How long this process stood still at most, as one of its threads sees it.

    Attributes:
        worst: Seconds.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="standstill", daemon=True
        )

    def __enter__(self) -> "Standstill":
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; what stood still until now counts."""
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        due = time.monotonic() + _EVERY
        while not self._is_over.wait(_EVERY):
            due = self._look(due)
        self._look(due)

    def _look(self, due: float) -> float:
        """Note how late it is; return when the next look is due."""
        now = time.monotonic()
        self.worst = max(self.worst, now - due)
        return now + _EVERY

    def __repr__(self) -> str:
        """Show the worst."""
        return f"<Standstill {self.worst:.3f} s>"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> bool | None:
    """Run a hasty test, again where the machine stood still; leave others alone."""
    if item.get_closest_marker("hasty") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _last_look(item, nextitem):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _last_look(
    item: pytest.Item, nextitem: pytest.Item | None
) -> list[pytest.TestReport]:
    """Run a test until it passes, or fails on a machine that did not stand still."""
    for left in reversed(range(LOOKS)):
        with Standstill() as standstill:
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
        has_failed = any(report.failed for report in reports)
        if not (has_failed and left and standstill.worst > STILL):
            break
        _forget()
    return reports


def _forget() -> None:
    """Collect what a look that failed left open: it is no finding of the next one."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        with contextlib.suppress(AttributeError):
            delattr(sys, name)
    usual, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = usual
