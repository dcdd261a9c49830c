"""Benchmarks run, and their clients notice what gets lost; no figure is judged."""

import importlib
import itertools
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.lab.catalogue import catalogue

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DEADLINE = 100.0
BRIEF = ("--rounds", "1", "--warm", "0.05", "--seconds", "0.1", "--connections", "4")

Bench = Callable[..., dict[str, Any]]


def load(name: str) -> ModuleType:
    """Import a module of the benchmarks as they do: from their own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module(name)


arrivals = load("arrivals")
dialects = load("dialects")
contenders = load("contenders")


@pytest.fixture
def bench(tmp_path: Path, environ: dict[str, str]) -> Bench:
    """Run a benchmark and return the JSON that it wrote."""

    def bench(name: str, *arguments: str) -> dict[str, Any]:
        file = tmp_path / "result.json"
        script = str(BENCHMARKS / name)
        ended = subprocess.run(
            [sys.executable, script, *arguments, "--json", str(file)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stdout
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return result

    return bench


def test_the_benchmark_of_frames_runs(bench: Bench) -> None:
    """`frame_reader.py` reads the same frames with every reader."""
    result = bench("frame_reader.py", "--rounds=1", "--frames=64", "--sizes", "16")
    for row in result["reading"]:
        assert all(took > 0 for took in row["nanoseconds_per_frame"].values())


def test_the_benchmark_of_the_proxy_runs(bench: Bench) -> None:
    """`proxy.py` sets both modes beside a blind forwarder."""
    sizes = ("--rounds", "1", "--seconds", "0.1", "--connections", "4")
    assert bench("proxy.py", *sizes)


def test_the_benchmark_of_publications_runs(bench: Bench) -> None:
    """`publish_path.py` has a figure for the whole path and for each of its parts."""
    sizes = ("--rounds=1", "--publications=80", "--calls=10")
    result = bench("publish_path.py", *sizes)
    assert set(result["publication"]) == {"without id", "with id"}
    assert all(each["best_us"] > 0 for each in result["publication"].values())
    assert all(part["ns"] > 0 for part in result["parts"])


def test_the_benchmark_of_conformance_runs(bench: Bench) -> None:
    """`conformance.py` times runs, and finds the same verdicts in all of them."""
    result = bench("conformance.py", "--groups", "pings", "--rounds", "2")
    chosen = result["workloads"]["chosen"]
    assert (chosen["cases"], chosen["came"]) == (11, {"passed": 11})
    assert chosen["differences"] == {}
    walls = zip(chosen["wall_seconds"], chosen["seconds"], strict=True)
    assert all(wall > seconds > 0 for wall, seconds in walls)


def test_each_group_is_of_a_workload_of_the_benchmark() -> None:
    """All but those that mostly wait; and what is exhaustive has many messages."""
    conformance = load("conformance")
    groups = catalogue()["conformance"]
    known = conformance.workloads()
    assert {*known["everything"].groups, *conformance.APART} >= set(groups)
    assert set(known["core"].groups) < set(groups) - set(conformance.APART)
    assert {"framing", "handshake", "deflate"} <= set(known["core"].groups)


def test_verdicts_that_change_from_run_to_run_are_told() -> None:
    """Also where a case is missing once; what stays the same is not told."""
    conformance = load("conformance")
    rounds = [
        conformance.Round(1.0, 2.0, verdicts)
        for verdicts in (
            {"a 1.1": "passed", "a 1.2": "passed", "a 1.3": "noted"},
            {"a 1.1": "passed", "a 1.2": "failed"},
        )
    ]
    assert conformance.differences(rounds) == {
        "a 1.2": ["passed", "failed"],
        "a 1.3": ["noted", "not played"],
    }


@pytest.mark.parametrize("rounds", ["0", "101"])
def test_the_benchmark_of_conformance_is_bounded(
    rounds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """More runs than are bearable are refused."""
    with pytest.raises(SystemExit) as refused:
        load("conformance").main(["--rounds", rounds])
    assert refused.value.code == 2
    assert "--rounds" in capsys.readouterr().err


def assert_measured(result: dict[str, Any], name: str, *workloads: str) -> None:
    """Something was measured, and all of it arrived."""
    assert set(result["workloads"]) == set(workloads)
    for workload in workloads:
        assert result["workloads"][workload][name]["problems"] == []
        (row,) = result["rounds"][workload][name]
        assert row["is_sound"]
        assert row["published" if workload != "idle" else "per_s"] > 0


@pytest.mark.parametrize("log", ["hub", "hub-log"])
def test_the_benchmark_of_the_hub_measures_both_logs(bench: Bench, log: str) -> None:
    """`hub.py` measures all that it knows, and nothing is lost on the way."""
    workloads = ("idle", "fanout-1KiB", "publish")
    arguments = ("--servers", log, "--workloads", *workloads)
    assert_measured(bench("hub.py", *BRIEF, *arguments), log, *workloads)


@pytest.mark.parametrize("peer", ["websockets", "aiohttp", "starlette", "ws"])
def test_the_benchmark_of_the_hub_measures_others(bench: Bench, peer: str) -> None:
    """A simple server on another library is measured just as the hub is."""
    if contenders.CONTENDERS[peer].find() is None:
        pytest.skip(contenders.CONTENDERS[peer].missing)
    arguments = ("--servers", peer, "--workloads", "fanout", "publish")
    result = bench("hub.py", *BRIEF, *arguments)
    assert result["workloads"].pop("publish") == {}  # none of them acknowledges
    assert_measured(result, peer, "fanout")


def test_a_server_that_is_missing_is_left_out_and_told(
    bench: Bench, environ: dict[str, str]
) -> None:
    """Without Node and nats-server the hub is measured alone, and the reason told."""
    environ["PATH"] = ""
    servers = ("--servers", "nats", "ws", "hub")
    result = bench("hub.py", *BRIEF, *servers, "--workloads", "idle")
    assert result["skipped"] == {
        "nats": "nats-server is not installed",
        "ws": "needs node, and its package ws in NODE_PATH",
    }
    assert set(result["workloads"]["idle"]) == {"hub"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_benchmark_that_is_interrupted_leaves_nothing_behind(
    environ: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end the server and the client, too."""
    mark = uuid.uuid4().hex
    environ["BENCHMARK_MARK"] = mark
    arguments = ("--servers", "hub", "--workloads", "fanout", "--seconds", "60")
    with subprocess.Popen(
        [sys.executable, str(BENCHMARKS / "hub.py"), *arguments],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "hub, process" in process.stderr.readline()
        assert marked(mark)
        process.send_signal(number)
        assert process.wait(DEADLINE) == 130
    assert marked(mark) == []


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that have a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("BENCHMARK_MARK") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("--connections", "10001"),
        ("--connections", "0"),
        ("--seconds", "61"),
        ("--seconds", "0"),
        ("--warm", "-1"),
        ("--rounds", "0"),
        ("--rounds", "101"),
    ],
)
def test_the_benchmark_of_the_hub_is_bounded(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """More connections, seconds or rounds than are bearable are refused."""
    with pytest.raises(SystemExit) as refused:
        load("hub").main(arguments)
    assert refused.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_server_that_does_not_start_is_told_with_its_last_words() -> None:
    """What a server said before it ended is the reason that is given."""
    command = (sys.executable, "-c", "raise SystemExit('no such thing')")
    broken = contenders.Contender("broken", command, "raw", "wavetank")
    with (
        pytest.raises(contenders.NotStarted, match="no such thing"),
        contenders.started(broken, None),
    ):
        pass


# What subscribers check.


def frame(payload: bytes) -> bytes:
    """Return a short text frame as a server sends it."""
    return bytes((0x81, len(payload))) + payload


def event(number: int) -> bytes:
    """Return a publication as a simple server passes it on."""
    return frame(dialects.publication(number, 40))


class Listeners:
    """Subscribers of one topic, and what they heard beside publications."""

    def __init__(self, count: int, dialect: str = "raw") -> None:
        spoken = dialects.DIALECTS[dialect]

        def is_whole(text: bytes, number: int) -> bool:
            return spoken.holds(text, dialects.publication(number, 40))

        self.problems = arrivals.Problems()
        self.expected = arrivals.Expected(is_whole, self.problems)
        self.heard: list[bytes] = []
        self.each = [
            arrivals.Arrivals(
                self.expected,
                dialects.cutter(spoken),
                lambda unit: self.heard.append(unit.text),
            )
            for _ in range(count)
        ]


def chunks(data: bytes, places: list[int]) -> Iterator[bytes]:
    """Cut bytes at some places."""
    cuts = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    for start, stop in itertools.pairwise(cuts):
        yield data[start:stop]


cuts = st.lists(st.integers(0, 10_000), max_size=8)


@given(st.lists(cuts, min_size=1, max_size=4), st.integers(1, 20))
def test_subscribers_that_get_everything_are_counted_however_it_comes(
    pieces: list[list[int]], count: int
) -> None:
    """Whoever is first, and wherever reads end: each has all publications."""
    stream = b"".join(event(number) for number in range(1, count + 1))
    listeners = Listeners(len(pieces))
    waiting = [list(chunks(stream, places)) for places in pieces]
    while any(waiting):
        for subscriber, left in zip(listeners.each, waiting, strict=True):
            if left:
                subscriber.feed(left.pop(0))
    assert [each.count for each in listeners.each] == [count] * len(pieces)
    assert not listeners.problems
    assert listeners.expected.came == len(stream) * len(pieces)


@given(cuts, st.integers(0, 6))
def test_messages_between_publications_are_heard_by_whoever_gets_them(
    places: list[int], at: int
) -> None:
    """A ping between two publications is no publication, and no damage."""
    events = [event(number) for number in range(1, 7)]
    plain = b"".join(events)
    mixed = b"".join([*events[:at], b"\x89\x02hi", *events[at:]])
    listeners = Listeners(2)
    listeners.each[0].feed(plain)
    for chunk in chunks(mixed, places):
        listeners.each[1].feed(chunk)
    assert listeners.heard == [b"hi"]
    assert [each.count for each in listeners.each] == [6, 6]
    assert not any(each.is_alone for each in listeners.each)
    assert not listeners.problems
    assert listeners.expected.came == 2 * len(plain)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("numbers", "counts"),
    [
        ([1, 2, 4, 5], {"skipped": 1, "repeated": 0}),
        ([3, 4, 5], {"skipped": 2, "repeated": 0}),
        ([1, 2, 2, 3, 4, 5], {"skipped": 0, "repeated": 1}),
        ([1, 3, 2, 4, 5], {"skipped": 1, "repeated": 1}),
    ],
)
def test_a_subscriber_sees_what_is_lost_repeated_and_out_of_order(
    numbers: list[int], counts: dict[str, int], *, is_first: bool
) -> None:
    """It is seen whether or not somebody else has got it right before."""
    listeners = Listeners(2)
    right = b"".join(event(number) for number in range(1, 6))
    wrong = b"".join(event(number) for number in numbers)
    order = [wrong, right] if is_first else [right, wrong]
    for subscriber, stream in zip(listeners.each, order, strict=True):
        subscriber.feed(stream)
    assert {name: getattr(listeners.problems, name) for name in counts} == counts
    assert [each.count for each in listeners.each] == [5, 5]
    assert sorted(each.is_alone for each in listeners.each) == [False, True]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_subscriber_sees_a_publication_that_was_changed(*, is_first: bool) -> None:
    """One other byte in a payload is damage."""
    right = event(1) + event(2)
    wrong = event(1) + event(2).replace(b"xx", b"xy", 1)
    listeners = Listeners(2)
    order = [wrong, right] if is_first else [right, wrong]
    for subscriber, stream in zip(listeners.each, order, strict=True):
        subscriber.feed(stream)
    assert listeners.problems.damaged == 1


