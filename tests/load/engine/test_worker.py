"""A worker: one process that carries out its share of a plan."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wavetank.errors import UsageError
from wavetank.evidence import Histogram
from wavetank.load.engine import worker as module
from wavetank.load.engine.echo import Echo
from wavetank.load.engine.loop import Loop
from wavetank.load.engine.population import Population
from wavetank.load.engine.requests import Requests
from wavetank.load.engine.worker import Worker, main
from wavetank.load.exchange import (
    Address,
    Begin,
    Broken,
    Drain,
    Drained,
    End,
    Ended,
    FromWorker,
    Job,
    Opened,
    Operation,
    Quit,
    Second,
    Share,
    Tally,
    ToWorker,
    decode_from_worker,
    encode,
)
from wavetank.load.plan import LoadPlan, Scenario, Stage
from wavetank.net import ThrowAwayAuthority

from .hosts import RUN, Bench, Guest, WakefulLoop, scenario

COMMAND = [sys.executable, "-m", "wavetank.load.engine.worker"]


@pytest.fixture
def echo() -> Iterator[str]:
    """Run the built-in echo in a thread; return its URL."""
    server = Echo()
    read, write = os.pipe()
    thread = threading.Thread(target=server.run, args=(read,))
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.port}/"
    finally:
        os.close(write)
        thread.join(10)
        os.close(read)
        assert not thread.is_alive()


class Play:
    """A worker in this thread, and the coordinator's part, word by word.

    Args:
        loop: The worker's.
        job: Its job.
        answer: Returns what the coordinator says to what it has heard.
    """

    def __init__(
        self,
        loop: Loop,
        job: Job,
        answer: Callable[[FromWorker], list[ToWorker]],
    ) -> None:
        self.said: list[FromWorker] = []
        self.to_hear: list[ToWorker] = []
        self.between: Callable[[], None] = lambda: None
        self._answer = answer
        self.worker = Worker(job, say=self._say, hear=self._hear, loop=loop)

    def _say(self, message: FromWorker) -> None:
        self.said.append(message)
        self.to_hear += self._answer(message)

    def _hear(self) -> list[ToWorker]:
        self.between()
        heard, self.to_hear = self.to_hear, []
        return heard

    def run(self) -> list[FromWorker]:
        """Let it run to its end."""
        self.worker.run()
        return self.said

    def of(self, kind: type[FromWorker]) -> list[FromWorker]:
        """Return what it said of one kind."""
        return [each for each in self.said if isinstance(each, kind)]


def job(url: str, *scenarios: Scenario, dialect: str = "echo", **plan: float) -> Job:
    """Return a job."""
    return Job(
        run=RUN,
        plan=LoadPlan(scenarios=scenarios, **plan),  # type: ignore[arg-type]
        share=Share(index=0, count=1),
        address=Address(url=url, dialect=dialect),
    )


def coordinator(loop: Loop, *, within: float = 5.0) -> Callable[..., list[ToWorker]]:
    """Return the answers of a sound coordinator."""

    def answer(message: FromWorker) -> list[ToWorker]:
        match message:
            case Opened():
                return [Begin(at=loop.now)]
            case Ended():
                return [
                    Drain(
                        published=message.published,
                        within=within,
                        refused=message.refused,
                    )
                ]
            case Drained():
                return [Quit()]
        return []

    return answer


def total(said: list[FromWorker], operation: Operation) -> Tally:
    """Return the counts of an operation, over seconds and drain."""
    whole = Tally(scenario="s", operation=operation)
    for message in said:
        for tally in message.tallies if isinstance(message, Second | Drained) else ():
            if tally.operation is operation:
                for name in ("intended", "sent", "received", "lost", "failed"):
                    more = getattr(whole, name) + getattr(tally, name)
                    setattr(whole, name, more)
    return whole


def quick(kind: str = "request", **fields: object) -> Scenario:
    """Return a scenario of 50 arrivals in a quarter of a second."""
    given: dict[str, object] = {"users": 2, "stages": (Stage(seconds=0.25, level=200),)}
    return scenario(kind, **(given | fields))


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Open a loop."""
    with contextlib.closing(WakefulLoop()) as opened:
        yield opened


# The whole way


