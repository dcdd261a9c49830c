"""The page of the matrix is made by one command, and nobody is left out unsaid."""

import importlib.metadata
import importlib.util
import shlex
import subprocess
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from wavetank.lab.catalogue import catalogue

TOOL = Path(__file__).parents[2] / "tools" / "matrix.py"


@pytest.fixture
def matrix() -> ModuleType:
    """The tool, loaded from its file."""
    spec = importlib.util.spec_from_file_location("matrix", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_all_servers_and_groups(matrix: ModuleType) -> None:
    """A group that is new, or a server, is a reason to make it anew."""
    page = matrix.PAGE.read_text(encoding="utf-8")
    assert f"```text\n{matrix.COMMAND}\n```" in page.partition("##")[0]
    (head,) = [line for line in page.splitlines() if line.startswith("| Server | Verd")]
    groups = {cell.strip() for cell in head.split("|")}
    assert set(catalogue()["conformance"]) <= groups
    for name in matrix.SERVERS:
        assert f"\n| {name} | " in page
        assert f"\n### {name}\n" in page


def test_a_page_is_made_of_a_server(matrix: ModuleType, tmp_path: Path) -> None:
    """It is started, its cases are played, and its versions are told."""
    page, results = tmp_path / "page.md", tmp_path / "results"
    words = ["--servers", "websockets", "--groups", "pings", "--output", str(page)]

    assert matrix.main([*words, "--results", str(results)]) == 0

    text = page.read_text()
    assert f"{matrix.COMMAND} --groups pings" in text
    assert "| websockets | PASS | 11 | 11 |" in text
    assert f"websockets {importlib.metadata.version('websockets')}" in text
    assert str(TOOL.parents[1]) not in text
    assert list(results.glob("websockets/conformance_*/journal.ndjson"))


def test_a_server_that_is_missing_is_told(
    matrix: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The page lacks its row, and the exit code says so."""
    servers = {
        "ghost": matrix.Server("ghost", "ghost {port}", ("no-such-package",)),
        "broken": matrix.Server("broken", "", ("wavetank",)),
    }
    monkeypatch.setattr(matrix, "SERVERS", servers)
    page = tmp_path / "page.md"

    assert matrix.main(["--output", str(page)]) == 1

    told = capsys.readouterr().err
    assert "ghost: no-such-package is missing" in told
    assert "broken: wavetank conform: --serve: the value is empty" in told
    assert "| Server |" not in page.read_text()


def test_a_server_that_takes_too_long_is_given_up(
    matrix: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs holds up nobody, and goes on nowhere."""
    pids = tmp_path / "pids"
    code = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid()));"
    code = shlex.quote(f"{code} time.sleep(60)")
    server = matrix.Server("slow", f"{{python}} -c {code} {{port}}", ("wavetank",))
    ended: list[str] = []

    class Impatient(subprocess.Popen):  # type: ignore[type-arg]
        def communicate(self, *_: object, timeout: float) -> tuple[str, str]:
            while not (pids.exists() and pids.read_text()):
                assert self.poll() is None, "it starts the server"
            ended.append(pids.read_text())
            raise subprocess.TimeoutExpired("wavetank", timeout)

    monkeypatch.setattr(subprocess, "Popen", Impatient)
    with pytest.raises(RuntimeError, match="more than 15 minutes"):
        matrix.play(server, [], tmp_path / "results")
    assert [psutil.pid_exists(int(pid)) for pid in ended] == [False]


def test_what_a_server_is_made_of_is_told_with_versions(matrix: ModuleType) -> None:
    """And what has to be known besides."""
    found = matrix.Server("x", "x", ("pytest", "anyio"), about="small").find()
    versions = [importlib.metadata.version(name) for name in ("pytest", "anyio")]
    assert found == f"pytest {versions[0]} on anyio {versions[1]}; small"


@pytest.mark.parametrize(("code", "version"), [(0, "8.1.0"), (1, None)])
def test_node_is_asked_for_its_package(
    matrix: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    version: str | None,
) -> None:
    """Where Node does not find it, the server is missing."""
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho 8.1.0\nexit {code}\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert matrix.SERVERS["ws"].find() == (version and f"ws {version}")


def test_without_node_its_server_is_missing(
    matrix: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no reason to fail before the others."""
    monkeypatch.setenv("PATH", "")
    assert matrix.SERVERS["ws"].find() is None
