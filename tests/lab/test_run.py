"""One run: first record to last, and nothing left behind, however it ends."""

import datetime
import errno
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from wavetank.clock import VirtualClock
from wavetank.errors import TargetError
from wavetank.evidence import (
    CheckFinished,
    Noted,
    Record,
    RunFinished,
    RunStarted,
    Sampled,
    TargetEnded,
    TargetReady,
    Verdict,
    read_journal,
)
from wavetank.lab import run as module
from wavetank.lab.excuses import Excuse
from wavetank.lab.plan import Plan, Source
from wavetank.lab.run import Run
from wavetank.net import held_ports

DEADLINE = 10.0
"""Seconds after which a test gives up; nothing is measured against it."""

SOUND = "{python} -m wavetank wreck sound --port {port}"

Open = Callable[..., Run]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where temporary files are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def open_run(
    plan: Callable[..., Plan], tmp_path: Path, scratch: Path, nobodys_settings: Path
) -> Iterator[Open]:
    """Open a run; it is finished afterwards."""
    made: list[Run] = []

    def make(watch: Any = None, clock: Any = None, **changes: Any) -> Run:
        folder = tmp_path / f"toy_{len(made)}"
        folder.mkdir()
        made.append(Run(plan(**changes), folder=folder, watch=watch, clock=clock))
        return made[-1]

    yield make
    for run in made:
        run.finish()


def journal(run: Run) -> list[Record]:
    """Return what the run wrote down, but for measurements."""
    read = read_journal((run.folder / "journal.ndjson").read_bytes())
    assert not read.problems
    return [record for record in read.records if not isinstance(record, Sampled)]


def kinds(run: Run) -> list[str]:
    """Return what kinds of records the run wrote down, in order."""
    return [type(record).__name__ for record in journal(run)]


def only(run: Run, kind: type) -> Any:
    """Return the only record of a kind."""
    (record,) = [record for record in journal(run) if isinstance(record, kind)]
    return record


# From start to finish


def test_a_run_against_a_server_that_it_starts(open_run: Open, scratch: Path) -> None:
    """Every step is in the journal, and nothing is left: process, ports, files."""
    ports = held_ports()
    run = open_run(source=Source.SERVE, serve=SOUND, notes=("look here",))
    assert repr(run) == "<Run toy_0 open>"
    run.start(["toy.one"])
    assert run.target is not None
    assert run.target.process is not None
    assert not run.target_is_gone()

    run.finish()
    run.finish(interrupted=True)

    assert kinds(run) == [
        *("RunStarted", "Noted", "TargetReady", "TargetEnded", "RunFinished")
    ]
    ready, ended = only(run, TargetReady), only(run, TargetEnded)
    assert ready.pid == run.target.process.pid
    assert ready.url == run.target.url
    assert "resume" in ready.capabilities
    assert (ended.by_lab, ended.ready) == (True, True)
    assert any("listens on" in line for line in ended.output)
    assert only(run, RunFinished).interrupted is False
    assert not psutil.pid_exists(ready.pid)
    assert held_ports() == ports
    assert list(scratch.iterdir()) == []
    assert repr(run) == "<Run toy_0 finished>"


def test_a_run_begins_with_what_it_is_about(open_run: Open) -> None:
    """When, with what, on which machine; the time counts from its start."""
    clock = VirtualClock(now=100.0, wall=5.0)
    run = open_run(clock=clock, options={"full": "true"}, suites=("a", "b"))
    clock.advance(2.0)
    assert run.now() == 2.0
    run.start([])
    started = only(run, RunStarted)
    assert (started.at, started.wall, started.seed) == (2.0, 7.0, 7)
    assert (started.run, started.suites) == ("toy_0", ["a", "b"])
    assert started.target == run.plan.url
    assert started.options == {"full": "true"}
    assert {"system", "processors", "python"} <= set(started.machine)


