"""Which pages there are: a test that takes ``page`` runs once for each of them."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the folder of the clone."""
    return ROOT


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hand out the pages that users and contributors read."""
    if "page" in metafunc.fixturenames:
        found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        names = sorted(page.relative_to(ROOT).as_posix() for page in found)
        metafunc.parametrize("page", names)
