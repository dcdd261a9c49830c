"""A run against a client, from its start to its last record."""

import asyncio
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.evidence import Summary, exit_code, fold, read_journal
from wavetank.lab.conformance.aio import clients as module
from wavetank.lab.conformance.aio.clients import ClientRun
from wavetank.lab.conformance.aio.crew import Crew
from wavetank.lab.conformance.clients import GROUPS, Group, Sum
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.plan import Plan
from wavetank.lab.run import Run

pytestmark = pytest.mark.hasty

ECHO = """
import sys
from websockets.sync.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException
for _ in range({visits}):
    try:
        with connect(sys.argv[1]) as connection:
            for message in connection:
                connection.send(message)
    except InvalidStatus as refused:
        if refused.response.status_code == 410:
            break
    except (WebSocketException, OSError):
        pass
{then}
"""

Prove = Callable[..., Summary]


@pytest.fixture
def prove(tmp_path: Path) -> Iterator[Prove]:
    """Play groups on a client, and return what its journal comes to."""
    runs: list[Run] = []

    def prove(command: str, *groups: str, **options: Any) -> Summary:
        plan = Plan(suites=("clients",), seed=7, serve=command, **options)
        folder = tmp_path / "run"
        folder.mkdir()
        run = Run(plan, folder=folder)
        runs.append(run)
        ClientRun(run, command, groups, within=3.0).conform()
        with (folder / "journal.ndjson").open("rb") as lines:
            journal = read_journal(lines)
        assert not journal.problems
        return fold(journal.records, cut=journal.cut)

    yield prove
    for run in runs:
        run.finish()
    assert not INTERRUPTION.is_watched


@pytest.fixture
def echo(tmp_path: Path) -> Callable[..., str]:
    """Return the command of an echo client that makes so many visits."""

    def command(visits: int = 10_000, then: str = "") -> str:
        file = tmp_path / "echo.py"
        file.write_text(ECHO.format(visits=visits, then=then))
        return f"{shlex.quote(sys.executable)} {shlex.quote(str(file))} {{url}}"

    return command


def verdicts(summary: Summary) -> dict[str, str]:
    """Return what each group came to."""
    checks = summary.suites["clients"].checks
    return {name: check.verdict for name, check in checks.items()}


def test_a_sound_client_passes(prove: Prove, echo: Callable[..., str]) -> None:
    """Each group is a check, with a finding for each case, in the table's order."""
    summary = prove(echo(), "pings", "framing")
    assert verdicts(summary) == {"framing": "PASS", "pings": "PASS"}
    assert exit_code(summary) == 0
    check = summary.suites["clients"].checks["framing"]
    ids = [finding.title.partition(" ")[0] for finding in check.findings]
    assert ids == [row.id for row in GROUPS["framing"].rows]
    assert check.figures["cases"].value == 16
    assert summary.target.dialect == "client"
    assert summary.target.capabilities == ["binary echo", "deflate", "echo"]
    assert summary.target.url.startswith("ws://127.0.0.1:")
    assert summary.target_end is not None
    assert summary.target_end.by_lab


def test_a_client_that_ends_each_time_is_started_again(
    prove: Prove, echo: Callable[..., str]
) -> None:
    """It may end as it likes."""
    summary = prove(echo(visits=1, then="sys.exit(3)"), "pings")
    assert verdicts(summary) == {"pings": "PASS"}


def test_requests_and_masks_are_judged_over_all_connections(
    prove: Prove, echo: Callable[..., str]
) -> None:
    """Beside the cases of their groups."""
    summary = prove(echo(), "masking", "handshake")
    checks = summary.suites["clients"].checks
    for name, rule in (("masking", "K.111 "), ("handshake", "K.1 ")):
        titles = [finding.title for finding in checks[name].findings]
        assert any(title.startswith(rule) for title in titles)
    assert set(verdicts(summary).values()) == {"PASS"}


