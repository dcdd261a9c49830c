"""From what was typed to a run: files and environment are read, nothing is started."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from wavetank.errors import UsageError
from wavetank.lab.catalogue import catalogue
from wavetank.lab.plan import Plan
from wavetank.lab.prepare import open_run, prepare
from wavetank.lab.selection import ON_REQUEST

TOML = """
[run]
target = "ws://localhost:1/from-toml"
max-clients = 5
seed = 1

[dialect.ticker]
send.publish = '{"data":{payload}}'
event.where.op = "data"
event.payload = "data"
"""

pytestmark = pytest.mark.usefixtures("nobodys_settings")


def problems_of(
    flags: dict[str, object] | None = None, **given: Any
) -> tuple[str, ...]:
    """Return what is wrong with what was typed."""
    with pytest.raises(UsageError) as caught:
        prepare(flags or {}, names=given.pop("names", ()), **given)
    return caught.value.problems


def test_nothing_typed_is_a_plan_all_the_same() -> None:
    """Every suite but the long one on the embedded hub, with a seed of its own."""
    plan, settings = prepare({}, names=())
    assert {*plan.suites} == {*catalogue()} - ON_REQUEST
    assert plan.given == "embedded hub"
    assert str(settings["output"]) == "results"
    seeds = {prepare({}, names=())[0].seed for _ in range(5)}
    assert len(seeds) > 1


def test_a_settings_file_is_read_where_it_is_there(tmp_path: Path) -> None:
    """Its `[run]` table and its dialects; a flag wins over it."""
    (tmp_path / "wavetank.toml").write_text(TOML)
    plan, settings = prepare({"max-clients": "7"}, names=("basics",))
    assert plan.url == "ws://localhost:1/from-toml"
    assert (plan.max_clients, plan.seed) == (7, 1)
    assert plan.dialect is not None
    assert plan.dialect.name == "ticker"
    assert settings.source("seed") == "wavetank.toml [run] seed"


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_settings_file_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """By a flag or by a variable; the usual one is not read then."""
    (tmp_path / "wavetank.toml").write_text("[run]\nseed = 1\nfull = true\n")
    (tmp_path / "other.toml").write_text("\ufeff[run]\nseed = 2\n", encoding="utf-8")
    flags: dict[str, object] = {}
    if how == "flag":
        flags["config"] = "other.toml"
    else:
        monkeypatch.setenv("WAVETANK_CONFIG", "other.toml")
    plan, _ = prepare(flags, names=())
    assert (plan.seed, plan.full) == (2, False)


def test_an_env_file_is_weaker_than_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives options and switches suites."""
    (tmp_path / ".env.test").write_text(
        "WAVETANK_SEED=3\nexport WEBSOCKET_PORT=8765\nRUN_CONNECTIVITY=false\n"
    )
    plan, _ = prepare({}, names=())
    assert (plan.seed, plan.port) == (3, 8765)
    assert "connectivity" not in plan.suites
    monkeypatch.setenv("WAVETANK_SEED", "4")
    monkeypatch.setenv("RUN_CONNECTIVITY", "true")
    plan, _ = prepare({}, names=())
    assert (plan.seed, plan.port) == (4, 8765)
    assert "connectivity" in plan.suites


def test_files_of_the_catalogue_are_taken() -> None:
    """`--test-file` is one more way to name a suite."""
    plan, _ = prepare({}, names=(), test_files=["test_websocket_v2_core.py"])
    assert plan.suites == ("core",)


def test_a_contract_is_read_from_its_file(tmp_path: Path) -> None:
    """Whatever is in it, it is judged with all other options."""
    (tmp_path / "c.json").write_text(
        '{"asyncapi":"3.0.0","info":{"title":"feed","version":"1"}}'
    )
    plan, _ = prepare({"contract": "c.json"}, names=())
    assert plan.contract is not None
    assert plan.contract.title == "feed"
    assert prepare({}, names=())[0].contract is None


def test_known_failures_are_read_from_their_file(tmp_path: Path) -> None:
    """Held against today's date."""
    day = datetime.date(2999, 1, 1)
    text = f"[[known]]\ncheck='core.broadcast'\nreason='r'\nuntil={day}\n"
    (tmp_path / "known.toml").write_text(text)
    plan, _ = prepare({"known-failures": "known.toml"}, names=())
    assert plan.excuses["core.broadcast"].until == day


def test_mistakes_of_every_file_and_flag_come_at_once(tmp_path: Path) -> None:
    """Whoever mends them all need not try again."""
    (tmp_path / "wavetank.toml").write_text("[run]\nsed = 1\n[dialect.echo]\n")
    (tmp_path / ".env.test").write_text("no assignment\nWAVETANK_SED=1\n")
    (tmp_path / "ca.pem").write_text("no certificate")
    problems = problems_of(
        {
            "known-failures": "missing.toml",
            "max-clients": "many",
            "ca": "ca.pem",
        },
        names=["bassics"],
    )
    for beginning in (
        "--max-clients: 'many' is not a whole number",
        ".env.test line 1: ",
        ".env.test line 2 WAVETANK_SED: unknown name; did you mean WAVETANK_SEED?",
        "wavetank.toml [run] sed: unknown key; did you mean seed?",
        "wavetank.toml [dialect.echo]: ",
        "--ca: cannot use certificate authority ca.pem",
        "--known-failures missing.toml: No such file or directory",
        "suite bassics: ",
    ):
        assert len([one for one in problems if one.startswith(beginning)]) == 1, (
            beginning,
            problems,
        )
    assert len(problems) == 8


