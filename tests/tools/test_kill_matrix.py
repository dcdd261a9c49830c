"""Who was caught by what stands on one page, and who was not is said."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

import kill_matrix
from kill_matrix import ROWS, Came, Row, columns, main, page, play
from wavetank.evidence import Verdict
from wavetank.wrecks import WRECKS

TOOLS = Path(kill_matrix.__file__).parent
FLOW = "message_flow.end_to_end"
SLOW = "fault_tolerance.queue_overflow"
WRECK = Row(name="deaf", own=FLOW, about="Nobody | hears.")
WHOLE = Row(name="whole", about="Nothing is broken.")
ALL_PASS = dict.fromkeys(columns(), Verdict.PASS)

# Plays `wavetank run`: of each look it says what the file next to it has.
FAKE = """
import json, os, pathlib, sys
looks = json.loads(pathlib.Path(__file__).with_suffix(".json").read_text())
asked = sys.argv[2 : sys.argv.index("--seed")]
look = int(pathlib.Path.cwd().name)
assert "WAVETANK_SEED" not in os.environ
print("first line")
print(*asked)
if looks[look] is not None:
    folder = pathlib.Path("results", "one")
    folder.mkdir(parents=True)
    suites = {}
    for name, verdict in looks[look].items():
        suite, _, check = name.partition(".")
        checks = suites.setdefault(suite, {"checks": {}})["checks"]
        checks[check] = {"verdict": verdict}
    text = json.dumps({"suites": suites, "asked": asked})
    (folder / "test_summary.json").write_text(text)
"""

# Says who it is, to whoever opens the other end, and goes on.
STAYING = """
import os, pathlib, signal
pathlib.Path(__file__).with_suffix(".fifo").write_text(str(os.getpid()))
signal.pause()
"""

Pretend = Callable[..., Path]


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Have the looks at a server come to what is given; return where they are."""
    monkeypatch.setenv("WAVETANK_SEED", "4")

    def pretend(*looks: Mapping[str, str] | None) -> Path:
        fake = tmp_path / "fake.py"
        fake.write_text(FAKE)
        fake.with_suffix(".json").write_text(json.dumps(looks))
        monkeypatch.setattr(kill_matrix, "WAVETANK", (sys.executable, str(fake)))
        return tmp_path / "played"

    return pretend


def asked(folder: Path, look: int) -> list[str]:
    """Return what a look was about."""
    (path,) = folder.glob(f"{look}/results/*/test_summary.json")
    words: list[str] = json.loads(path.read_text())["asked"]
    return words


def line_of(text: str, name: str) -> list[str]:
    """Return the cells of a row."""
    (line,) = [one for one in text.splitlines() if one.startswith(f"| `{name}`")]
    return [cell.strip() for cell in line.replace(r"\|", "").strip("|").split("|")]


def test_the_rows_are_all_wrecks_and_two_servers_that_are_whole() -> None:
    """Each wreck with the check that its table names."""
    assert [row.name for row in ROWS.values() if row.is_sound] == ["hub", "sound"]
    owns = {row.name: row.own for row in ROWS.values() if not row.is_sound}
    assert owns == {name: wreck.check for name, wreck in WRECKS.items()}


def test_each_check_of_the_suites_has_a_column_of_its_own() -> None:
    """The first letter tells the suite."""
    short = columns()
    assert len(set(short.values())) == len(short)
    assert short["full_cycle.trading_cycle"] == "C1"
    assert {name.partition(".")[0] for name in short} == set(kill_matrix.LETTERS)


@pytest.mark.parametrize(
    ("name", "patience"),
    [("sound", "45"), ("half-open-kept", "45"), ("slots-kept", "4")],
)
def test_a_server_is_given_the_time_that_it_needs(
    tmp_path: Path, name: str, patience: str
) -> None:
    """One that is whole has to find half-open peers, most wrecks need not."""
    words = ROWS[name].options(tmp_path)
    assert words[words.index("--patience") + 1] == patience
    assert f"wreck {name} " in words[words.index("--serve") + 1]
    assert ("--data '{data}/log'" in words[-1]) == (name == "sound")


def test_a_wreck_with_a_log_on_disk_is_given_a_folder(tmp_path: Path) -> None:
    """The others begin anew at each start."""
    serve = ROWS["acknowledges-before-writing"].options(tmp_path)[-1]
    assert serve.endswith(f"--data {tmp_path}")