def test_what_everybody_has_is_forgotten() -> None:
    """Memory is bounded, and whoever is in the middle of a publication goes on."""
    listeners = Listeners(2)
    stream = b"".join(event(number) for number in range(1, 11))
    middle = len(event(1)) * 4 + 5
    listeners.each[0].feed(stream)
    listeners.each[1].feed(stream[:middle])
    listeners.expected.trim(listeners.each[1].place)
    assert len(listeners.expected.data) == len(event(1)) * 6
    listeners.each[1].feed(stream[middle:] + b"\x89\x00")
    assert listeners.heard == [b""]
    assert listeners.each[1].count == 10
    assert not listeners.problems


@given(cuts, cuts)
def test_publications_of_nats_are_read_across_frames(
    places: list[int], frames: list[int]
) -> None:
    """NATS keeps its messages to no frames; they are found all the same."""
    texts = [dialects.publication(number, 40) for number in range(1, 4)]
    lines = [b"MSG bench 1 40\r\n%b\r\n" % text for text in texts]
    plain = b"".join([b"PONG\r\n", lines[0], b"PING\r\n", *lines[1:]])
    framed = b"".join(
        b"\x82"
        + (bytes((len(piece),)) if len(piece) < 126 else b"\x7e\0%c" % len(piece))
        + piece
        for piece in chunks(plain, frames)
    )
    listeners = Listeners(1, "nats")
    unframed = dialects.Unframed(lambda unit: None)
    for chunk in chunks(framed, places):
        listeners.each[0].feed(unframed.feed(chunk))
    assert listeners.heard == [b"PONG", b"PING"]
    assert listeners.each[0].count == 3
    assert not listeners.problems
