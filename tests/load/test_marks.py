"""Marks are written, found again, and never found where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.marks import EMPTY, WIDTH, Mark, find_mark, mark_head, write_mark

RUNS = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=8, max_size=8)


@given(
    RUNS,
    st.integers(0, 999_999),
    st.integers(0, 10**12 - 1),
    st.integers(0, 10**14 - 1),
    st.binary(max_size=20),
    st.binary(max_size=20),
)
def test_mark_is_found_again_whatever_stands_around_it(
    run: str, publisher: int, number: int, intended: int, before: bytes, behind: bytes
) -> None:
    """A server may wrap a message as it likes."""
    mark = write_mark(mark_head(run, publisher), number, intended)
    assert len(mark) == WIDTH == len(EMPTY)
    found = find_mark(before + mark + behind)
    assert found == Mark(run.encode(), publisher, number, intended)


def test_mark_of_nobody_is_a_mark() -> None:
    """What stands for a mark while none is known has its form, too."""
    assert find_mark(EMPTY) == Mark(b"00000000", 0, 0, 0)


def test_mark_from_before_the_start_says_the_start() -> None:
    """A moment before the start has no room in a mark."""
    assert find_mark(write_mark(mark_head("a" * 8, 0), 1, -5)) == (b"a" * 8, 0, 1, 0)


@pytest.mark.parametrize(
    ("run", "publisher"),
    [
        ("short", 0),
        ("toolong00", 0),
        ("UPPERCAS", 0),
        ("tilde~00", 0),
        ("umlautä0", 0),
        ("0000000~", 0),
        ("00000000", 1_000_000),
        ("00000000", -1),
    ],
)
def test_mark_head_refuses_what_has_no_room(run: str, publisher: int) -> None:
    """A mark that could not be read again is never written."""
    with pytest.raises(ValueError, match="no mark is made of run"):
        mark_head(run, publisher)


@given(st.integers(0, WIDTH - 1), st.integers(0, 255))
def test_damaged_mark_is_none_or_says_something_else(place: int, byte: int) -> None:
    """One wrong byte never passes for the mark that was sent."""
    sound = write_mark(mark_head("0run0run", 17), 42, 4_200_000)
    damaged = sound[:place] + bytes([byte]) + sound[place + 1 :]
    found = find_mark(damaged)
    assert (found == find_mark(sound)) == (damaged == sound)


def test_mark_is_not_looked_for_before_the_start() -> None:
    """Two bytes of a length may say "wt": they are of the frame, not of a mark."""
    frame = b"\x81\x7e" + EMPTY
    assert find_mark(frame, 4) is None
    assert find_mark(frame, 2) is not None


@given(st.binary(max_size=100))
def test_find_mark_never_fails(message: bytes) -> None:
    """Hostile bytes hold a mark that stands there, or none."""
    found = find_mark(message)
    assert found is None or b"%b~%06d~" % found[:2] in message
