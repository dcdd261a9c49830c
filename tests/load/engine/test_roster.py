"""Users that join and leave at once, and are asked in turn."""

from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.engine.roster import Roster


def test_roster_asks_its_users_in_turn() -> None:
    """Each has its turn before anyone has a second one."""
    roster: Roster[str] = Roster()
    for name in "abc":
        roster.add(name)
    first = {roster.next(lambda _: True) for _ in range(3)}
    assert first == {"a", "b", "c"}


def test_roster_passes_over_users_that_are_not_free() -> None:
    """Only who is free is returned, and nobody where nobody is."""
    roster: Roster[str] = Roster()
    for name in "abc":
        roster.add(name)
    assert [roster.next(lambda name: name == "b") for _ in range(3)] == ["b"] * 3
    assert roster.next(lambda _: False) is None


def test_roster_takes_nobody_twice() -> None:
    """Whoever joins again is there once, and leaves once."""
    roster: Roster[str] = Roster()
    roster.add("a")
    roster.add("a")
    assert len(roster) == 1
    assert roster.discard("a")
    assert not roster.discard("a")
    assert "a" not in roster
    assert repr(roster) == "<Roster of 0>"


def test_roster_can_be_gone_over_while_users_leave() -> None:
    """Who was there at the beginning is seen, whoever leaves meanwhile."""
    roster: Roster[int] = Roster()
    for number in range(5):
        roster.add(number)
    seen = []
    for number in roster:
        roster.discard(number)
        seen.append(number)
    assert seen == [0, 1, 2, 3, 4]
    assert not roster.users


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_roster_is_a_set_whatever_comes_and_goes(moves: list[tuple[bool, int]]) -> None:
    """After any joins and leaves, exactly who has not left is there."""
    roster: Roster[int] = Roster()
    model: set[int] = set()
    for joins, number in moves:
        if joins:
            roster.add(number)
            model.add(number)
        else:
            assert roster.discard(number) == (number in model)
            model.discard(number)
        assert sorted(roster.users) == sorted(model)
        assert all(each in roster for each in model)
