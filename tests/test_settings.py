"""Options from flags, environment, .env and TOML."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.errors import UsageError
from wavetank.settings import (
    Option,
    Setting,
    Settings,
    boolean,
    integer,
    parse_dotenv,
    read_toml,
    resolve,
    seconds,
    size_in_bytes,
    text,
    unlimited_or,
)

OPTIONS = (
    Option(name="max-clients", kind=integer(1), default=100, help="Most clients."),
    Option(name="port", kind=integer(), default=8765, help="", env=("WEBSOCKET_PORT",)),
    Option(name="token", kind=text, default=None, help="", secret=True),
    Option(name="pin", kind=integer(), default=None, help="", secret=True),
    Option(name="header", kind=text, default=(), help="", many=True),
    Option(name="dynamic-ports", kind=boolean, default=True, help="", is_flag=True),
    Option(
        name="max-message",
        kind=unlimited_or(size_in_bytes),
        default=1024,
        help="Largest message.",
    ),
    Option(name="drain", kind=seconds, default=30.0, help="", also=("drain-for",)),
)

NO_FLAGS: dict[str, object] = {}


def resolved(**sources: Any) -> Settings:
    """Resolve the table of this file."""
    return resolve(OPTIONS, **({"flags": NO_FLAGS} | sources))


def problems(**sources: Any) -> tuple[str, ...]:
    """Return what is wrong with these sources."""
    with pytest.raises(UsageError) as caught:
        resolved(**sources)
    return caught.value.problems


def test_option_knows_its_names() -> None:
    """A name gives the flag, the key and the variables."""
    option = OPTIONS[1]
    assert (option.flag, option.key) == ("--port", "port")
    assert option.variables() == ("WAVETANK_PORT", "WEBSOCKET_PORT")
    assert OPTIONS[0].key == "max_clients"
    assert OPTIONS[0].variables("X_") == ("X_MAX_CLIENTS",)


def test_settings_are_the_defaults_when_nobody_gives_anything() -> None:
    """Every option has its default, as it is, and says so."""
    settings = resolved()
    assert settings["max_clients"] == 100
    assert settings["header"] == ()
    assert {settings.source(key) for key in settings} == {"default"}
    assert settings.changed() == {}


STRENGTHS: list[tuple[dict[str, Any], int, str]] = [
    # from the strongest source to the weakest; each one wins over all below
    ({"flags": {"max-clients": "1"}}, 1, "--max-clients"),
    (
        {"environ": {"WAVETANK_MAX_CLIENTS": "2"}},
        2,
        "environment WAVETANK_MAX_CLIENTS",
    ),
    ({"dotenv": (".env.test", "A=1\nWAVETANK_MAX_CLIENTS=3")}, 3, ".env.test line 2"),
    (
        {"toml": ("wavetank.toml", "[run]\nmax-clients = 4", "run")},
        4,
        "wavetank.toml [run] max-clients",
    ),
    ({}, 100, "default"),
]


@pytest.mark.parametrize("strongest", range(len(STRENGTHS)))
def test_stronger_source_wins_and_is_named(strongest: int) -> None:
    """Flags win over environment, .env, TOML and default, in this order."""
    sources: dict[str, Any] = {}
    for given_sources, _, _ in STRENGTHS[strongest:]:
        sources |= given_sources
    settings = resolved(**sources)
    _, value, source = STRENGTHS[strongest]
    assert settings["max_clients"] == value
    assert settings.source("max_clients") == source


def test_settings_read_other_names_of_the_environment_after_ours() -> None:
    """WAVETANK_PORT wins over WEBSOCKET_PORT, which wins over the default."""
    environ = {"WEBSOCKET_PORT": "1", "WAVETANK_PORT": "2"}
    assert resolved(environ=environ)["port"] == 2
    settings = resolved(environ={"WEBSOCKET_PORT": "1"})
    assert settings["port"] == 1
    assert settings.source("port") == "environment WEBSOCKET_PORT"


@pytest.mark.parametrize(
    ("sources", "source"),
    [
        ({"flags": {"drain_for": "1"}}, "--drain-for"),
        (
            {"environ": {"WAVETANK_DRAIN_FOR": "1"}},
            "environment WAVETANK_DRAIN_FOR",
        ),
        ({"toml": ("t", "[r]\ndrain-for = 1", "r")}, "t [r] drain-for"),
    ],
)
def test_option_answers_to_its_other_names(
    sources: dict[str, Any], source: str
) -> None:
    """Another name is as good as the first one, and is the one that is shown."""
    settings = resolved(**sources)
    assert settings["drain"] == 1.0
    assert settings.source("drain") == source


def test_settings_take_an_empty_variable_as_not_given() -> None:
    """An empty value, as a CI leaves behind, gives way to the next source."""
    environ = {"WAVETANK_PORT": "", "WEBSOCKET_PORT": "1"}
    assert resolved(environ=environ)["port"] == 1
    assert resolved(environ={"WAVETANK_PORT": ""})["port"] == 8765


@pytest.mark.parametrize("raw", [None, (), []])
def test_settings_take_an_untyped_flag_as_not_given(raw: object) -> None:
    """What argument parsers leave for an untyped flag counts as absent."""
    assert resolved(flags={"header": raw}).source("header") == "default"


@pytest.mark.parametrize(
    ("raw", "value", "source"),
    [(True, True, "--dynamic-ports"), (False, False, "--no-dynamic-ports")],
)
def test_flag_without_a_value_says_which_way_it_was_typed(
    raw: object, value: object, source: str
) -> None:
    """A switch is named as it stood on the command line."""
    settings = resolved(flags={"dynamic_ports": raw})
    assert settings["dynamic_ports"] is value
    assert settings.source("dynamic_ports") == source


@pytest.mark.parametrize(
    ("sources", "value"),
    [
        ({"flags": {"header": ("A: 1", "B: 2, 3")}}, ("A: 1", "B: 2, 3")),
        ({"flags": {"header": "A: 1, 2"}}, ("A: 1, 2",)),
        ({"environ": {"WAVETANK_HEADER": "A: 1, B: 2"}}, ("A: 1", "B: 2")),
        ({"environ": {"WAVETANK_HEADER": 'A: 1, "B: 2, 3"'}}, ("A: 1", "B: 2, 3")),
        ({"environ": {"WAVETANK_HEADER": "A: 1\nB: 2\n"}}, ("A: 1", "B: 2")),
        ({"toml": ("t", '[r]\nheader = ["A: 1", "B"]', "r")}, ("A: 1", "B")),
        ({"toml": ("t", '[r]\nheader = "A: 1, 2"', "r")}, ("A: 1, 2",)),
    ],
)
def test_option_given_several_times_is_a_tuple(
    sources: dict[str, Any], value: tuple[str, ...]
) -> None:
    """Flags and TOML have lists; the environment has commas, and quotes around them."""
    assert resolved(**sources)["header"] == value


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("max_clients = 7", "max_clients", 7),
        ('max-clients = "7"', "max_clients", 7),
        ("dynamic-ports = false", "dynamic_ports", False),
        ("drain = 1.5", "drain", 1.5),
        ('drain = "2m"', "drain", 120.0),
        ('max-message = "unlimited"', "max_message", None),
        ("token = 123", "token", "123"),
    ],
)
def test_toml_value_reads_as_if_it_were_typed(
    line: str, key: str, value: object
) -> None:
    """Numbers, booleans and strings of TOML go through the same kinds as flags."""
    assert resolved(toml=("t.toml", f"[run]\n{line}", "run"))[key] == value


def test_toml_section_may_be_deep() -> None:
    """A dotted section is found, as pyproject.toml wants it."""
    content = "[tool.wavetank.run]\nport = 1"
    settings = resolved(toml=("pyproject.toml", content, "tool.wavetank.run"))
    assert settings.source("port") == "pyproject.toml [tool.wavetank.run] port"


def test_toml_without_the_section_gives_nothing() -> None:
    """A file without the section leaves everything at its default."""
    assert resolved(toml=("t.toml", "[other]\nport = 1", "run")).changed() == {}


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        (
            {"flags": {"max-clients": "ten"}},
            "--max-clients: 'ten' is not a whole number",
        ),
        ({"flags": {"port": ("1", "2")}}, "--port: takes one value, not 2"),
        (
            {"flags": {"max_cleints": "1"}},
            "--max_cleints: unknown option; did you mean --max-clients?",
        ),
        (
            {"environ": {"WEBSOCKET_PORT": "x"}},
            "environment WEBSOCKET_PORT: 'x' is not a whole number",
        ),
        (
            {"environ": {"WAVETANK_MAX_CLIENT": "1"}},
            "environment WAVETANK_MAX_CLIENT: unknown name;"
            " did you mean WAVETANK_MAX_CLIENTS?",
        ),
        (
            {"environ": {"WAVETANK_HEADER": '"A'}},
            "environment WAVETANK_HEADER: '\"A' is not a list separated by commas",
        ),
        (
            {"dotenv": (".env", "\nWAVETANK_PORT=x")},
            ".env line 2 WAVETANK_PORT: 'x' is not a whole number",
        ),
        (
            {"dotenv": (".env", "WAVETANK_PROT=1")},
            ".env line 1 WAVETANK_PROT: unknown name; did you mean WAVETANK_PORT?",
        ),
        ({"dotenv": (".env", "A=1\nwhat")}, ".env line 2: is not NAME=value"),
        (
            {"toml": ("t.toml", "[run]\nprot = 1", "run")},
            "t.toml [run] prot: unknown key; did you mean port?",
        ),
        (
            {"toml": ("t.toml", "[run]\nport = true", "run")},
            "t.toml [run] port: 'true' is not a whole number",
        ),
        (
            {"toml": ("t.toml", "[run]\nport = {a = 1}", "run")},
            "t.toml [run] port: takes a plain value, not a table or a list of lists",
        ),
        (
            {"toml": ("t.toml", "[run]\nheader = [[1]]", "run")},
            "t.toml [run] header: takes a plain value, not a table or a list of lists",
        ),
        (
            {"toml": ("t.toml", "[run]\nmax-clients=1\nmax_clients=2", "run")},
            "t.toml [run] max_clients: given twice; see t.toml [run] max-clients",
        ),
        ({"toml": ("t.toml", "run = 1", "run")}, "t.toml [run]: is not a table"),
        ({"toml": ("t.toml", "run = 1", "run.x")}, "t.toml [run.x]: is not a table"),
    ],
)
def test_mistake_is_reported_with_its_place(
    sources: dict[str, Any], problem: str
) -> None:
    """A mistake names its file, line, section or flag, and the nearest valid name."""
    assert problems(**sources) == (problem,)


def test_mistakes_of_all_sources_are_reported_at_once() -> None:
    """Nobody mends a mistake only to meet the next one."""
    seen = problems(
        flags={"port": "x"},
        environ={"WAVETANK_DRAIN": "soon", "WAVETANK_NOPE": "1"},
        dotenv=(".env", "=\nWAVETANK_HEADER='A'"),
        toml=("t.toml", "[run]\nmax-clients = 0\nnope = 1", "run"),
    )
    assert len(seen) == 6


def test_toml_that_cannot_be_read_is_one_mistake_among_others() -> None:
    """A TOML file with a syntax error does not hide what is wrong elsewhere."""
    seen = problems(flags={"port": "x"}, toml=("t.toml", "[run]\na b", "run"))
    assert len(seen) == 2
    assert seen[0].startswith("t.toml: not TOML: ")
    assert "line 2" in seen[0]


def test_overridden_mistake_is_not_judged() -> None:
    """A flag gets around a value that the environment spoils."""
    environ = {"WEBSOCKET_PORT": "tcp://10.0.0.1:80"}
    assert resolved(flags={"port": "1"}, environ=environ)["port"] == 1


def test_foreign_names_are_passed_over() -> None:
    """Names of other programs stand in the environment and in .env unreported."""
    settings = resolved(
        environ={"HOME": "/", "WAVE": "1"}, dotenv=(".env", "LOG_LEVEL=debug")
    )
    assert settings.changed() == {}


def test_names_of_another_table_are_passed_over() -> None:
    """An option of another command, set for all, is no mistake here."""
    settings = resolved(
        elsewhere=["hub-name"],
        environ={"WAVETANK_HUB_NAME": "a"},
        dotenv=(".env", "WAVETANK_HUB_NAME=b"),
        toml=("t.toml", "[run]\nhub-name = 1", "run"),
    )
    assert settings.changed() == {}


@pytest.mark.parametrize(
    "sources",
    [
        {"flags": {"pin": "hunter2"}},
        {"environ": {"WAVETANK_PIN": "hunter2"}},
        {"dotenv": (".env", "WAVETANK_PIN='hunter2'")},
        {"dotenv": (".env", "WAVETANK_PIN='hunter2")},
        {"dotenv": (".env", "WAVETANK_PIN hunter2")},
    ],
)
def test_secret_is_never_shown_in_a_mistake(sources: dict[str, Any]) -> None:
    """A mistake about a secret names its place, not its value."""
    (problem,) = problems(**sources)
    assert "hunter2" not in problem


def test_secret_is_never_shown_in_the_settings() -> None:
    """Table, changes and repr show stars; the value itself is there to be used."""
    settings = resolved(flags={"token": "hunter2"})
    assert settings["token"] == "hunter2"
    assert settings.changed() == {"token": "***"}
    assert repr(settings) == "<Settings {'token': '***'}>"
    assert "hunter2" not in repr(settings.table())
    assert "hunter2" not in repr(Setting(value="hunter2", source="--token"))


def test_settings_show_every_option_in_words() -> None:
    """The table of --show-config says name, value and source in the table's order."""
    settings = resolved(
        flags={"header": ["A", "B"], "dynamic-ports": False, "max-message": "unlimited"}
    )
    assert [tuple(row) for row in settings.table()] == [
        ("max-clients", "100", "default"),
        ("port", "8765", "default"),
        ("token", "not set", "default"),
        ("pin", "not set", "default"),
        ("header", "A, B", "--header"),
        ("dynamic-ports", "false", "--no-dynamic-ports"),
        ("max-message", "unlimited", "--max-message"),
        ("drain", "30.0", "default"),
    ]


