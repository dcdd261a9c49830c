"""Traffic: a strict echo answers all of it, in frames of every kind."""

import pytest

from wavetank.lab.conformance.case import Case, End, Need
from wavetank.lab.conformance.traffic import TRAFFIC

from .strictly import heard


@pytest.mark.parametrize("case", TRAFFIC, ids=lambda case: case.id)
def test_a_strict_echo_answers_as_each_case_expects(case: Case) -> None:
    """Nothing in it is illegal; no case of it may end in a failure."""
    answers, broken = heard(case)
    (outcome,) = case.outcomes
    assert broken is None
    assert outcome.heard == answers
    assert outcome.end is not End.FAILED


def test_traffic_asks_for_messages_of_every_kind() -> None:
    """Compressed ones too, with each of the parameters that bind a server."""
    assert len({case.id for case in TRAFFIC}) == len(TRAFFIC)
    needs = {need for case in TRAFFIC for need in case.needs}
    assert needs == {Need.ECHO, Need.BINARY, Need.DEFLATE}
    offered = " ".join(case.extensions for case in TRAFFIC)
    assert "server_no_context_takeover" in offered
    assert "server_max_window_bits=9" in offered
    sizes = {len(each.data) for case in TRAFFIC for each in case.outcomes[0].heard}
    assert {0, 125, 126, 65_536} <= sizes
