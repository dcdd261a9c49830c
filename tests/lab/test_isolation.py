"""An isolated target: whether there can be one, and the way to it."""

import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace

import pytest

from wavetank.dialects import Hub
from wavetank.lab.isolation import Isolation, isolated, keeps_data, why_not
from wavetank.lab.plan import Plan, Source
from wavetank.lab.process_faults import ProcessFaults
from wavetank.lab.target import Target
from wavetank.net import open_peer

DEADLINE = 20.0
"""Seconds after which a test gives up; nothing is measured against it."""
PERMITTED = "this machine does not permit network and mount namespaces"
permitted = pytest.mark.skipif(bool(why_not()), reason=PERMITTED)


# Whether there can be one


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """Forget what is known of this machine, before and afterwards."""
    why_not.cache_clear()
    yield
    why_not.cache_clear()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("code", "said", "moaned", "told"),
    [
        (0, "\n", "", ""),
        (1, "this user may not\n", "", "this user may not"),
        (1, "", "Traceback\nNo module named x\n", "No module named x"),
        (1, "", "", "the trial ended with status 1"),
    ],
)
def test_what_the_trial_says_is_why_not(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str, moaned: str, told: str
) -> None:
    """Nothing where it went well, else its last line, wherever it wrote that."""
    monkeypatch.setattr(sys, "platform", "linux")
    ended = SimpleNamespace(returncode=code, stdout=said, stderr=moaned)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    assert why_not() == told


@pytest.mark.usefixtures("asked_anew")
def test_a_trial_that_does_not_start_is_why_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the system says is told."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(subprocess, "run", fail)
    assert why_not().endswith("does not start: no more processes")


@pytest.mark.usefixtures("asked_anew")
def test_only_linux_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing is tried."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert why_not() == "only Linux has network and mount namespaces"


@pytest.mark.parametrize(
    ("source", "serve", "keeps"),
    [
        (Source.EMBEDDED, "", True),
        (Source.SERVE, "server --data {data}", True),
        (Source.SERVE, "server", False),
    ],
)
def test_the_command_says_where_the_data_are(
    plan: Callable[..., Plan], source: Source, serve: str, *, keeps: bool
) -> None:
    """The lab knows that of its own hub."""
    assert keeps_data(plan(source=source, serve=serve)) is keeps


# The way to it


@contextlib.asynccontextmanager
async def met(plan: Plan, *, over_tls: bool = False) -> AsyncIterator[Isolation]:
    """Have an isolated target, started."""
    scheme = "wss://localhost" if over_tls else "ws://127.0.0.1"
    like = Target(url=f"{scheme}:1/ws", dialect=Hub())
    async with isolated(plan, like) as isolation:
        faults = ProcessFaults(
            isolation.target, record=lambda _: None, now=time.monotonic
        )
        await faults.restart(within=DEADLINE)
        yield isolation


@permitted
@pytest.mark.anyio
async def test_the_embedded_hub_keeps_its_log_on_the_disk(
    plan: Callable[..., Plan],
) -> None:
    """Peers reach it through the door, which counts who is connected.

    It is ended as any target is: it was killed, and a command such as `docker run` left
    behind what only it could end.
    """
    async with met(plan(source=Source.EMBEDDED, no_ssl=True)) as isolation:
        assert isolation.process.command[-2] == "--data"
        peer = await open_peer(isolation.target.url, subprotocols=("wavetank.v1",))
        assert isolation.connections >= 1
        await peer.close()
        assert repr(isolation).startswith("<Isolation <TargetProcess")
        process = isolation.process
    assert process.status == 0


@permitted
@pytest.mark.anyio
@pytest.mark.parametrize("ports", ["", "--port {port} "])
async def test_a_target_with_tls_has_a_certificate(
    plan: Callable[..., Plan], ports: str
) -> None:
    """Where it speaks nothing else its own port is what the door leads to."""
    command = (
        f"{sys.executable} -m wavetank wreck sound {ports}--tls-port {{tls_port}} "
        "--cert {cert} --key {key}"
    )
    given = plan(source=Source.SERVE, serve=command)
    async with met(given, over_tls=not ports) as isolation:
        target = isolation.target
        peer = await open_peer(
            target.url,
            subprotocols=("wavetank.v1",),
            tls=target.context_for(target.url),
        )
        await peer.close()
