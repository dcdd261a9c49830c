"""The servers of the matrix are judged, each by what it really does."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from wavetank.cli.results import read_summary
from wavetank.report.cases import Came, case_rows

from .test_foreign_servers import has_ws

TOOL = Path(__file__).parents[2] / "tools" / "matrix.py"
SPEC = importlib.util.spec_from_file_location("matrix", TOOL)
assert SPEC is not None
assert SPEC.loader is not None
MATRIX: ModuleType = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MATRIX)

GROUPS = ("framing", "pings", "reserved", "fragments", "closing")

FAILED: dict[str, dict[str, str]] = {
    "websockets": {"7.1.5": "RFC 6455 5.4: a close frame may stand between fragments"},
    "aiohttp": {"7.9.5": "RFC 6455 7.4.1: it answers 1006 as if all were well"},
    "tornado": {
        f"7.9.{number}": "RFC 6455 7.4: it sends back codes that nobody may send"
        for number in range(1, 10)
    },
    "picows": {
        "3.1": "RFC 6455 5.2: reserved bits are passed over",
        "3.2": "RFC 6455 5.2: likewise",
        "3.3": "RFC 6455 5.2: likewise",
        "3.7": "RFC 6455 5.2: likewise, in a close frame",
        "7.1.2": "RFC 6455 5.5.1: a second close frame is answered with 1002",
        "7.3.1": "RFC 6455 5.5.1: an empty close frame is answered with code 0",
        "7.9.1": "RFC 6455 7.4.2: it sends code 0",
        "7.9.5": "RFC 6455 7.4.1: it sends code 1006",
    },
}
"""What servers of others fail of these groups, each with the clause; others nothing."""


QUICK = {"websockets", "hub /ws", "tornado"}
"""These are played every time, the others by `./check long`."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.long)
        for name in MATRIX.SERVERS
    ],
)
def test_a_server_of_the_matrix_is_judged_by_what_it_does(
    tmp_path: Path,
    environ: dict[str, str],
    name: str,
) -> None:
    """Nothing is unknown, little is skipped, and what fails is known by its rule."""
    server = MATRIX.SERVERS[name]
    if name == "ws" and not has_ws(environ):
        pytest.skip("needs Node and its package ws (see NODE_PATH)")
    assert server.find() is not None, f"{server.packages}: see the group dev"

    folder = MATRIX.play(server, GROUPS, tmp_path)

    rows = [row for row in case_rows(read_summary(folder)) if row.id[:1].isdigit()]
    assert len(rows) == 102
    came = {row.id: row.came for row in rows}
    failed = {case for case, what in came.items() if what is Came.FAILED}
    assert failed == FAILED.get(name, {}).keys()
    assert Came.UNKNOWN not in came.values()
    if server.dialect != "hub":
        assert Came.SKIPPED not in came.values()
