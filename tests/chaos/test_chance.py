"""Chance: which frames a toxic is meant for."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.chance import Chance, When
from wavetank.chaos.toxic import Frame
from wavetank.wire import encode_frame
from wavetank.wire.header import Opcode


def frame(
    payload: bytes = b"",
    opcode: int = Opcode.TEXT,
    *,
    fin: bool = True,
    rsv1: bool = False,
    mask: bytes | None = None,
) -> Frame:
    """Return a frame as it stands on the wire."""
    data = encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=mask)
    return Frame(data, len(data) - len(payload))


def chance(now: float = 0.0, **when: object) -> Chance:
    """Return one with dice of a known seed."""
    return Chance(When(**when), random.Random("when"), now)


def test_chance_takes_every_frame_where_nothing_is_said() -> None:
    """Control frames too."""
    assert all(chance().takes(frame(opcode=opcode), 0.0) for opcode in Opcode)


def test_chance_takes_the_opcodes_that_it_was_told() -> None:
    """One of several."""
    takes = chance(opcodes=(Opcode.PING, Opcode.PONG)).takes
    assert [opcode for opcode in Opcode if takes(frame(opcode=opcode), 0.0)] == [
        Opcode.PING,
        Opcode.PONG,
    ]


def test_chance_takes_sizes_of_payloads() -> None:
    """Both bounds are included, the header is not counted."""
    takes = chance(at_least=2, at_most=3).takes
    assert [size for size in range(6) if takes(frame(b"x" * size), 0.0)] == [2, 3]


@pytest.mark.parametrize("mask", [None, b"keys"])
@pytest.mark.parametrize(
    ("wanted", "is_taken"),
    [
        ({"kind": "ack"}, True),
        ({"kind": "ack", "data.0.seq": 7}, True),
        ({"data.-1.seq": 7.0}, True),
        ({"data.0.ok": True}, True),
        ({"kind": "nack"}, False),
        ({"kind": "ack", "data.0.seq": 8}, False),
        ({"data.0.ok": 1}, False),
        ({"data.0.seq": True}, False),
        ({"gone.away": "x"}, False),
        ({"data": "x"}, False),
    ],
)
def test_chance_looks_into_json(
    wanted: dict[str, object], is_taken: bool, mask: bytes | None
) -> None:
    """All paths have to have their values; a truth value is no number."""
    message = b'{"kind":"ack","data":[{"seq":7,"ok":true}]}'
    chosen = chance(json=wanted)
    assert chosen.takes(frame(message, mask=mask), 0.0) is is_taken
    assert chosen.unread == 0


@pytest.mark.parametrize(
    ("unreadable", "unread"),
    [
        (frame(b'{"a":1}', fin=False), 1),
        (frame(b'{"a":1}', rsv1=True), 1),
        (frame(b'{"a":', mask=b"keys"), 1),
        (frame(b"\xff"), 1),
        (Frame(b"\x81\x87{}", 2), 1),
        (frame(b'{"a":1}', Opcode.CONTINUATION), 0),
        (frame(b'{"a":1}', Opcode.BINARY), 0),
    ],
    ids=["fragment", "compressed", "broken", "bytes", "maskless", "end", "binary"],
)
def test_chance_does_not_match_what_it_cannot_read(
    unreadable: Frame, unread: int
) -> None:
    """Text that no path can be looked up in is counted, once for each message."""
    chosen = chance(json={"a": 1})
    assert not chosen.takes(unreadable, 0.0)
    assert (chosen.matched, chosen.unread) == (0, unread)


def test_chance_lets_the_first_ones_by_and_stops_after_so_many() -> None:
    """Only those that match are counted."""
    chosen = chance(opcodes=(Opcode.TEXT,), after=2, count=2)
    taken = []
    for number in range(8):
        chosen.takes(frame(opcode=Opcode.PING), 0.0)
        taken.append(chosen.takes(frame(), 0.0))
        assert chosen.is_over is (number >= 3)
    assert taken == [False, False, True, True, False, False, False, False]
    assert repr(chosen) == "Chance(2 chosen of 8)"


def test_chance_has_a_window_in_time() -> None:
    """Seconds since the toxic was added; its end does not belong to it."""
    chosen = chance(now=100.0, since=1.0, until=3.0)
    seen = {at: chosen.takes(frame(), at) for at in (100.0, 101.0, 102.9, 103.0)}
    assert seen == {100.0: False, 101.0: True, 102.9: True, 103.0: False}


def test_chance_takes_the_share_that_it_was_told() -> None:
    """One in five, more or less."""
    chosen = chance(probability=0.2)
    for _ in range(10_000):
        chosen.takes(frame(), 0.0)
    assert chosen.chosen == pytest.approx(2000, rel=0.1)
    assert chosen.matched == 10_000


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 9)), max_size=50))
def test_chance_has_one_die_for_each_frame_that_matches(
    sent: list[tuple[bool, float]],
) -> None:
    """Neither the time nor what else goes by changes the fate of the n-th one."""
    plain, busy = (
        chance(probability=0.5),
        chance(probability=0.5, opcodes=(1,), since=5),
    )
    for is_text, at in sent:
        fate = busy.takes(frame(opcode=Opcode.TEXT if is_text else Opcode.PING), at)
        if is_text:
            assert fate is (plain.takes(frame(), at) and at >= 5)
        else:
            assert not fate
