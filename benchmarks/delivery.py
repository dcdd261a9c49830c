"""What the delivery checker takes for many operations: seconds and memory.

It refuses to know sockets: histories are made as they are taken.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator

from wavetank.evidence import Verdict
from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Delivered,
    Drained,
    Event,
    PublishInvoked,
    PublishOk,
    Resumed,
    Subscribed,
)

TOPICS = 4
PUBLISHERS = 8
SUBSCRIBERS = 4


def in_order(operations: int, *, without: int = 0, behind: int = 0) -> Iterator[Event]:
    """Yield a run in which everybody gets everything at once, or nearly.

    Args:
        operations: How many events, about.
        without: One delivery in so many is lost; 0 for none.
        behind: The last subscriber gets everything so many publications later, by
            the replay after a resume; 0 for at once.
    """
    names = [f"s{number}" for number in range(SUBSCRIBERS)]
    for name in names:
        yield Connected(0.0, name, "c1")
        for topic in range(TOPICS):
            yield Subscribed(0.0, name, f"t{topic}", 0, "e1")
    away, next_due = behind > 0, 0
    if away:
        yield Closed(0.0, names[-1], "c1")
    deliveries = 0
    publications = operations // (2 + SUBSCRIBERS)
    for count in range(publications):
        at = count / 1e5
        topic, place = _published(count)
        id_, seq, _, digest = place
        yield PublishInvoked(at, f"p{count % PUBLISHERS}", id_, topic, digest)
        yield PublishOk(at + 0.001, id_, seq, "e1")
        for name in names[:-1] if behind else names:
            deliveries += 1
            if not without or deliveries % without:
                yield Delivered(at + 0.002, name, "c1", topic, *place)
        if behind and count >= behind:
            if away:
                away = False
                yield Resumed(at, names[-1], "c2")
            yield _late(next_due, at, names[-1])
            next_due += 1
    if away:
        yield Resumed(1e6, names[-1], "c2")
    if behind:
        yield from (
            _late(count, 1e6, names[-1]) for count in range(next_due, publications)
        )
    yield Drained(1e6)


def _published(count: int) -> tuple[str, tuple[str, int, str, str]]:
    """Return topic, and id, number, epoch and digest of a publication.

    They are worked out again for whoever is behind: a queue of them would be the
    larger part of what is measured.
    """
    turn, which = divmod(count, PUBLISHERS)
    seq = turn * (PUBLISHERS // TOPICS) + which // TOPICS + 1
    return f"t{which % TOPICS}", (
        f"w-r1-p{which}-{turn + 1}",
        seq,
        "e1",
        f"{count:08x}",
    )


def _late(count: int, at: float, name: str) -> Delivered:
    """Return a delivery by the replay after a resume."""
    topic, place = _published(count)
    return Delivered(at, name, "c2", topic, *place)


RUNS: dict[str, tuple[Callable[[int], Iterator[Event]], Verdict]] = {
    "in order": (in_order, Verdict.PASS),
    "one delivery in 1,000 lost": (lambda n: in_order(n, without=1000), Verdict.FAIL),
    "one subscriber away to the end": (lambda n: in_order(n, behind=n), Verdict.PASS),
}


def measure(name: str, operations: int) -> dict[str, object]:
    """Take one history in this process, and say what that took."""
    make, due = RUNS[name]
    began = time.process_time()
    deque(make(operations), maxlen=0)
    made = time.process_time()
    wall = time.monotonic()
    checker = Checker()
    checker.take_all(make(operations))
    taken = time.process_time()
    report = checker.judge()
    judged = time.process_time()
    if report.verdict is not due:
        raise SystemExit(f"{name}: {report!r}, {checker!r}")
    return {
        "run": name,
        "operations": operations,
        "cpu_making_s": round(made - began, 2),
        "cpu_taking_s": round(taken - made - (made - began), 2),
        "cpu_judging_s": round(judged - taken, 2),
        "wall_s": round(time.monotonic() - wall, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "counts": {str(name): n for name, n in report.counts.items() if n},
    }


def main() -> None:
    """Measure every history in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000_000)
    parser.add_argument("--run", choices=RUNS, help="only this one, in this process")
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options.run, options.operations)))
        return
    for name in RUNS:
        same = [sys.executable, __file__, "--operations", str(options.operations)]
        subprocess.run([*same, "--run", name], check=True)


if __name__ == "__main__":
    main()
