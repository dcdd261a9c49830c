"""Pace: those who want at most so many events of a topic a second, at one rate."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.cursors import Place
from wavetank.hub.log import Mark
from wavetank.hub.pace import Pace

Paced = Pace[str, str]


def at(seq: int, start: Mark | None = None) -> Place:
    """Return a place."""
    return Place(seq=seq, offset=0, at=0.0, is_live=True, start=start)


def come(
    pace: Paced, key: str, seq: int, *, now: float = 0.0, visible: int | None = None
) -> bool:
    """Subscribe somebody who takes bytes; tell whether it is in step."""
    pace.enter(key, at(seq))
    pace.wake(key, now)
    top = seq if visible is None else visible
    return pace.join(key, "w", form=None, now=now, visible=top)


def join(pace: Paced, key: str, *, now: float, visible: int) -> bool:
    """Put somebody in step, if that is possible."""
    return pace.join(key, "w", form=None, now=now, visible=visible)


def beat(pace: Paced, now: float, visible: int) -> None:
    """Bring everybody in step to the top."""
    assert pace.beats(now, visible)
    pace.cursors.level = visible
    pace.stepped(now)


def serve(pace: Paced, key: str, now: float, visible: int) -> None:
    """Bring somebody out of step to the top."""
    assert key in pace.ready(now, visible)
    pace.cursors.behind[key].seq = visible
    pace.served(key, now)


def test_first_event_is_due_at_once() -> None:
    """Nothing came before it."""
    pace = Paced(5.0, level=3)
    assert come(pace, "a", 3)
    assert pace.due_at(3) == inf
    assert not pace.beats(0.0, 3)
    assert pace.due_at(4) == -inf
    assert pace.beats(0.0, 4)


def test_next_event_is_due_an_interval_later() -> None:
    """However many come in between; after a quiet time it is due at once again."""
    pace = Paced(4.0, level=0)
    come(pace, "a", 0)
    beat(pace, 10.0, 1)
    assert pace.due_at(2) == 10.25
    assert not pace.beats(10.24, 9)
    assert pace.beats(10.25, 9)
    assert pace.beats(99.0, 9)


def test_subscriber_at_the_level_is_in_step() -> None:
    """All who are there share each beat."""
    pace = Paced(1.0, level=7)
    assert come(pace, "a", 7)
    assert come(pace, "b", 7)
    assert pace.cursors.in_step == {None: {"a": "w", "b": "w"}}
    assert not pace.awake
    assert pace.is_listening


def test_subscriber_that_came_between_two_beats_waits_for_none() -> None:
    """Its place is not that of those in step, and it was told nothing yet."""
    pace = Paced(1.0, level=0)
    come(pace, "a", 0)
    beat(pace, 0.0, 7)
    assert not come(pace, "b", 8, now=0.5)
    assert pace.due_at(9) == -inf
    assert pace.ready(0.5, 9) == ["b"]


def test_subscriber_that_replays_gets_the_newest_at_once() -> None:
    """Then it goes on with the others, at the first beat that is not too early."""
    pace = Paced(1.0, level=0)
    come(pace, "a", 0)
    beat(pace, 0.0, 7)
    assert not come(pace, "b", 3, now=0.5, visible=8)
    assert pace.due_at(8) == -inf
    serve(pace, "b", 0.5, 8)
    assert not join(pace, "b", now=0.5, visible=8)
    assert pace.due_at(8) == 1.0
    beat(pace, 1.0, 9)
    assert pace.ready(1.0, 9) == []
    assert not join(pace, "b", now=1.0, visible=9)
    assert pace.due_at(9) == 1.5
    assert pace.due_at(10) == 2.0
    assert pace.ready(1.5, 10) == []
    beat(pace, 2.0, 10)
    serve(pace, "b", 2.0, 10)
    assert join(pace, "b", now=2.0, visible=10)


def test_subscriber_out_of_step_gets_the_last_event_without_a_beat() -> None:
    """When all others have it, nothing is to be waited for but the interval."""
    pace = Paced(1.0, level=0)
    come(pace, "a", 0)
    beat(pace, 0.0, 7)
    come(pace, "b", 3, now=0.5, visible=8)
    serve(pace, "b", 0.5, 8)
    beat(pace, 1.0, 9)
    assert pace.due_at(9) == 1.5
    serve(pace, "b", 1.5, 9)
    assert not join(pace, "b", now=1.6, visible=9)
    assert join(pace, "b", now=2.5, visible=9)


def test_first_subscriber_in_step_sets_the_beat() -> None:
    """Its own interval goes on."""
    pace = Paced(1.0, level=0)
    come(pace, "a", 0, visible=5)
    serve(pace, "a", 3.0, 5)
    assert join(pace, "a", now=3.0, visible=5)
    assert (pace.cursors.level, pace.next_at) == (5, 4.0)


def test_subscriber_that_is_owed_something_never_sets_the_beat() -> None:
    """Else those who come after it would wait for it."""
    pace = Paced(1.0, level=0)
    assert not come(pace, "a", 3, visible=5)


def test_subscriber_that_sleeps_is_owed_nothing_until_it_wakes() -> None:
    """Then at once, but never before its interval is over."""
    pace = Paced(1.0, level=0)
    come(pace, "a", 0)
    beat(pace, 0.0, 1)
    pace.fall_behind("a", at(1), form=None)
    assert pace.cursors.behind["a"].is_latest
    assert not pace.is_listening
    assert pace.due_at(5) == inf
    pace.wake("a", 0.4)
    assert pace.due_at(5) == 1.0
    pace.halt("a")
    pace.wake("a", 3.0)
    assert pace.due_at(5) == -inf
    assert pace.ready(3.0, 5) == ["a"]
    pace.halt("a")
    assert pace.ready(3.0, 5) == []


def test_subscriber_hears_of_its_topic_before_it_is_in_step() -> None:
    """The announcement is due even where there is no event."""
    pace = Paced(1.0, level=4)
    pace.enter("a", at(4, start=Mark(4, 1)))
    pace.wake("a", 0.0)
    assert not join(pace, "a", now=0.0, visible=4)
    assert pace.ready(0.0, 4) == ["a"]
    pace.cursors.behind["a"].start = None
    assert pace.ready(0.0, 4) == []
    assert join(pace, "a", now=0.0, visible=4)


def test_subscriber_leaves_with_the_last_entry_it_got() -> None:
    """In step, awake or asleep."""
    pace = Paced(1.0, level=4)
    come(pace, "a", 4)
    come(pace, "b", 2, visible=4)
    pace.enter("c", at(1))
    assert [pace.leave(key, form=None) for key in "abc"] == [4, 2, 1]
    assert not pace.is_listening
    assert repr(pace) == "<Pace 1/s of <Cursors 0 in step at 4, 0 behind>, 0 awake>"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["come", "publish", "sleep", "wake", "leave", "wait"]),
            st.sampled_from("abcd"),
        ),
        max_size=60,
    )
)
def test_nobody_gets_too_much_and_everybody_gets_the_newest(
    moves: list[tuple[str, str]],
) -> None:
    """Whatever happens: an interval between two events, and the last one comes.

    Within two intervals behind the end all who are awake have the newest, and all
    who got it go along with one beat.
    """
    pace, visible, now = Paced(2.0, level=0), 0, 0.0
    last: dict[str, float] = {}

    def note(key: str) -> None:
        assert now - last.get(key, -inf) >= 0.5
        last[key] = now

    def run() -> None:
        for key in list(pace.awake):
            join(pace, key, now=now, visible=visible)
        if pace.beats(now, visible):
            for key in pace.cursors.in_step[None]:
                note(key)
            beat(pace, now, visible)
        for key in pace.ready(now, visible):
            note(key)
            serve(pace, key, now, visible)
        for key in list(pace.awake):
            join(pace, key, now=now, visible=visible)
        assert pace.due_at(visible) > now

    for what, key in [*moves, *[("wait", "a")] * 5]:
        cursors = pace.cursors
        if what == "come" and key not in cursors:
            last.pop(key, None)
            pace.enter(key, at(max(0, visible - 2)))
            pace.wake(key, now)
        elif what == "publish":
            visible += 1
        elif what == "sleep" and key in cursors:
            if cursors.is_in_step(key):
                pace.fall_behind(key, at(cursors.level), form=None)
            pace.halt(key)
        elif what == "wake" and key in cursors.behind:
            pace.wake(key, now)
        elif what == "leave" and key in cursors:
            pace.leave(key, form=None)
        elif what == "wait":
            now += 0.25
        run()
    awake = [*pace.cursors.in_step.get(None, {}), *pace.awake]
    for key in awake:
        place = pace.cursors.behind.get(key)
        assert (place.seq if place else pace.cursors.level) == visible


def test_scattered_subscribers_go_on_from_where_they_were() -> None:
    """Each by itself, and at once: their beat was due."""
    pace = Paced(1.0, level=3)
    for key in ("a", "b"):
        assert come(pace, key, 3)
    beat(pace, 5.0, 4)
    pace.scatter(6.0, 100.0)
    assert not pace.cursors.in_step
    assert [place.seq for place in pace.cursors.behind.values()] == [4, 4]
    assert pace.ready(6.0, 5) == ["a", "b"]
    serve(pace, "a", 6.0, 5)
    assert pace.ready(6.0, 5) == ["b"]
    assert join(pace, "a", now=6.0, visible=5)
    assert pace.next_at == 7.0
