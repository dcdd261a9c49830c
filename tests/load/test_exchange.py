"""What a coordinator and its workers say, as lines."""

import pytest

from wavetank.load.exchange import (
    Address,
    Begin,
    Broken,
    Drain,
    Drained,
    End,
    Ended,
    FromWorker,
    Generator,
    Job,
    Opened,
    Operation,
    Quit,
    Second,
    Share,
    Tally,
    ToWorker,
    decode_from_worker,
    decode_to_worker,
    encode,
)
from wavetank.load.plan import LoadPlan, Scenario, ScenarioKind

PLAN = LoadPlan(scenarios=(Scenario(name="a", kind=ScenarioKind.PING, users=3),))
TALLY = Tally(scenario="a", operation=Operation.PING, sent=3, reasons={"gone": 1})

TO_WORKER: list[ToWorker] = [
    Job(
        run="0123abcd",
        plan=PLAN,
        share=Share(index=1, count=2),
        address=Address(url="ws://[::1]:9/x", headers=(("A", "b"),)),
    ),
    Begin(at=17.25),
    Drain(published={"a": {7: 3}}, within=2.0, refused={"a": {7: 1}}),
    End(),
    Quit(),
]
FROM_WORKER: list[FromWorker] = [
    Opened(users=2, failed=1, reasons={"no": 1}, tallies=[TALLY]),
    Second(number=4, tallies=[TALLY], generator=Generator(cpu=0.5, open=3)),
    Ended(published={"a": {7: 3}}, at=5.5),
    Drained(tallies=[TALLY], generator=Generator(), problems=["x"], complete=False),
    Broken(reason="no such dialect"),
]


@pytest.mark.parametrize("message", TO_WORKER, ids=lambda each: type(each).__name__)
def test_a_worker_hears_what_the_coordinator_said(message: ToWorker) -> None:
    """One line each, the numbers of publishers as numbers."""
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_to_worker(line) == message


@pytest.mark.parametrize("message", FROM_WORKER, ids=lambda each: type(each).__name__)
def test_a_coordinator_hears_what_a_worker_said(message: FromWorker) -> None:
    """One line each."""
    assert decode_from_worker(encode(message)) == message


@pytest.mark.parametrize("line", [b"", b"{}", b'{"says":"shout"}', b"\xff\n", b"[1]"])
def test_what_is_none_of_the_messages_is_refused(line: bytes) -> None:
    """Whatever it is, with one kind of error."""
    with pytest.raises(ValueError, match=r"."):
        decode_from_worker(line)
    with pytest.raises(ValueError, match=r"."):
        decode_to_worker(line)
