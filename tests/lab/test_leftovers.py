"""What a target has left of peers that are gone."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from wavetank.dialects import Bare, Hub
from wavetank.errors import RemoteError
from wavetank.evidence import Record, Sampled, Verdict
from wavetank.lab import leftovers
from wavetank.lab.leftovers import Leftovers
from wavetank.lab.notebook import Notebook
from wavetank.lab.target import Target
from wavetank.wrecks import find

pytestmark = pytest.mark.anyio

HUB = Target(url="ws://127.0.0.1:9/ws", dialect=Hub())


class Measured:
    """Usage whose descriptors are said by a test; the last one stays."""

    def __init__(self, *descriptors: int | None) -> None:
        self.descriptors = list(descriptors)

    async def sample(self) -> Sampled | None:
        """Return the next."""
        several = self.descriptors
        number = several.pop(0) if len(several) > 1 else several[0]
        if number is None:
            return None
        fields = {"cpu": 0.0, "rss": 1, "processes": 1, "threads": 1}
        return Sampled(at=1.0, who="target", descriptors=number, **fields)


@pytest.fixture
def notebook(records: list[Record]) -> Notebook:
    """The notebook of a check."""
    return Notebook(
        suite="toy", check="storm", record=records.append, now=time.monotonic
    )


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what is measured, and what the status page tells; the last one stays."""

    def measure(*descriptors: int | None, told: tuple[Any, ...] = (1,)) -> None:
        numbers = list(told)
        usage = Measured(*descriptors)

        async def tell(target: Target) -> int:
            number = numbers.pop(0) if len(numbers) > 1 else numbers[0]
            if isinstance(number, Exception):
                raise number
            return number

        monkeypatch.setattr(leftovers, "usage_of", lambda _: usage)
        monkeypatch.setattr(leftovers, "open_connections", tell)

    return measure


def verdicts(notebook: Notebook) -> list[Verdict]:
    """Return the verdicts of a notebook, in their order."""
    return [finding.verdict for finding in notebook.findings]


async def test_a_sound_server_is_as_it_was(sounding: Any, notebook: Notebook) -> None:
    """Connections are told; of a process that is not the lab's nothing is known."""
    server = await sounding()
    target = Target(url=f"ws://127.0.0.1:{server.port}/ws", dialect=Hub())
    before = await Leftovers.before(target)
    await before.judge(notebook)
    assert verdicts(notebook) == [Verdict.PASS, Verdict.SKIP]
    assert "0 connections" in repr(before)


async def test_a_server_that_counts_who_is_gone_is_found(
    sounding: Any, notebook: Notebook
) -> None:
    """It is looked at again for a while, and then no more."""
    server = await sounding(find("sessions-leaked"))
    target = Target(url=f"ws://127.0.0.1:{server.port}/ws", dialect=Hub())
    before = await Leftovers.before(target, within=0.01)
    server.leaked.append((b"", 0))
    await before.judge(notebook)
    server.leaked.clear()
    assert verdicts(notebook) == [Verdict.FAIL, Verdict.SKIP]
    assert notebook.findings[0].seen == "1"


async def test_who_leaves_late_is_waited_for(
    measure: Callable[..., None], notebook: Notebook
) -> None:
    """A server may notice an end a moment late; a page that fails is asked again."""
    measure(10, 30, 30, 12, told=(1, 4, RemoteError("busy"), 1))
    before = await Leftovers.before(HUB)
    await before.judge(notebook)
    assert verdicts(notebook) == [Verdict.PASS, Verdict.PASS]
    assert [one.seen for one in notebook.findings] == ["1", "12"]


async def test_descriptors_that_stay_are_found(
    measure: Callable[..., None], notebook: Notebook
) -> None:
    """A few more are nothing to worry about."""
    measure(10, 16)
    before = await Leftovers.before(HUB, within=0.01)
    await before.judge(notebook)
    assert verdicts(notebook) == [Verdict.PASS, Verdict.FAIL]


async def test_a_page_that_is_gone_is_found(
    measure: Callable[..., None], notebook: Notebook
) -> None:
    """It was there before."""
    measure(10, told=(1, RemoteError("gone")))
    before = await Leftovers.before(HUB, within=0.01)
    await before.judge(notebook)
    assert verdicts(notebook) == [Verdict.FAIL, Verdict.PASS]
    assert notebook.findings[0].seen == "the status page does not answer"


async def test_a_process_that_is_gone_is_unknown(
    measure: Callable[..., None], notebook: Notebook
) -> None:
    """Its descriptors went with it."""
    measure(10, None)
    before = await Leftovers.before(HUB)
    await before.judge(notebook)
    assert verdicts(notebook) == [Verdict.PASS, Verdict.UNKNOWN]


async def test_a_target_that_tells_no_number_is_skipped(
    measure: Callable[..., None], notebook: Notebook
) -> None:
    """Without a status page only its process says something."""
    measure(10)
    before = await Leftovers.before(Target(url=HUB.url, dialect=Bare()))
    await before.judge(notebook)
    assert verdicts(notebook) == [Verdict.SKIP, Verdict.PASS]
