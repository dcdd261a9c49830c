"""A message on its way in: how long it may take until it is whole."""

from math import inf

from wavetank.hub.incoming import Incoming


def test_incoming_is_overdue_once_its_time_is_over() -> None:
    """To the moment, and not before."""
    incoming = Incoming(60.0)
    assert incoming.began(100.0)
    assert incoming.is_on
    assert incoming.due_at == 160.0
    assert not incoming.is_overdue(159.9)
    assert incoming.is_overdue(160.0)


def test_incoming_has_no_deadline_between_two_messages() -> None:
    """What was whole in time is not looked at again."""
    incoming = Incoming(60.0)
    assert incoming.due_at == inf
    incoming.began(100.0)
    incoming.ended()
    assert not incoming.is_on
    assert not incoming.is_overdue(1000.0)
    assert incoming.due_at == inf


def test_incoming_asks_to_be_woken_once_while_messages_come_and_go() -> None:
    """A stream of messages that are cut by reads costs no timer each."""
    incoming = Incoming(60.0)
    assert incoming.began(100.0)
    for now in (101.0, 102.0, 103.0):
        incoming.ended()
        assert not incoming.began(now)
    assert incoming.due_at == 160.0
    assert not incoming.is_overdue(160.0)
    assert incoming.due_at == 163.0
    assert incoming.is_overdue(163.0)


def test_incoming_does_not_count_the_time_in_which_nothing_is_read() -> None:
    """What is missing cannot come then."""
    incoming = Incoming(60.0)
    incoming.began(100.0)
    incoming.held(110.0)
    incoming.held(120.0)
    assert not incoming.is_overdue(500.0)
    assert incoming.due_at == inf
    assert incoming.released(510.0)
    assert incoming.due_at == 560.0
    assert not incoming.is_overdue(559.0)
    assert incoming.is_overdue(560.0)


def test_incoming_can_be_released_without_a_message_and_without_a_hold() -> None:
    """Nobody has to be woken for that."""
    incoming = Incoming(60.0)
    assert not incoming.released(1.0)
    incoming.held(2.0)
    assert not incoming.released(3.0)
    assert not incoming.is_on


def test_incoming_without_a_limit_is_never_overdue() -> None:
    """And wakes nobody."""
    incoming = Incoming(None)
    assert not incoming.began(100.0)
    assert not incoming.is_on
    assert not incoming.is_overdue(1e9)
    assert incoming.due_at == inf


def test_incoming_shows_until_when_it_has_to_be_whole() -> None:
    """For logs of tests."""
    incoming = Incoming(60.0)
    incoming.began(100.0)
    assert repr(incoming) == "<Incoming by 160.000>"
    incoming.held(110.0)
    assert repr(incoming) == "<Incoming by 160.000, held since 110.000>"
