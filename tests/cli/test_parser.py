"""Arguments from a table: texts as they were typed, every mistake named."""

import pytest

from wavetank.cli.parser import Parser
from wavetank.errors import UsageError
from wavetank.settings import Option, boolean, integer, text

OPTIONS = (
    Option(name="target", also=("server",), kind=text, default="", help="where"),
    Option(name="max-clients", kind=integer(), default=9, help="at most 100 %"),
    Option(name="header", kind=text, default=(), many=True, help="headers"),
    Option(name="full", kind=boolean, default=False, is_flag=True, help="all of it"),
    Option(name="held", kind=boolean, default=True, is_flag=True, help="keep it"),
)


@pytest.fixture
def parser() -> Parser:
    """A parser of a small table."""
    return Parser("try", description="Tries.", options=OPTIONS)


def test_what_was_not_typed_is_none(parser: Parser) -> None:
    """Defaults are not the parser's business: weaker sources may have a say."""
    assert set(parser.flags(parser.parse([])).values()) == {None}


def test_values_stay_the_texts_that_were_typed(parser: Parser) -> None:
    """Nothing is converted: that is where mistakes are judged all at once."""
    typed = parser.parse(
        ["--max-clients", "many", "--header", "A: 1", "--header", "B: 2", "--full"]
    )

    assert parser.flags(typed) == {
        "target": None,
        "max-clients": "many",
        "header": ["A: 1", "B: 2"],
        "full": True,
        "held": None,
    }


def test_an_option_is_known_by_its_other_name(parser: Parser) -> None:
    """The flag of an older set-up means the same."""
    assert parser.flags(parser.parse(["--server", "x"]))["target"] == "x"


def test_an_option_that_is_on_can_be_switched_off(parser: Parser) -> None:
    """``--no-…`` is there for what is on by default."""
    assert parser.flags(parser.parse(["--no-held"]))["held"] is False


def test_unknown_options_are_all_named_with_the_nearest_one(parser: Parser) -> None:
    """Two mistakes are two sentences; a value behind one is no mistake of its own."""
    with pytest.raises(UsageError) as raised:
        parser.parse(["--tarrget", "x", "--max-client=3"])

    assert raised.value.problems == (
        "--tarrget: unknown option; did you mean --target?",
        "--max-client=3: unknown option; did you mean --max-clients?",
    )


def test_an_argument_too_many_is_named(parser: Parser) -> None:
    """A word that no option takes is a mistake."""
    with pytest.raises(UsageError, match="more: one argument too many"):
        parser.parse(["more"])


def test_an_option_without_its_value_is_a_usage_error(parser: Parser) -> None:
    """argparse's own complaints come as ours do."""
    with pytest.raises(UsageError, match="--target"):
        parser.parse(["--target"])


def test_the_help_shows_every_option(
    parser: Parser, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--help`` has a line for each row, per cent signs as they are."""
    with pytest.raises(SystemExit) as ended:
        parser.parse(["--help"])

    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(option.flag in printed for option in OPTIONS)
    assert "at most 100 %" in printed
