"""The books."""

import random
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.demo import books as module
from wavetank.demo.books import Books
from wavetank.demo.messages import (
    Decision,
    Fill,
    Message,
    Order,
    Position,
    Price,
    topic_of,
)

Play = Callable[..., list[Message]]


def check(messages: list[Message], *, is_whole: bool = True) -> Books:
    """Return the books of messages, closed."""
    books = Books()
    for message in messages:
        books.receive(message)
    books.finish(is_whole=is_whole)
    return books


def change(
    messages: list[Message], kind: type[Message], **fields: object
) -> list[Message]:
    """Change the last message of a kind whose other fields are given too."""
    changed = list(messages)
    place = max(n for n, each in enumerate(changed) if type(each) is kind)
    changed[place] = msgspec.structs.replace(changed[place], **fields)
    return changed


def without(
    messages: list[Message], kind: type[Message], **fields: object
) -> list[Message]:
    """Leave out the last message of a kind with these fields."""
    places = [
        n
        for n, each in enumerate(messages)
        if type(each) is kind
        and all(getattr(each, name) == value for name, value in fields.items())
    ]
    return [each for n, each in enumerate(messages) if n != places[-1]]


@pytest.mark.parametrize("seed", range(10))
def test_a_true_run_adds_up(play: Play, seed: int) -> None:
    """All identities hold, and each was checked."""
    books = check(play(ticks=300, seed=seed))
    assert books.problems == []
    assert set(books.checked) == {"equity", "prices", "fills", "profit", "orders"}
    assert not books.unchecked
    assert repr(books) == f"<Books checked {books.checked.total()} broken 0>"


def test_topics_may_come_in_any_order_beside_each_other(play: Play) -> None:
    """Topics overtake each other on their way; nothing is found for that."""
    topics = defaultdict(list)
    for message in play():
        topics[topic_of(message)].append(message)
    expected = check(play()).checked
    for seed in range(20):
        dice = random.Random(seed)
        left = {name: list(reversed(each)) for name, each in topics.items()}
        mixed = []
        while left:
            name = dice.choice(sorted(left))
            count = min(len(left[name]), dice.randint(1, 60))
            mixed += [left[name].pop() for _ in range(count)]
            if not left[name]:
                del left[name]
        books = check(mixed)
        assert books.problems == []
        assert books.checked == expected


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (Position, {"equity": Decimal(5)}, "cash and holdings are"),
        (Position, {"profit": Decimal(5)}, "the profit is"),
        (Position, {"price": Decimal(5)}, "its price is 5"),
        (Position, {"cash": Decimal(5)}, "and it says"),
        (Position, {"quantity": Decimal(5)}, "and it says"),
        (Position, {"fills": 10_000}, "it counts 10000 fills"),
        (Position, {"tick": 10_000}, "at tick 10000"),
        (Fill, {"quantity": Decimal(5)}, "its fills are"),
        (Fill, {"fee": Decimal(5)}, "fills come to"),
        (Order, {"side": "other"}, "it was placed as another one"),
        (Order, {"filled": Decimal("0.00000001")}, "its fills are"),
    ],
)
def test_what_does_not_add_up_is_told(
    play: Play, kind: type[Message], fields: dict[str, object], words: str
) -> None:
    """Each changed figure is found."""
    books = check(change(play(), kind, **fields))
    assert any(words in problem for problem in books.problems), books.problems
    assert books.broken >= len(books.problems)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (Order, {"state": "placed"}, "it was never placed"),
        (Order, {"state": "filled"}, "it was neither filled nor cancelled"),
        (Decision, {"action": "buy"}, "nobody decided on it"),
    ],
)
def test_an_order_without_a_step_of_its_life_is_told(
    play: Play, kind: type[Message], fields: dict[str, object], words: str
) -> None:
    """Decided, placed, and filled or cancelled: each is asked for."""
    messages = [
        each
        for each in play()
        if not (isinstance(each, Decision) and each.order is None)
    ]
    books = check(without(messages, kind, **fields))
    assert any(words in problem for problem in books.problems), books.problems


def test_an_order_that_says_to_be_full_and_is_not_is_told(play: Play) -> None:
    """The state has to fit the figures."""
    messages = play()
    place = max(
        n
        for n, each in enumerate(messages)
        if isinstance(each, Order) and each.state == "filled"
    )
    messages[place] = msgspec.structs.replace(messages[place], state="cancelled")
    books = check(messages)
    assert any("is not cancelled" in problem for problem in books.problems)


@given(st.data())
def test_missing_messages_are_no_wrong_figures(data: st.DataObject) -> None:
    """What cannot be checked, because something is missing, is counted as that."""
    messages = _played()
    kept = data.draw(
        st.lists(st.booleans(), min_size=len(messages), max_size=len(messages))
    )
    books = check(
        [each for each, keep in zip(messages, kept, strict=True) if keep],
        is_whole=False,
    )
    assert [each for each in books.problems if not each.startswith("order")] == []


def _played() -> list[Message]:
    """Return a run, without a fixture: hypothesis asks for it again and again."""
    if not _PLAYED:
        from itertools import islice

        from wavetank.demo.bot import Bot
        from wavetank.demo.feed import Feed
        from wavetank.demo.market import simulate

        feed, bot = Feed("r"), Bot("r", random.Random(1), Decimal(100_000))
        for quote in islice(simulate(random.Random(1)), 120):
            price = feed.price(quote, 1.0)
            assert isinstance(price, Price)
            _PLAYED.extend([price, *bot.receive(price, 1.0)])
        _PLAYED.extend(bot.finish(1.0))
    return _PLAYED


_PLAYED: list[Message] = []


def test_problems_and_waiting_messages_are_bounded(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is wrong, memory stays bounded, and the count is right."""
    monkeypatch.setattr(module, "_MOST_PROBLEMS", 3)
    monkeypatch.setattr(module, "_MOST_WAITING", 5)
    messages = [
        msgspec.structs.replace(each, equity=Decimal(1))
        if isinstance(each, Position)
        else each
        for each in play()
    ]
    positions = [each for each in messages if isinstance(each, Position)]
    others = [each for each in messages if not isinstance(each, Position)]
    books = check([*positions, *others])
    assert len(books.problems) == 3
    assert books.broken > len(positions)
    orders = [each for each in others if isinstance(each, Order)]
    books = check([each for each in orders if each.state == "placed"], is_whole=False)
    assert books.unchecked["orders"] >= 6
