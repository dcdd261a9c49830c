"""The live view: plain lines, and rows where there is a terminal."""

import io

from rich.console import Console

from wavetank.cli.live import Live
from wavetank.cli.progress import Progress
from wavetank.load.exchange import Operation, Tally
from wavetank.load.result import Moment


def moment(number: int, *, response: str = "") -> Moment:
    """Return one second of a load."""
    tally = Tally(
        scenario="echo",
        operation=Operation.REQUEST,
        sent=100 + number,
        received=100,
        response=response,
    )
    return Moment(number=number, tallies=[tally], generators={})


def shown(*moments: Moment, terminal: bool) -> str:
    """Return what a console gets of some seconds."""
    file = io.StringIO()
    console = Console(
        file=file,
        force_terminal=terminal,
        width=70,
        color_system=None,
        legacy_windows=False,
    )
    with Live(console, 60.0) as live:
        for each in moments:
            live.saw(each)
    return file.getvalue()


def test_a_file_gets_a_plain_line_for_each_second() -> None:
    """Each on its own, with no codes in it."""
    assert shown(moment(0), moment(1), terminal=False) == (
        "1 s of 60 s; sent 100/s; received 100/s\n"
        "2 s of 60 s; sent 101/s; received 100/s\n"
    )


def test_a_terminal_gets_rows_that_go_away() -> None:
    """The latest second stands where the one before was."""
    text = shown(moment(0), moment(1), terminal=True)
    assert "received" in text
    assert "101/s" in text
    assert "\x1b[1A" in text  # the cursor goes up again
    assert text.endswith(("\x1b[2K", "\x1b[?25h"))


def test_a_damaged_second_does_not_end_the_load() -> None:
    """What cannot be read is not shown; the load is the load's own matter."""
    for terminal in (False, True):
        text = shown(moment(0, response="damaged"), moment(1), terminal=terminal)
        assert "101/s" in text
        assert "1 s of 60 s; sent 100" not in text


def test_rows_stand_below_the_progress_of_the_run() -> None:
    """Both are shown on one terminal at the same time."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=70, color_system=None)
    with Progress(console), Live(console, 60.0) as live:
        live.saw(moment(3))
    assert "103/s" in file.getvalue()


def test_view_may_be_left_twice_and_without_a_second() -> None:
    """Nothing came, and nothing is left on the terminal."""
    assert shown(terminal=False) == ""
    live = Live(Console(file=io.StringIO(), force_terminal=True), 1.0)
    with live:
        pass
    live.__exit__(None, None, None)
