"""``wavetank demo``: a trading cycle of price feed, bot and dashboard."""

import json
import logging
from typing import Any

import pytest

from wavetank.cli.demo import main
from wavetank.errors import UsageError


def test_mistakes_are_told_before_anything_is_started() -> None:
    """A word that is no role, an option that the role has no use for."""
    with pytest.raises(UsageError) as caught:
        main(["feeed", "--memory"])
    assert "did you mean feed?" in str(caught.value)
    with pytest.raises(UsageError, match="no use for it"):
        main(["bot", "--rate", "5"])


def test_a_cycle_runs_and_ends_with_its_account(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Its lines are objects where that is asked, and its logger is as it was."""
    logger = logging.getLogger("wavetank.client")
    level = logger.level
    assert main(["--messages", "40", "--rate", "1000", "--json"]) == 0
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in capfdbinary.readouterr().out.splitlines()
    ]
    assert [line["outcome"] for line in lines if "outcome" in line] == ["whole"]
    assert logger.level == level