def test_settings_show_that_nothing_was_given_several_times() -> None:
    """An option with no values is not set, whether it is a secret or not."""
    rows = {row.name: row.value for row in resolved().table()}
    assert rows["header"] == "not set"


def test_settings_are_a_mapping_by_key() -> None:
    """They iterate in the order of the table and take both spellings of a key."""
    settings = resolved()
    assert list(settings)[:2] == ["max_clients", "port"]
    assert len(settings) == len(OPTIONS)
    assert settings["max-clients"] == settings["max_clients"]
    assert "seed" not in settings


def test_settings_propose_a_key_when_there_is_none_of_that_name() -> None:
    """A key that is not in the table is a KeyError with the nearest one."""
    with pytest.raises(KeyError, match="did you mean max_clients"):
        resolved()["max_client"]


def test_toml_with_a_section_that_nobody_reads_is_refused() -> None:
    """A misspelt section is reported instead of silently doing nothing."""
    content = "[run]\n[rum]\n[dialect.x]"
    assert set(read_toml("t.toml", content)) == {"run", "rum", "dialect"}
    with pytest.raises(UsageError) as caught:
        read_toml("t.toml", content, sections=["run", "dialect"])
    assert caught.value.problems == (
        "t.toml [rum]: unknown section; did you mean run?",
    )


