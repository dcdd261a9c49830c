"""Every code block of the documentation runs.

The blocks of a page run one after the other in one empty folder that holds links to
`./wavetank` and `examples/`; the tools of `.venv` are on the path. A comment on the
line before a block changes what is done with it:

    <!-- not run: REASON -->    nothing
    <!-- file: app.py -->       it is written to that file, and read, not run
    <!-- exits: 1 -->           it ends with that exit code
"""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SECONDS = 180.0
"""A block that takes longer is stopped."""

_FENCE = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?"
    r"^(?P<fence>`{3,})(?P<language>[\w+-]*)[^\n]*\n"
    r"(?P<text>.*?)"
    r"^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_INDENTED = re.compile(r"^ +(?=`{3}|<!-- )", re.MULTILINE)
_ARROWS = " \n<>←→"
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*')


class Block(NamedTuple):
    """A fenced block; ``note`` is the comment before it."""

    line: int
    language: str
    text: str
    note: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, those of its lists too."""
    flush = _INDENTED.sub("", page)
    return [
        Block(
            line=flush.count("\n", 0, found.start("fence")) + 1,
            language=found["language"],
            text=found["text"],
            note=found["note"] or "",
        )
        for found in _FENCE.finditer(flush)
    ]


def script(text: str) -> str:
    """Return the commands of a shell block.

    Where lines begin with ``$ ``, they are the commands, each to its last line that
    ends with a backslash; the others show what is printed.
    """
    typed = re.findall(r"^ *\$ ((?:.*\\\n)*.*)$", text, flags=re.MULTILINE)
    return "\n".join(typed) or text


def run(command: list[str], folder: Path, seconds: float = SECONDS) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed.

    Whatever it started ends with it.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "WAVETANK_"))
    }
    with (
        tempfile.TemporaryFile("w+", errors="replace") as printed,
        subprocess.Popen(
            command,
            cwd=folder,
            env=own | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
            print(f"stopped after {seconds:g} s", file=printed, flush=True)
        finally:
            _end(process.pid)
        printed.seek(0)
        return code, printed.read()


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _shell(text: str, folder: Path) -> tuple[int, str]:
    return run(["sh", "-e", "-c", script(text)], folder)


def _python(text: str, folder: Path) -> tuple[int, str]:
    return run([sys.executable, "-c", text], folder)


def _messages(text: str) -> None:
    """Read JSON values one after the other, with comments, and arrows before them."""
    rest = _COMMENT.sub(r"\1", text).lstrip(_ARROWS)
    while rest:
        _, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].lstrip(_ARROWS)


RUNNERS: Mapping[str, Callable[[str, Path], tuple[int, str]]] = {
    "sh": _shell,
    "console": _shell,
    "python": _python,
}
READERS: Mapping[str, Callable[[str], Any]] = {
    "python": ast.parse,
    "toml": tomllib.loads,
    "json": json.loads,
    "jsonc": _messages,
    "text": str,
    "mermaid": str,
}
"""Languages that are read, not run; text and pictures say nothing that could rot."""


def wrong(block: Block, folder: Path) -> str:
    """Do with a block what is to be done; return what went wrong, or nothing."""
    kind, _, value = block.note.partition(": ")
    if kind == "not run":
        return "" if value.strip() else "no reason is given why it is not run"
    if kind == "file":
        (folder / value).parent.mkdir(parents=True, exist_ok=True)
        (folder / value).write_text(block.text, encoding="utf-8")
    elif block.language in RUNNERS:
        expected = int(value) if kind == "exits" else 0
        code, printed = RUNNERS[block.language](block.text, folder)
        return "" if code == expected else f"exit code {code}\n{printed}"
    return unreadable(block, is_file=kind == "file")


def unreadable(block: Block, *, is_file: bool) -> str:
    """Return why a block cannot be what it says it is, or nothing."""
    if block.language not in READERS:
        known = ", ".join(sorted({*RUNNERS, *READERS}))
        return "" if is_file else f"language {block.language!r} is none of {known}"
    try:
        READERS[block.language](block.text)
    except (SyntaxError, ValueError) as error:
        return str(error)
    return ""


def test_every_block_of_a_page_runs(root: Path, page: str, tmp_path: Path) -> None:
    """What the page tells its reader to do works, from its first block to its last."""
    for name in ("wavetank", "examples"):
        if (root / name).exists():
            (tmp_path / name).symlink_to(root / name)
    for block in blocks((root / page).read_text(encoding="utf-8")):
        problem = wrong(block, tmp_path)
        assert not problem, f"{page}:{block.line}: {problem}"


PAGE = """
```sh
first
```

1. In a list:
   <!-- exits: 2 -->
   ```console
   $ one \\
       two
   one and two
   $ three
   ```
<!-- not run: it would take a day -->
````markdown title="x"
```sh
inner
```
````
"""


def test_blocks_are_found_with_their_comments() -> None:
    """Blocks in lists and blocks that hold fences are found as they are meant."""
    first, second, third = blocks(PAGE)
    assert first == Block(2, "sh", "first\n", "")
    assert (second.line, second.note) == (8, "exits: 2")
    assert script(second.text) == "one \\\n       two\nthree"
    assert (third.language, third.note) == ("markdown", "not run: it would take a day")
    assert "inner" in third.text


@pytest.mark.parametrize(
    ("language", "note", "text", "seen"),
    [
        ("sh", "", "true\n", ""),
        ("sh", "", "false\ntrue\n", "exit code 1"),
        ("console", "", "$ echo no\n$ exit 3\n", "exit code 3\nno"),
        ("console", "exits: 3", "$ exit 3\n", ""),
        ("console", "exits: 3", "$ true\n", "exit code 0"),
        ("python", "", "import os\nassert os.getcwd()\n", ""),
        ("python", "", "assert False\n", "exit code 1"),
        ("python", "file: app.py", "this is: not Python", "invalid syntax"),
        ("python", "file: app.py", "assert False\n", ""),
        ("toml", "", "a = 1\n", ""),
        ("toml", "", "a = \n", "Invalid value"),
        ("json", "", '{"a": [1]}', ""),
        ("json", "", "{", "Expecting"),
        ("jsonc", "", '{"a": "http://b"} // why\n', ""),
        ("jsonc", "", '{"a":1}\n  → {"b":2}\n', ""),
        ("jsonc", "", '{"a":1}\n  → {"b":2\n', "Expecting"),
        ("yaml", "", "a: 1\n", "language 'yaml' is none of"),
        ("", "", "a\n", "language '' is none of"),
        ("yaml", "not run: there is no reader for it", "a: 1\n", ""),
        ("yaml", "file: a/b.yaml", "a: 1\n", ""),
        ("sh", "not run: ", "true\n", "no reason is given"),
        ("text", "", "anything\n", ""),
    ],
)
def test_a_block_that_does_not_work_is_seen(
    tmp_path: Path, language: str, note: str, text: str, seen: str
) -> None:
    """Each kind of block fails on what is wrong with it, and on nothing else."""
    problem = wrong(Block(1, language, text, note), tmp_path)
    assert seen in problem
    assert bool(problem) == bool(seen)


def test_a_block_can_use_a_file_that_an_earlier_one_gave(tmp_path: Path) -> None:
    """A tutorial can have its reader save a file, and then start it."""
    assert not wrong(Block(1, "python", "print('here')\n", "file: app.py"), tmp_path)
    assert not wrong(Block(2, "sh", "python app.py | grep here\n", ""), tmp_path)


def test_a_block_that_hangs_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    """A block cannot stop the run, nor leave processes behind."""
    code, printed = run(["sh", "-c", "sleep 600 & wait"], tmp_path, seconds=0.2)
    assert code < 0
    assert "stopped after 0.2 s" in printed
