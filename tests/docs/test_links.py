"""Links from page to page lead somewhere."""

import re
from pathlib import Path

import pytest

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^(`{3,}).*?^\1$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.*?)\s*$", re.MULTILINE)


def dead(page: Path) -> list[str]:
    """Return the links of a page to files or headings that are not there."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    return [link for link in _LINK.findall(text) if not _leads_somewhere(page, link)]


def _leads_somewhere(page: Path, link: str) -> bool:
    if re.match(r"[a-z][a-z+.-]*:", link):
        return True
    name, _, anchor = link.partition("#")
    file = page.parent / name if name else page
    if not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """Return the names of a page's headings as links write them."""
    words = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(words)
    }


def test_every_link_of_a_page_leads_somewhere(root: Path, page: str) -> None:
    """No page points to a file or a heading that is gone; the web is left alone."""
    assert dead(root / page) == []


@pytest.mark.parametrize(
    ("link", "is_dead"),
    [
        ("other.md", False),
        ("other.md#what-it-is-not", False),
        ("#here", False),
        ("https://example.org/gone", False),
        ("gone.md", True),
        ("other.md#gone", True),
        ("#gone", True),
    ],
)
def test_links_that_lead_nowhere_are_seen(
    tmp_path: Path, link: str, is_dead: bool
) -> None:
    """Files and headings are looked up; code is no link."""
    (tmp_path / "other.md").write_text("# Other\n## What it is *not*\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n[a]({link})\n`[b](no.md)`\n```text\n[c](no.md)\n```\n")
    assert bool(dead(page)) is is_dead
