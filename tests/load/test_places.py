"""Places on a cluster: who fits, and who gets how many workers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.places import Place, deal, is_loopback, misfits


def place(
    host: str = "10.0.0.1",
    port: int = 4000,
    threads: int = 1,
    python: str = "3.12.4.final.0",
    wavetank: str = "0.1.0",
) -> Place:
    """Return a place that fits, but for what is said of it."""
    return Place(
        address=f"tcp://{host}:{port}",
        threads=threads,
        python=python,
        wavetank=wavetank,
    )


def problems(*places: Place) -> list[str]:
    """Return why these do not fit."""
    return misfits(places, python="3.12.1.final.0", wavetank="0.1.0")


def test_places_of_the_same_versions_fit() -> None:
    """A patch of Python changes nothing for us."""
    assert problems(place(), place(python="3.12.9.final.0")) == []


def test_a_cluster_without_workers_is_told_how_to_get_some() -> None:
    """Its scheduler alone sends nothing."""
    (sentence,) = problems()
    assert "no worker; start `dask worker ADDRESS`" in sentence


def test_every_misfit_is_told_at_once() -> None:
    """Another Python, another version, none at all: each with its machines."""
    found = problems(
        place("10.0.0.1"),
        place("10.0.0.2", python="3.11.7.final.0"),
        place("10.0.0.3", wavetank=""),
        place("10.0.0.4", wavetank="0.0.9"),
    )
    assert [sentence.split(";")[0] for sentence in found] == [
        "tcp://10.0.0.2:4000: Python 3.11, and this is 3.12",
        "tcp://10.0.0.3:4000: wavetank is not installed there",
        "tcp://10.0.0.4:4000: wavetank 0.0.9, and this is 0.1.0",
    ]


def test_many_misfits_are_named_in_part() -> None:
    """A line for a hundred machines helps nobody."""
    (sentence,) = problems(*(place(f"10.0.0.{n}", wavetank="") for n in range(9)))
    assert sentence.startswith(
        "tcp://10.0.0.0:4000, tcp://10.0.0.1:4000, tcp://10.0.0.2:4000 and 6 more: "
    )


def test_few_workers_are_spread_over_machines_first() -> None:
    """Two on one machine would share what two machines have apart."""
    places = [
        place("10.0.0.1", 1, threads=4),
        place("10.0.0.1", 2, threads=4),
        place("10.0.0.2", 1, threads=1),
    ]
    seats = [(seat.host, seat.address[-1]) for seat in deal(places, 5)]
    assert seats[:2] == [("10.0.0.1", "1"), ("10.0.0.2", "1")]
    assert seats[2:] == [("10.0.0.1", "2"), ("10.0.0.1", "1"), ("10.0.0.1", "2")]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 8)), min_size=1, max_size=9),
    st.integers(1, 80),
)
def test_no_place_gets_more_than_its_threads_while_others_have_room(
    made: list[tuple[int, int]], count: int
) -> None:
    """And there are as many as were asked for."""
    places = [
        place(f"10.0.0.{host}", port, threads)
        for port, (host, threads) in enumerate(made, start=1)
    ]
    taken = Counter(deal(places, count))
    assert taken.total() == count
    room = sum(each.threads for each in places)
    if count <= room:
        assert all(taken[each] <= each.threads for each in places)
    else:
        assert all(taken[each] >= each.threads for each in places)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("ws://localhost:9/x", True),
        ("ws://here.localhost/", True),
        ("tcp://[::1]:8786", True),
        ("tcp://10.0.0.1:8786", False),
        ("wss://example.org/", False),
        ("inproc", False),
    ],
)
def test_a_loopback_address_is_told_by_its_host(url: str, *, expected: bool) -> None:
    """On another machine it means that machine."""
    assert is_loopback(url) is expected
