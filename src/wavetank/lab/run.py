"""One run: the target, the journal, and everything that has to be ended again.

It refuses to know checks (pytest runs them) and reports (others fold the journal).
"""

import atexit
import contextlib
import os
import platform
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import wavetank
from wavetank.clock import Clock, SystemClock
from wavetank.errors import TargetError
from wavetank.evidence import (
    CheckFinished,
    Noted,
    Record,
    RunFinished,
    RunStarted,
    TargetEnded,
    TargetReady,
    Verdict,
)
from wavetank.lab.again import command_again
from wavetank.lab.auditing import Ledger
from wavetank.lab.coverage import coverage_environment, coverage_report
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.journal import JournalFile, Redaction
from wavetank.lab.notebook import Notebook
from wavetank.lab.plan import Plan
from wavetank.lab.target import Target, TargetStart, environment
from wavetank.monitor import ProcessTree

__all__ = ["Run"]

_SAMPLE_EVERY = 0.5


class Run:
    """A run against one target, from its first record to its last.

    Args:
        plan: What was asked for.
        folder: The results folder, which is this run's alone.
        watch: Called with each record; for live progress.
        clock: Reads the time.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        folder: Path,
        watch: Callable[[Record], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.target: Target | None = None
        self.not_ready: TargetError | None = None
        self._clock = clock or SystemClock()
        self._began = self._clock.now()
        self.ledger = Ledger(self.now)
        self._journal = JournalFile(
            folder / "journal.ndjson", secrets=plan.secrets, watch=watch
        )
        self._scratch = Path(tempfile.mkdtemp(prefix="wavetank-"))
        self._start: TargetStart | None = None
        self._end_is_noted = False
        self._is_finished = False
        self._stop_sampling = threading.Event()
        self._sampler: threading.Thread | None = None
        self._catches = INTERRUPTION.catch()
        atexit.register(self.finish)

    def now(self) -> float:
        """Seconds since the run started."""
        return self._clock.now() - self._began

    def record(self, record: Record) -> None:
        """Append a record to the journal."""
        self._journal.append(record)

    def notebook(self, suite: str, check: str) -> Notebook:
        """Return a new notebook that writes to this run's journal."""
        return Notebook(suite=suite, check=check, record=self.record, now=self.now)

    def start(self, planned: Sequence[str]) -> None:
        """Write the first record, then start the target and wait for it.

        Args:
            planned: Names of the checks that were selected. Without any, nothing
                is started.

        Raises:
            TargetError: If the target does not become ready; it is in the journal.
        """
        self.announce(planned)
        if not planned:
            return
        environ = environment(self.plan)
        if self.plan.coverage:
            environ |= coverage_environment(self._scratch)
        self._start = TargetStart(self.plan, self._scratch, environ)
        try:
            self.target = self._start.run()
        except TargetError as error:
            # It is shown, too, not only written down.
            shown = Redaction(self.plan.secrets).text
            output = [shown(line) for line in error.output]
            self.not_ready = TargetError(shown(str(error)), output=output)
            self._note_end(ready=False, reason=str(error), output=output, by_lab=True)
            raise self.not_ready from None
        self._greet(self.target)

    def announce(self, planned: Sequence[str]) -> None:
        """Write the first record: what is going to be done, with what, and where.

        Args:
            planned: Names of the checks that were selected.
        """
        plan = self.plan
        self.record(
            RunStarted(
                at=self.now(),
                run=self.folder.name,
                wall=self._clock.wall(),
                version=wavetank.__version__,
                seed=plan.seed,
                suites=list(plan.suites),
                planned=list(planned),
                target=plan.given,
                machine=_machine(),
                options=dict(plan.options),
                again=command_again(plan) if plan.asked else [],
            )
        )
        for text in plan.notes:
            self.record(Noted(at=self.now(), text=text))

    def target_is_gone(self, *, settle: float = 0.0) -> bool:
        """Return whether the target's process died by itself; note it once.

        Args:
            settle: Seconds to wait for its end: a process that crashes loses its
                connections a moment before it is gone.
        """
        process = self._start.process if self._start else None
        if process is None or self.target is None:
            return False
        if process.ended_by_lab or not process.ends_within(settle):
            return False
        self._note_end(
            status=process.status,
            output=process.output(),
            by_lab=False,
            reason="the target ended by itself in the middle of the run",
        )
        return True

    def finish(self, *, interrupted: bool = False) -> None:
        """End the target, write the last record, remove what was made; idempotent."""
        try:
            with INTERRUPTION.ignored():
                if not self._is_finished:
                    self._is_finished = True
                    self._finish(interrupted=interrupted)
        finally:
            if self._catches:
                self._catches = False
                INTERRUPTION.release()

    def finish_check(self, notebook: Notebook) -> CheckFinished:
        """Write down what a check came to, known failures marked."""
        name = f"{notebook.suite}.{notebook.check}"
        excuse = self.plan.excuses.get(name)
        known = f"{excuse.reason} (until {excuse.until})" if excuse else ""
        finished = notebook.finish(known=known)
        self.record(finished)
        if excuse and notebook.verdict is Verdict.PASS:
            self.record(
                Noted(
                    at=self.now(),
                    text=f"{name} is a known failure and passes: drop its excuse",
                )
            )
        return finished

    # Start and end

    def _finish(self, *, interrupted: bool) -> None:
        atexit.unregister(self.finish)
        self._stop_sampling.set()
        if self._sampler is not None:
            self._sampler.join(timeout=5.0)
        try:
            self._end_target()
            if self.plan.coverage:
                self._report_coverage()
            gave_up = interrupted or INTERRUPTION.happened
            self.record(RunFinished(at=self.now(), interrupted=gave_up))
        finally:  # a full disk is no reason to leave anything behind
            self._journal.close()
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _greet(self, target: Target) -> None:
        pid = target.process.pid if target.process else 0
        self.record(
            TargetReady(
                at=self.now(),
                url=target.url,
                tls_url=target.tls_url,
                dialect=target.dialect.name,
                capabilities=sorted(target.capabilities),
                took=target.took,
                pid=pid,
            )
        )
        trees = {"lab": ProcessTree(os.getpid(), without={pid} if pid else ())}
        if pid:
            trees["target"] = ProcessTree(pid)
        self._sampler = threading.Thread(
            target=self._sample, args=(trees,), daemon=True, name="monitor"
        )
        self._sampler.start()

    def _end_target(self) -> None:
        if self._start is None:
            return
        try:
            self.target_is_gone()
        finally:
            self._start.stop()
        process = self._start.process
        if process is not None and self.target is not None:
            self._note_end(status=process.status, output=process.output(), by_lab=True)

    def _note_end(
        self,
        *,
        by_lab: bool,
        output: list[str],
        status: int | None = None,
        ready: bool = True,
        reason: str = "",
    ) -> None:
        if self._end_is_noted:
            return
        self._end_is_noted = True
        self.record(
            TargetEnded(
                at=self.now(),
                by_lab=by_lab,
                status=status,
                ready=ready,
                output=output,
                reason=reason,
            )
        )

    def _report_coverage(self) -> None:
        text = coverage_report(self._scratch)
        (self.folder / "coverage.txt").write_text(text, encoding="utf-8")
        total = text.strip().rpartition("\n")[2]
        self.record(Noted(at=self.now(), text=f"coverage of the target: {total}"))

    def _sample(self, trees: dict[str, ProcessTree]) -> None:
        while not self._stop_sampling.wait(_SAMPLE_EVERY):
            self._follow_restarts(trees)
            for who, tree in trees.items():
                sampled = tree.sample(self.now(), who)
                if sampled is not None:
                    # Where the disk is full, the end of the run meets it, too.
                    with contextlib.suppress(OSError):
                        self.record(sampled)
            if self._start and self._start.process:
                self._start.process.remember_family()

    def _follow_restarts(self, trees: dict[str, ProcessTree]) -> None:
        """Look at the new process where a check has started the target again."""
        process = self._start.process if self._start else None
        if process is None or process.pid == trees["target"].pid:
            return
        trees["lab"].leave_out(process.pid)
        trees["target"] = ProcessTree(process.pid)

    def __repr__(self) -> str:
        """Show where the results go and whether it is over."""
        return f"<Run {self.folder.name} {'finished' if self._is_finished else 'open'}>"


def _machine() -> dict[str, str]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
    }
