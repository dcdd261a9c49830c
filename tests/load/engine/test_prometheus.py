"""The figures of a running load, as Prometheus reads them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from wavetank.errors import UsageError
from wavetank.evidence import LOAD_COUNTS, Histogram
from wavetank.load.engine import prometheus
from wavetank.load.engine.prometheus import BOUNDS, Figures, serve_figures
from wavetank.load.exchange import Generator, Operation, Tally
from wavetank.load.result import Moment

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


def times(*seconds: float) -> str:
    """Return an encoded histogram."""
    histogram = Histogram()
    for each in seconds:
        histogram.record(each)
    return histogram.encode()


def moment(number: int, *tallies: Tally, **generators: Generator) -> Moment:
    """Return a second of the load; workers are named ``w0``, ``w1`` ..."""
    return Moment(
        number=number,
        tallies=list(tallies),
        generators={int(name[1:]): each for name, each in generators.items()},
    )


def tally(response: str = "", service: str = "", **counts: int) -> Tally:
    """Return what the requests of a scenario came to."""
    return Tally(
        scenario='a "b"',
        operation=Operation.REQUEST,
        response=response,
        service=service,
        **counts,
    )


def value(
    figures: Figures, name: str, labels: Mapping[str, str] | None = None
) -> float | None:
    """Return one sample, as it is scraped."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)
    return registry.get_sample_value(f"wavetank_load_{name}", dict(labels or {}))


REQUESTS = {"scenario": 'a "b"', "operation": "request"}


@pytest.mark.parametrize("count", LOAD_COUNTS)
def test_figures_add_up_each_count_over_the_seconds(count: str) -> None:
    """No count of a tally is left out, and a counter never goes back."""
    figures = Figures("00000000")
    figures.see(moment(0, tally(**{count: 3})))
    figures.see(moment(1, tally(**{count: 4})))
    name = f"{count[6:]}_bytes" if count.startswith("bytes_") else count
    assert value(figures, f"{name}_total", REQUESTS) == 7
    assert value(figures, "elapsed_seconds") == 2
    assert value(figures, "info", {"run": "00000000"}) == 1


def test_figures_put_times_into_buckets() -> None:
    """Each time is in all buckets whose bound it does not exceed."""
    figures = Figures("00000000")
    figures.see(moment(0, tally(times(0.0015, 0.0015), times(0.02))))
    figures.see(moment(1, tally(times(0.2, 60.0))))

    def bucket(bound: float | str, name: str = "response") -> float | None:
        labels = {**REQUESTS, "le": str(bound)}
        return value(figures, f"{name}_seconds_bucket", labels)

    assert [bucket(bound) for bound in (0.001, 0.0025, 0.1, 0.25)] == [0, 2, 2, 3]
    assert bucket("+Inf") == value(figures, "response_seconds_count", REQUESTS) == 4
    assert value(figures, "response_seconds_sum", REQUESTS) == pytest.approx(
        60.203, rel=0.001
    )
    assert [bucket(bound, "service") for bound in (0.01, 0.025)] == [0, 1]


def test_figures_show_how_each_worker_fares() -> None:
    """The last word of each worker stands; how late it was is added up."""
    figures = Figures("00000000")
    late = times(0.003)
    figures.see(
        moment(
            0,
            w0=Generator(cpu=0.5, lag=0.01, lateness=late, open=3),
            w1=Generator(cpu=0.9, lag=0.02, lateness=late, open=4, lost_connections=1),
        )
    )
    figures.see(moment(1, w0=Generator(cpu=0.6, waited=0.25, lag=0.03, open=2)))
    first, second = {"worker": "0"}, {"worker": "1"}
    assert value(figures, "generator_cpu_ratio", first) == 0.6
    assert value(figures, "generator_cpu_ratio", second) == 0.9
    assert value(figures, "generator_waited_ratio", first) == 0.25
    assert value(figures, "generator_lag_seconds", first) == 0.03
    assert value(figures, "connections", first) == 2
    assert value(figures, "connections_lost_total", second) == 1
    assert value(figures, "generator_lateness_seconds_count") == 2
    assert repr(figures) == "<Figures of 00000000: 2 s>"


def test_bounds_ascend_and_are_few() -> None:
    """Each is a series of its own for each operation."""
    assert sorted(set(BOUNDS)) == list(BOUNDS)
    assert len(BOUNDS) <= 20


# Over HTTP


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Streams]:
    """Connect, for as long as the context lasts."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def ask(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Return status line and body."""
    async with connected(port) as (reader, writer):
        writer.write(request)
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


@pytest.mark.anyio
async def test_figures_are_served_as_they_are_at_the_moment() -> None:
    """Each look shows the seconds that are over by then, in Prometheus' own form."""
    figures = Figures("00000000")
    async with serve_figures(figures, 0) as port:
        for number in range(2):
            figures.see(moment(number, tally(times(0.1), sent=1)))
            status, body = await ask(port, GET)
            assert status == b"HTTP/1.1 200 OK"
            families = {
                each.name: each
                for each in text_string_to_metric_families(body.decode())
            }
            (sample,) = families["wavetank_load_sent"].samples
            assert (sample.labels, sample.value) == (REQUESTS, number + 1)
    with pytest.raises(ConnectionRefusedError):
        await ask(port, GET)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
        (b"\x16\x03\x01\x02\x00", b"400"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000, b"431"),
    ],
)
async def test_server_says_why_it_shows_nothing(request_: bytes, status: bytes) -> None:
    """Whatever is asked, it is answered, in bounded memory."""
    async with serve_figures(Figures("00000000"), 0) as port:
        try:
            line, _ = await ask(port, request_)
        except ConnectionResetError:
            # Bytes that nobody read any more; the answer may be lost with them.
            return
    assert line.split()[1] == status


@pytest.mark.anyio
async def test_server_says_that_a_request_is_cut() -> None:
    """Who ends in the middle of a request is answered, too."""
    async with (
        serve_figures(Figures("00000000"), 0) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(GET[:20])
        writer.write_eof()
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.anyio
async def test_server_drops_who_asks_nothing_within_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A silent connection holds nothing for long."""
    monkeypatch.setattr(prometheus, "_READ_WITHIN", 0.0)
    async with (
        serve_figures(Figures("00000000"), 0) as port,
        connected(port) as (reader, _),
    ):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.anyio
async def test_server_takes_no_more_than_a_few_at_once_and_ends_them_with_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever is too many is let go at once; whoever is left ends with the run."""
    monkeypatch.setattr(prometheus, "_MOST_READERS", 1)
    tasks = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as stack:
        async with serve_figures(Figures("00000000"), 0) as port:
            first, writer = await stack.enter_async_context(connected(port))
            writer.write(b"GET")
            second, _ = await stack.enter_async_context(connected(port))
            assert await second.read() == b""
        with contextlib.suppress(ConnectionResetError):
            assert await first.read() == b""
    assert asyncio.all_tasks() == tasks


@pytest.mark.anyio
async def test_server_says_what_to_do_when_the_port_is_taken() -> None:
    """Before the load, and in one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="the port is taken") as caught:
            async with serve_figures(Figures("00000000"), port):
                raise AssertionError
    assert caught.value.problems == (
        f"--prometheus {port}: the port is taken; choose another, "
        "or 0 for one that is free",
    )


@pytest.mark.anyio
async def test_server_says_why_it_cannot_listen() -> None:
    """An address of nobody here is no port that is taken."""
    with pytest.raises(UsageError, match=r"--prometheus 0: cannot listen on 192\.0"):
        async with serve_figures(Figures("00000000"), 0, host="192.0.2.1"):
            raise AssertionError