def test_toml_nested_without_end_is_refused() -> None:
    """A text that would exhaust the stack is a mistake, not a crash."""
    with pytest.raises(UsageError, match="not TOML"):
        read_toml("t.toml", "a = " + "[" * 100_000)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A = b c ", "b c"),
        ("export A=b", "b"),
        ("A=", ""),
        ("A= # a comment", ""),
        ("A=b # a comment", "b"),
        ("A=b#c", "b#c"),
        ("A=$HOME", "$HOME"),
        ("A='b # c'", "b # c"),
        ("A='b\\n'", "b\\n"),
        ("A='b' # a comment", "b"),
        ('A="b\\n\\t\\r\\"\\\\$"', 'b\n\t\r"\\$'),
        ('A=" b "', " b "),
        ("\ufeffA=b", "b"),
        ("A=b\r", "b"),
        ("A=1\nA=b", "b"),
        ("A=a=b", "a=b"),
    ],
)
def test_dotenv_reads_an_assignment(line: str, value: str) -> None:
    """Quotes, export, comments and CRLF are understood; nothing is expanded."""
    assert parse_dotenv(line)["A"][0] == value


def test_dotenv_says_on_which_line_a_name_stands() -> None:
    """Lines count from 1, whatever ends them; comments and empty lines count too."""
    content = "# first\r\n\r\nA=1\r\n  B=2\r\nC=3"
    assert parse_dotenv(content) == {"A": ("1", 3), "B": ("2", 4), "C": ("3", 5)}


def test_dotenv_reports_every_line_that_it_cannot_read() -> None:
    """All mistakes come at once, each with its line."""
    with pytest.raises(UsageError) as caught:
        parse_dotenv("A\n1B=2\nC='x\nD='x'y\nE=\"x\\\"\n=1")
    assert caught.value.problems == (
        "line 1: is not NAME=value",
        "line 2: is not NAME=value",
        "line 3: C: the quotes do not close at the end of the value",
        "line 4: D: the quotes do not close at the end of the value",
        "line 5: E: the quotes do not close at the end of the value",
        "line 6: is not NAME=value",
    )


@given(st.text())
def test_dotenv_reads_or_refuses_any_text(content: str) -> None:
    """Nothing but a UsageError ever comes of a strange text."""
    try:
        variables = parse_dotenv(content)
    except UsageError:
        return
    assert all(1 <= line <= content.count("\n") + 1 for _, line in variables.values())


@given(st.text(st.characters(exclude_characters="'\n\r", exclude_categories=["Cs"])))
def test_dotenv_keeps_a_single_quoted_value_as_it_is(value: str) -> None:
    """Between single quotes nothing has a meaning."""
    assert parse_dotenv(f"A='{value}'") == {"A": (value, 1)}
