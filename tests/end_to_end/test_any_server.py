"""Servers that Autobahn fails in every case: one that pushes, one with a login."""

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

DESK = Path(__file__).parent / "servers" / "desk.py"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "describe-your-protocol.md"


@pytest.fixture
def described(tmp_path: Path) -> None:
    """The description of the guide, where a run finds it."""
    blocks = re.findall(r"^```toml\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    (table,) = [block for block in blocks if block.startswith("[dialect.desk]")]
    (tmp_path / "wavetank.toml").write_text(table)


def verdicts(folder: Path) -> dict[str, str]:
    """Return the verdict of each case."""
    lines = (folder / "journal.ndjson").read_text().splitlines()
    findings = [
        finding for line in lines for finding in json.loads(line).get("findings", ())
    ]
    return {each["title"].partition(" ")[0]: each["verdict"] for each in findings}


GROUPS = ("framing", "pings", "reserved", "fragments", "unicode", "closing")


@pytest.mark.hasty
@pytest.mark.usefixtures("described")
@pytest.mark.parametrize("token", [pytest.param("", marks=pytest.mark.long), "s3cret"])
def test_each_case_is_played_among_prices_and_behind_a_login(
    run: Callable, python: str, echo: str, token: str
) -> None:
    """The verdicts are those of the same library where it is a bare echo."""
    names = [f"conformance.{group}" for group in GROUPS]
    login = ["--token", token] if token else []
    command = f"{python} {shlex.quote(str(DESK))} {{port}} {token}"

    bare = run(*names, "--serve", echo, "--dialect", "echo", output="bare")
    desk = run(*names, "--serve", command, "--dialect", "desk", *login)

    assert desk.folder is not None, desk.printed
    assert bare.folder is not None, bare.printed
    expected = verdicts(bare.folder)
    assert verdicts(desk.folder) == expected
    assert Counter(expected.values()).keys() == {"PASS", "FAIL"}
    assert len(expected) == 247


@pytest.mark.usefixtures("described")
def test_without_its_token_a_server_with_a_login_is_not_passed(
    run: Callable, python: str
) -> None:
    """A wrong token is told as such, and no case is judged by it."""
    command = f"{python} {shlex.quote(str(DESK))} {{port}} s3cret"

    ended = run(
        "conformance.pings",
        *("--serve", command, "--dialect", "desk", "--token", "wrong-one"),
    )

    assert ended.folder is not None, ended.printed
    assert set(verdicts(ended.folder).values()) == {"UNKNOWN"}
    assert "authenticate was refused" in ended.printed
    assert ended.code == 3
