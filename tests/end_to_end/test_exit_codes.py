"""Each way a run can go wrong ends in its exit code and one clear message."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wavetank.net import find_dynamic_port, release_port

from .limited import with_room_for


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens."""
    port = find_dynamic_port()
    yield port
    release_port(port)


def test_a_target_that_is_down_ends_in_4(run: Callable, closed_port: int) -> None:
    """A target that nobody serves never became ready."""
    ended = run("--target", f"ws://127.0.0.1:{closed_port}", "--ready-timeout", "0.5")

    assert ended.code == 4
    assert "the target never became ready" in ended.printed
    assert "Connection refused" in ended.printed


def test_a_command_that_exits_at_once_ends_in_4_with_its_output(
    run: Callable, python: str
) -> None:
    """What the command printed last is shown, and nobody waits for a deadline."""
    ended = run("--serve", f"{python} -c 'raise SystemExit(\"no database\")'")

    assert ended.code == 4
    assert "ended with status 1 before it was ready" in ended.printed
    assert "no database" in ended.printed
    assert "no database" in (ended.folder / "test_report.md").read_text()


def test_a_command_that_never_listens_ends_in_4_at_its_deadline(run: Callable) -> None:
    """A process that runs is not a target that is ready."""
    ended = run("--serve", "sleep 1000", "--ready-timeout", "1")

    assert ended.code == 4
    assert "not ready within 1 s" in ended.printed


def test_a_program_that_is_not_there_ends_in_4(run: Callable) -> None:
    """A command that cannot be started says so."""
    ended = run("--serve", "no-such-program {port}")

    assert ended.code == 4
    assert "cannot start `no-such-program" in ended.printed


