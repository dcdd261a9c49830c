"""What a client comes for."""

import pytest

from wavetank.lab.conformance.errands import (
    Count,
    Errand,
    Info,
    Next,
    Numbered,
    Report,
    Status,
    errand_of,
)


@pytest.mark.parametrize(
    ("target", "errand"),
    [
        ("/", Next()),
        ("/chat?case=3", Next()),
        ("*", Next()),
        ("/getCaseCount", Count()),
        ("//getCaseCount", Count()),
        ("/suite/getCaseCount?agent=me", Count()),
        ("ws://127.0.0.1:9001/getCaseCount", Count()),
        ("/runCase?case=17&agent=me/1.0", Numbered(17)),
        ("/runCase?agent=me&case=17#part", Numbered(17)),
        ("/runCase?casetuple=9.1.2&agent=me", Numbered(0, "9.1.2")),
        ("/runCase?case=9.1.2&agent=me", Numbered(0, "9.1.2")),
        ("/runCase?agent=me", Numbered(0)),
        ("/runCase", Numbered(0)),
        ("/runCase?case=-1", Numbered(0)),
        ("/runCase?case=99999999999999999999", Numbered(0)),
        ("/runCase?case=%31", Numbered(1)),
        ("/getCaseInfo?case=2", Info(2)),
        ("/getCaseStatus?case=2&agent=me", Status(2)),
        ("/updateReports?agent=me", Report()),
    ],
)
def test_the_target_says_what_is_wanted(target: str, errand: Errand) -> None:
    """As the drivers of Autobahn's clients write it; all else is the next case."""
    found = errand_of(target)
    assert found == errand
    assert type(found) is type(errand)
