"""The programs of examples/prices work together as they stand."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .hub.process import clean_environ

EXAMPLE = Path(__file__).parents[2] / "examples" / "prices"

TOPICS = ("prices.btc-usd", "prices.eth-usd")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def example() -> Iterator[Start]:
    """Start a program of the example; it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLE / name), *words],
            env=clean_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def test_a_watcher_misses_no_price_over_a_crash_of_the_hub(
    hub: Callable, example: Start
) -> None:
    """Feed and watcher come back by themselves; seqs go on without a hole."""
    server = hub(is_durable=True)
    watcher = example("watch.py", server.url)
    feed = example("feed.py", server.url)
    assert watcher.stdout is not None
    lines = iter(watcher.stdout.readline, "")

    seen = [next(lines).split() for _ in range(10)]
    server.kill()
    server.process.wait()
    server.start_now()
    for line in lines:
        seen.append(line.split())
        if seen[-1] == ["fresh", "again"]:
            break
    seen += [next(lines).split() for _ in range(20)]
    # What one topic has to catch up with may come before anything of the other.
    while min(len(seqs_of(topic, seen)) for topic in TOPICS) <= 10:
        seen.append(next(lines).split())

    assert ["stale"] in seen
    assert not [words for words in seen if "lost" in words]
    for topic in TOPICS:
        seqs = seqs_of(topic, seen)
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert feed.poll() is None


def seqs_of(topic: str, seen: list[list[str]]) -> list[int]:
    """Return the seqs of a topic, in the order in which they were shown."""
    return [int(words[1]) for words in seen if words[0] == topic]


def test_ctrl_c_ends_the_example_without_a_traceback(
    hub: Callable, example: Start
) -> None:
    """A user who has seen enough sees nothing else."""
    server = hub()
    watcher = example("watch.py", server.url)
    example("feed.py", server.url)
    assert watcher.stdout is not None
    assert watcher.stdout.readline().startswith("prices.")

    watcher.send_signal(2)
    _, _ = watcher.communicate(timeout=60)

    assert watcher.returncode == 0
