"""What the rules of the house are applied to: the package, and planted ones."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Plant = Callable[[Mapping[str, str]], Path]


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the folder of the clone."""
    return Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def package(root: Path) -> Path:
    """Give the folder of the package."""
    return root / "src" / "wavetank"


@pytest.fixture(scope="session")
def settings(root: Path) -> dict[str, Any]:
    """Give what pyproject.toml says of the tools."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    tools: dict[str, Any] = tomllib.loads(text)["tool"]
    return tools


@pytest.fixture(scope="session")
def rules(settings: dict[str, Any]) -> dict[str, Any]:
    """Give the lists that the rules go by."""
    found: dict[str, Any] = settings["architecture"]
    return found


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Give a function that writes a small tree: path -> text."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path

    return write