def test_the_hub_is_started_as_a_run_starts_it(tmp_path: Path) -> None:
    """Nothing says what to serve."""
    assert ROWS["hub"].options(tmp_path) == ["--patience", "45"]


@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_a_check_that_passes_its_wreck_is_a_problem(verdict: Verdict | None) -> None:
    """And one that is not played, or does not know; what others say is not."""
    verdicts = {SLOW: Verdict.FAIL} | ({FLOW: verdict} if verdict else {})
    problems = list(Came(row=WRECK, verdicts=verdicts).problems())
    word = verdict.value if verdict else "not played"
    told = [f"{FLOW} did not fail on deaf, its own wreck: {word}"]
    assert problems == ([] if verdict is Verdict.FAIL else told)


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNKNOWN])
def test_a_check_that_accuses_a_whole_server_is_a_problem(verdict: Verdict) -> None:
    """What the machine has not got may be skipped."""
    verdicts = ALL_PASS | {SLOW: Verdict.SKIP, FLOW: verdict}
    problems = list(Came(row=WHOLE, verdicts=verdicts).problems())
    told = f"{FLOW} did not pass on whole, which is whole: {verdict.value}"
    assert problems == [told]


def test_a_check_that_was_not_played_on_a_whole_server_is_a_problem() -> None:
    """A row that is short is not green."""
    problems = list(Came(row=WHOLE, verdicts={}, said="no").problems())
    assert len(problems) == 1 + len(columns())
    assert problems[0] == "whole: no"
    assert problems[-1].endswith("which is whole: not played")


def test_a_wreck_of_another_suite_may_fail_anything() -> None:
    """Nothing is known of it beforehand."""
    row = Row(name="x", own="basics.load", about="x")
    assert list(Came(row=row, verdicts={FLOW: Verdict.FAIL}).problems()) == []


def test_the_page_marks_what_came_of_each_check() -> None:
    """One's own check is bold where it fails, and told where it does not."""
    others = {
        SLOW: Verdict.FAIL,
        "message_flow.schemas": Verdict.UNKNOWN,
        "message_flow.ordering": Verdict.SKIP,
        "full_cycle.trading_cycle": Verdict.PASS,
    }
    text = page(
        [
            Came(row=WHOLE, verdicts=ALL_PASS),
            Came(row=WRECK, verdicts=others | {FLOW: Verdict.FAIL}),
            Came(row=ROWS["unended-close"], verdicts={}),
        ]
    )
    head = line_of(text.replace("| Server |", "| `head` |", 1), "head")
    cells = dict(zip(columns().values(), range(1, 99), strict=False))
    assert head[cells["C1"]] == "C1"
    deaf = line_of(text, "deaf")
    short = columns()
    assert deaf[cells[short[FLOW]]] == "**F**"
    assert deaf[cells[short[SLOW]]] == "F"
    assert deaf[cells[short["message_flow.schemas"]]] == "?"
    assert deaf[cells[short["message_flow.ordering"]]] == "s"
    assert deaf[cells["C1"]] == "."
    assert deaf[cells["E1"]].endswith("-")
    assert deaf[-1].startswith("Nobody")
    assert set(line_of(text, "whole")[1:-1]) == {"."}
    for title in ("that are whole", "of these suites", "of other suites"):
        assert text.count(f" {title}\n") == 1
    assert "its own wrecks (1 wreck), and none on a server that is whole" in text
    assert f"```text\n{kill_matrix.COMMAND}\n```" in text


def test_the_page_tells_which_check_was_blind() -> None:
    """It stands above the tables, and in the row."""
    text = page([Came(row=WRECK, verdicts=ALL_PASS)], chosen=["deaf"])
    assert f"{FLOW} did not fail on deaf" in text
    assert line_of(text, "deaf").count(". own") == 1
    assert f"{kill_matrix.COMMAND} --only deaf\n" in text
    assert "that are whole" not in text


def test_a_row_is_one_run_of_all_suites(pretend: Pretend) -> None:
    """Where its own check fails there is nothing more to ask."""
    folder = pretend({FLOW: "FAIL", SLOW: "UNKNOWN"})
    came = asyncio.run(play(WRECK, folder, 1))
    assert came.verdicts == {FLOW: Verdict.FAIL, SLOW: Verdict.UNKNOWN}
    assert asked(folder, 0) == [*kill_matrix.LETTERS]


