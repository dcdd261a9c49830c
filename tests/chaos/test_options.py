"""The table of options of ``wavetank proxy``."""

import pytest

from wavetank.chaos.options import PROXY_OPTIONS
from wavetank.errors import UsageError
from wavetank.settings import DEFAULT, resolve


def test_nothing_typed_is_nothing_asked_for() -> None:
    """Each option has a default, and none of them starts anything."""
    settings = resolve(PROXY_OPTIONS, flags={})
    assert settings["upstream"] == ""
    assert settings["listen"] == ("127.0.0.1", 0)
    assert (settings["toxic"], settings["control"]) == ((), None)
    assert {settings.source(key) for key in settings} == {DEFAULT}


def test_toxics_are_typed_in_words_and_may_be_many() -> None:
    """Each is read on its own."""
    flags = {"toxic": ["noop name=a", "drop when.count=1"]}
    settings = resolve(PROXY_OPTIONS, flags=flags)
    assert [toxic.name for toxic in settings["toxic"]] == ["a", "drop_downstream"]


def test_mistakes_are_told_by_their_option() -> None:
    """All at once, with the nearest name."""
    with pytest.raises(UsageError) as caught:
        resolve(PROXY_OPTIONS, flags={"toxic": ["latncy"], "mode": "byte", "seed": "x"})
    told = caught.value.problems
    assert len(told) == 3
    assert any(line.startswith("--toxic: ") and "latency?" in line for line in told)