def test_failed_cases_are_shown_frame_by_frame(
    prove: Prove, echo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of a group."""
    monkeypatch.setattr(module, "_MOST_TRACES", 2)
    # websockets does not close between fragments.
    summary = prove(echo(), "close_matrix")
    assert verdicts(summary) == {"close_matrix": "FAIL"}
    traced = {note.split()[1] for note in summary.notes}
    assert traced == {"C.53", "C.54"}
    assert exit_code(summary) == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-program {url}", "cannot start `no-such-program"),
        (
            "sh -c 'echo hunter22 words; exit 7' {url}",
            "with status 7 before it connected",
        ),
        ("sh -c 'read nothing </dev/zero' {url}", "did not connect to ws://127.0.0.1:"),
    ],
)
def test_a_client_that_never_connects_is_not_ready(
    prove: Prove, command: str, words: str
) -> None:
    """Its last output is in the journal, without secrets."""
    summary = prove(command, "pings", ready_timeout=0.5, secrets=("hunter22",))
    assert words in summary.not_ready
    assert exit_code(summary) == 4
    assert summary.target_end is not None
    if "words" in command:
        assert summary.target_end.output == ["[secret] words"]


def test_what_connects_and_never_opens_is_no_client(prove: Prove) -> None:
    """It is not started for ever."""
    code = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], sys.argv[2]));"
        "s.sendall(bytes([22, 3, 1])); s.recv(99)"
    )
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {{host}} {{port}}"
    summary = prove(command, "pings")
    assert "is no WebSocket client: its request cannot be answered" in summary.not_ready


def test_a_client_that_stays_away_is_given_up(
    prove: Prove, tmp_path: Path, echo: Callable[..., str]
) -> None:
    """What it was not asked is UNKNOWN, and says why."""
    mark = tmp_path / "mark"
    once = f"open({str(mark)!r}, 'x').close()"
    command = echo(visits=5, then="").replace("{url}", "{url}")
    file = tmp_path / "echo.py"
    # From its second start on it fails before it connects.
    file.write_text(f"{once}\n{file.read_text()}")
    summary = prove(command, "framing", "pings")
    assert verdicts(summary) == {"framing": "UNKNOWN", "pings": "UNKNOWN"}
    seen = summary.suites["clients"].checks["pings"].findings[-1].seen
    assert seen == "the client did not come for it any more"
    assert exit_code(summary) == 3


def test_a_client_that_hangs_is_started_anew(
    prove: Prove, echo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often as it takes; one note says so."""
    monkeypatch.setattr(module, "_QUIET", 2.0)
    starts: list[int] = []
    wake = ClientRun._wake

    async def count(run: ClientRun, crew: Crew) -> None:
        starts.append(crew.running)
        await wake(run, crew)

    monkeypatch.setattr(ClientRun, "_wake", count)
    hang = "import threading; threading.Event().wait()"
    summary = prove(echo(visits=2, then=hang), "pings")
    assert verdicts(summary) == {"pings": "PASS"}
    words = "it did not come for the next case, and was started anew"
    assert summary.notes.count(words) == 1
    # Who hangs behind each case is not awaited one by one.
    assert starts[:2] == [1, 4]


def test_a_client_that_is_killed_fails_the_run(
    prove: Prove, echo: Callable[..., str]
) -> None:
    """Whatever it passes."""
    suicide = "import os; os.kill(os.getpid(), 9)"
    summary = prove(echo(visits=2, then=suicide), "pings")
    assert verdicts(summary) == {"pings": "PASS"}
    (reason,) = summary.reasons
    assert reason.startswith("the target died by itself by signal 9")
    assert exit_code(summary) == 1


def test_an_interruption_ends_the_client_and_keeps_what_was_done(
    prove: Prove, echo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group that was being played is UNKNOWN, later ones did not run."""
    done = ClientRun._close

    def close(run: ClientRun, name: str, why: str = "") -> None:
        done(run, name, why)
        if not why:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ClientRun, "_close", close)
    assert threading.current_thread() is threading.main_thread()
    summary = prove(echo(), "framing", "unicode", "handshake")
    assert verdicts(summary)["framing"] == "PASS"
    assert verdicts(summary).get("unicode", "UNKNOWN") == "UNKNOWN"
    assert "clients.handshake" in summary.not_run
    assert summary.interrupted
    assert exit_code(summary) == 130


def test_a_cancellation_from_elsewhere_is_passed_on(
    prove: Prove, echo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nobody's wish to end the run in peace."""

    async def cancelled(_: ClientRun) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(ClientRun, "_play", cancelled)
    with pytest.raises(asyncio.CancelledError):
        prove(echo(), "framing")


def test_a_driver_is_known_by_what_it_asks(prove: Prove, tmp_path: Path) -> None:
    """It is started alone, and again where cases are left."""
    file = tmp_path / "driver.py"
    file.write_text(
        "import sys\n"
        "from websockets.sync.client import connect\n"
        "with connect(sys.argv[1] + '/getCaseCount') as connection:\n"
        "    print(count := int(connection.recv()))\n"
        "for case in range(1, min(count, 7) + 1):\n"
        "    try:\n"
        "        with connect(f'{sys.argv[1]}/runCase?case={case}&agent=a') as ws:\n"
        "            for message in ws:\n"
        "                ws.send(message)\n"
        "    except Exception:\n"
        "        pass\n"
    )
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(file))} {{url}}"
    summary = prove(command, "framing")
    assert verdicts(summary) == {"framing": "PASS"}
    assert summary.target.dialect == "driver for Autobahn"
    assert summary.target_end is not None
    assert [json.loads(line) for line in summary.target_end.output] == [16, 9, 2]


DRIVER_THAT_COUNTS = """
import sys
from websockets.sync.client import connect
while True:
    with connect(sys.argv[1] + '/getCaseCount') as connection:
        connection.recv()
    {then}
"""


@pytest.mark.parametrize("then", ["break", "pass"])
def test_a_driver_that_plays_nothing_is_given_up(
    prove: Prove, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """One that counts and ends, or counts on, was started and awaited for ever once."""
    monkeypatch.setattr(module, "_FRUITLESS", 0.5)
    file = tmp_path / "driver.py"
    file.write_text(DRIVER_THAT_COUNTS.format(then=then))
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(file))} {{url}}"
    summary = prove(command, "pings")
    assert verdicts(summary) == {"pings": "UNKNOWN"}
    seen = {each.seen for each in summary.suites["clients"].checks["pings"].findings}
    assert seen == {"the client did not come for it any more"}
    assert exit_code(summary) == 3


def test_sums_without_a_word_are_no_groups() -> None:
    """Each group that judges a sum has rows that make the traffic."""
    assert Group(title="", rows=()).sum is Sum.NOTHING
    assert all(group.rows for group in GROUPS.values())
