"""A run: entries of one topic without a hole between them, and how many are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import LocalError
from wavetank.hub.run import Bounds, Entry, Mark, Run, make_entry

UNBOUND = Bounds()


def entry(seq: int, size: int = 10, at: float = 0.0) -> Entry:
    """Return an entry with a frame of that many bytes."""
    return Entry(seq, seq * 7, at or float(seq), b"x" * size, 1)


def run_of(first: int, last: int) -> Run:
    """Return a run of entries of 10 bytes each."""
    run = Run(first)
    for seq in range(first, last + 1):
        run.push(entry(seq))
    return run


def test_run_is_empty_at_first() -> None:
    """Nothing is held, and the first entry to come is known."""
    run = Run(5)
    assert (len(run), run.first, run.last, run.size, run.total) == (0, 5, 4, 0, 0)
    assert list(run) == []
    assert not run.holds(5)
    assert repr(run) == "<Run 5 to 4, 0 bytes>"


def test_run_holds_what_was_pushed() -> None:
    """Each entry is found by its seq."""
    run = run_of(5, 8)
    assert [each.seq for each in run] == [5, 6, 7, 8]
    assert run[7].seq == 7
    assert run.holds(8)
    assert not run.holds(9)
    assert not run.holds(4)


@pytest.mark.parametrize("seq", [4, 9, 0, -1])
def test_run_refuses_what_it_does_not_hold(seq: int) -> None:
    """An index never wraps around."""
    with pytest.raises(IndexError, match=f"entry {seq} is not in"):
        run_of(5, 8)[seq]


@pytest.mark.parametrize("seq", [7, 8, 10])
def test_run_refuses_a_hole(seq: int) -> None:
    """An entry has to follow the last one."""
    run = run_of(5, 8)
    with pytest.raises(LocalError, match="does not follow"):
        run.push(entry(seq))


def test_run_takes_many_at_once() -> None:
    """As if they had come one by one, and as strictly."""
    run = run_of(5, 6)
    run.extend([entry(7), entry(8)])
    assert (run.last, run.size, run.offset(8)) == (8, 40, 40)
    with pytest.raises(LocalError, match="does not follow"):
        run.extend([entry(9), entry(11)])


def test_run_drops_its_oldest() -> None:
    """What was dropped is returned and no longer held."""
    run = run_of(5, 8)
    assert run.drop().seq == 5
    assert (run.first, run.last, run.size, run.total) == (6, 8, 30, 40)


def test_run_lets_go_of_what_it_dropped() -> None:
    """However many entries pass through, no more than twice those held are kept."""
    run = run_of(1, 3)
    for seq in range(4, 2000):
        run.push(entry(seq))
        run.drop()
        assert (run[seq].seq, run.offset(seq)) == (seq, seq * 10)
    assert run.offset(run.first - 1) == (run.first - 1) * 10
    assert len(run._entries) < 200


def test_run_takes_its_newest_back() -> None:
    """As if it had never come; the next one gets its place."""
    run = run_of(5, 8)
    assert run.pop().seq == 8
    assert (run.last, run.size, run.total, run.offset(7)) == (7, 30, 30, 30)
    run.push(entry(8, size=1))
    assert (run.last, run.offset(8)) == (8, 31)


def test_run_without_entries_has_none_to_take_back() -> None:
    """What was dropped does not come back that way."""
    run = run_of(5, 5)
    run.drop()
    with pytest.raises(IndexError, match="no entry"):
        run.pop()


def test_run_joins_frames() -> None:
    """Frames behind one place up to another, as they will be written."""
    run = Run()
    for seq, frame in enumerate((b"a", b"bb", b"ccc"), start=1):
        run.push(Entry(seq, 0, 0.0, frame, 0))
    assert run.frames(0, 3) == b"abbccc"
    assert run.frames(1, 2) == b"bb"
    assert [each.seq for each in run.between(1, 3)] == [2, 3]
    assert run.between(3, 3) == []


def test_run_tells_how_far_some_bytes_reach() -> None:
    """At 10 bytes an entry, 35 bytes reach three entries, and 1 byte still one."""
    run = run_of(1, 9)
    assert run.reach(2, 9, 35) == 5
    assert run.reach(2, 9, 30) == 5
    assert run.reach(2, 4, 1000) == 4
    assert run.reach(2, 9, 1) == 3


def test_run_finds_a_time() -> None:
    """The first entry at or after it; one behind the last where there is none."""
    run = run_of(5, 8)
    run.drop()
    assert run.oldest_at == 6.0
    assert [run.seek(at) for at in (0.0, 6.0, 6.5, 8.0, 8.1)] == [6, 6, 7, 8, 9]


def test_empty_run_has_no_oldest_time() -> None:
    """Nothing is never too old."""
    run = run_of(1, 1)
    run.drop()
    assert not Bounds(age=1.0).is_exceeded(run, wall=1e9)
    assert run.seek(0.0) == 2


@given(st.lists(st.integers(-5, 12), max_size=300))
def test_run_agrees_with_a_plain_list(moves: list[int]) -> None:
    """However entries come and leave, places, bytes and joins stay right.

    A negative move drops the oldest entry or takes the newest one back, another
    one pushes one of that many bytes.
    """
    run, model, gone = Run(), list[Entry](), 0
    for move in moves:
        if move < -3 and model:
            newest = model.pop()
            gone -= len(newest.frame)
            assert run.pop() == newest
        elif move < 0 and model:
            assert run.drop() == model.pop(0)
        elif move >= 0:
            new = entry(run.last + 1, size=move)
            gone += move
            run.push(new)
            model.append(new)
        assert list(run) == model
        assert (run.size, run.total) == (sum(len(e.frame) for e in model), gone)
        held = 0
        for each in reversed(model):
            assert run.offset(each.seq) == gone - held
            held += len(each.frame)
        assert run.offset(run.first - 1) == gone - held
        joined = b"".join(each.frame for each in model)
        if model:
            assert run.frames(run.first - 1, run.last) == joined


# Bounds.


@pytest.mark.parametrize(
    ("bounds", "is_exceeded"),
    [
        (UNBOUND, False),
        (Bounds(entries=4), False),
        (Bounds(entries=3), True),
        (Bounds(size=40), False),
        (Bounds(size=39), True),
        (Bounds(age=95.0), False),
        (Bounds(age=94.9), True),
    ],
)
def test_bounds_are_exceeded_beyond_not_at_them(
    bounds: Bounds, is_exceeded: bool
) -> None:
    """Four entries of 10 bytes, the oldest 95 s old."""
    assert bounds.is_exceeded(run_of(5, 8), wall=100.0) is is_exceeded


# Entries.


def test_entry_keeps_the_payload_in_its_frame() -> None:
    """Byte for byte, at the end of the event, and nowhere else."""
    payload = b'{ "price": 1.10,\n "n": 1e3 }'
    head = b'{"type":"event","topic":"t","seq":'
    made = make_entry(head, Mark(7, 9), 1.5, payload)
    assert (made.seq, made.tag, made.at, made.payload) == (7, 9, 1.5, payload)
    text = head + b'7,"ts":1500.000,"data":' + payload + b"}"
    assert made.frame == bytes((0x81, len(text))) + text
