"""The table of faults."""

from typing import Any

import pytest

from wavetank.chaos import TYPES
from wavetank.lab.fault_kinds import FAULTS, KINDS, Breaks, problems_of, where


def test_every_toxic_is_a_fault_and_a_process_has_faults_of_its_own() -> None:
    """A schedule names them all alike, with their attributes."""
    assert KINDS.keys() == FAULTS.keys() > TYPES.keys()
    assert set(FAULTS["latency"]) >= {"stream", "toxicity", "latency", "jitter"}
    assert FAULTS["cut"] == ("how",)
    assert KINDS["latency"].breaks is Breaks.FRAMES
    assert KINDS["half_open"].breaks is KINDS["cut"].breaks is Breaks.LINKS
    of_process = {name for name, one in KINDS.items() if one.breaks is Breaks.PROCESS}
    assert of_process == {
        "kill",
        "terminate",
        "suspend",
        "no_descriptors",
        "rolling_restart",
    }


@pytest.mark.parametrize(
    ("what", "given", "links", "problems"),
    [
        ("cut", {"how": "fin"}, [1], []),
        ("kill", {}, None, []),
        # What a toxic takes is read where it is made.
        ("latency", {"latencey": 1}, None, []),
        ("parttition", {}, None, ["there is no fault 'parttition'; did you mean"]),
        ("cut", {"hw": "rst"}, None, ["cut has no attribute 'hw'; did you mean how?"]),
        ("cut", {"how": "finn"}, None, ["not with 'finn'; did you mean fin?"]),
        ("rolling_restart", {"how": "term"}, None, []),
        ("rolling_restart", {"how": 9}, None, ["with how=term or how=hup, not with 9"]),
        ("no_descriptors", {"spare": 3}, None, []),
        ("no_descriptors", {"spare": "3"}, None, ["to spare, up to 65,536, not '3'"]),
        ("no_descriptors", {"spare": 10**17}, None, ["up to 65,536"]),
        (
            "kill",
            {"how": "fin", "why": ""},
            [1],
            ["kill has no attribute 'how'", "kill has no attribute 'why'", "not for"],
        ),
    ],
)
def test_all_that_is_wrong_with_a_fault_is_said_at_once(
    what: str, given: dict[str, Any], links: list[int] | None, problems: list[str]
) -> None:
    """One sentence each."""
    told = problems_of(what, given, links)
    assert len(told) == len(problems)
    for sentence, words in zip(told, problems, strict=True):
        assert words in sentence


def test_the_links_of_a_fault_are_named_in_their_order() -> None:
    """Or it is all of them."""
    assert where([3, 1]) == "links 1, 3"
    assert where(None) == "all links"
