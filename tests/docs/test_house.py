"""ARCHITECTURE.md shows the house as it is built."""

import re
from pathlib import Path

import pytest

MISSING = "### Rooms that are not there yet"


def wrong_rooms(page: str, rooms: set[str]) -> list[str]:
    """Return where a page and the rooms of a package disagree.

    Args:
        page: Text of the page: rooms that stand, the heading, rooms that do not.
        rooms: Names as the page writes them: ``wire/``, ``clock.py``.
    """
    standing, _, rest = page.partition(MISSING)
    planned = rest.partition("\n#")[0]
    shown, announced = _first_words(standing), _first_words(planned)
    return [
        *(f"{name} stands and is not shown" for name in sorted(rooms - shown)),
        *(f"{name} stands and is called missing" for name in sorted(rooms & announced)),
    ]


def _first_words(text: str) -> set[str]:
    """Return the names that begin a line of a plan, behind its P or A."""
    return set(re.findall(r"^[PA ]  +([a-z_]+(?:/|\.py))", text, flags=re.MULTILINE))


def test_the_page_shows_every_room(root: Path) -> None:
    """A new room gets its line, and leaves the list of those that are missing."""
    rooms = {
        entry.name if entry.is_file() else f"{entry.name}/"
        for entry in (root / "src" / "wavetank").iterdir()
        if not entry.name.startswith((".", "__", "py."))
    }
    page = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert wrong_rooms(page, rooms) == []


@pytest.mark.parametrize(
    ("rooms", "problems"),
    [
        ({"wire/", "clock.py"}, []),
        ({"wire/"}, []),
        ({"wire/", "net/"}, ["net/ stands and is not shown"]),
        (
            {"load/"},
            ["load/ stands and is not shown", "load/ stands and is called missing"],
        ),
    ],
)
def test_rooms_that_the_page_gets_wrong_are_seen(
    rooms: set[str], problems: list[str]
) -> None:
    """Rooms without a line are told, and rooms that are there after all."""
    page = f"P  wire/   frames\n   clock.py  time\n{MISSING}\n   load/   engine\n\n# A"
    assert wrong_rooms(page, rooms) == problems
