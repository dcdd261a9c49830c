"""Rules of a client's masks."""

import itertools
import random
from collections.abc import Iterable

import pytest

from wavetank.lab.conformance import masks as module
from wavetank.lab.conformance.masks import RULES, Masks, judge_masks

DICE = random.Random(6455)


def good(count: int) -> list[bytes]:
    """Return masks that nobody can guess."""
    return [DICE.randbytes(4) for _ in range(count)]


def failed(*lines: Iterable[bytes | None]) -> set[str]:
    """Return the rules that the masks of some connections break."""
    kept = Masks()
    for line in lines:
        kept.add(tuple(line))
    return {
        each.title.partition(" ")[0]
        for each in judge_masks(kept)
        if each.verdict == "FAIL"
    }


@pytest.mark.parametrize("count", [2, 10, 64, 5_000])
def test_good_masks_keep_every_rule(count: int) -> None:
    """However many there are; what chance does is no fault."""
    assert failed(good(count), good(count)) == set()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ([*good(9), None], "K.111"),
        ([bytes(4)] * 9, "K.112"),
        ([bytes(4)] * 2, "K.112"),
        ([*good(50), bytes(4), *good(9), bytes(4), *good(9), bytes(4)], "K.112"),
        ([key for key in good(50) for _ in range(2)], "K.113"),
        (good(5) * 9, "K.114"),
        ([number.to_bytes(4, "big") for number in range(1, 99)], "K.115"),
        ([number.to_bytes(4, "little") for number in range(900, 1, -7)], "K.115"),
        ([bytes([key[0] & 127]) + key[1:] for key in good(64)], "K.116"),
        ([key[:2] * 2 for key in good(64)], "K.116"),
        ([key[:2] + bytes(255 - one for one in key[:2]) for key in good(64)], "K.116"),
    ],
)
def test_masks_that_can_be_guessed_are_found(
    line: list[bytes | None], rule: str
) -> None:
    """By what can be guessed of them."""
    assert rule in failed(line)


def test_masks_that_begin_alike_on_each_connection_are_found() -> None:
    """As with dice that are thrown anew from the same seed."""
    assert "K.114" in failed(*itertools.repeat(good(3), 9))


def test_a_mask_that_comes_again_by_chance_is_no_fault() -> None:
    """Among many that has to happen now and then."""
    line = good(1_000)
    assert failed([*line, *line[:2]]) == set()
    assert failed([*line, *line[:9]]) == {"K.114"}


def test_many_good_masks_are_no_false_alarm() -> None:
    """Of 46,000 one comes again in every fourth run, and four in one of 8,000.

    Then four were too many; a client with many frames, all its masks good, failed.
    """
    line = good(46_000)
    fresh = list(dict.fromkeys(line))
    assert failed([*fresh, *fresh[:4]]) == set()
    assert failed([*fresh, *fresh[:16]]) == {"K.114"}


def test_one_mask_may_be_zeros() -> None:
    """Once in four billion frames."""
    assert failed([*good(9), bytes(4)]) == set()


def test_too_few_masks_say_nothing() -> None:
    """SKIP, with how many there were."""
    kept = Masks()
    kept.add(tuple(good(2)))
    verdicts = {each.title[:5]: (each.verdict, each.seen) for each in judge_masks(kept)}
    assert verdicts["K.116"] == ("SKIP", "only 2 frames with a mask")
    assert verdicts["K.111"] == ("PASS", "2 frames")
    assert {each.verdict for each in judge_masks(Masks())} == {"SKIP"}


def test_masks_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is no room for is counted."""
    monkeypatch.setattr(module, "_MOST", 10)
    kept = Masks()
    kept.add(tuple(good(9)))
    kept.add(tuple(good(5)))
    kept.add(())
    assert (len(kept.all_keys()), kept.left_out, len(kept.lines)) == (9, 5, 1)


def test_each_rule_is_there_once() -> None:
    """K.111 to K.116."""
    assert [rule.id for rule in RULES] == [f"K.{number}" for number in range(111, 117)]
