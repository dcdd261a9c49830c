"""Kinds of values that a user types."""

from pathlib import Path

import pytest

from wavetank.kinds import (
    Kind,
    boolean,
    choice,
    integer,
    path,
    seconds,
    size_in_bytes,
    text,
    unlimited_or,
)

colour = choice("red", "green")


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        (text, " as it is ", " as it is "),
        (integer(), "-7", -7),
        (integer(1, 10), "1", 1),
        (integer(1, 10), " 10 ", 10),
        (seconds, "10", 10.0),
        (seconds, "1.5", 1.5),
        (seconds, "200ms", 0.2),
        (seconds, "10 s", 10.0),
        (seconds, "2m", 120.0),
        (seconds, "2min", 120.0),
        (seconds, "1H", 3600.0),
        (seconds, "0", 0.0),
        (seconds, "1e-07", 1e-7),  # how a small TOML float is written
        (seconds, "1e+16", 1e16),  # how a large TOML float is written
        (size_in_bytes, "65536", 65536),
        (size_in_bytes, "7B", 7),
        (size_in_bytes, "64KiB", 65536),
        (size_in_bytes, "64 kib", 65536),
        (size_in_bytes, "64kB", 64000),
        (size_in_bytes, "1.5MiB", 1572864),
        (size_in_bytes, "2MB", 2_000_000),
        (size_in_bytes, "1GiB", 1073741824),
        (size_in_bytes, "1GB", 1_000_000_000),
        (boolean, "true", True),
        (boolean, "Yes", True),
        (boolean, "on", True),
        (boolean, "1", True),
        (boolean, "false", False),
        (boolean, "NO", False),
        (boolean, "off", False),
        (boolean, "0", False),
        (colour, "green", "green"),
        (path, "a/b.pem", Path("a/b.pem")),
        (unlimited_or(integer(1)), "unlimited", None),
        (unlimited_or(integer(1)), "5", 5),
    ],
)
def test_kind_reads_what_was_typed(kind: Kind, typed: str, value: object) -> None:
    """Each kind reads its spellings, whatever the case of units and words."""
    assert kind(typed) == value


@pytest.mark.parametrize(
    ("kind", "typed", "words"),
    [
        (integer(), "ten", "'ten' is not a whole number"),
        (integer(), "1.0", "'1.0' is not a whole number"),
        (integer(), "1" * 5000, "is not a whole number"),
        (integer(), "٣", "is not a whole number"),
        (integer(1), "0", "0 is too small; the least is 1"),
        (integer(1, 10), "11", "11 is too large; the most is 10"),
        (seconds, "soon", "'soon' is not a duration such as 10, 1.5s, 200ms or 2m"),
        (seconds, "-1", "'-1' is not a duration"),
        (seconds, "inf", "'inf' is not a duration"),
        (seconds, "nan", "'nan' is not a duration"),
        (seconds, "1d", "'1d' is not a duration"),
        (seconds, "", "'' is not a duration"),
        (size_in_bytes, "64k", "'64k' is not a size such as 65536, 64KiB or 1MiB"),
        (size_in_bytes, "0.5", "'0.5' is not a size"),
        (boolean, "maybe", "'maybe' is neither true nor false"),
        (colour, "gren", "'gren' is not one of red, green; did you mean green?"),
        (path, "", "'' is not a path"),
        (path, "a\0b", "is not a path"),
        (
            unlimited_or(integer(1)),
            "endless",
            r"'endless' is not a whole number \(or the word unlimited\)",
        ),
    ],
)
def test_kind_says_in_plain_words_why_it_refuses(
    kind: Kind, typed: str, words: str
) -> None:
    """What a kind cannot read is a ValueError that quotes it and shows a way out."""
    with pytest.raises(ValueError, match=words):
        kind(typed)
