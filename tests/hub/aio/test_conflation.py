"""Conflation: when those who want at most so many events a second get the newest."""

from collections.abc import Callable

from wavetank.hub.aio.conflation import LOOK_AHEAD, Conflation
from wavetank.hub.aio.topic import Subscriber, Topic
from wavetank.hub.cursors import Place
from wavetank.hub.log import Bounds, TopicLog


class Alarm:
    """A callback for later."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not call back."""
        self.is_cancelled = True


class Desk:
    """Conflation of one topic, with a clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.alarms: list[Alarm] = []
        self.roused = 0
        self.topic = Topic(TopicLog("t", "epoch", ring=Bounds()))
        self.conflation = Conflation(self, self.rouse)

    def rouse(self) -> None:
        """Count it."""
        self.roused += 1

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Nothing here is for the next turn."""
        raise AssertionError(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Alarm:
        """Keep a callback."""
        self.alarms.append(Alarm(self.now + delay, callback))
        return self.alarms[-1]

    def pending(self) -> list[float]:
        """Return when the alarms go off that still count."""
        return [alarm.at for alarm in self.alarms if not alarm.is_cancelled]

    def wait(self, until: float) -> None:
        """Let time pass, and the alarms go off whose time has come."""
        self.now = until
        due = [a for a in self.alarms if a.at <= until and not a.is_cancelled]
        self.alarms = [alarm for alarm in self.alarms if alarm.at > until]
        for alarm in due:
            alarm.callback()

    def subscribe(self, rate: float, after: int = 0) -> Subscriber:
        """Subscribe somebody with a rate."""
        subscriber = Subscriber("c", lambda data: None)
        place = Place(after, 0, 0.0, is_live=True)
        self.conflation.enter(subscriber, self.topic, place, rate=rate)
        return subscriber

    def publish(self) -> None:
        """Publish an entry."""
        log = self.topic.log
        log.reveal(log.append(b"1", 1.0).seq)
        self.conflation.published(self.topic)

    def beat(self) -> int:
        """Do the beats that are due, as fan-out does; return how many there were."""
        beats, visible = self.conflation.take(), self.topic.log.visible
        for topic, pace in beats:
            if pace.beats(self.now, visible):
                pace.cursors.level = visible
                pace.stepped(self.now)
            for key in pace.ready(self.now, visible):
                pace.cursors.behind[key].seq = visible
                pace.served(key, self.now)
            self.conflation.done(topic, pace)
        return len(beats)


def test_same_rates_share_a_pace() -> None:
    """Others have their own; it goes with the last one who has it."""
    desk = Desk()
    one, two, three = desk.subscribe(5.0), desk.subscribe(5.0), desk.subscribe(2.0)
    assert set(desk.topic.paces) == {5.0, 2.0}
    assert one.paces[desk.topic] is two.paces[desk.topic]
    desk.conflation.leave(one, desk.topic)
    assert set(desk.topic.paces) == {5.0, 2.0}
    desk.conflation.leave(two, desk.topic)
    desk.conflation.leave(three, desk.topic)
    assert desk.topic.paces == desk.topic.resting == {}


def test_beat_is_due_at_once_after_a_quiet_time() -> None:
    """The next one waits for its time."""
    desk = Desk()
    desk.subscribe(4.0)
    desk.publish()
    assert (desk.roused, desk.beat()) == (1, 1)
    desk.publish()
    assert (desk.roused, desk.beat()) == (1, 0)
    assert desk.pending() == [100.25]
    desk.wait(100.25)
    assert (desk.roused, desk.beat()) == (2, 1)
    assert desk.topic.paces[4.0].cursors.level == 2
    assert desk.pending() == []


def test_pace_is_planned_once_however_much_is_published() -> None:
    """Until its beat, more entries cost it nothing."""
    desk = Desk()
    desk.subscribe(4.0)
    desk.publish()
    desk.beat()
    assert list(desk.topic.resting) == [4.0]
    for _ in range(5):
        desk.publish()
        assert desk.topic.resting == {}
    assert len(desk.alarms) == 1


def test_one_timer_serves_all_paces() -> None:
    """It is set to the earliest."""
    desk = Desk()
    for rate in (1.0, 4.0, 2.0):
        desk.subscribe(rate)
    desk.publish()
    assert desk.beat() == 3
    desk.publish()
    assert desk.pending() == [100.25]
    desk.wait(100.25)
    assert desk.beat() == 1
    assert desk.pending() == [100.5]
    desk.wait(101.0)
    assert desk.beat() == 2
    assert desk.pending() == []
    assert "0 due" in repr(desk.conflation)


def test_timer_that_is_early_is_set_again() -> None:
    """A deadline may have moved back since it was set."""
    desk = Desk()
    subscriber = desk.subscribe(4.0)
    desk.publish()
    desk.beat()
    desk.publish()
    desk.conflation.leave(subscriber, desk.topic)
    desk.wait(100.25)
    assert (desk.roused, desk.beat()) == (1, 0)


def test_long_interval_is_waited_for_in_parts() -> None:
    """So nothing that was dropped is kept for a year."""
    desk = Desk()
    desk.subscribe(0.1)
    desk.publish()
    desk.beat()
    desk.publish()
    assert desk.pending() == [100.0 + LOOK_AHEAD]
    desk.wait(100.0 + LOOK_AHEAD)
    desk.beat()
    assert desk.topic.paces[0.1].cursors.level == 1
    assert desk.pending() == [110.0]
    desk.wait(110.0)
    desk.beat()
    assert desk.topic.paces[0.1].cursors.level == 2


def test_replay_is_due_at_once() -> None:
    """It needs no new entry."""
    desk = Desk()
    desk.publish()
    subscriber = desk.subscribe(1.0)
    assert (desk.roused, desk.beat()) == (1, 1)
    assert desk.conflation.leave(subscriber, desk.topic) == 1


def test_live_subscription_waits_for_an_entry() -> None:
    """Whether it is in step from the start or not."""
    desk = Desk()
    desk.publish()
    desk.subscribe(1.0, after=1)
    desk.publish()
    desk.beat()
    desk.publish()
    late = desk.subscribe(1.0, after=3)
    assert desk.topic.place_of(late) is not None
    assert (desk.roused, desk.beat()) == (1, 0)
    desk.publish()
    assert (desk.roused, desk.beat()) == (2, 1)


def test_paused_subscriber_is_planned_for_when_it_wakes() -> None:
    """A pace of which everybody sleeps costs nothing."""
    desk = Desk()
    subscriber = desk.subscribe(1.0)
    pace = subscriber.paces[desk.topic]
    pace.fall_behind(subscriber, Place(0, 0, 0.0, is_live=True), form=None)
    desk.publish()
    assert desk.topic.resting == {}
    desk.publish()
    assert (desk.roused, desk.beat()) == (0, 0)
    desk.conflation.wake(subscriber, desk.topic)
    assert (desk.roused, desk.beat()) == (1, 1)


def test_subscriber_that_enters_paused_sleeps() -> None:
    """Nothing is planned for it."""
    desk = Desk()
    desk.publish()
    subscriber = Subscriber("c", lambda data: None)
    subscriber.is_paused = True
    place = Place(0, 0, 0.0, is_live=False)
    desk.conflation.enter(subscriber, desk.topic, place, rate=1.0)
    assert desk.roused == 0
    assert place.is_latest
