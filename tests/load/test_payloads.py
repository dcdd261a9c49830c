"""What a message carries: halves around a mark, of exactly the size asked for."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.load.marks import EMPTY, WIDTH
from wavetank.load.payloads import Texts, problems_of
from wavetank.load.plan import Payload

MARK = EMPTY


def texts(*, marker: int = WIDTH, **payload: object) -> Texts:
    """Return the texts of a payload."""
    return Texts(Payload(**payload), random.Random(1), marker=marker)


@given(size=st.integers(58, 3000), marker=st.integers(1, 44))
def test_a_made_up_message_is_json_of_exactly_its_size(size: int, marker: int) -> None:
    """To the byte, and the mark stands in it."""
    made = texts(size=size, marker=marker)
    mark = MARK[:marker]
    before, behind = made.halves(3, 4)
    message = before + mark + behind
    assert len(message) == size
    assert json.loads(message)["mark"] == mark.decode()
    assert made.is_constant
    assert made.is_json()


def test_a_made_up_message_cannot_be_compressed_away() -> None:
    """With dice it is filled with letters at random, without them with one."""
    _, behind = texts(size=1000).halves(0, 0)
    assert len(set(behind)) > 50
    _, plain = Texts(Payload(size=1000)).halves(0, 0)
    assert plain == b'","pad":"' + b"x" * (1000 - 67) + b'"}'


def test_the_same_dice_make_the_same_message() -> None:
    """A run can be done again from its seed."""
    assert texts(size=500).halves(0, 0) == texts(size=500).halves(9, 9)


def test_a_template_is_filled_in_around_the_mark() -> None:
    """Number, user and pad; other braces are the user's own."""
    made = texts(
        template='{"m":"{marker}","n":{n},"by":{user},"at":{ },"pad":"{pad}"}', size=128
    )
    for n, user in ((0, 1), (123_456, 99)):
        before, behind = made.halves(n, user)
        assert before == b'{"m":"'
        assert behind.startswith(b'","n":%d,"by":%d,"at":{ },"pad":"' % (n, user))
        assert len(before) + WIDTH + len(behind) == 128
    assert not made.is_constant
    assert made.is_json()


def test_a_template_without_numbers_is_always_the_same() -> None:
    """Its halves are made once."""
    made = texts(template="é{pad}-{marker}", size=100)
    before, behind = made.halves(1, 2)
    assert made.is_constant
    assert made.halves(5, 6) is made.halves(7, 8)
    assert (len(before) + WIDTH, behind) == (100, b"")
    assert before.startswith("é".encode())


def test_a_template_that_is_longer_than_its_size_is_not_padded() -> None:
    """Nothing of it is cut off."""
    assert texts(template="{marker}{pad}" + "y" * 90, size=60).halves(0, 0) == (
        b"",
        b"y" * 90,
    )


def test_recorded_lines_are_sent_in_turn() -> None:
    """From the first again behind the last."""
    made = texts(lines=("a{marker}", "b{n}{marker}c"))
    assert [made.halves(n, 0) for n in range(3)] == [
        (b"a", b""),
        (b"b1", b"c"),
        (b"a", b""),
    ]
    assert not made.is_constant
    assert not made.is_json()
    assert texts(lines=('"{marker}"', '[0,{n},"{marker}"]')).is_json()


@pytest.mark.parametrize(
    ("payload", "problems"),
    [
        (Payload(), []),
        (Payload(size=58), []),
        (Payload(template="{marker}", size=1), []),
        (Payload(lines=("{marker}",)), []),
        (
            Payload(size=57),
            [
                "size 57: too small for the mark that finds each message again; the "
                "least is 58, or give a template"
            ],
        ),
        (
            Payload(template="{makrer}{pad}{pad} {whatever}"),
            [
                "template: {makrer} is not a placeholder; did you mean marker?",
                "template: it has no {marker}, without which no message is found again",
                "template: it has {pad} more than once",
            ],
        ),
        (
            Payload(template="{marker}{marker}"),
            ["template: it has {marker} 2 times; once is enough"],
        ),
        (
            Payload(template="{marker}\ud800"),
            ["template: it cannot be sent as UTF-8"],
        ),
        (
            Payload(lines=("{marker}", "nothing")),
            ["line 2: it has no {marker}, without which no message is found again"],
        ),
    ],
)
def test_mistakes_of_a_payload_are_told(payload: Payload, problems: list[str]) -> None:
    """Each with its place, and the nearest placeholder."""
    assert problems_of(payload) == problems


def test_a_file_of_mistakes_is_told_in_a_few_lines() -> None:
    """A wrong file has as many mistakes as lines, and the first ones are enough."""
    assert len(problems_of(Payload(lines=("x",) * 1000))) == 5