def test_a_run_without_checks_starts_nothing(open_run: Open) -> None:
    """There is no use for a target."""
    run = open_run(source=Source.SERVE, serve="no-such-program")
    run.start([])
    assert run.target is None
    assert not run.target_is_gone()
    run.finish()
    assert kinds(run) == ["RunStarted", "RunFinished"]


def test_a_run_that_never_began_ends_all_the_same(open_run: Open) -> None:
    """It was interrupted before anybody knew what it was about."""
    run = open_run()
    run.finish(interrupted=True)
    assert kinds(run) == ["RunFinished"]
    assert only(run, RunFinished).interrupted is True


def test_a_run_against_a_target_elsewhere_ends_nothing_of_it(open_run: Open) -> None:
    """It has no process of ours, and goes on."""
    run = open_run()
    run.start(["toy.one"])
    assert only(run, TargetReady).pid == 0
    assert not run.target_is_gone(settle=1.0)
    run.finish()
    assert kinds(run) == ["RunStarted", "TargetReady", "RunFinished"]


def test_a_notebook_of_a_run_writes_into_its_journal(open_run: Open) -> None:
    """At the run's own time."""
    clock = VirtualClock()
    run = open_run(clock=clock)
    notebook = run.notebook("toy", "one")
    clock.advance(1.5)
    notebook.note("seen")
    assert only(run, Noted) == Noted(at=1.5, text="one: seen")


def test_a_run_s_records_are_watched(open_run: Open, records: list[Record]) -> None:
    """Live progress sees what is written, as it is written: without secrets."""
    run = open_run(watch=records.append, secrets=("deep",))
    run.record(Noted(at=0.0, text="a deep thing"))
    assert records == [Noted(at=0.0, text="a [secret] thing")]


# Targets that do not get ready, and targets that die


def test_a_target_that_never_gets_ready_is_in_the_journal(open_run: Open) -> None:
    """With its last words, but no secret, for the reader of the screen as well."""
    code = "print('key deep and', flush=True); raise SystemExit('deep')"
    run = open_run(
        source=Source.SERVE,
        serve=f"{{python}} -c {shlex.quote(code)}",
        secrets=("deep",),
    )
    with pytest.raises(TargetError) as caught:
        run.start(["toy.one"])
    assert caught.value is run.not_ready
    assert caught.value.output == ("key [secret] and", "[secret]")
    assert "deep" not in str(caught.value)
    assert run.target is None
    run.finish()
    assert kinds(run) == ["RunStarted", "TargetEnded", "RunFinished"]
    ended = only(run, TargetEnded)
    assert (ended.ready, ended.by_lab) == (False, True)
    assert ended.output == ["key [secret] and", "[secret]"]
    assert "before it was ready" in ended.reason


