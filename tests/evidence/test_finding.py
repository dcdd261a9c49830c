"""A finding says what was expected and what was seen."""

import msgspec
import pytest

from wavetank.evidence.finding import Finding
from wavetank.evidence.verdict import Verdict


def test_finding_leaves_out_what_is_not_said() -> None:
    """A line of the journal carries no empty fields."""
    finding = Finding(verdict=Verdict.PASS, title="a ping is answered")
    assert (
        msgspec.json.encode(finding)
        == b'{"verdict":"PASS","title":"a ping is answered"}'
    )


def test_finding_survives_the_way_to_the_journal_and_back() -> None:
    """Every field comes back as it was."""
    finding = Finding(
        verdict=Verdict.FAIL,
        title="a ping is answered",
        expected="a pong with the same payload",
        seen="nothing in 2.0 s",
        clause="RFC 6455 5.5.2",
        known="ticket 7, until autumn",
        note="it should say why",
        took=2.0,
        code=1002,
    )
    encoded = msgspec.json.encode(finding)
    assert msgspec.json.decode(encoded, type=Finding) == finding


def test_finding_does_not_change() -> None:
    """Evidence is not edited."""
    finding = Finding(verdict=Verdict.PASS, title="x")
    with pytest.raises(AttributeError):
        finding.title = "y"  # type: ignore[misc]
