"""Deadlines: who is due when, so that one timer serves all connections."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.deadlines import SPARE, Deadlines


def test_deadlines_return_who_is_due_and_no_one_else() -> None:
    """What is due is handed out once, in order of time."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("b", 2.0)
    deadlines.set("a", 1.0)
    deadlines.set("c", 3.0)
    assert deadlines.next_at() == 1.0
    assert deadlines.due(0.5) == []
    assert deadlines.due(2.0) == ["a", "b"]
    assert deadlines.due(2.0) == []
    assert len(deadlines) == 1


def test_deadline_that_moves_back_is_not_due_at_its_old_time() -> None:
    """The old time only makes one look once too often."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", 5.0)
    assert deadlines.next_at() == 1.0
    assert deadlines.due(1.0) == []
    assert deadlines.next_at() == 5.0
    assert deadlines.due(5.0) == ["a"]


def test_deadline_that_moves_forward_is_due_at_its_new_time() -> None:
    """And not a second time at the old one."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 5.0)
    deadlines.set("a", 1.0)
    assert deadlines.due(1.0) == ["a"]
    assert deadlines.due(9.0) == []


def test_deadline_at_infinity_is_none() -> None:
    """Never is the same as not asked for."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", inf)
    assert len(deadlines) == 0
    assert deadlines.due(9.0) == []
    assert deadlines.next_at() == inf


def test_dropped_key_is_never_due() -> None:
    """Dropping what is not there is no fault."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.drop("a")
    deadlines.drop("b")
    assert deadlines.due(9.0) == []
    assert repr(deadlines) == "<Deadlines of 0, next at inf>"


def test_dropped_keys_are_not_held_until_their_time() -> None:
    """Ten thousand short connections a second would hold as many dead ones for long."""
    deadlines: Deadlines[int] = Deadlines()
    deadlines.set(-1, 7.0)
    deadlines.set(-1, 9.0)
    deadlines.set(-2, 8.0)
    for key in range(10 * SPARE):
        deadlines.set(key, 5.0)
        deadlines.drop(key)
    assert len(deadlines._heap) <= SPARE + 2 * len(deadlines)
    assert deadlines.next_at() == 5.0
    assert deadlines.due(6.0) == []
    assert deadlines.due(8.5) == [-2]
    assert deadlines.due(9.0) == [-1]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.one_of(st.integers(1, 20), st.just(inf))),
        max_size=60,
    )
)
def test_deadlines_agree_with_a_plain_dictionary(
    moves: list[tuple[int, float]],
) -> None:
    """However deadlines move, each key is due at the last time asked for."""
    deadlines: Deadlines[int] = Deadlines()
    wanted: dict[int, float] = {}
    for key, at in moves:
        deadlines.set(key, at)
        wanted[key] = at
    for now in range(21):
        assert deadlines.next_at() <= min(wanted.values(), default=inf)
        due = {key for key, at in wanted.items() if at <= now}
        found = deadlines.due(now)
        assert set(found) == due
        assert len(found) == len(due)
        for key in due:
            del wanted[key]
