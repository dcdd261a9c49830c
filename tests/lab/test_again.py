"""Again: the command that makes a run again."""

from pathlib import Path
from typing import Any

import pytest

from wavetank.cli.parser import Parser
from wavetank.lab.again import command_again
from wavetank.lab.options import OPTIONS
from wavetank.lab.plan import Plan
from wavetank.lab.prepare import prepare
from wavetank.lab.selection import PLAYS_FAULTS

pytestmark = pytest.mark.usefixtures("nobodys_settings")


def typed(words: list[str]) -> Plan:
    """Make the plan of a command."""
    assert words[:2] == ["wavetank", "run"]
    parser = Parser("run", description="", options=OPTIONS)
    parser.add_argument("suites", nargs="*")
    parser.add_argument("-k", dest="keyword", default="")
    given = parser.parse(words[2:])
    plan, _ = prepare(
        parser.flags(given), names=given.suites, keyword=given.keyword, elsewhere=()
    )
    return plan


def made(
    flags: dict[str, Any] | None = None,
    names: tuple[str, ...] = (PLAYS_FAULTS,),
    **more: Any,
) -> Plan:
    """Make a plan of what was typed."""
    plan, _ = prepare(flags or {}, names=names, **more)
    return plan


def test_command_again_has_all_that_was_typed(tmp_path: Path) -> None:
    """It named suite and seed alone: whoever typed it saw something else."""
    rules = tmp_path / "storm.txt"
    rules.write_text("kill at 2s  # why\ncut stagger 1s for 0s\n")
    flags = {
        "faults": f"@{rules}",
        "serve": "python 'my app.py' {port}",
        "subprotocol": ["a", "b"],
        "full": True,
        "no-ssl": False,
        "dynamic-ports": False,
        "origin": "-x",
        "patience": "7s",
        "output": "elsewhere",
    }
    plan = made(flags, ("core", PLAYS_FAULTS), keyword="-a or b")
    words = command_again(plan)
    seed = str(plan.seed)
    assert words[2:7] == ["core", PLAYS_FAULTS, "-k=-a or b", "--seed", seed]
    # Where the results go is up to whoever makes it again.
    assert "--output" not in words
    # The file may say something else tomorrow.
    assert words[words.index("--faults") + 1] == "kill at 2s; cut stagger 1s for 0s"
    again = typed(words)
    assert command_again(again) == words
    fields = ("suites", "checks", "keyword", "seed", "faults", "serve", "subprotocols")
    for name in (*fields, "full", "no_ssl", "dynamic_ports", "origin", "patience"):
        assert getattr(again, name) == getattr(plan, name)


def test_command_again_has_no_secrets() -> None:
    """They are for whoever makes the run again to add."""
    flags = {"token": "s3cret-token", "header": ["X-Key: k"], "cookie": ["a=b"]}
    words = command_again(made({"seed": "3", **flags}, ("core",)))
    assert words == ["wavetank", "run", "core", "--seed", "3"]


def test_command_again_names_the_suites_where_nobody_has() -> None:
    """A variable may have switched some off; a file stands for a suite."""
    plan = made({"seed": "3"}, ())
    assert command_again(plan)[2:-2] == list(plan.suites)
    file = made({"seed": "3"}, (), test_files=["test_websocket_v2_core.py"])
    assert command_again(file)[2:-2] == ["core"]


def test_command_again_leaves_out_what_would_be_refused_as_a_flag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable may wait for other runs than this one."""
    variables = {"PORT": "4711", "CONTRACT_OF": "client", "FAULTS": "cut at 1s"}
    for name, value in {**variables, "MAX_CLIENTS": "5"}.items():
        monkeypatch.setenv(f"WAVETANK_{name}", value)
    flags = {"target": "ws://localhost:1/", "seed": "3"}
    words = command_again(made(flags, ("core",)))
    assert words[5:] == ["--target", "ws://localhost:1/", "--max-clients", "5"]
    assert command_again(typed(words)) == words
