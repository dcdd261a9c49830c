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


def test_a_process_says_who_it_is() -> None:
    """Whoever wants to kill it knows whom."""
    assert identity(DemoPlan(role="bot", url="ws://h", prefix="p.")) == {
        "pid": os.getpid(),
        "url": "ws://h",
        "run": "demo",
        "prefix": "p.",
    }
