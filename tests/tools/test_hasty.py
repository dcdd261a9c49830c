"""Hasty tests: another look where the machine stood still, and nowhere else."""

import time

import pytest

import hasty

# Each run of the test writes a line; `stands` stills the machine, as far as it can.
COUNTED = """
import pathlib, sys, time
import pytest

@pytest.fixture
def looks():
    file = pathlib.Path("looks")
    with file.open("a") as written:
        written.write("look\\n")
    yield len(file.read_text().splitlines())
    with pathlib.Path("ends").open("a") as written:
        written.write("end\\n")

def stand_still():
    usual = sys.getswitchinterval()
    sys.setswitchinterval(60)  # no other thread has its turn meanwhile
    stop = time.monotonic() + 0.3
    while time.monotonic() < stop:
        pass
    sys.setswitchinterval(usual)
"""


@pytest.fixture
def looks(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> "pytest.Pytester":
    """A folder in which hasty tests are run in this process."""
    pytester.makeini("[pytest]\nmarkers = hasty\naddopts = -p hasty -p no:wavetank")
    monkeypatch.setattr(hasty, "STILL", 0.2)  # busy as it may be, less is usual
    return pytester


def counted(pytester: pytest.Pytester, test: str) -> tuple[dict[str, int], int]:
    """Run a test; return how it came out, and how often it was looked at."""
    pytester.makepyfile(f"{COUNTED}\n{test}")
    outcomes = pytester.runpytest_inprocess().parseoutcomes()
    ends = (pytester.path / "ends").read_text().splitlines()
    begun = (pytester.path / "looks").read_text().splitlines()
    assert len(ends) == len(begun)
    return outcomes, len(begun)


def test_a_hasty_test_runs_again_when_the_machine_stood_still(
    looks: pytest.Pytester,
) -> None:
    """With fixtures of its own, and only the last look is told."""
    outcomes, times = counted(
        looks,
        "@pytest.mark.hasty\n"
        "def test_it(looks):\n"
        "    if looks < 3:\n"
        "        stand_still()\n"
        "    assert looks == 3\n",
    )
    assert (outcomes, times) == ({"passed": 1}, 3)


def test_a_hasty_test_fails_when_it_fails_at_every_look(
    looks: pytest.Pytester,
) -> None:
    """However often the machine stood still."""
    outcomes, times = counted(
        looks,
        "@pytest.mark.hasty\n"
        "def test_it(looks):\n"
        "    stand_still()\n"
        "    assert False\n",
    )
    assert (outcomes, times) == ({"failed": 1}, hasty.LOOKS)


def test_a_hasty_test_fails_at_once_when_nothing_stood_still(
    looks: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Haste excuses nothing else."""
    monkeypatch.setattr(hasty, "STILL", 3600.0)
    outcomes, times = counted(
        looks, "@pytest.mark.hasty\ndef test_it(looks):\n    assert False\n"
    )
    assert (outcomes, times) == ({"failed": 1}, 1)


def test_a_hasty_test_that_passes_is_not_looked_at_again(
    looks: pytest.Pytester,
) -> None:
    """Whatever the machine did meanwhile."""
    outcomes, times = counted(
        looks, "@pytest.mark.hasty\ndef test_it(looks):\n    stand_still()\n"
    )
    assert (outcomes, times) == ({"passed": 1}, 1)


def test_a_test_without_the_mark_has_one_look(looks: pytest.Pytester) -> None:
    """Most tests wait for events, and a machine that stands still is no excuse."""
    outcomes, times = counted(
        looks, "def test_it(looks):\n    stand_still()\n    assert False\n"
    )
    assert (outcomes, times) == ({"failed": 1}, 1)


def test_a_standstill_is_watched_by_a_thread_that_ends() -> None:
    """With the test, whatever it has seen."""
    with hasty.Standstill() as standstill:
        assert standstill._thread.is_alive()
    assert not standstill._thread.is_alive()
    assert repr(standstill) == f"<Standstill {standstill.worst:.3f} s>"


def test_how_late_a_look_is_counts() -> None:
    """The worst is kept."""
    standstill = hasty.Standstill()
    now = time.monotonic()
    standstill._look(now - 5.0)
    assert standstill._look(now) > now
    assert standstill.worst >= 5.0
