"""Accounting: the fate of every message that the hub owes to somebody."""

from hypothesis import given
from hypothesis import strategies as st

from wavetank.hub.accounting import Account, Balance, Fates


def test_account_balances_when_all_was_delivered() -> None:
    """Two subscribers, ten entries: twenty owed, twenty written."""
    account = Account()
    account.subscribed(after=0)
    account.subscribed(after=0)
    account.delivered += 20
    assert account.balance(top=10, pending=0) == Balance(
        duty=20, delivered=20, conflated=0, gapped=0, pending=0, unaccounted=0
    )


def test_account_shows_a_write_that_was_skipped() -> None:
    """One write too few leaves the balance open."""
    account = Account()
    account.subscribed(after=5)
    account.delivered += 4
    assert account.balance(top=10, pending=0).unaccounted == 1


def test_account_shows_a_write_that_was_done_twice() -> None:
    """One write too many does so as well, on the other side."""
    account = Account()
    account.subscribed(after=5)
    account.delivered += 6
    assert account.balance(top=10, pending=0).unaccounted == -1


def test_account_counts_each_fate_as_settled() -> None:
    """Conflated, gapped and pending messages are nobody's loss."""
    account = Account()
    account.subscribed(after=0)
    account.delivered += 4
    account.conflated += 3
    account.gapped += 2
    assert account.balance(top=10, pending=1).unaccounted == 0


def test_account_owes_nothing_behind_the_end_of_a_subscription() -> None:
    """Duty ends with the last entry that was owed, however far the log goes on."""
    account = Account()
    account.subscribed(after=2)
    account.delivered += 3
    account.unsubscribed(until=5)
    balance = account.balance(top=1000, pending=0)
    assert (balance.duty, balance.unaccounted) == (3, 0)
    assert repr(account) == "<Account 3 delivered, 0 open>"


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20))
def test_account_balances_for_any_number_of_subscriptions(
    spans: list[tuple[int, int]],
) -> None:
    """Each subscription adds what lies between its begin and its end."""
    account = Account()
    for after, length in spans:
        account.subscribed(after)
        account.delivered += length
        account.unsubscribed(after + length)
    assert account.balance(top=100, pending=0).unaccounted == 0


def test_account_settles_a_write_as_often_as_it_was_done() -> None:
    """One page for three subscribers, with what was left out and what is gone."""
    account = Account()
    for _ in range(3):
        account.subscribed(after=0)
    account.settle(Fates(delivered=1, conflated=4), 3)
    account.settle(Fates(gapped=2))
    assert account.balance(top=7, pending=4) == Balance(
        duty=21, delivered=3, conflated=12, gapped=2, pending=4, unaccounted=0
    )
