"""The catalogue: what the suites themselves say."""

import subprocess
import sys
from pathlib import Path

import pytest

import wavetank.lab.suites
from wavetank.dialects import Capability
from wavetank.lab.catalogue import SUITES, CheckEntry, catalogue, title_of
from wavetank.lab.check import BROADCAST, PROCESS, ROUND_TRIP, TLS


def test_the_catalogue_has_every_suite_that_is_there() -> None:
    """A module beside the others that is on no list would never run."""
    (folder,) = map(Path, wavetank.lab.suites.__path__)
    modules = {path.stem.removeprefix("test_") for path in folder.glob("test_*.py")}
    assert set(SUITES) == modules
    assert list(catalogue()) == list(SUITES)


def test_the_catalogue_reads_checks_from_their_functions() -> None:
    """Name, sentence, needs and politeness stand where the check is."""
    assert catalogue()["basics"]["message_validation"] == CheckEntry(
        name="message_validation",
        title="A text message that is not UTF-8 fails its connection, and only that "
        "one",
        needs=frozenset(),
        polite=False,
    )
    assert catalogue()["basics"]["ssl_connection"].needs == {TLS}
    assert catalogue()["basics"]["reconnection"].polite


def test_each_check_has_a_sentence_and_needs_that_exist() -> None:
    """What is not written down could not be reported."""
    known = {*map(str, Capability), TLS, ROUND_TRIP, BROADCAST, PROCESS}
    for suite, checks in catalogue().items():
        assert checks, suite
        for name, entry in checks.items():
            assert entry.name == name
            assert entry.title
            assert entry.needs <= known


def test_the_catalogue_is_read_once() -> None:
    """Who asks twice gets the same."""
    assert catalogue() is catalogue()
    assert catalogue()["basics"] is catalogue()["basics"]


def test_the_catalogue_imports_a_suite_when_its_checks_are_asked_for() -> None:
    """A run of one suite does without the others; one that is not there has none."""
    code = (
        "import sys\n"
        "from wavetank.lab.catalogue import catalogue\n"
        "print(len(catalogue()), 'core' in catalogue(), 'cores' in catalogue())\n"
        "print(len(catalogue()['basics']) > 0)\n"
        "print([name for name in sys.modules if '.suites.test_' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"{len(SUITES)} True False",
        "True",
        "['wavetank.lab.suites.test_basics']",
    ]
    assert len(catalogue()) == len(SUITES)
    with pytest.raises(KeyError, match="cores"):
        catalogue()["cores"]


@pytest.mark.parametrize(
    ("docstring", "title"),
    [
        ("One sentence.", "One sentence"),
        ("One\n    sentence.\n\n    More of it.", "One sentence"),
        (None, ""),
    ],
)
def test_a_title_is_the_first_paragraph_without_its_full_stop(
    docstring: str | None, title: str
) -> None:
    """It stands in tables and in the report."""

    def function() -> None: ...

    function.__doc__ = docstring
    assert title_of(function) == title
