"""The register finds a publication by its id."""

import pytest

from wavetank.lab.checkers import register as module
from wavetank.lab.checkers.register import Register

from .runs import FULL, message


def filled(count: int) -> Register:
    """Return a register with publications."""
    register = Register(limit=10)
    for number in range(1, count + 1):
        assert register.begin(message(number), "t", "") is not None
    return register


def test_a_publication_is_found_by_its_id() -> None:
    """Whether it was asked for lately makes no difference."""
    register = filled(3)
    register.begin(message(1, "p-2"), "u", "d")
    for id_, topic, slot in [(message(2), "t", 1), (message(1, "p-2"), "u", 0)]:
        first = register.find(id_)
        register.at_hand.clear()
        assert first == register.find(id_)
        assert first is not None
        assert (first.ledger.topic, first.slot) == (topic, slot)
    assert repr(register) == "<Register 2 topics, 2 publishers>"


@pytest.mark.parametrize(
    "id_",
    [
        *("", "nonsense", "w-r1-p-4", "w-r1-p-0", "w-r1-p-01", "w-r1-q-1"),
        *("w-r1-p-\uff11", "w-r1-p-" + "1" * 30),
    ],
)
def test_what_nobody_has_published_is_not_found(id_: str) -> None:
    """Hostile spellings of a known id are none."""
    register = filled(3)
    assert register.find(id_) is None
    assert not register.is_forgotten(id_)


def test_a_publication_is_begun_once() -> None:
    """A retry is the same publication."""
    register = filled(1)
    assert register.begin(message(1), "t", "") is None
    assert register.ledger("t").count == 1


@pytest.mark.parametrize("id_", ["nonsense", "w-r1-p-0"])
def test_nothing_is_published_without_an_id_of_ours(id_: str) -> None:
    """It would be our own mistake, and nothing could be accounted for."""
    with pytest.raises(ValueError, match="is no message id"):
        filled(1).begin(id_, "t", "")


def test_a_forgotten_publication_is_told_from_one_that_never_was() -> None:
    """It may have come again; it is not known to be wrong."""
    register = filled(FULL + 10)
    ledger = register.ledger("t")
    register.forget(ledger, ledger.chunks[0])
    for number in (5, FULL):
        assert register.find(message(number)) is None
        assert register.is_forgotten(message(number))
        assert register.begin(message(number), "t", "") is None
    assert register.find(message(FULL + 5)) is not None


def test_another_run_is_told_by_its_id() -> None:
    """What an earlier run left behind is nobody's mistake of this one."""
    register = filled(1)
    assert register.other_run("w-r0-p-1") == "r0"
    assert register.other_run("w-r1-x-1") == ""
    assert register.other_run("nonsense") == ""


def test_what_is_at_hand_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a shortcut, and may be dropped at any time."""
    monkeypatch.setattr(module, "_MOST_AT_HAND", 4)
    register = filled(11)
    assert len(register.at_hand) == 3
    assert register.find(message(1)) is not None
