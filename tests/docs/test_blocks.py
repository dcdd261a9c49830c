"""Every code block of the documentation runs.

The blocks of a page run one after the other in one empty folder that holds links to
`./wavetank` and `examples/`; the tools of `.venv` are on the path. A comment on the
line before a block changes what is done with it:

    <!-- not run: REASON -->    nothing
    <!-- file: app.py -->       it is written to that file, and read, not run
    <!-- exits: 1 -->           it ends with that exit code
    <!-- terminal: 2 -->        it is typed into that terminal, where it goes on until
                                the page ends; Ctrl-C ends what went on there before
    <!-- shown: 2 -->           not before each of its lines, or what stands in it
                                before an ellipsis, was printed there, it goes on

Ports that pages name are not those that are used: each page has free ones of its own.
"""

import ast
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wavetank.net.ports import find_dynamic_port, release_port

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
_PORT = re.compile(r"\b(?:8000|8080|8443|8474|8765|8766|8786|18000|18765)\b")
_HUB_PORT = "8765"
"""Where a hub listens that was told nothing else."""

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


def environment(ports: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of somebody who has set nothing of ours.

    Args:
        ports: What stands for the ports of a page.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "WAVETANK_"))
    }
    if _HUB_PORT in ports:
        own["WAVETANK_HUB_PORT"] = ports[_HUB_PORT]
    return own | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def run(
    command: list[str],
    folder: Path,
    seconds: float = SECONDS,
    ports: Mapping[str, str] = {},  # a Mapping is never written to
) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed.

    Whatever it started ends with it.
    """
    with (
        tempfile.TemporaryFile("w+", errors="replace") as printed,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment(ports),
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


class Terminal:
    """Where one command goes on, while a reader goes through a page."""

    def __init__(self) -> None:
        self.printed = ""
        self._is_over = True
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, text: str, folder: Path, ports: Mapping[str, str]) -> None:
        """End what goes on here as Ctrl-C would, and start something else."""
        self.end(signal.SIGINT)
        self.printed = ""
        self._is_over = False
        self._process = subprocess.Popen(
            ["sh", "-e", "-c", script(text)],
            cwd=folder,
            env=environment(ports),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=[self._process.stdout])
        self._reader.start()

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._note(line)
        self._note(None)

    def _note(self, line: str | None) -> None:
        with self._news:
            self.printed += line or ""
            self._is_over = line is None
            self._news.notify_all()

    def missing(self, text: str, seconds: float = SECONDS) -> list[str]:
        """Wait until all lines of a text were printed; return those that were not."""
        wanted = [line.partition("…")[0].strip() for line in text.splitlines()]
        with self._news:
            self._news.wait_for(
                lambda: self._is_over or not self._lacks(wanted), timeout=seconds
            )
            return self._lacks(wanted)

    def _lacks(self, wanted: list[str]) -> list[str]:
        return [line for line in wanted if line not in self.printed]

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End what goes on here, with all that it started."""
        process, self._process = self._process, None
        if process is None or self._reader is None:
            return
        with process:
            if process.poll() is None:
                os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(SECONDS)
            _end(process.pid)
            self._reader.join()


class Visit:
    """A reader who goes through a page, block by block.

    Args:
        folder: Where blocks run.
        ports: Ports that a page names, and those that are used in their place.
    """

    def __init__(self, folder: Path, ports: Mapping[str, str] = {}) -> None:
        self.folder = folder
        self.ports = ports
        self.terminals: dict[str, Terminal] = {}

    def translated(self, text: str) -> str:
        """Put this visit's ports into a text."""
        return _PORT.sub(lambda port: self.ports.get(port[0], port[0]), text)

    def terminal(self, name: str) -> Terminal:
        """Return a terminal, opened when it is first named."""
        return self.terminals.setdefault(name, Terminal())

    def end(self) -> None:
        """Close all terminals."""
        for terminal in self.terminals.values():
            terminal.end()


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _shell(text: str, visit: Visit) -> tuple[int, str]:
    return run(["sh", "-e", "-c", script(text)], visit.folder, ports=visit.ports)


def _python(text: str, visit: Visit) -> tuple[int, str]:
    return run([sys.executable, "-c", text], visit.folder, ports=visit.ports)


def _messages(text: str) -> None:
    """Read JSON values one after the other, with comments, and arrows before them."""
    rest = _COMMENT.sub(r"\1", text).lstrip(_ARROWS)
    while rest:
        _, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].lstrip(_ARROWS)


