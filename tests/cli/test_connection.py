"""What ``wavetank sub`` and ``wavetank pub`` share."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from wavetank.cli.connection import link_options, run_client, say, split_words
from wavetank.client import Backoff
from wavetank.client.options import SUB_OPTIONS
from wavetank.hub import OPTIONS
from wavetank.settings import Settings, resolve


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
    assert split_words(words, settings(url=url)) == found


def test_url_is_that_of_a_hub_that_was_told_nothing() -> None:
    """On this machine, where one listens by default."""
    assert split_words(["t"], resolve(SUB_OPTIONS, flags={})) == (
        "ws://127.0.0.1:8765/ws",
        ["t"],
    )
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
