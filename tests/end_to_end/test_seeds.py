"""The suites that break things never accuse the hub, whatever the dice say.

``CHECK_SEEDS`` says how many seeds are tried; CONTRIBUTING.md has it.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wavetank.kinds import integer

SUITES = (
    "fault_tolerance",
    "self_healing",
    "message_flow",
    "edge_cases",
    "full_cycle",
)
USUAL = "20"
FINE = {"PASS", "SKIP"}
"""Of a check: what the machine has not got may be skipped."""


def seeds() -> range:
    """Return the seeds, from 1 on."""
    given = os.environ.get("CHECK_SEEDS", "") or USUAL
    return range(1, 1 + integer(minimum=1)(given))


def told(folder: Path) -> str:
    """Return what every run below a folder says of what did not pass."""
    paths = sorted(folder.glob("results*/*/test_summary.json"))
    return "\n".join(line for path in paths for line in lines_of(path))


def lines_of(path: Path) -> Iterator[str]:
    """Yield why the run of a summary did not pass, then its findings."""
    summary: dict[str, Any] = json.loads(path.read_text())
    yield f"{summary['run']}: {summary['verdict']}"
    yield from summary["reasons"]
    for suite, one in summary["suites"].items():
        for name, check in one["checks"].items():
            for finding in check["findings"]:
                if finding["verdict"] not in FINE:
                    yield f"{suite}.{name}: {json.dumps(finding, indent=2)}"


@pytest.mark.long
@pytest.mark.parametrize("seed", seeds())
def test_the_hub_passes_with_every_seed(
    prove: Callable[..., Any], tmp_path: Path, seed: int
) -> None:
    """No check of the five suites is down to luck.

    What a lab that stood still does not know is looked at again; a FAIL never is.
    """
    again = f"again: wavetank run {' '.join(SUITES)} --seed {seed}"
    try:
        ended = prove(*SUITES, "--seed", str(seed))
        verdicts = ended.verdicts()
    except BaseException as error:
        error.add_note(f"{again}\n{told(tmp_path)}")
        raise

    why = f"{again}\n{told(tmp_path)}\n{ended.printed}"
    assert {name.partition(".")[0] for name in verdicts} == set(SUITES), why
    assert {name: word for name, word in verdicts.items() if word not in FINE} == {}, (
        why
    )
    assert ended.code == 0, why
