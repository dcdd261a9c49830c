"""The tables of the reference are those of the code."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "reference.py"


@pytest.fixture
def reference() -> ModuleType:
    """The tool, loaded from its file."""
    spec = importlib.util.spec_from_file_location("reference", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_page_is_fresh(reference: ModuleType) -> None:
    """Every option and every check stands in the page as in the code."""
    assert reference.main(["--check"]) == 0


def test_a_stale_table_is_noticed(
    reference: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A page that says something else is told apart, and made anew."""
    page = tmp_path / "run.md"
    page.write_text("before\n<!-- table: checks -->\nSTALE\n<!-- end -->\nafter\n")
    monkeypatch.setattr(reference, "PAGE", page)

    assert reference.main(["--check"]) == 1
    assert "run.md is stale" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert "STALE" not in page.read_text()
    assert "`basics.basic_connection`" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert reference.main(["--check"]) == 0