def test_worker_carries_out_a_plan(echo: str, loop: Loop) -> None:
    """Opened, its seconds, ended, drained; each request has its answer."""
    play = Play(loop, job(echo, quick()), coordinator(loop))
    said = play.run()
    kinds = [type(message) for message in said]
    assert kinds == [Opened, Second, Ended, Drained]
    opened, second, ended, drained = said
    assert isinstance(opened, Opened)
    assert (opened.users, opened.failed) == (2, 0)
    assert opened.tallies[0].received == 2
    assert isinstance(second, Second)
    assert second.generator.open == 2
    assert isinstance(ended, Ended)
    assert ended.at >= 0.25
    assert isinstance(drained, Drained)
    assert drained.complete
    assert not drained.problems
    tally = total(said, Operation.REQUEST)
    assert (tally.intended, tally.sent, tally.received) == (50, 50, 50)
    assert repr(loop) == "<Loop 0 descriptors>"


def test_worker_goes_through_every_kind_of_scenario(echo: str, loop: Loop) -> None:
    """Side by side, each with its own operation."""
    plan = (
        quick(name="a"),
        quick("ping", name="b"),
        quick("listen", name="c", stages=()),
        quick("slow", name="d", stages=()),
        quick("churn", name="e", users=40),
        quick("storm", name="f", stages=(Stage(seconds=0.25, level=8),)),
        quick("publish", name="g", acknowledged=False),
    )
    play = Play(loop, job(echo, *plan, duration=0.2), coordinator(loop, within=0.2))
    said = play.run()
    (opened,) = play.of(Opened)
    assert isinstance(opened, Opened)
    assert opened.users == 2 * 6 + 1
    assert total(said, Operation.REQUEST).received == 50
    assert total(said, Operation.PING).received == 50
    assert total(said, Operation.CONNECT).received > 10
    (drained,) = play.of(Drained)
    assert isinstance(drained, Drained)
    # An echo hands nothing on to subscribers.
    assert total(said, Operation.DELIVER).lost == 100


def test_seconds_of_the_warm_up_have_counts_but_no_times(echo: str, loop: Loop) -> None:
    """What is answered in them counts for no latency."""
    given = quick(stages=(Stage(seconds=1.2, level=50),))
    play = Play(loop, job(echo, given, warm_up=0.5), coordinator(loop))
    play.run()
    first, second = play.of(Second)
    assert isinstance(first, Second)
    assert isinstance(second, Second)
    (request,) = [each for each in first.tallies if each.operation is Operation.REQUEST]
    assert request.received > 0
    assert request.response == request.service == ""
    (request,) = [
        each for each in second.tallies if each.operation is Operation.REQUEST
    ]
    assert Histogram.decode(request.response).count == request.received


def test_worker_that_was_stopped_reports_each_second_late_and_none_twice(
    echo: str, loop: Loop
) -> None:
    """It was stopped for three seconds: what is due is sent, late, and counted."""
    given = quick(stages=(Stage(seconds=4.1, level=10),))
    play = Play(loop, job(echo, given), coordinator(loop))

    begun = play.worker._load

    def load() -> None:
        play.worker._setting.start -= 3.95
        begun()

    play.worker._load = load  # type: ignore[method-assign]
    said = play.run()
    numbers = [each.number for each in play.of(Second) if isinstance(each, Second)]
    assert numbers == [0, 1, 2, 3, 4]
    tally = total(said, Operation.REQUEST)
    assert (tally.intended, tally.received) == (41, 41)


# Its ends


def test_worker_ends_early_when_it_is_told_to(echo: str, loop: Loop) -> None:
    """What was due is reported; what was not due yet is neither sent nor dropped."""
    given = quick(stages=(Stage(seconds=60, level=100),))
    play = Play(loop, job(echo, given), coordinator(loop))
    seen: list[int] = []

    def between() -> None:
        if play.worker._setting.has_start and not seen:
            seen.append(1)
            play.to_hear.append(End())

    play.between = between
    said = play.run()
    assert [type(each) for each in said][-2:] == [Ended, Drained]
    ended = said[-2]
    assert isinstance(ended, Ended)
    assert ended.at < 60
    assert total(said, Operation.REQUEST).intended < 6000