RUNNERS: Mapping[str, Callable[[str, Visit], tuple[int, str]]] = {
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


def wrong(block: Block, visit: Visit) -> str:
    """Do with a block what is to be done; return what went wrong, or nothing."""
    kind, _, value = block.note.partition(": ")
    text = visit.translated(block.text)
    match kind:
        case "not run":
            return "" if value.strip() else "no reason is given why it is not run"
        case "terminal":
            visit.terminal(value).start(text, visit.folder, visit.ports)
            return ""
        case "shown":
            terminal = visit.terminal(value)
            missing = terminal.missing(text)
            lines = "\n".join(missing)
            return f"never shown:\n{lines}\nbut:\n{terminal.printed}" if lines else ""
        case "file":
            (visit.folder / value).parent.mkdir(parents=True, exist_ok=True)
            (visit.folder / value).write_text(text, encoding="utf-8")
            return unreadable(block, is_file=True)
    if block.language not in RUNNERS:
        return unreadable(block, is_file=False)
    expected = int(value) if kind == "exits" else 0
    code, printed = RUNNERS[block.language](text, visit)
    return "" if code == expected else f"exit code {code}\n{printed}"


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


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Visit]:
    """A visit to a page without ports."""
    visit = Visit(tmp_path)
    yield visit
    visit.end()


@pytest.mark.hasty
def test_every_block_of_a_page_runs(root: Path, page: str, visit: Visit) -> None:
    """What the page tells its reader to do works, from its first block to its last."""
    for name in ("wavetank", "examples"):
        if (root / name).exists():
            (visit.folder / name).symlink_to(root / name)
    found = blocks((root / page).read_text(encoding="utf-8"))
    named = {port for block in found for port in _PORT.findall(block.text)}
    ports = {port: find_dynamic_port() for port in sorted(named)}
    visit.ports = {port: str(number) for port, number in ports.items()}
    try:
        for block in found:
            problem = wrong(block, visit)
            assert not problem, f"{page}:{block.line}: {problem}"
    finally:
        visit.end()
        for number in ports.values():
            release_port(number)


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
    visit: Visit, language: str, note: str, text: str, seen: str
) -> None:
    """Each kind of block fails on what is wrong with it, and on nothing else."""
    problem = wrong(Block(1, language, text, note), visit)
    assert seen in problem
    assert bool(problem) == bool(seen)


def test_a_block_can_use_a_file_that_an_earlier_one_gave(visit: Visit) -> None:
    """A tutorial can have its reader save a file, and then start it."""
    assert not wrong(Block(1, "python", "print('here')\n", "file: app.py"), visit)
    assert not wrong(Block(2, "sh", "python app.py | grep here\n", ""), visit)


def test_a_block_in_a_terminal_goes_on_until_another_one_is_typed(visit: Visit) -> None:
    """Other blocks run beside it; Ctrl-C ends it, and it may say something then."""
    trap = "trap 'echo bye > end; exit' INT; echo here; while :; do read -r a <p; done"
    assert not wrong(Block(1, "sh", "mkfifo p\n", ""), visit)
    assert not wrong(Block(2, "sh", f"{trap}\n", "terminal: 1"), visit)
    assert not wrong(Block(3, "text", "her…\n", "shown: 1"), visit)
    assert not wrong(Block(4, "sh", "test ! -e end\n", ""), visit)
    assert not wrong(Block(5, "sh", "echo next\n", "terminal: 1"), visit)
    assert not wrong(Block(6, "sh", "grep bye end\n", ""), visit)


def test_what_a_terminal_never_shows_is_seen(visit: Visit) -> None:
    """A page that promises other words than those that come fails."""
    assert not wrong(Block(1, "sh", "echo one\n", "terminal: 1"), visit)
    assert not wrong(Block(2, "text", "one\n", "shown: 1"), visit)
    assert "never shown:\ntwo" in wrong(
        Block(3, "text", "one\ntwo\n", "shown: 1"), visit
    )
    assert "never shown" in wrong(Block(4, "text", "one\n", "shown: 2"), visit)


def test_the_ports_of_a_page_are_put_into_its_blocks(tmp_path: Path) -> None:
    """A page names the port that a user sees, and runs on one that is free."""
    visit = Visit(tmp_path, {"8765": "12345"})
    text = 'grep "^h:12345 187650$" ports\necho $WAVETANK_HUB_PORT | grep 12345\n'
    assert not wrong(Block(1, "text", "h:8765 187650\n", "file: ports"), visit)
    assert not wrong(Block(2, "sh", text, ""), visit)


def test_a_block_that_hangs_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    """A block cannot stop the run, nor leave processes behind."""
    code, printed = run(["sh", "-c", "sleep 600 & wait"], tmp_path, seconds=0.2)
    assert code < 0
    assert "stopped after 0.2 s" in printed
