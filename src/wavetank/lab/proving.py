"""A pytest session that fills a run: checks in, records out.

It refuses to judge: checks fill their notebooks, and the journal keeps those.
"""

from collections.abc import Generator
from typing import Any

import pytest

from wavetank.errors import TargetError
from wavetank.evidence import CheckStarted, Verdict
from wavetank.lab.catalogue import title_of
from wavetank.lab.check import MARKER, PROCESS
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.journal import Redaction
from wavetank.lab.notebook import Notebook
from wavetank.lab.run import Run

__all__ = ["NOTEBOOK", "RUN", "Proving", "check_of", "name_of", "suite_of"]

RUN = pytest.StashKey[Run]()
"""Where a pytest configuration keeps the run that it fills."""

NOTEBOOK = pytest.StashKey[Notebook]()
"""Where a pytest item keeps its notebook, if it is a check."""

_NO_PROCESS = (
    "the lab did not start this target, so it may not break its process; --serve does"
)


class Proving:
    """A pytest session that fills a run.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._is_selected = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Let the fixtures find the run."""
        config.stash[RUN] = self.run
        INTERRUPTION.is_watched = True

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Give each check its other name, so that ``-k`` finds it by both."""
        if item.get_closest_marker(MARKER):
            item.extra_keyword_matches.add(f"websocket_v2_{check_of(item)}")

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None]:
        """Keep the checks of the plan, in the order of its suites."""
        plan = self.run.plan
        kept = [item for item in items if self._is_planned(item)]
        dropped = [item for item in items if not self._is_planned(item)]
        kept.sort(key=lambda item: plan.suites.index(suite_of(item)))
        items[:] = kept
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        yield
        self._is_selected = True

    def _is_planned(self, item: pytest.Item) -> bool:
        plan = self.run.plan
        if not item.get_closest_marker(MARKER):
            return False
        if plan.checks and name_of(item) not in plan.checks:
            return False
        return suite_of(item) in plan.suites

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the target, now that it is known what it is wanted for."""
        # Pytest comes here after an expression that it cannot read (-k), too.
        if session.config.option.collectonly or not self._is_selected:
            return
        names = [name_of(item) for item in session.items]
        missing = self.run.plan.indispensable.difference(names)
        if missing:
            raise pytest.UsageError(
                f"--faults: only {', '.join(missing)} plays them, and nothing that was "
                "chosen is it"
            )
        try:
            self.run.start(names)
        except TargetError:
            session.items.clear()
        INTERRUPTION.check()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item
    ) -> Generator[None, object, object]:
        """Open a notebook for each check, and write down what it came to."""
        notebook = self.run.notebook(suite_of(item), check_of(item))
        item.stash[NOTEBOOK] = notebook
        title = title_of(getattr(item, "function", None))
        self.run.record(
            CheckStarted(
                at=self.run.now(),
                suite=notebook.suite,
                check=notebook.check,
                title=title,
            )
        )
        try:
            return (yield)
        except KeyboardInterrupt:
            notebook.unknown(title, seen="interrupted")
            raise
        finally:
            self._close(item, notebook)

    def _close(self, item: pytest.Item, notebook: Notebook) -> None:
        trouble = notebook.verdict in {Verdict.FAIL, Verdict.UNKNOWN}
        if self.run.target_is_gone(settle=0.3 if trouble else 0.0):
            notebook.expect(
                False,
                "the target stays alive",
                expected="a running process",
                seen="it ended by itself; its last output is in the report",
            )
            item.session.shouldstop = "the target is gone"
        if INTERRUPTION.happened:
            item.session.shouldstop = "interrupted"
        finished = self.run.finish_check(notebook)
        # Not pytest's own --exitfirst, to which a known failure is one, too.
        if self.run.plan.fail_fast and finished.verdict is Verdict.FAIL:
            item.session.shouldstop = "a check failed"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a check for which the target lacks a capability."""
        target = self.run.target
        marker = item.get_closest_marker(MARKER)
        if target is None or marker is None:
            return
        missing = sorted(marker.kwargs["needs"] - target.capabilities)
        reason = ""
        if missing == [PROCESS]:
            reason = _NO_PROCESS
        elif missing:
            reason = f"the target lacks: {', '.join(missing)}"
        elif self.run.plan.polite_only and not marker.kwargs["polite"]:
            reason = (
                "not polite enough for a target elsewhere; --i-own-this-target runs it"
            )
        if reason:
            item.stash[NOTEBOOK].skip(reason)
            pytest.skip(reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note what went wrong outside a check's own body, and show no secret."""
        report = yield
        if call.when != "setup":
            self._note_audit(item, report)
        if report.failed:
            shown = str(report.longrepr)
            clean = Redaction(self.run.plan.secrets).text(shown)
            report.longrepr = report.longrepr if clean == shown else clean
        if call.when != "call" and report.failed and call.excinfo is not None:
            item.stash[NOTEBOOK].unknown(
                f"{call.when} of the check",
                seen=f"{call.excinfo.typename}: {call.excinfo.value}",
            )
        return report

    def _note_audit(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Note rules that frames of the target broke while the check was at work."""
        notebook = item.stash[NOTEBOOK]
        failed = (one for one in notebook.findings if one.verdict is Verdict.FAIL)
        told = {finding.title for finding in failed}
        found = [
            finding
            for finding in self.run.ledger.page(name_of(item)).findings()
            if finding.title not in told
        ]
        notebook.add(*found)
        if found and report.passed:
            report.outcome = "failed"
            report.longrepr = f"{found[0].title}: saw {found[0].seen}"

    def pytest_keyboard_interrupt(
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> None:
        """Remember that the user ended the run; not that we did (``shouldstop``)."""
        if not issubclass(excinfo.type, pytest.Session.Interrupted):
            INTERRUPTION.happened = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """End the run; whoever made it reports it."""
        self.run.finish(interrupted=INTERRUPTION.happened)

    def pytest_terminal_summary(
        self, terminalreporter: Any, config: pytest.Config
    ) -> None:
        """Say where the report lies, and why there was nothing to run."""
        if config.option.collectonly:
            return
        if self.run.not_ready is not None:
            terminalreporter.write_line(f"wavetank: {self.run.not_ready}")
        terminalreporter.write_line(f"wavetank: report in {self.run.folder}")

    def pytest_unconfigure(self) -> None:
        """End the run where pytest ended before its session did."""
        self.run.finish(interrupted=INTERRUPTION.happened)


def suite_of(item: pytest.Item) -> str:
    """Return the name of a check's suite."""
    return item.path.stem.removeprefix("test_")


def check_of(item: pytest.Item) -> str:
    """Return the name of a check."""
    return getattr(item, "originalname", item.name).removeprefix("test_")


def name_of(item: pytest.Item) -> str:
    """Return the name of a check with its suite before it."""
    return f"{suite_of(item)}.{check_of(item)}"