def test_what_matters_and_is_not_known_is_looked_at_again(pretend: Pretend) -> None:
    """On a wreck its own check; the rest stays as it is."""
    folder = pretend(
        {FLOW: "UNKNOWN", SLOW: "UNKNOWN"}, {FLOW: "UNKNOWN"}, {FLOW: "FAIL"}
    )
    came = asyncio.run(play(WRECK, folder, 1))
    assert came.verdicts == {FLOW: Verdict.FAIL, SLOW: Verdict.UNKNOWN}
    assert asked(folder, 2) == [FLOW]


def test_nobody_looks_for_ever(pretend: Pretend) -> None:
    """What is never known stays unknown."""
    folder = pretend(*[{FLOW: "UNKNOWN"}] * kill_matrix.LOOKS)
    came = asyncio.run(play(WRECK, folder, 1))
    assert came.verdicts == {FLOW: Verdict.UNKNOWN}


def test_a_run_that_leaves_nothing_is_told(pretend: Pretend) -> None:
    """With the last line that it printed."""
    came = asyncio.run(play(WRECK, pretend(None), 1))
    assert came.said == " ".join(kill_matrix.LETTERS)
    assert came.verdicts == {}


def test_a_run_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that does not listen."""
    pids = tmp_path / "pids"
    code = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    code += f"open({str(pids)!r}, 'w').write(str(os.getpid())); signal.pause()"
    monkeypatch.setattr(kill_matrix, "WAVETANK", (sys.executable, "-c", code))
    monkeypatch.setattr(kill_matrix, "MINUTES", 0.01)
    monkeypatch.setattr(kill_matrix, "_ENDING", 0.01)
    came = asyncio.run(play(WRECK, tmp_path / "played", 1))
    assert came.said == "it took more than 0.01 minutes"
    assert not (pids.exists() and psutil.pid_exists(int(pids.read_text() or "0") or -1))


def test_main_writes_the_page_and_says_what_is_wrong(
    pretend: Pretend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code says it too."""
    pretend({FLOW: "FAIL"})
    output = tmp_path / "page.md"
    words = ["--output", str(output), "--only"]

    assert main([*words, "every-twentieth-undelivered"]) == 0
    assert capsys.readouterr().out == "each check saw what it has to see\n"
    assert len(line_of(output.read_text(), "every-twentieth-undelivered")) > 20

    assert main([*words, "third-topic-deaf", "--results", str(tmp_path / "kept")]) == 1
    assert "did not fail on third-topic-deaf" in capsys.readouterr().out
    assert list(tmp_path.glob("kept/third-topic-deaf/0/results/*"))


@pytest.mark.parametrize("words", [["--only", "no-such"], ["--jobs", "0"]])
def test_main_refuses_what_makes_no_sense(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is played."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_and_no_page_is_written(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Half a matrix would replace a whole one."""
    stays = tmp_path / "stays.py"
    stays.write_text(STAYING)
    fifo = stays.with_suffix(".fifo")
    os.mkfifo(fifo)
    output = tmp_path / "page.md"
    code = (
        "import sys, kill_matrix;"
        f"kill_matrix.WAVETANK = (sys.executable, {str(stays)!r});"
        f"sys.exit(kill_matrix.main(['--only', 'sound', '--output', {str(output)!r}]))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=TOOLS) as tool:
        pid = int(fifo.read_text())
        tool.send_signal(number)
        assert tool.wait(60) == 130
    assert not psutil.pid_exists(pid)
    assert not output.exists()


@pytest.mark.long
def test_a_wreck_is_really_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own check, of a suite that is quick."""
    monkeypatch.setattr(kill_matrix, "LETTERS", {"message_flow": "M"})
    output = tmp_path / "page.md"
    words = ["--only", "every-twentieth-undelivered", "--output", str(output)]
    assert main(words) == 0
    cells = line_of(output.read_text(), "every-twentieth-undelivered")
    assert cells.count("**F**") == 1


def test_the_page_has_every_check_and_wreck() -> None:
    """What is new is a reason to play it, and to make the page anew."""
    text = kill_matrix.PAGE.read_text(encoding="utf-8")
    names = [*kill_matrix.columns(), *kill_matrix.ROWS]
    assert [name for name in names if f"`{name}`" not in text] == []