def test_worker_that_is_told_to_end_before_all_is_open_goes_on_with_the_rest(
    bench: Bench,
) -> None:
    """Who is not open by then is not waited for."""
    given = job(bench.host.url, quick(), connect_within=60.0)
    play = Play(bench.loop, given, coordinator(bench.loop))
    play.to_hear.append(End())
    said = play.run()
    opened, *_, ended, drained = said
    assert isinstance(opened, Opened)
    assert (opened.users, opened.failed) == (0, 2)
    assert opened.reasons == {"not open in time": 2}
    assert isinstance(ended, Ended)
    assert isinstance(drained, Drained)


def test_worker_gives_up_opening_in_time(bench: Bench) -> None:
    """A target that accepts and is silent is not waited for any longer."""
    given = job(bench.host.url, quick(), connect_within=0.05)
    play = Play(bench.loop, given, coordinator(bench.loop))
    said = play.run()
    assert isinstance(said[0], Opened)
    assert sum(said[0].reasons.values()) == 2
    tally = total(said, Operation.REQUEST)
    assert (tally.intended, tally.sent) == (50, 0)


@pytest.mark.parametrize("after", [None, Opened, Second, Ended])
def test_worker_quits_whenever_it_is_told_to(
    echo: str, loop: Loop, after: type[FromWorker] | None
) -> None:
    """At any phase, and says nothing more."""
    sound = coordinator(loop)

    def answer(message: FromWorker) -> list[ToWorker]:
        return [Quit()] if type(message) is after else sound(message)

    given = quick(stages=(Stage(seconds=1.5, level=10),))
    play = Play(loop, job(echo, given), answer)
    if after is None:
        play.to_hear.append(Quit())
    play.run()
    assert not play.of(Drained)
    assert repr(loop) == "<Loop 0 descriptors>"


def test_worker_quits_in_the_middle_of_the_drain(bench: Bench) -> None:
    """It waits for answers that do not come, and is told not to."""
    play = Play(
        bench.loop, job(bench.host.url, quick(users=1)), coordinator(bench.loop)
    )
    guests: list[Guest] = []

    def between() -> None:
        if not guests and play.worker._populations[0]._opening:
            connection = play.worker._populations[0].users[0].connection
            if connection is not None and connection._key:
                guests.append(bench.host.accept().answer())
        if play.worker._drain is not None:
            play.to_hear.append(Quit())

    play.between = between
    said = play.run()
    drained = said[-1]
    assert isinstance(drained, Drained)
    assert not drained.complete


def test_worker_waits_in_the_drain_for_who_answers_late(bench: Bench) -> None:
    """Whatever comes until then is received; then nothing is lost."""
    given = job(bench.host.url, quick(users=1, stages=(Stage(seconds=0.1, level=50),)))
    play = Play(bench.loop, given, coordinator(bench.loop))
    guests: list[Guest] = []

    def between() -> None:
        connection = play.worker._populations[0].users[0].connection
        if not guests and connection is not None and connection._key:
            guests.append(bench.host.accept().answer())
        if play.worker._drain is not None and len(guests) == 1:
            guests.append(guests[0])
            for _ in range(5):
                guests[0].say(guests[0].read().payload)

    play.between = between
    said = play.run()
    assert isinstance(said[-1], Drained)
    assert said[-1].complete
    assert total(said, Operation.REQUEST).received == 5


@pytest.mark.parametrize("is_quiet", [True, False])
def test_loss_is_certain_only_where_nothing_came_any_more(
    bench: Bench, *, is_quiet: bool
) -> None:
    """Answers that still come when the time is over leave the rest uncertain."""
    given = job(
        bench.host.url, quick(users=1, stages=(Stage(seconds=0.1, level=50_000),))
    )
    play = Play(bench.loop, given, coordinator(bench.loop, within=0.02))
    guests: list[Guest] = []

    def between() -> None:
        connection = play.worker._populations[0].users[0].connection
        if not guests and connection is not None and connection._key:
            guests.append(bench.host.accept().answer())
        if play.worker._drain is not None and not is_quiet and not play.of(Drained):
            guests[0].say(guests[0].read().payload)

    play.between = between
    said = play.run()
    assert isinstance(said[-1], Drained)
    assert said[-1].complete == is_quiet
    assert total(said, Operation.REQUEST).lost > 0


