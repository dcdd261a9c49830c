"""Plays the conformance cases on servers of others and on the hub, and writes a page.

    .venv/bin/python tools/matrix.py [--servers NAME ...] [--groups GROUP ...]

It refuses to know the cases and to judge: each server is a run of `wavetank conform`.
"""

import argparse
import contextlib
import importlib.metadata
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wavetank.cli.results import read_summary
from wavetank.report import Entry, matrix_markdown
from wavetank.report.blocks import Excerpt, Paragraph

__all__ = ["PAGE", "SERVERS", "Server", "main", "play"]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "conformance-matrix.md"
COMMAND = ".venv/bin/python tools/matrix.py"

MINUTES = 15.0
"""A server that takes longer is given up."""

_ENDING = 30.0

_OURS = "tests/end_to_end/servers"
_LARGEST = 64 * 1024 * 1024
_FINDS_WS = "console.log(require('ws/package.json').version)"


class Server(NamedTuple):
    """A server of the matrix.

    Attributes:
        name: How its row is called.
        command: What `--serve` starts, from the folder of the clone.
        packages: What it is made of, to tell the versions.
        dialect: How it speaks.
        about: What a reader has to know besides.
    """

    name: str
    command: str
    packages: tuple[str, ...]
    dialect: str = "echo"
    about: str = ""

    def find(self) -> str | None:
        """Return what it is, with its versions; None where it is missing."""
        versions = [_version(package) for package in self.packages]
        if None in versions:
            return None
        named = zip(self.packages, versions, strict=True)
        told = " on ".join(f"{package} {version}" for package, version in named)
        return f"{told}; {self.about}" if self.about else told


def _script(name: str, *packages: str, about: str = "") -> Server:
    command = f"{{python}} {_OURS}/echo_{name}.py {{port}}"
    return Server(name, command, packages or (name,), about=about)


def _uvicorn(protocol: str, *flags: str) -> str:
    return (
        f"{{python}} -m uvicorn --app-dir {_OURS} --log-level warning --port {{port}} "
        f"--ws {protocol} --ws-max-size {_LARGEST} {' '.join(flags)}"
        "echo_starlette:application"
    )


_HUB = "{python} -m wavetank hub --port {port} --compression"

SERVERS = {
    each.name: each
    for each in (
        Server(
            "hub /echo",
            f"{_HUB} --echo --message-bytes {_LARGEST}",
            ("wavetank",),
            dialect="hub_echo",
            about="message for message",
        ),
        Server(
            "hub /ws",
            _HUB,
            ("wavetank",),
            dialect="hub",
            about="texts come back as publications to a topic",
        ),
        _script("websockets"),
        _script("aiohttp"),
        Server("ws", f"node {_OURS}/echo_ws.js {{port}}", ("ws",)),
        Server(
            "uvicorn", _uvicorn("websockets"), ("starlette", "uvicorn", "websockets")
        ),
        Server("wsproto", _uvicorn("wsproto"), ("starlette", "uvicorn", "wsproto")),
        _script("tornado"),
        _script("hypercorn", "starlette", "hypercorn", "wsproto"),
        Server(
            "granian",
            f"granian --interface asgi --working-dir {_OURS} --no-log "
            "--port {port} echo_starlette:application",
            ("starlette", "granian"),
            about="without compression",
        ),
        _script("picows", about="its twin of the interface of websockets"),
    )
}
"""In the order of the page."""


def _version(package: str) -> str | None:
    if package == "ws":
        return _version_of_ws()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _version_of_ws() -> str | None:
    node = shutil.which("node")
    if node is None:
        return None
    asked = subprocess.run(
        [node, "-e", _FINDS_WS], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else None


def play(server: Server, groups: Sequence[str], output: Path) -> Path:
    """Play the cases on a server, and return the results folder.

    Args:
        server: Which.
        groups: Of cases; all where none is named.
        output: A folder that nothing lies in.

    Raises:
        RuntimeError: If there are no results; the text says why.
    """
    command = [sys.executable, "-m", "wavetank", "conform", *groups]
    command += ["--serve", server.command, "--dialect", server.dialect]
    command += ["--config", f"{_OURS}/hub_echo.toml", "--output", str(output)]
    try:
        said = _run(command)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it took more than {MINUTES:g} minutes") from None
    folders = list(output.glob("*"))
    if not folders:
        raise RuntimeError(said.strip() or "it said nothing")
    return folders[0]


def _run(command: Sequence[str]) -> str:
    """Run a command to its end, and return what it said."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            return process.communicate(timeout=MINUTES * 60)[0]
        finally:
            # Asked to end, it ends the server that it has started, too.
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING)
            process.kill()


def _environ() -> dict[str, str]:
    """Return the environment without settings of ours, and with our programs."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WAVETANK_")
    }
    programs = str(Path(sys.executable).parent)
    return own | {"PATH": os.pathsep.join((programs, own.get("PATH", "")))}


def _entries(
    names: Sequence[str], groups: Sequence[str], results: Path
) -> Iterator[Entry]:
    """Yield a row for each server that is there; tell about the others."""
    for name in names:
        server = SERVERS[name]
        about = server.find()
        if about is None:
            print(f"{name}: {' or '.join(server.packages)} is missing", file=sys.stderr)
            continue
        output = results / name.replace("/", "").replace(" ", "_")
        try:
            summary = read_summary(play(server, groups, output))
        except RuntimeError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(f"{name}: {summary.verdict}", file=sys.stderr)
        yield Entry(name=name, summary=summary, about=about)


def _intro(groups: Sequence[str]) -> list[Paragraph | Excerpt]:
    chosen = f" --groups {' '.join(groups)}" if groups else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return [
        Paragraph("This page is made by one command, which plays every server anew:"),
        Excerpt((f"{COMMAND}{chosen}",)),
        Paragraph(
            f"All ran on {platform.system()}, {platform.machine()}, {python}. Each is "
            "an echo of a few lines, as its own documentation shows one, with "
            "compression where it has it and the largest message set to 64 MiB where "
            "it can be set. What is found is a fault of the server, of what it is "
            "built on, or of the way in which the few lines use it."
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, and write the page; return 1 where a server is missing from it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=[*SERVERS])
    parser.add_argument("--groups", nargs="+", default=[], help="of cases; all else")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page")
    parser.add_argument(
        "--results", type=Path, help="keep the results folders here, for reports"
    )
    typed = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        results = typed.results or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="wavetank-matrix-"))
        )
        entries = list(_entries(typed.servers, typed.groups, results.absolute()))
    page = matrix_markdown(entries, intro=_intro(typed.groups))
    typed.output.write_text(page, encoding="utf-8")
    return int(len(entries) < len(typed.servers))


if __name__ == "__main__":
    # As Ctrl-C does: what was started is ended, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
