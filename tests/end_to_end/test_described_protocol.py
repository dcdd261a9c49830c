"""A server whose protocol is only described in TOML is proven like any other."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "chat"

LOADS = (
    *("performance.message_throughput", "load.performance_metrics"),
    *("latency.end_to_end", "latency.bottleneck"),
)
"""Virtual users read the description, too: that is to be seen, not how fast it is."""

SKIPPED = {
    "basics.ssl_connection",
    "core.initial_connection",
    "core.reconnection",
}


@pytest.fixture
def chat(tmp_path: Path, python: str) -> str:
    """The command that serves the chat of the examples; its TOML is in place."""
    shutil.copy(EXAMPLE / "wavetank.toml", tmp_path)
    return f"{python} {shlex.quote(str(EXAMPLE / 'server.py'))} {{port}}"


def test_a_described_protocol_is_proven_without_code(
    prove: Callable, chat: str
) -> None:
    """Everything that the chat can do passes; what it cannot is SKIP."""
    ended = prove("basics", "connectivity", "core", *LOADS, "--serve", chat)

    verdicts = ended.verdicts()
    assert {
        check for check, verdict in verdicts.items() if verdict == "SKIP"
    } == SKIPPED
    assert {verdicts[check] for check in verdicts.keys() - SKIPPED} == {"PASS"}
    assert ended.summary["target"]["dialect"] == "chat"
    assert ended.code == 0


def test_a_mistake_in_a_description_ends_in_2(
    run: Callable, chat: str, tmp_path: Path
) -> None:
    """A key that nobody knows is named with the nearest one; nothing is started."""
    file = tmp_path / "wavetank.toml"
    text = file.read_text().replace("payload_is", "payload_iz")
    file.write_text(text)

    ended = run("--serve", chat)

    assert ended.code == 2
    assert "payload_iz" in ended.printed
    assert "payload_is" in ended.printed
    assert not (tmp_path / "results").exists()