def test_a_target_that_dies_by_itself_is_noted_once(open_run: Open) -> None:
    """With its status and its last output; its end is not ours."""
    run = open_run(source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert run.target is not None
    assert run.target.process is not None
    os.kill(run.target.process.pid, signal.SIGKILL)
    assert run.target_is_gone(settle=DEADLINE)
    assert run.target_is_gone()
    run.finish()
    ended = only(run, TargetEnded)
    assert (ended.by_lab, ended.status) == (False, -signal.SIGKILL)
    assert ended.output
    assert ended.reason == "the target ended by itself in the middle of the run"


def test_a_target_that_died_after_the_last_check_is_still_noticed(
    open_run: Open,
) -> None:
    """The end of the run looks once more."""
    run = open_run(source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert run.target is not None
    assert run.target.process is not None
    os.kill(run.target.process.pid, signal.SIGKILL)
    assert run.target.process.ends_within(DEADLINE)
    run.finish()
    assert only(run, TargetEnded).by_lab is False


def test_a_target_that_the_lab_ended_did_not_die(open_run: Open) -> None:
    """A fault that we inject is never the target's death."""
    run = open_run(source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert run.target is not None
    assert run.target.process is not None
    run.target.process.kill()
    assert not run.target_is_gone(settle=DEADLINE)
    run.finish()
    assert only(run, TargetEnded).by_lab is True


# Checks


@pytest.mark.parametrize(
    ("holds", "known", "note"),
    [
        (False, "bug 7 (until 2026-05-02)", None),
        (True, "", "toy.one is a known failure and passes: drop its excuse"),
    ],
)
def test_a_known_failure_is_marked_and_a_useless_excuse_noted(
    open_run: Open, holds: bool, known: str, note: str | None
) -> None:
    """The check's record says why it is let through."""
    until = datetime.date(2026, 5, 2)
    excuse = Excuse(check="toy.one", reason="bug 7", until=until)
    run = open_run(excuses={"toy.one": excuse})
    notebook = run.notebook("toy", "one")
    notebook.expect(holds, "it holds")
    finished = run.finish_check(notebook)
    assert finished == only(run, CheckFinished)
    assert finished.findings[0].known == known
    notes = [record.text for record in journal(run) if isinstance(record, Noted)]
    assert notes == ([note] if note else [])


def test_a_check_without_an_excuse_has_none(open_run: Open) -> None:
    """Its failure counts."""
    run = open_run()
    notebook = run.notebook("toy", "one")
    notebook.expect(False, "it holds")
    assert run.finish_check(notebook).verdict is Verdict.FAIL
    assert kinds(run) == ["CheckFinished"]


# Measurements and coverage


def test_a_run_measures_itself_and_its_target(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background, until it ends; a target elsewhere cannot be measured."""
    monkeypatch.setattr(module, "_SAMPLE_EVERY", 0.01)
    seen: set[str] = set()
    both, lab = threading.Event(), threading.Event()

    def watch(record: Record) -> None:
        if isinstance(record, Sampled):
            seen.add(record.who)
            lab.set()
        if len(seen) == 2:
            both.set()

    run = open_run(watch=watch, source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert both.wait(DEADLINE)
    run.finish()
    assert seen == {"lab", "target"}

    seen.clear()
    lab.clear()
    elsewhere = open_run(watch=watch)
    elsewhere.start(["toy.one"])
    assert lab.wait(DEADLINE)
    elsewhere.finish()
    assert seen == {"lab"}
    assert not [one for one in threading.enumerate() if one.name == "monitor"]


def test_a_target_that_is_gone_is_measured_no_more(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab still is."""
    monkeypatch.setattr(module, "_SAMPLE_EVERY", 0.01)
    dead, after = threading.Event(), threading.Event()

    def watch(record: Record) -> None:
        if isinstance(record, Sampled) and record.who == "lab" and dead.is_set():
            after.set()

    run = open_run(watch=watch, source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert run.target is not None
    assert run.target.process is not None
    run.target.process.kill()
    dead.set()
    assert after.wait(DEADLINE)


def test_a_target_that_is_started_again_is_measured_again(
    open_run: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another process, and still no part of the lab."""
    monkeypatch.setattr(module, "_SAMPLE_EVERY", 0.01)
    again, after = threading.Event(), threading.Event()

    def watch(record: Record) -> None:
        if isinstance(record, Sampled) and record.who == "target" and again.is_set():
            after.set()

    run = open_run(watch=watch, source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert run.target is not None
    assert run.target.process is not None
    run.target.process.kill()
    assert not run.target_is_gone()
    again.set()
    run.target.process.start()
    assert after.wait(DEADLINE)
    assert not run.target_is_gone()


def test_a_run_with_coverage_leaves_its_table(open_run: Open) -> None:
    """What of the target was reached, and the sum as a note."""
    run = open_run(source=Source.SERVE, serve=SOUND, coverage=True)
    run.start(["toy.one"])
    run.finish()
    table = (run.folder / "coverage.txt").read_text()
    assert "wrecks/sound.py" in table
    assert only(run, Noted).text.startswith("coverage of the target: TOTAL ")


# Signals and sudden ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_as_ctrl_c_does(
    open_run: Open, number: signal.Signals
) -> None:
    """From its making on, until it is finished."""
    before = signal.getsignal(number)
    run = open_run()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    run.finish(interrupted=True)
    assert signal.getsignal(number) is before
    assert only(run, RunFinished).interrupted is True


def test_a_hang_up_that_is_ignored_stays_ignored(open_run: Open) -> None:
    """A run under nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = open_run()
        os.kill(os.getpid(), signal.SIGHUP)
        run.finish()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_beside_another_leaves_signals_to_the_first(open_run: Open) -> None:
    """Whoever finishes first does not take them away from the other."""
    before = signal.getsignal(signal.SIGINT)
    outer, inner = open_run(), open_run()
    inner.finish()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    outer.finish()
    assert signal.getsignal(signal.SIGINT) is before
    assert only(outer, RunFinished).interrupted is True


def test_cleaning_up_is_not_cut_by_a_second_signal(
    open_run: Open, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    """Whoever presses Ctrl-C twice leaves no process behind either."""
    run = open_run(source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert run.target is not None
    process = run.target.process
    assert process is not None
    end = process.stop

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        end()

    monkeypatch.setattr(process, "stop", stop)
    run.finish()
    assert not psutil.pid_exists(process.pid)
    assert kinds(run)[-1] == "RunFinished"
    assert list(scratch.iterdir()) == []


def test_a_full_disk_is_no_reason_to_leave_anything_behind(
    open_run: Open, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    """What cannot be written down any more is raised, after all is cleaned up."""
    before = signal.getsignal(signal.SIGTERM)
    run = open_run(source=Source.SERVE, serve=SOUND)
    run.start(["toy.one"])
    assert run.target is not None
    assert run.target.process is not None
    os.kill(run.target.process.pid, signal.SIGKILL)
    assert run.target.process.ends_within(DEADLINE)

    def fail(record: Record) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run._journal, "append", fail)
    with pytest.raises(OSError, match="No space left"):
        run.finish()
    assert list(scratch.iterdir()) == []
    assert not held_ports()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_in_a_thread_leaves_signals_alone(open_run: Open) -> None:
    """They belong to the main thread."""
    before = signal.getsignal(signal.SIGTERM)
    ended: list[Run] = []

    def work() -> None:
        run = open_run()
        run.start(["toy.one"])
        run.finish()
        ended.append(run)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(DEADLINE)
    assert signal.getsignal(signal.SIGTERM) is before
    assert kinds(ended[0])[-1] == "RunFinished"


def test_a_program_that_leaves_without_finishing_leaves_nothing_behind(
    tmp_path: Path, nobodys_settings: Path
) -> None:
    """The target's process, the journal's end and the files are seen to at exit."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = f"""
import sys
from pathlib import Path
from wavetank.dialects import Hub
from wavetank.lab.plan import Plan, Source
from wavetank.lab.run import Run
plan = Plan(
    suites=("toy",), seed=1, source=Source.SERVE, serve={SOUND!r}, dialect=Hub()
)
run = Run(plan, folder=Path({str(tmp_path)!r}))
run.start(["toy.one"])
print(run.target.process.pid)
sys.exit(5)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert not psutil.pid_exists(int(done.stdout))
    assert list(scratch.iterdir()) == []
    records = read_journal((tmp_path / "journal.ndjson").read_bytes()).records
    assert isinstance(records[-1], RunFinished)


def test_a_run_keeps_a_ledger_of_what_its_connections_have_shown(
    open_run: Open,
) -> None:
    """Its clock is that of the run."""
    run = open_run(clock=VirtualClock())
    assert run.ledger.connections == 0
    tap = run.ledger.page("toy.one").tap()
    tap.received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x83\x00")
    assert run.ledger.connections == 1
    (broken,) = run.ledger.page("toy.one").findings()
    assert broken.title.startswith("S.3 ")