def test_worker_ends_early_once_nobody_is_left_and_says_so(bench: Bench) -> None:
    """The target cuts its only connection: a minute more would be for nothing."""
    given = job(bench.host.url, quick(users=1, stages=(Stage(seconds=60, level=10),)))
    play = Play(bench.loop, given, coordinator(bench.loop))
    guests: list[Guest] = []

    def between() -> None:
        connection = play.worker._populations[0].users[0].connection
        if not guests and connection is not None and connection._key:
            guests.append(bench.host.accept().answer())
        if play.worker._setting.has_start and len(guests) == 1:
            guests.append(guests[0])
            guests[0].leave(1001, "going")

    play.between = between
    said = play.run()
    (ended,) = play.of(Ended)
    assert isinstance(ended, Ended)
    assert ended.at < 30
    assert isinstance(said[-1], Drained)
    assert said[-1].problems == [
        "s: the target closed with code 1001 (going)",
        "s: nobody was left; it ended early",
    ]
    assert said[-1].generator.lost_connections == 1


def test_worker_is_given_one_job(echo: str, loop: Loop) -> None:
    """A second one breaks it."""
    given = job(echo, quick())
    play = Play(loop, given, coordinator(loop))
    play.to_hear.append(given)
    play.run()
    assert play.of(Broken) == [Broken(reason="it was given a second job")]


def test_problems_are_counted_not_repeated(echo: str, loop: Loop) -> None:
    """The same reason a hundred times is one sentence."""
    play = Play(loop, job(echo, quick()), coordinator(loop))
    play.worker._populations[0].problems = {"it fell": 100, "it rose": 1}
    assert play.worker._problems() == ["s: it fell (100 times)", "s: it rose"]


@pytest.mark.parametrize("url", ["nowhere", "http://127.0.0.1/"])
def test_worker_takes_no_job_without_an_address(loop: Loop, url: str) -> None:
    """The URL stands in the sentence."""
    with pytest.raises(UsageError, match="is no address"):
        Play(loop, job(url, quick()), coordinator(loop))


# As a process


class Process:
    """A worker as a process, spoken with line by line."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def tell(self, *messages: ToWorker) -> None:
        """Say something."""
        assert self.process.stdin is not None
        for message in messages:
            self.process.stdin.write(encode(message))
        self.process.stdin.flush()

    def hear(self) -> FromWorker:
        """Return its next word."""
        assert self.process.stdout is not None
        return decode_from_worker(self.process.stdout.readline())

    def end(self) -> tuple[int, bytes]:
        """Close its input; return its status, and what it complained of."""
        _, complaints = self.process.communicate(timeout=20)
        return self.process.returncode, complaints


@pytest.fixture
def process() -> Iterator[Process]:
    """Start a worker, and end it for sure."""
    started = Process()
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.communicate()


def test_process_carries_out_a_plan_and_leaves_without_a_trace(
    echo: str, process: Process
) -> None:
    """From its job to its quit, over pipes."""
    process.tell(job(echo, quick()))
    assert isinstance(process.hear(), Opened)
    process.tell(Begin(at=time.monotonic()))
    assert isinstance(process.hear(), Second)
    ended = process.hear()
    assert isinstance(ended, Ended)
    process.tell(Drain(published=ended.published, within=5.0))
    assert isinstance(process.hear(), Drained)
    process.tell(Quit())
    assert process.end() == (0, b"")


def test_process_that_is_stopped_for_a_while_goes_on(
    echo: str, process: Process
) -> None:
    """SIGSTOP and SIGCONT: each second is there, once."""
    process.tell(job(echo, quick(stages=(Stage(seconds=2.0, level=20),))))
    assert isinstance(process.hear(), Opened)
    process.tell(Begin(at=time.monotonic()))
    process.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.process.pid, os.WSTOPPED)
    process.process.send_signal(signal.SIGCONT)
    numbers = []
    while isinstance(second := process.hear(), Second):
        numbers.append(second.number)
    assert numbers == [0, 1]


@pytest.mark.parametrize("phase", ["job", "opened", "load", "drain"])
def test_process_ends_with_its_coordinator_without_a_trace(
    echo: str, process: Process, phase: str
) -> None:
    """Its input ends: nobody wants the figures any more."""
    if phase != "job":
        process.tell(job(echo, quick(stages=(Stage(seconds=60, level=20),))))
        assert isinstance(process.hear(), Opened)
    if phase in {"load", "drain"}:
        process.tell(Begin(at=time.monotonic()))
        assert isinstance(process.hear(), Second)
    if phase == "drain":
        process.tell(End())
        while not isinstance(process.hear(), Ended):
            pass
    assert process.end() == (0, b"")


def test_process_ends_when_nobody_hears_it(echo: str, process: Process) -> None:
    """Its output is closed: what it would say has no reader."""
    assert process.process.stdout is not None
    process.process.stdout.close()
    process.tell(job(echo, quick()))
    assert process.process.wait(20) == 0
    assert process.process.stderr is not None
    assert process.process.stderr.read() == b""


# What it is told, in this process


def told(monkeypatch: pytest.MonkeyPatch, *lines: bytes) -> list[FromWorker]:
    """Run `main` with these lines on its input; return what it says."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()
    os.write(write_in, b"".join(lines))
    os.close(write_in)
    with os.fdopen(read_in) as stdin, os.fdopen(read_out, "rb") as said:
        monkeypatch.setattr(sys, "stdin", stdin)
        with os.fdopen(write_out, "w") as stdout, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            with contextlib.suppress(SystemExit):
                main()
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        return [decode_from_worker(line) for line in said.read().splitlines()]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            encode(job("ws://127.0.0.1:1/", quick(), dialect="hob")),
            "no dialect is called 'hob'; did you mean hub?",
        ),
        (encode(job("ws://nobody.invalid/", quick())), "ws://nobody.invalid/: "),
        (encode(Quit()), "its first word was no job"),
        (b"hello\n", "it was told what it does not know: "),
        (
            encode(
                Job(
                    run=RUN,
                    plan=LoadPlan(scenarios=(quick(),)),
                    share=Share(index=0, count=1),
                    address=Address(url="wss://127.0.0.1:1/", ca="/nowhere.pem"),
                )
            ),
            "cannot use certificate authority /nowhere.pem",
        ),
    ],
)
def test_worker_says_once_why_it_cannot_do_its_job(
    monkeypatch: pytest.MonkeyPatch, line: bytes, reason: str
) -> None:
    """One plain sentence, and that is all."""
    (said,) = told(monkeypatch, line)
    assert isinstance(said, Broken)
    assert said.reason.startswith(reason)
    assert "\n" not in said.reason


