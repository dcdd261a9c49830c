"""Attributes: what may be said of a toxic, in which words."""

from collections.abc import Callable

import pytest

from wavetank.chaos.attributes import Attribute, number, opcode, read_attributes
from wavetank.kinds import boolean, integer, text

TABLE = (
    Attribute("size", integer(0), 5, "bytes", "how many"),
    Attribute("share", number(0, 1), 0.5, "", "how often"),
    Attribute("open", boolean, False, "", "whether"),
    Attribute("reason", text, None, "", "why"),
    Attribute("opcodes", opcode, (), "", "which", many=True),
)


def read(given: dict[str, object]) -> tuple[dict[str, object], list[str]]:
    """Return values and problems."""
    problems: list[str] = []
    return read_attributes(TABLE, given, "toxic x", problems), problems


def test_attributes_that_are_not_said_have_their_defaults() -> None:
    """None is as good as not said: it is how a default comes back out of JSON."""
    defaults = {"size": 5, "share": 0.5, "open": False, "reason": None, "opcodes": ()}
    assert read({}) == (defaults, [])
    assert read(dict.fromkeys(defaults)) == (defaults, [])


def test_attributes_are_read_as_they_come_and_as_they_are_typed() -> None:
    """JSON, TOML and the command line say the same in different kinds."""
    wanted = {
        "size": 9,
        "share": 0.25,
        "open": True,
        "reason": "7",
        "opcodes": (1, 9, 15),
    }
    from_json = {
        "size": 9.0,
        "share": 0.25,
        "open": True,
        "reason": 7,
        "opcodes": ["text", 9, "15"],
    }
    typed = {"size": "9", "share": "0.25", "open": "yes", "reason": "7"}
    assert read(from_json) == (wanted, [])
    assert read(typed) == ({**wanted, "opcodes": ()}, [])
    assert read({"opcodes": "ping"})[0]["opcodes"] == (9,)


def test_attributes_tell_all_mistakes_at_once() -> None:
    """Each is one sentence, and the nearest name is proposed."""
    values, problems = read(
        {"sice": 1, "size": -1, "share": 2, "open": [], "reason": 1}
    )
    assert problems == [
        "toxic x: nothing is known of 'sice'; did you mean size?",
        "toxic x, size: -1 is too small; the least is 0",
        "toxic x, share: 2 is too large; the most is 1",
        "toxic x, open: [] is neither a word nor a number",
    ]
    assert (values["size"], values["reason"]) == (5, "1")


def test_of_many_names_that_are_not_known_the_first_ones_are_told() -> None:
    """Nobody reads thousands of sentences, and links would wait for them."""
    _, problems = read({f"sice{number}": 1 for number in range(50_000)})
    assert problems[0] == "toxic x: nothing is known of 'sice0'; did you mean size?"
    assert problems[-1] == "toxic x: nor of 49980 other names"
    assert len(problems) == 21
    _, (problem,) = read({"z" * 100_000: 1})
    assert len(problem) < 100


@pytest.mark.parametrize(
    ("kind", "typed", "problem"),
    [
        (number(), "much", "'much' is not a number"),
        (number(), "nan", "'nan' is not a finite number"),
        (number(), "inf", "'inf' is not a finite number"),
        (number(1), "0.5", "0.5 is too small; the least is 1"),
        (number(1, 2), "2.5", "2.5 is too large; the most is 2"),
        (opcode, "16", "'16' is not an opcode"),
        (opcode, "00001", "'00001' is not an opcode"),
        (opcode, "pingg", "did you mean ping?"),
    ],
)
def test_kinds_say_in_plain_words_what_is_wrong(
    kind: Callable[[str], object], typed: str, problem: str
) -> None:
    """Nobody has to guess."""
    with pytest.raises(ValueError, match=problem.replace("?", r"\?")):
        kind(typed)
