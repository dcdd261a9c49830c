"""What ``wavetank sub`` and ``wavetank pub`` share."""

import asyncio
import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wavetank.cli.connection import (
    first_of,
    link_options,
    output,
    parse_orders,
    run_client,
    say,
    wait_until_ready,
)
from wavetank.client import Backoff
from wavetank.client.options import SUB_OPTIONS
from wavetank.errors import TargetError
from wavetank.hub import OPTIONS
from wavetank.settings import Settings, resolve

TEXTS = {"description": "Print", "epilog": "", "metavar": "[URL] TOPIC"}


def settings(**flags: object) -> Settings:
    """Resolve options without any environment."""
    return resolve(SUB_OPTIONS, flags=flags)


@pytest.mark.parametrize(
    ("words", "url", "found"),
    [
        (["ws://a/ws", "t"], None, ("ws://a/ws", ["t"])),
        (["ws://a/ws", "t"], "ws://b/ws", ("ws://a/ws", ["t"])),
        (["t", "u"], "ws://b/ws", ("ws://b/ws", ["t", "u"])),
        ([], "ws://b/ws", ("ws://b/ws", [])),
    ],
)
def test_url_is_the_first_word_or_set_elsewhere(
    words: list[str], url: str | None, found: tuple[str, list[str]]
) -> None:
    """A topic is never mistaken for one."""
    flags = [] if url is None else ["--url", url]
    orders = parse_orders("sub", [*flags, *words], SUB_OPTIONS, **TEXTS)
    assert (orders.url, orders.words) == found


def test_url_is_that_of_a_hub_that_was_told_nothing() -> None:
    """On this machine, where one listens by default."""
    orders = parse_orders("sub", ["t"], SUB_OPTIONS, **TEXTS)
    assert (orders.url, orders.words) == ("ws://127.0.0.1:8765/ws", ["t"])
    hub = {option.name: option.default for option in OPTIONS}
    assert f"{hub['host']}:{hub['port']}" == "127.0.0.1:8765"


def test_link_options_are_those_of_the_command_line() -> None:
    """The longest wait bounds the first one too."""
    options = link_options(
        settings(token="t", ca="x.pem", retry_delay="50ms", max_retries="3")
    )
    assert options["backoff"] == Backoff(base=0.05, cap=0.05)
    assert (options["token"], options["ca"]) == ("t", Path("x.pem"))
    assert (options["max_retries"], options["insecure"]) == (3, False)
    assert link_options(settings())["backoff"] == Backoff(base=0.1, cap=20.0)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)]
)
def test_client_ends_cleanly_on_a_signal(number: int, code: int) -> None:
    """What it does is cancelled, so that it can say good-bye."""
    goodbyes = []

    async def work() -> int:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            goodbyes.append("bye")
        return 7

    assert run_client(work()) == code
    assert goodbyes == ["bye"]


def test_client_may_have_a_say_after_sigterm() -> None:
    """Such as that not everything was published."""

    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 1
        return 7

    assert run_client(work()) == 1


def test_client_returns_its_own_code() -> None:
    """Where nobody interrupts."""

    async def work() -> int:
        return 4

    assert run_client(work()) == 4


def test_words_for_the_user_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output has results alone."""
    say("sub", "hello \x1b[2J")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "wavetank sub: hello ?[2J\n")


def test_words_that_cannot_be_told_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk under stderr is no reason to end."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(sys, "stderr", Full())
    say("sub", "hello")


def test_orders_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the command's own name."""
    monkeypatch.setenv("WAVETANK_SUB_COUNT", "3")
    monkeypatch.setenv("WAVETANK_PUB_COUNT", "4")
    orders = parse_orders("sub", ["t"], SUB_OPTIONS, **TEXTS)
    assert orders.settings["count"] == 3


async def _never() -> None:
    await asyncio.Event().wait()


async def _at_once() -> None:
    pass


async def _fail() -> None:
    raise LookupError("it failed")


@pytest.mark.anyio
async def test_first_of_several_ends_the_others() -> None:
    """And its error is that of all."""
    before = asyncio.all_tasks()
    await first_of([_at_once(), _never()])
    with pytest.raises(LookupError, match="it failed"):
        await first_of([_never(), _fail()])
    assert asyncio.all_tasks() == before


@pytest.mark.anyio
async def test_first_of_several_is_cancelled_with_them() -> None:
    """None of them goes on alone."""
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await first_of([_never(), _never()])
    assert asyncio.all_tasks() == before


class FakeLink:
    """A link that is ready at once, or never."""

    def __init__(self, *, is_ready: bool) -> None:
        self.is_ready = is_ready

    async def ready(self, timeout: float) -> None:
        """Wait."""
        async with asyncio.timeout(timeout):
            await (_at_once() if self.is_ready else _never())


@pytest.mark.anyio
async def test_ready_is_waited_for_as_long_as_asked() -> None:
    """Not at all where that is nothing."""
    await wait_until_ready(FakeLink(is_ready=False), None)
    await wait_until_ready(FakeLink(is_ready=True), 10.0)
    with pytest.raises(TargetError, match="no connection within 0 s"):
        await wait_until_ready(FakeLink(is_ready=False), 0.0)


STOPPED = """
from wavetank.cli.connection import output
out = output()
for number in range(400):
    out.write(b"%04d%b\\n" % (number, b"x" * 200_000))
    out.flush()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_is_whole_though_its_process_is_stopped_in_a_write(
    unbuffered: str,
) -> None:
    """Python's own lost the rest with PYTHONUNBUFFERED, as containers have it."""
    environ = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    numbers = []
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, env=environ
    ) as process:
        assert process.stdout is not None
        # A line is longer than the pipe: the process is in a write whenever it is here.
        for line in process.stdout:
            assert len(line) == 200_005
            numbers.append(int(line[:4]))
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
    assert numbers == list(range(400))


def test_output_is_buffered_where_pythons_own_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is buffered already stays as it is, and what is raw stays open."""
    file = tmp_path / "out"
    with io.TextIOWrapper(file.open("wb", buffering=0), write_through=True) as raw:
        monkeypatch.setattr(sys, "stdout", raw)
        out = output()
        assert isinstance(out, io.BufferedWriter)
        out.write(b"whole")
        out.close()
        raw.write(", and more")
    with io.TextIOWrapper(io.BytesIO()) as buffered:
        monkeypatch.setattr(sys, "stdout", buffered)
        assert output() is buffered.buffer
        monkeypatch.undo()
    assert file.read_bytes() == b"whole, and more"