def test_a_port_that_is_taken_ends_in_4(run: Callable, echo: str) -> None:
    """A port that somebody listens on is not fought for."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("--serve", echo, "--port", str(port))

    assert ended.code == 4
    assert f"port {port} is in use" in ended.printed


def test_zero_checks_end_in_3(run: Callable, echo: str) -> None:
    """Nothing checked is never green."""
    ended = run("--serve", echo, "-k", "no_check_is_called_so")

    assert ended.code == 3
    assert "no check of these suites matches" in ended.printed


def test_nothing_but_skips_ends_in_3(run: Callable, echo: str) -> None:
    """A run whose every check was skipped has checked nothing."""
    ended = run("core.client_tracking", "--serve", echo)

    assert ended.verdicts() == {"core.client_tracking": "SKIP"}
    assert ended.code == 3


def test_a_certificate_of_a_stranger_fails(
    run: Callable, wreck: Callable[[str], str]
) -> None:
    """A TLS listener that does not verify is a finding, with the reason."""
    ended = run("basics.ssl_connection", "--serve", wreck("foreign-certificate"))

    assert ended.code == 1
    assert "is not trusted" in ended.printed


def test_a_tls_target_that_does_not_verify_never_becomes_ready(
    run: Callable, python: str, tmp_path: Path
) -> None:
    """Without trust there is no run; the message says what is wrong."""
    from wavetank.net import ThrowAwayAuthority

    port = find_dynamic_port()
    with ThrowAwayAuthority(directory=tmp_path) as authority:
        credentials = authority.certificate()
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "wavetank", "wreck", "sound"),
                *("--port", "0", "--tls-port", str(port)),
                *("--cert", str(credentials.certificate)),
                *("--key", str(credentials.key)),
            ],
            stdout=subprocess.PIPE,
        )
        try:
            assert server.stdout is not None
            server.stdout.readline()
            url = f"wss://localhost:{port}/ws"
            ended = run("--target", url, "--ready-timeout", "0.5")
            trusting = run(
                "basics.ssl_connection", "--target", url, "--ca", str(authority.ca)
            )
        finally:
            server.terminate()
            server.communicate()
            release_port(port)

    assert ended.code == 4
    assert "is not trusted" in ended.printed
    assert trusting.code == 0, trusting.printed


def test_a_target_that_dies_in_the_middle_fails_with_its_last_output(
    run: Callable, wreck: Callable[[str], str]
) -> None:
    """A dead target ends the run at once; what did not run is listed."""
    ended = run(
        "connectivity",
        "core",
        *("--dialect", "hub", "--serve", wreck("dies-on-too-big")),
    )

    summary = ended.summary
    assert ended.code == 1
    assert summary["suites"]["connectivity"]["checks"]["large_messages"]["verdict"] == (
        "FAIL"
    )
    assert "core.broadcast" in summary["not_run"]
    assert summary["target_end"]["by_lab"] is False
    assert summary["target_end"]["output"]


def test_a_journal_that_was_cut_is_never_green(
    run: Callable, start: Callable, echo: str, tmp_path: Path
) -> None:
    """A report from a cut journal says so, and its last line is not trusted."""
    whole = run("basics.basic_connection", "--serve", echo)
    assert whole.code == 0
    cut = tmp_path / "cut"
    cut.mkdir()
    journal = (whole.folder / "journal.ndjson").read_bytes()
    (cut / "journal.ndjson").write_bytes(journal[:-20])

    process = start("report", str(cut))
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 3
    assert "the run was cut" in printed


def test_a_report_is_made_again_from_the_journal_alone(
    run: Callable, start: Callable, echo: str, tmp_path: Path
) -> None:
    """The same journal gives the same report, elsewhere and later."""
    ended = run("basics.basic_connection", "--serve", echo)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(ended.folder / "journal.ndjson", elsewhere)

    process = start("report", str(elsewhere))
    process.communicate(timeout=60)

    assert process.returncode == 0
    again = json.loads((elsewhere / "test_summary.json").read_text())
    assert again == ended.summary
    names = {path.name for path in ended.folder.iterdir()}
    assert names == {path.name for path in elsewhere.iterdir()}
    assert {"test_report.md", "junit.xml", "report.html", "basics.log"} <= names


def test_mistakes_end_in_2_all_at_once_before_anything_starts(
    run: Callable, tmp_path: Path
) -> None:
    """Every mistake is named with the nearest valid word; no folder is made."""
    ended = run("basisc", "--target", "http://x", "--serve", "y", "--max-clients", "no")

    assert ended.code == 2
    assert "did you mean basics?" in ended.printed
    assert "'no' is not a whole number" in ended.printed
    assert not (tmp_path / "results").exists()


def test_a_token_is_never_written_down(
    run: Callable, python: str, wreck: Callable[[str], str]
) -> None:
    """A secret appears in no file and no line of a run."""
    secret = "s3cr3t-t0ken-that-nobody-may-see"
    ended = run(
        *("basics.basic_connection", "--token", secret, "--header", f"X-Key: {secret}"),
        *("--dialect", "hub", "--serve", wreck("sound")),
    )

    assert ended.code == 0, ended.printed
    assert secret not in ended.printed
    for path in ended.folder.iterdir():
        assert secret not in path.read_text(), path.name


@pytest.mark.parametrize("room", [1500, 8000, 20_000])
def test_a_disk_that_is_full_ends_in_3_with_one_sentence(
    environ: dict[str, str], tmp_path: Path, echo: str, room: int
) -> None:
    """At the start, in a check, or in the reports: pytest has no say in it.

    It once told the same in thirty lines of its own, and a monitor that could write
    no sample in fifteen; a report that could not be written was a mistake in usage.
    """
    command = ["conform", "pings", "framing", "unicode", "--serve", echo]
    ended = subprocess.run(
        with_room_for(room, *command, "--dialect", "echo"),
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 3
    assert ended.stderr == (
        "wavetank conform: File too large; make room, and `wavetank report FOLDER` "
        "tells what was done until then; or choose another folder (--output)\n"
    )
