"""The tables of the reference are those of the code."""

import importlib.util
import re
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


def test_the_reference_is_fresh(reference: ModuleType) -> None:
    """Options, checks, codes, metrics and log lines are those of the code."""
    assert reference.main(["--check"]) == 0


def test_every_table_stands_on_one_page(reference: ModuleType) -> None:
    """No table is made for nothing, and no page waits for one that nobody makes."""
    text = "".join(page.read_text() for page in reference.PAGES)
    marks = re.findall("<!-- table: (.*) -->", text)
    assert sorted(marks) == sorted(reference.TABLES)


def test_log_lines_are_found_in_code(reference: ModuleType) -> None:
    """Events, levels and fields are read from the calls; other calls are passed by."""
    source = """
self._logger.error("a", error=1, exc_info=error)
node.logger.info("b")
log("c", ref=ref)
self._logger.log(level, "d", message=words)
math.log(2)
self.logger.info(name)
other.error("e")
"""
    assert list(reference.find_log_lines(source)) == [
        ("a", ("error",), ("error", "exc_info")),
        ("b", ("info",), ()),
        ("c", ("debug", "info"), ("ref",)),
        ("d", ("any",), ("message",)),
    ]


def test_an_event_without_a_meaning_is_noticed(
    reference: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds a log line, or takes one away, is sent to its meaning."""
    monkeypatch.setattr(reference, "MEANINGS", reference.MEANINGS | {"ghost": "Boo."})
    with pytest.raises(LookupError, match="ghost"):
        list(reference.TABLES["log lines"]())


def test_a_stale_table_is_noticed(
    reference: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A page that says something else is told apart, and made anew."""
    page = tmp_path / "run.md"
    page.write_text("before\n<!-- table: checks -->\nSTALE\n<!-- end -->\nafter\n")
    monkeypatch.setattr(reference, "PAGES", (page,))

    assert reference.main(["--check"]) == 1
    assert "run.md is stale" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert "STALE" not in page.read_text()
    assert "`basics.basic_connection`" in page.read_text()
    assert page.read_text().startswith("before\n")
    assert reference.main(["--check"]) == 0
