"""Writes the tables of docs/reference/run.md from the code, or says what is stale.

    .venv/bin/python tools/reference.py [--check]

It refuses to touch what stands outside the marks of a table.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from wavetank.lab.catalogue import catalogue
from wavetank.lab.options import OPTIONS

__all__ = ["main", "refreshed"]

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "run.md"


def _options() -> Iterator[str]:
    yield "| option | variables | default | what it does |"
    yield "|---|---|---|---|"
    for option in OPTIONS:
        flags = [option.flag, *(f"--{name}" for name in option.also)]
        value = f" {option.metavar}" if option.metavar and not option.is_flag else ""
        names = ", ".join(f"`{flag}{value}`" for flag in flags)
        variables = ", ".join(f"`{name}`" for name in option.variables())
        default = option.default if option.default not in ((), "", None) else "-"
        shown = str(default).lower() if isinstance(default, bool) else default
        yield f"| {names} | {variables} | {shown} | {option.help} |"


def _checks() -> Iterator[str]:
    yield "| check | remote | needs | what it proves |"
    yield "|---|---|---|---|"
    for suite, checks in catalogue().items():
        for check in checks.values():
            needs = ", ".join(sorted(check.needs)) or "-"
            polite = "yes" if check.polite else "no"
            yield f"| `{suite}.{check.name}` | {polite} | {needs} | {check.title} |"


TABLES = {"options": _options, "checks": _checks}


def refreshed(page: str) -> str:
    """Return the page with each marked table made anew."""
    for name, rows in TABLES.items():
        marked = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        table = "\n".join(rows()) + "\n"
        found = marked.search(page)
        if found:
            page = page.replace(found[0], found[1] + table + found[2])
    return page


def main(arguments: list[str]) -> int:
    """Write the page; with ``--check`` say whether it is stale instead."""
    page = PAGE.read_text(encoding="utf-8")
    fresh = refreshed(page)
    if "--check" in arguments:
        if page != fresh:
            print(f"{PAGE.name} is stale: run tools/reference.py", file=sys.stderr)
        return int(page != fresh)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
