"""Effects: what a session asks its shell to do, as values."""

from wavetank.hub.effects import Beat, Behind, Close, Moment, Perform, Send
from wavetank.protocol import Ping, Pong


def test_effects_are_equal_when_they_ask_for_the_same() -> None:
    """Playbooks compare them as values."""
    pong = Pong(id=1, received_at=1.0, sent_at=1.0)
    assert Send(pong) == Send(Pong(id=1, received_at=1.0, sent_at=1.0))
    assert Perform(Ping(id=1)) != Perform(Ping(id=2))
    assert Close(1000, "") != Close(1001, "")
    assert Beat(None) == Beat(None)


def test_effects_show_what_they_ask_for() -> None:
    """A failing playbook can be read."""
    assert repr(Close(1008, "too many errors")) == (
        "Close(code=1008, reason='too many errors')"
    )
    assert Moment(now=1.0, wall=2.0).wall == 2.0
    assert Behind(1.0, 2).size == 2
