"""Finish: one way ends."""

from wavetank.chaos.toxic import NEVER, Bytes, End, How
from wavetank.chaos.toxics.finish import Finish


def test_finish_ends_one_way_at_a_byte() -> None:
    """FIN comes right behind the last byte that goes by."""
    toxic = Finish(bytes=2, timeout=0)
    assert toxic.receive(Bytes(b"abc"), 0.0) == [
        (0.0, Bytes(b"ab")),
        (0.0, End(How.FIN)),
    ]


def test_finish_ends_one_way_after_a_time() -> None:
    """With a time alone all bytes go by until then."""
    toxic = Finish(bytes=0, timeout=200)
    toxic.wake(1.0)
    assert toxic.receive(Bytes(b"abc"), 1.1) == [(1.1, Bytes(b"abc"))]
    assert toxic.wake(1.2) == [(1.2, End(How.FIN))]


def test_finish_ends_at_what_comes_first() -> None:
    """With both, a byte or a time."""
    toxic = Finish(bytes=1, timeout=200)
    toxic.wake(1.0)
    assert toxic.receive(Bytes(b"a"), 1.1)[-1] == (1.1, End(How.FIN))


def test_finish_without_either_ends_at_the_first_bytes() -> None:
    """Nothing goes by, and nothing happens before something would."""
    toxic = Finish(bytes=0, timeout=0)
    toxic.wake(0.0)
    assert toxic.wakes_at == NEVER
    assert toxic.receive(Bytes(b"a"), 1.0) == [(1.0, End(How.FIN))]
