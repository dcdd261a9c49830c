"""Live progress: plain lines, and colours where there is a terminal."""

import io

import pytest

from wavetank.cli.progress import Progress, Screen, coloured
from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    Finding,
    Noted,
    Record,
    RunStarted,
    TargetReady,
    Verdict,
)

RECORDS: tuple[Record, ...] = (
    RunStarted(
        at=0.0,
        run="r",
        wall=1.0,
        version="1",
        seed=1,
        suites=["basics"],
        planned=["basics.load"],
        target="python app.py [red]",
    ),
    TargetReady(
        at=0.1, url="ws://h:1/", dialect="echo", capabilities=["echo"], took=0.25
    ),
    CheckStarted(at=0.2, suite="basics", check="load", title="It carries a load"),
    CheckFinished(
        at=0.3,
        suite="basics",
        check="load",
        took=0.5,
        findings=[Finding(verdict=Verdict.FAIL, title="It holds", seen="it broke")],
    ),
    Noted(at=0.4, text="not for the terminal"),
)


def shown(*, terminal: bool) -> str:
    """Return what a console gets of the records."""
    file = io.StringIO()
    console = Screen(
        file=file,
        force_terminal=terminal,
        width=60,
        color_system="standard" if terminal else None,
    )
    with Progress(console) as progress:
        for record in RECORDS:
            progress.saw(record)
    return file.getvalue()


def test_a_file_gets_plain_lines() -> None:
    """Without a terminal there are no colours, and nothing that moves."""
    assert shown(terminal=False).splitlines() == [
        "target   python app.py [red]",
        "ready    ws://h:1/ after 0.25 s, dialect echo",
        "FAIL     basics.load  500 ms  it broke",
    ]


def test_a_terminal_sees_what_runs_now() -> None:
    """The check that runs is named until it ends, and verdicts have a colour."""
    seen = shown(terminal=True)

    assert "It carries a load" in seen
    assert "\x1b[1;31mFAIL" in seen


def test_lines_are_coloured_by_their_first_word() -> None:
    """Only a verdict at the beginning of a line is coloured, words stay as they are."""
    text = coloured("PASS  all\nno FAIL here\nSKIP")

    assert text.plain == "PASS  all\nno FAIL here\nSKIP"
    assert [(span.start, span.end, str(span.style)) for span in text.spans] == [
        (0, 4, "green"),
        (23, 27, "dim"),
    ]


def test_a_reader_that_leaves_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be shown any more is written to nowhere."""
    moved: list[int] = []
    monkeypatch.setattr("os.dup2", lambda _, descriptor: moved.append(descriptor))
    monkeypatch.setattr("os.open", lambda *_: 99)

    class Gone(io.StringIO):
        def fileno(self) -> int:
            return 42

        def write(self, _: str) -> int:
            raise BrokenPipeError

    Screen(file=Gone()).print("a line")

    assert moved == [42]