def test_a_slip_in_the_name_of_a_table_is_a_mistake(tmp_path: Path) -> None:
    """A run with ``[runn]`` passed over would be green about the wrong server."""
    (tmp_path / "wavetank.toml").write_text("[runn]\ntarget = 'ws://x'\n")
    assert problems_of({}, names=[]) == (
        "wavetank.toml [runn]: unknown section; did you mean run?",
    )


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("config", "--config missing: No such file or directory"),
        ("env-file", "--env-file missing: No such file or directory"),
        ("known-failures", "--known-failures missing: No such file or directory"),
        ("contract", "--contract missing: No such file or directory"),
        ("ca", "--ca: cannot use certificate authority missing: "),
    ],
)
def test_a_file_that_was_asked_for_has_to_be_there(flag: str, problem: str) -> None:
    """Only the usual ones may be missing."""
    (told,) = problems_of({flag: "missing"})
    assert told.startswith(problem)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """It is named with the option that it came from."""
    (tmp_path / "wavetank.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "env").mkdir()
    assert problems_of({"env-file": "env"}) == (
        "--config wavetank.toml: not a text file in UTF-8",
        "--env-file env: Is a directory",
    )


def test_a_file_cannot_be_named_where_nobody_looks_for_it(tmp_path: Path) -> None:
    """It was once passed over without a word."""
    (tmp_path / "wavetank.toml").write_text("[run]\nenv-file = 'mine'\n")
    (tmp_path / ".env.test").write_text("WAVETANK_CONFIG=mine.toml\n")
    assert problems_of() == (
        ".env.test line 1: only a flag or the environment can name this file",
        "wavetank.toml [run] env-file: only a flag or the environment can name this "
        "file",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[run", "wavetank.toml: not TOML: "),
        ("dialect = 7", "wavetank.toml: a dialect is a table [dialect.NAME]"),
        ("run = 7", "wavetank.toml [run]: is not a table"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_one_problem(
    tmp_path: Path, text: str, problem: str
) -> None:
    """Although it is read for options and for dialects."""
    (tmp_path / "wavetank.toml").write_text(text)
    (told,) = problems_of()
    assert told.startswith(problem)


def test_options_of_other_commands_are_nobody_s_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hub's variables may stay set while a run goes on."""
    monkeypatch.setenv("WAVETANK_HUB_PING", "5s")
    prepare({}, names=(), elsewhere=["HUB_PING"])
    (told,) = problems_of(elsewhere=["HUB_PONG"])
    assert told == (
        "environment WAVETANK_HUB_PING: unknown name; did you mean WAVETANK_HUB_PONG?"
    )


def test_faults_are_read_from_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag, a variable, the settings file; and a file that any of them names."""
    (tmp_path / "storm.txt").write_text("cut at 1s # once\nkill at 2s for 1s\n")
    (tmp_path / "wavetank.toml").write_text('[run]\nfaults = "cut at 3s"\n')
    assert prepare({}, names=["core"])[0].faults == "cut at 3s"
    monkeypatch.setenv("WAVETANK_FAULTS", "@storm.txt")
    assert prepare({}, names=())[0].faults == "cut at 1s; kill at 2s for 1s"
    plan, _ = prepare({"faults": "cut at 2s"}, names=["fault_tolerance"])
    assert plan.faults == "cut at 2s"
    assert plan.indispensable == {"fault_tolerance.mixed_schedule"}


@pytest.mark.parametrize(
    ("typed", "problems"),
    [
        ("", ["--faults: there is no fault in it"]),
        ("@none.txt", ["--faults none.txt: No such file"]),
        ("@", ["--faults: a file's name stands behind the @"]),
        ("@a\0b", ["--faults 'a\\x00b': no file has such a name"]),
        ("@storm.txt", ["storm.txt line 2: 'kil at 2s'"]),
        ("cut at 1s; cat at 1s", ["--faults rule 2: 'cat at 1s'"]),
        ("kill at 20s", ["--faults rule 1: 'kill at 20s"] * 2),
    ],
)
def test_mistakes_in_faults_are_told_with_all_others(
    tmp_path: Path, typed: str, problems: list[str]
) -> None:
    """Before anything is started; a target elsewhere has no process to break."""
    (tmp_path / "storm.txt").write_text("cut at 1s\nkil at 2s\n")
    flags = {"target": "ws://localhost:1", "port": "8000", "faults": typed}
    found = problems_of(flags, names=["fault_tolerance"])
    expected = [*problems, "--port: only for"]
    for problem, told in zip(expected, found, strict=True):
        assert told.startswith(problem)


def test_faults_are_judged_with_the_time_that_they_will_have() -> None:
    """What is too rare for ten seconds is not for five minutes."""
    flags = {"faults": "kill every 30s for 2s", "seed": "3"}
    (problem,) = problems_of(flags, names=["fault_tolerance"])
    assert "--test-duration" in problem
    plan, _ = prepare({**flags, "test-duration": "5m"}, names=["fault_tolerance"])
    assert (plan.seed, plan.test_duration) == (3, 300.0)


def test_a_run_is_opened_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two in one second do not share it; what is written is watched."""
    seen: list[object] = []
    plan = Plan(suites=("core",), seed=1)
    one = open_run(plan, output=tmp_path / "results", watch=seen.append)
    other = open_run(plan, output=tmp_path / "results")
    try:
        assert one.folder != other.folder
        assert {run.folder.parent for run in (one, other)} == {tmp_path / "results"}
        assert one.folder.name.startswith("core_")
        one.start([])
        assert len(seen) == 1
    finally:
        other.finish()
        one.finish()


def test_a_run_whose_folder_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """No journal, no temporary files."""
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UsageError, match="--output"):
        open_run(Plan(suites=("core",), seed=1), output=tmp_path / "results")
