"""``wavetank compare``: one verdict, from the journals of two results folders."""

from collections.abc import Callable
from pathlib import Path

import pytest

from wavetank.cli.compare import main
from wavetank.errors import ExitCode, UsageError
from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    Finding,
    Histogram,
    LoadSampled,
    Record,
    RunFinished,
    RunStarted,
    Verdict,
    encode_record,
)

Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make the results folder of a load, so and so slow."""

    def make(name: str, factor: float = 1.0, *, seconds: int = 25) -> str:
        times = Histogram()
        for n in range(100):
            times.record(factor * 0.001 * (1 + n / 100))
        text = times.encode()
        finding = Finding(verdict=Verdict.PASS, title="It holds.")
        records: list[Record] = [
            RunStarted(
                at=0.0,
                run=name,
                wall=1.0,
                version="1",
                seed=1,
                suites=["load"],
                planned=[],
                target=f"python {name}.py",
            ),
            CheckStarted(at=1.0, suite="load", check="burst", title="It holds."),
            *(
                LoadSampled(
                    at=2.0 + second,
                    suite="load",
                    check="burst",
                    since=float(second),
                    took=1.0,
                    scenario="echo",
                    operation="request",
                    counts={"intended": 100, "sent": 100, "received": 100},
                    response=text,
                )
                for second in range(seconds)
            ),
            CheckFinished(
                at=90.0, suite="load", check="burst", took=1.0, findings=[finding]
            ),
            RunFinished(at=91.0),
        ]
        folder = tmp_path / name
        folder.mkdir()
        (folder / "journal.ndjson").write_bytes(b"".join(map(encode_record, records)))
        return str(folder)

    return make


@pytest.mark.parametrize(
    ("factor", "options", "code"),
    [
        (1.0, [], ExitCode.PASS),
        (1.2, [], ExitCode.FAIL),
        (1.2, ["--bound", "25%"], ExitCode.PASS),
        (0.5, ["--seed", "9"], ExitCode.PASS),
    ],
)
def test_the_exit_code_says_whether_b_is_slower(
    make: Make, factor: float, options: list[str], code: ExitCode
) -> None:
    """A pipeline can stop on it."""
    assert main([make("before"), make("after", factor), *options]) == code


def test_what_cannot_be_told_is_unknown(make: Make) -> None:
    """Too short a run is no proof of anything."""
    short = make("short", seconds=5)
    assert main([short, make("after", seconds=5)]) == ExitCode.UNKNOWN


def test_both_runs_and_the_verdict_are_printed(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which folder is which, and how each target was given."""
    before, after = make("before"), make("after", 1.2)
    main([before, after])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"A        {before}: python before.py"
    assert lines[1] == f"B        {after}: python after.py"
    assert lines[3] == "FAIL     B is slower than A"
    assert "B is slower: p50 1.20x (95 % 1.20 to 1.20)" in lines[6]


def test_all_mistakes_are_told_at_once(make: Make) -> None:
    """Each with what to do."""
    with pytest.raises(UsageError) as told:
        main(["nowhere", "elsewhere", "--bound", "5"])
    assert [problem.partition(":")[0] for problem in told.value.problems] == [
        "--bound 5",
        "nowhere/journal.ndjson",
        "elsewhere/journal.ndjson",
    ]
    with pytest.raises(UsageError, match="at most 1000%"):
        main([make("a"), make("b"), "--bound", "2000%"])
    with pytest.raises(UsageError, match="B"):
        main(["only-one"])
