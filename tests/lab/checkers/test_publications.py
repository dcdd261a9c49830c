"""Publications are packed, and forgotten in chunks."""

import pytest

from wavetank.lab.checkers.publications import (
    CHUNK,
    FAILED,
    INFO,
    LAST_SEQ,
    OK,
    OPEN,
    RETRIED,
    SEEN,
    STATE,
    Chunk,
    Ledger,
    Publisher,
)


def ledger(limit: int = 100) -> Ledger:
    """Return a ledger without publications."""
    return Ledger("t", 0, limit=limit)


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ([], OPEN),
        ([OK], OK),
        ([FAILED], FAILED),
        ([INFO], INFO),
        ([FAILED, OPEN, OK], OK),
        ([FAILED, OPEN, FAILED], FAILED),
        ([FAILED, OPEN], OPEN),
        ([FAILED, OPEN, INFO], INFO),
        ([OPEN, FAILED], INFO),  # the first attempt was never answered
        ([INFO, OPEN, FAILED], INFO),
        ([INFO, OPEN, OK], OK),
        ([OK, OPEN, FAILED], OK),
        ([OK, INFO], OK),
        ([FAILED, INFO], INFO),
    ],
)
def test_a_publication_failed_only_if_each_attempt_did(
    ends: list[int], state: int
) -> None:
    """One attempt of which nobody knows may have been the one."""
    chunk = Chunk(0)
    chunk.append(0, 1, 0)
    for end in ends:
        chunk.answer(0, end)
    assert chunk.status[0] & STATE == state
    assert bool(chunk.status[0] & RETRIED) == (OPEN in ends)


def test_epochs_without_name_belong_to_the_first_that_has_one() -> None:
    """A target that names its epoch late has not begun a new one."""
    log = ledger()
    assert log.base_of("") == 0
    assert log.base_of("a") == 0
    assert log.base_of("") == 0
    later = log.base_of("b")
    assert later > LAST_SEQ
    assert log.base_of("") == later
    assert log.base_of("a") == 0
    assert log.said_of(later + 7) == (7, "b")
    assert log.said_of(7) == (7, "a")
    assert log.said_of(-1) == (None, "")
    assert ledger().said_of(3) == (3, "")


def test_epochs_beyond_what_fits_share_the_last_place() -> None:
    """A hostile target names a new one in every message; counts are bounds then."""
    log = ledger()
    bases = {log.base_of(f"e{number}") for number in range(1100)}
    assert max(bases) + LAST_SEQ < 2**63
    assert log.is_bounded
    assert len(bases) == 1023


def test_a_place_in_the_log_is_one_publication_s() -> None:
    """A second one that claims it is seen, in any order."""
    log = ledger()
    for number in range(1, 5):
        log.append(0, number, 0)
    chunk = log.chunks[0]
    assert log.settle(chunk, 0, 1)
    assert log.settle(chunk, 1, 3)
    assert log.settle(chunk, 2, 2)
    assert not log.settle(chunk, 3, 2)
    assert list(chunk.positions) == [1, 3, 2, 2]


def test_a_ledger_accuses_nobody_once_it_has_forgotten_places() -> None:
    """With more gaps than are told apart, no place is known to be taken."""
    log = ledger(limit=2)
    for number in range(5):
        log.append(0, number + 1, 0)
        assert log.settle(log.chunks[0], number, number * 2)
    log.append(0, 6, 0)
    assert log.settle(log.chunks[0], 5, 0)
    assert log.is_bounded


def test_a_chunk_that_goes_takes_its_places_with_it() -> None:
    """What is kept is bounded, however many publications there were."""
    log, publisher = ledger(), Publisher("w-r-p", 0)
    for number in range(1, 3 * CHUNK + 1):
        index = log.append(0, number, 0)
        publisher.put(number, index + 1)
    log.settle(log.chunks[0], 5, 77)
    assert len(publisher.pages) == 4
    log.forget(log.chunks[0], [publisher])
    log.forget(log.chunks[1], [publisher])
    # Numbers begin with 1: one of the second chunk is in the third page.
    assert list(publisher.pages) == [2, 3]
    assert list(log.chunks) == [2]
    assert log.forgotten == 77
    assert publisher.place_of(5) == 0
    assert publisher.is_forgotten(5)
    assert not publisher.is_forgotten(2 * CHUNK + 5)
    assert not publisher.is_forgotten(3 * CHUNK + 1)
    assert not publisher.is_forgotten(0)
    assert repr(log) == "<Ledger t 3072 in 1 chunks>"
    assert repr(publisher) == "<Publisher w-r-p up to 3072>"


def test_a_publisher_s_last_page_goes_once_there_is_another() -> None:
    """While its last number is in it, more may be put there."""
    publisher = Publisher("w-r-p", 0)
    publisher.put(5, 1)
    publisher.forget(0, 1)
    assert list(publisher.pages) == [0]
    publisher.put(CHUNK + 5, 2)
    assert list(publisher.pages) == [1]


def test_ranks_follow_the_first_deliveries() -> None:
    """What anybody got first is the first."""
    log = ledger()
    for number in (1, 2):
        log.append(0, number, 0)
    log.see(log.chunks[0], 1)
    log.see(log.chunks[0], 0)
    assert list(log.chunks[0].ranks) == [2, 1]
    assert all(status & SEEN for status in log.chunks[0].status)
    assert log.chunks[0].id_of(1, ["w-r-p"]) == "w-r-p-2"
