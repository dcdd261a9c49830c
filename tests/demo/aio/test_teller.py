"""Teller."""

import io
import os

from wavetank.clock import VirtualClock
from wavetank.demo.aio.teller import Teller, identity
from wavetank.demo.options import DemoPlan


def test_a_teller_writes_for_programs_or_for_people() -> None:
    """The same event is an object or a sentence; some are no sentence at all."""
    clock = VirtualClock(wall=2.0)
    programs, people = io.BytesIO(), io.BytesIO()
    for out, is_json in ((programs, True), (people, False)):
        teller = Teller("bot", out, clock, is_json=is_json)
        teller.tell("connected")
        teller.tell("received", topic="t")
    assert programs.getvalue() == (
        b'{"type":"connected","role":"bot","at":2000.0}\n'
        b'{"type":"received","role":"bot","at":2000.0,"topic":"t"}\n'
    )
    assert people.getvalue() == b"bot        connected\n"


def test_a_teller_that_nobody_reads_says_so_once_and_is_silent() -> None:
    """It told one task alone by an exception, and the process went on for ever."""
    reading, writing = os.pipe()
    left = []
    with os.fdopen(writing, "wb", buffering=0) as out:
        teller = Teller(
            "bot",
            out,  # type: ignore[arg-type] # without a buffer
            VirtualClock(wall=2.0),
            is_json=True,
            leave=lambda: left.append("left"),
        )
        teller.tell("connected")
        assert os.read(reading, 4096)
        os.close(reading)
        teller.tell("connected")
        teller.tell("connected")
        teller.give_up()
    assert left == ["left"]
    assert not teller.is_heard


def test_a_process_says_who_it_is() -> None:
    """Whoever wants to kill it knows whom."""
    assert identity(DemoPlan(role="bot", url="ws://h", prefix="p.")) == {
        "pid": os.getpid(),
        "url": "ws://h",
        "run": "demo",
        "prefix": "p.",
    }
