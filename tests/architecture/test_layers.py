"""The contracts of pyproject.toml, on the package and on planted violations."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import lint_imports

ROOMS = [
    *("cli", "pytest_plugin", "lab", "report", "load", "chaos", "contracts", "hub"),
    *("client", "wrecks", "demo", "net", "dialects", "monitor", "evidence"),
    *("protocol", "wire", "clock", "errors", "kinds", "settings"),
]
"""All rooms of ARCHITECTURE.md, those that are not there yet too."""


def lint(root: Path, config: str, name: str) -> int:
    """Apply the contracts to a package called ``name`` in ``root``."""
    file = root / f"{name}.toml"
    file.write_text(config.replace("wavetank", name), encoding="utf-8")
    return lint_imports(config_filename=str(file), no_cache=True, no_logo=True)


def contracts(pyproject: str) -> str:
    """Return the part of pyproject.toml that import-linter reads."""
    tables = re.split(r"^(?=\[)", pyproject, flags=re.MULTILINE)
    return "".join(
        table for table in tables if table.lstrip("[").startswith("tool.importlinter")
    )


@pytest.fixture
def house(
    root: Path,
    plant: Callable[[Mapping[str, str]], Path],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Callable[..., int]:
    """Give a function that builds a house of all rooms, with one import, and lints it.

    Each house has a name of its own, because import-linter asks Python where it is.
    """
    name = "house_" + re.sub(r"\W", "_", request.node.name)
    config = contracts((root / "pyproject.toml").read_text(encoding="utf-8"))

    def build(importer: str = "", imported: str = "") -> int:
        files = {f"{name}/__init__.py": ""}
        files |= {f"{name}/{room}/__init__.py": "" for room in ROOMS}
        if importer:
            at = f"{name}/{importer}/inner.py"
            files[at] = f"def later():\n    import {name}.{imported}\n"
        folder = plant(files)
        monkeypatch.syspath_prepend(folder)
        return lint(folder, config, name)

    return build


def test_the_package_keeps_every_contract(root: Path) -> None:
    """The package imports as the table of ARCHITECTURE.md says."""
    assert lint_imports(config_filename=str(root / "pyproject.toml"), no_logo=True) == 0


def test_contracts_allow_a_house_of_all_rooms(house: Callable[..., int]) -> None:
    """All rooms together keep the contracts, as long as they import nothing."""
    assert house() == 0


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("cli", "hub"),
        ("pytest_plugin", "lab"),
        ("lab", "load"),
        ("lab", "net"),
        ("report", "evidence"),
        ("load", "net"),
        ("hub", "protocol"),
        ("client", "wire"),
        ("demo", "client"),
        ("wrecks", "wire"),
        ("net", "wire"),
        ("dialects", "protocol"),
        ("settings", "kinds"),
    ],
)
def test_contracts_allow_what_the_table_allows(
    house: Callable[..., int], importer: str, imported: str
) -> None:
    """Imports that go downwards are fine."""
    assert house(importer, imported) == 0


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("lab", "cli"),  # upwards
        ("wire", "protocol"),
        ("errors", "wire"),
        ("protocol", "hub"),
        ("lab", "hub"),  # strangers that meet over a socket
        ("lab", "client"),
        ("lab", "report"),
        ("lab", "wrecks"),
        ("report", "lab"),
        ("hub", "client"),
        ("chaos", "load"),
        ("net", "dialects"),
        ("evidence", "protocol"),
        ("demo", "hub"),
        ("client", "demo"),
        ("hub", "evidence"),  # what the lab alone needs
        ("client", "dialects"),
        ("hub", "net"),
        ("client", "monitor"),
        ("demo", "net"),
        ("report", "protocol"),  # evidence and errors are all that a report reads
        ("report", "settings"),
        ("report", "wire"),
        ("wrecks", "protocol"),  # a wreck shares the wire, and no fault with the hub
        ("wrecks", "evidence"),
        ("wrecks", "settings"),
    ],
)
def test_contracts_see_an_import_against_the_table(
    house: Callable[..., int], importer: str, imported: str
) -> None:
    """One import against the table breaks a contract, hidden in a function too."""
    assert house(importer, imported) == 1


def test_contracts_see_a_room_that_the_table_does_not_name(
    root: Path,
    plant: Callable[[Mapping[str, str]], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new room has to find its layer before it can be built."""
    name = "house_with_an_annexe"
    rooms = [*ROOMS, "annexe"]
    folder = plant({f"{name}/{room}/__init__.py": "" for room in rooms})
    (folder / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    config = contracts((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert lint(folder, config, name) == 1


def test_contracts_name_every_room(settings: dict[str, Any]) -> None:
    """The rooms that this file plants are those of the first contract."""
    layers = settings["importlinter"]["contracts"][0]["layers"]
    assert sorted(re.findall(r"\w+", " ".join(layers))) == sorted(ROOMS)