def test_worker_ends_where_its_input_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word, there is nothing to do."""
    assert told(monkeypatch) == []


def test_worker_takes_as_many_descriptors_as_it_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The soft limit becomes the hard one; where it may not, it stays."""
    asked = []
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (1, 2))
    monkeypatch.setattr(
        module.resource, "setrlimit", lambda *limits: asked.append(limits)
    )
    module._raise_descriptor_limit()
    assert asked == [(resource.RLIMIT_NOFILE, (2, 2))]
    monkeypatch.setattr(module.resource, "getrlimit", lambda _: (2, 2))
    module._raise_descriptor_limit()
    assert len(asked) == 1


def test_worker_speaks_over_tls(loop: Loop) -> None:
    """With an authority of its own, end to end."""
    with ThrowAwayAuthority() as authority:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _TLS_ECHO,
                str(authority.certificate().certificate),
                str(authority.certificate().key),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            given = job("", quick())
            given = Job(
                run=RUN,
                plan=given.plan,
                share=given.share,
                address=Address(
                    url=f"wss://localhost:{port}/",
                    dialect="echo",
                    ca=str(authority.ca),
                ),
            )
            said = Play(loop, given, coordinator(loop)).run()
        finally:
            process.communicate()
    assert isinstance(said[0], Opened)
    assert said[0].reasons == {}
    assert total(said, Operation.REQUEST).received == 50


