"""Ids say which run, which publisher and which message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.lab.checkers.ids import (
    MessageId,
    digest_of,
    find_id,
    prefix_of,
    read_id,
    write_id,
)

RUNS = st.text("0123456789abcxyz", min_size=1, max_size=8)
PUBLISHERS = st.text("abcXYZ019_.-", min_size=1, max_size=12)
NUMBERS = st.integers(1, 10**15 - 1)


@given(RUNS, PUBLISHERS, NUMBERS)
def test_an_id_says_what_it_was_made_of(run: str, publisher: str, number: int) -> None:
    """Whatever the publisher is called, dashes too, its id is read as written."""
    text = write_id(run, publisher, number)
    assert read_id(text) == MessageId(run, publisher, number)
    assert text == f"{prefix_of(run, publisher)}-{number}"


@given(RUNS, PUBLISHERS, NUMBERS)
def test_an_id_is_found_within_a_payload(run: str, publisher: str, number: int) -> None:
    """Around it may stand whatever is no part of an id."""
    text = write_id(run, publisher, number)
    assert find_id(f'{{"id":"{text}","n":1}}') == text


@pytest.mark.parametrize(
    ("run", "publisher", "number"),
    [
        *(("r-1", "p", 1), ("R", "p", 1), ("", "p", 1), ("r", "", 1)),
        *(("r", "p q", 1), ("r", "p", 0), ("r", "p", -1), ("r", "p", 10**15)),
    ],
)
def test_an_id_is_refused_where_it_could_not_be_read(
    run: str, publisher: str, number: int
) -> None:
    """Nothing is published under an id that nobody knows again."""
    with pytest.raises(ValueError, match="no id is made of"):
        write_id(run, publisher, number)


@pytest.mark.parametrize(
    "text",
    [
        *("", "w", "w-r-p", "w-r-p-", "w-r-p-01", "w-r-p-1 ", "w-r-p-\uff11"),
        *("x-r-p-1", "w-r-p-1\n", "w-r-p-" + "1" * 16),
    ],
)
def test_what_is_no_id_is_not_read_as_one(text: str) -> None:
    """There is one spelling of each id; hostile ones are none."""
    assert read_id(text) is None


@pytest.mark.parametrize("payload", ["", "{}", "xw-r-p-1x", "w-r-p-" + "1" * 16])
def test_no_id_is_found_where_none_stands(payload: str) -> None:
    """A part of something longer is no id."""
    assert find_id(payload) == ""


def test_payloads_share_a_digest_only_if_they_are_the_same() -> None:
    """Half a surrogate pair, which no UTF-8 has, has a digest too."""
    assert digest_of("a") == digest_of("a")
    assert digest_of("a") != digest_of("b")
    assert len(digest_of("\ud800")) == 8
