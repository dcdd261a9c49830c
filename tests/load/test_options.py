"""The table of a load's options."""

from collections import Counter

import pytest

from wavetank.errors import UsageError
from wavetank.lab.options import OPTIONS
from wavetank.load.options import LOAD_OPTIONS
from wavetank.load.plan import Stage
from wavetank.settings import resolve


def test_options_have_names_of_their_own() -> None:
    """None is an option of a run too: one command line takes both."""
    every = (*OPTIONS, *LOAD_OPTIONS)
    flags = Counter(flag for one in every for flag in (one.name, *one.also))
    assert set(flags.values()) == {1}


def test_options_say_their_defaults() -> None:
    """What nobody gives is what the help says."""
    settings = resolve(LOAD_OPTIONS, flags={})
    assert settings["duration"] == 20.0
    assert settings["drain"] == 5.0
    assert settings["opening"] == 64
    assert settings["acknowledged"] is True
    assert settings["find_by"] == "rate"
    assert settings.changed() == {}


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("rate", "2.5k", (2500.0, None)),
        ("rate", "100..200", (100.0, 200.0)),
        ("size", "1KiB", 1024),
        ("read-rate", "64KiB/s", 65_536.0),
        ("read-rate", "1000", 1000.0),
        ("warm-up", "200ms", 0.2),
        (
            "stage",
            ("5 for 1s", "6 for 2s"),
            (Stage(seconds=1, level=5), Stage(seconds=2, level=6)),
        ),
        ("prometheus", "0", 0),
    ],
)
def test_options_take_what_people_type(name: str, typed: object, value: object) -> None:
    """Each by its kind."""
    assert resolve(LOAD_OPTIONS, flags={name: typed})[name] == value


def test_a_threshold_is_read_where_it_is_typed() -> None:
    """Its text stays with it, for the report."""
    settings = resolve(LOAD_OPTIONS, flags={"threshold": ["p99 < 100ms"]})
    (threshold,) = settings["threshold"]
    assert (threshold.figure, threshold.sign, threshold.value) == ("p99", "<", 0.1)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("users", "0"),
        ("users", "1000001"),
        ("rate", "fast"),
        ("size", "17MiB"),
        ("size", "0"),
        ("read-rate", "fast/s"),
        ("duration", "50ms"),
        ("duration", "169h"),
        ("shape", "fibonaci"),
        ("scenario", "requests"),
        ("find", "fast"),
        ("threshold", ("p99 = 3",)),
    ],
)
def test_options_refuse_what_makes_no_sense(name: str, typed: object) -> None:
    """Every load is bounded in time, connections and bytes."""
    with pytest.raises(UsageError, match=f"^--{name}: "):
        resolve(LOAD_OPTIONS, flags={name: typed})


@pytest.mark.parametrize("typed", ["tcp://10.0.0.1:8786", "tls://[::1]:8786"])
def test_a_cluster_is_named_by_its_scheduler(typed: str) -> None:
    """As dask itself prints it."""
    assert resolve(LOAD_OPTIONS, flags={"cluster": typed})["cluster"] == typed


@pytest.mark.parametrize(
    "typed",
    [
        *("10.0.0.1:8786", "tcp://10.0.0.1", "http://10.0.0.1:8787", "tcp://:8786"),
        *("tcp://a:b", "tcp://[::1:8786", "tcp://a:8786/x", ""),
    ],
)
def test_a_cluster_without_a_whole_address_is_refused(typed: str) -> None:
    """There is no port that everybody has, and no other way to speak."""
    with pytest.raises(UsageError, match=r"no address such as tcp://10\.0\.0\.1:8786"):
        resolve(LOAD_OPTIONS, flags={"cluster": typed})