_TLS_ECHO = """
import asyncio, ssl, sys
from websockets.asyncio.server import serve

async def echo(connection):
    async for message in connection:
        await connection.send(message)

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


# Its time


def test_last_second_ends_with_the_plan(echo: str, loop: Loop) -> None:
    """What comes while it catches up is no part of the half second that was planned.

    A second of answers in half a second of plan was twice the rate.
    """
    given = quick(stages=(Stage(seconds=1.5, level=10),))
    play = Play(loop, job(echo, given), coordinator(loop))
    begun = play.worker._load

    def load() -> None:
        play.worker._setting.start -= 1.4
        begun()

    play.worker._load = load  # type: ignore[method-assign]
    play.run()
    seconds = [each for each in play.of(Second) if isinstance(each, Second)]
    assert [(each.number, each.took) for each in seconds] == [(0, 1.0), (1, 0.5)]


def test_second_that_is_cut_says_how_long_it_was(echo: str, loop: Loop) -> None:
    """It ends when the load does."""
    given = quick(stages=(Stage(seconds=60, level=100),))
    play = Play(loop, job(echo, given), coordinator(loop))

    def between() -> None:
        if play.worker._setting.has_start and not play.to_hear:
            play.to_hear.append(End())

    play.between = between
    play.run()
    (cut,), (ended,) = play.of(Second), play.of(Ended)
    assert isinstance(cut, Second)
    assert isinstance(ended, Ended)
    assert 0 < cut.took < 1
    assert cut.took == pytest.approx(ended.at)


def test_seconds_that_one_turn_took_are_all_as_busy(echo: str, loop: Loop) -> None:
    """Three seconds of work are three busy seconds, not one and two idle ones."""
    play = Play(loop, job(echo, quick()), coordinator(loop))
    worker = play.worker
    worker._seen_at = loop.now - 3.0
    worker._cpu = time.process_time() - 2.7
    worker._waited = module.waited() - 0.3
    fared = [worker._generator(Counter()) for _ in range(3)]
    assert [each.cpu for each in fared] == [pytest.approx(0.9, abs=0.01)] * 3
    assert [each.waited for each in fared] == [pytest.approx(0.1, abs=0.01)] * 3


def test_worker_knows_how_long_it_waited_for_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux says it in nanoseconds; where nobody does, it is nothing."""
    said = tmp_path / "schedstat"
    monkeypatch.setattr(module, "_SCHEDULING", said)
    assert module.waited() == 0.0
    said.write_text("5000000000 2500000000 7")
    assert module.waited() == 2.5
    said.write_text("5000000000")
    assert module.waited() == 0.0


@pytest.mark.parametrize("step", [3600.0, 0.02])
def test_worker_that_was_stopped_in_the_drain_takes_nothing_for_lost(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """It did not look: that nothing came says nothing.

    Stopped for longer than the drain, it had heard nothing for long enough, and the
    target had lost all that waited in the socket.
    """
    play = Play(loop, job("ws://127.0.0.1:9/", quick()), coordinator(loop))

    def turn(until: float) -> None:
        del until
        loop.now += step

    monkeypatch.setattr(play.worker, "_turn", turn)
    monkeypatch.setattr(Requests, "is_drained", lambda *_, **__: False)
    is_certain = play.worker._wait_for_the_last(Drain(published={}, within=5.0))
    assert is_certain is (step < 1)


def test_nothing_is_lost_for_certain_that_nobody_waited_for(bench: Bench) -> None:
    """A drain of no time at all is no drain."""
    given = job(bench.host.url, quick(users=1, stages=(Stage(seconds=0.1, level=50),)))
    play = Play(bench.loop, given, coordinator(bench.loop, within=0.0))
    guests: list[Guest] = []

    def between() -> None:
        connection = play.worker._populations[0].users[0].connection
        if not guests and connection is not None and connection._key:
            guests.append(bench.host.accept().answer())

    play.between = between
    said = play.run()
    assert isinstance(said[-1], Drained)
    assert not said[-1].complete


@pytest.mark.parametrize("is_answered", [True, False])
def test_worker_waits_a_little_for_what_may_be_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, is_answered: bool
) -> None:
    """Refusals that came behind the end were losses to everybody else."""
    monkeypatch.setattr(module, "_ANSWERS_WITHIN", 0.05)
    given = job(bench.host.url, quick(users=1, stages=(Stage(seconds=0.1, level=50),)))
    play = Play(bench.loop, given, coordinator(bench.loop))
    answers = iter([False, is_answered])
    monkeypatch.setattr(
        Population, "is_answered", property(lambda _: next(answers, is_answered))
    )
    turns: list[float] = []
    turn = play.worker._turn
    monkeypatch.setattr(
        play.worker, "_turn", lambda until: (turns.append(until), turn(until))
    )
    play.worker._wait_for_answers()
    assert len(turns) == 1 if is_answered else len(turns) > 1
