"""The cases that are left."""

from hypothesis import given
from hypothesis import strategies as st

from wavetank.lab.conformance import worklist as module
from wavetank.lab.conformance.case import Case, Outcome
from wavetank.lab.conformance.worklist import Worklist


def rows(count: int) -> list[Case]:
    """Return cases T.1, T.2 and so on."""
    return [
        Case(
            id=f"T.{number}",
            title="It is played.",
            clause="RFC 6455 5",
            steps=(),
            outcomes=(Outcome(),),
        )
        for number in range(1, count + 1)
    ]


A, B, C = rows(3)


def test_cases_go_out_in_their_order() -> None:
    """Until none waits; and all is done when all have come back."""
    left = Worklist([A, B])
    assert (left.take(), left.take(), left.take()) == (A, B, None)
    assert not left.is_done
    left.done(A)
    left.done(B)
    assert left.is_done
    assert repr(left) == "<Worklist 0 waiting, 0 out>"


def test_a_doubtful_case_gets_a_second_look_and_no_third() -> None:
    """Behind all others."""
    left = Worklist([A, B])
    left.take()
    assert left.again(A)
    assert left.rows() == (B, A)
    assert (left.take(), left.take()) == (B, A)
    assert not left.again(A)
    left.done(A)
    assert not left.is_done


def test_second_looks_in_vain_are_bounded() -> None:
    """Who needs them again and again is not slow, but like that."""
    many = rows(module._MOST_VAIN + 2)
    left = Worklist(many)
    for row in many[:-1]:
        assert left.take() is row
        assert left.again(row)
    for row in many[:-2]:
        assert left.give_up() == ()
        left.take_named(0, row.id)
        assert not left.again(row)
        left.done(row)
    assert left.give_up() == (many[-2],)
    assert left.take() is many[-1]
    assert not left.again(many[-1])
    left.done(many[-1])
    assert left.is_done


def test_second_looks_that_show_something_are_as_many_as_it_takes() -> None:
    """A slow client is not given up."""
    many = rows(3 * module._MOST_VAIN)
    left = Worklist(many)
    for row in many:
        left.take()
        assert left.again(row)
    for row in many:
        assert left.take() is row
        left.done(row)
    assert left.give_up() == ()
    assert left.is_done


def test_a_case_that_was_not_played_waits_again() -> None:
    """That costs it nothing."""
    left = Worklist([A])
    for _ in range(3):
        left.take()
        left.put_back(A)
    assert left.waiting == 1


def test_a_driver_asks_by_number() -> None:
    """Numbers hold until somebody counts anew, and count what is left then."""
    left = Worklist([A, B, C])
    assert left.count() == 3
    assert left.take_named(2) is B
    assert left.named(2) is B
    assert left.take_named(2) is None
    assert left.take_named(0) is None
    assert left.take_named(4) is None
    left.done(B)
    assert left.count() == 2
    assert left.take_named(2) is C


def test_a_driver_may_ask_by_id() -> None:
    """Without a number."""
    left = Worklist([A, B])
    assert left.take_named(0, "T.2") is B
    assert left.named(0, "T.9") is None


def test_a_case_may_be_left_out() -> None:
    """It is never sent."""
    left = Worklist([A, B])
    left.leave_out(A)
    assert left.rows() == (B,)


@given(st.lists(st.sampled_from(["take", "done", "again", "back", "named"])))
def test_no_case_is_lost_and_none_is_there_twice(moves: list[str]) -> None:
    """Whatever happens, each is waiting, out or done."""
    left, out, done = Worklist([A, B, C]), [], set()
    for move in moves:
        row = left.take() if move == "take" else None
        row = left.take_named(1) if move == "named" else row
        if row is not None:
            assert row not in out
            out.append(row)
        elif out and move == "done":
            done.add(out[0].id)
            left.done(out.pop(0))
        elif out and move == "back":
            left.put_back(out.pop(0))
        elif out and move == "again" and left.again(out[0]):
            out.pop(0)
        ids = [*(row.id for row in left.rows()), *(row.id for row in out), *done]
        assert sorted(ids) == ["T.1", "T.2", "T.3"]
        assert left.is_done is (len(done) == 3)
