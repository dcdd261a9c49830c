"""Interest windows say what is owed."""

from wavetank.lab.checkers.windows import Window


def test_a_window_owes_what_is_behind_its_head() -> None:
    """What was there before is not owed, whenever it is acknowledged."""
    window = Window(5, None)
    assert not window.owes(4, 100)
    assert window.owes(5, 0)
    assert not window.owes(-1, 100)


def test_a_confirmed_window_owes_what_is_begun_later() -> None:
    """Its position does not matter: it was published after the subscription."""
    window = Window(5, 3)
    assert window.owes(-1, 3)
    assert window.owes(1, 3)
    assert not window.owes(-1, 2)


def test_a_window_without_head_begins_with_the_first_delivery() -> None:
    """Its position counts; where it has none, all that is begun from then on."""
    by_position, by_index, neither = (
        Window(None, None),
        Window(None, None),
        Window(7, None),
    )
    assert not by_position.has_begun
    by_position.begin(4, 9)
    assert by_position.has_begun
    by_index.begin(-1, 9)
    neither.begin(4, 9)
    assert (by_position.first, by_position.index) == (4, None)
    assert (by_index.first, by_index.index) == (None, 9)
    assert (neither.first, neither.index) == (7, None)
    confirmed = Window(None, 2)
    confirmed.begin(-1, 9)
    assert confirmed.index == 2


def test_a_window_that_is_over_owes_nothing_behind_its_end() -> None:
    """Only up to the last position, or to the last number of each publisher."""
    window = Window(1, 0)
    window.close(3, {7: 5})
    assert window.owes(3, 0)
    assert not window.owes(4, 0)
    assert window.owes(-1, 0)
    assert window.is_behind(7, 4)
    assert not window.is_behind(7, 5)
    assert not window.is_behind(8, 1)


def test_a_window_may_owe_only_what_reaches_it() -> None:
    """A whole chunk before it needs no second look."""
    assert not Window(5, 5).may_owe(4, 4)
    assert Window(5, 5).may_owe(5, 4)
    assert Window(5, 5).may_owe(4, 5)
    assert not Window(None, None).may_owe(9, 9)


def test_a_window_shows_where_it_is() -> None:
    """Its bounds can be read in a failing test."""
    window = Window(1, None)
    assert repr(window) == "<Window from 1 or index None on>"
    window.close(3, {})
    assert repr(window) == "<Window from 1 or index None to 3>"
