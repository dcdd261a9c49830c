"""The start of one process of the demo."""

import asyncio
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wavetank.client import LinkOptions
from wavetank.demo.aio.start import run
from wavetank.demo.options import DemoPlan
from wavetank.errors import UsageError
from wavetank.hub import Hub

pytestmark = pytest.mark.anyio

MakePlan = Callable[..., DemoPlan]


async def test_each_role_is_played_and_together_they_are_whole(
    make_plan: MakePlan, link: LinkOptions
) -> None:
    """Feed, bot and dashboard on one hub."""
    outs = {role: io.BytesIO() for role in ("dashboard", "bot", "feed")}
    async with Hub(port=0) as hub:
        codes = await asyncio.gather(
            *(run(make_plan(role, hub.url), link, out) for role, out in outs.items())
        )
    assert codes == [0, 0, 0]
    for role, out in outs.items():
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        assert {line["role"] for line in lines} == {role}
        assert lines[-1]["type"] == "finished"


async def test_without_a_role_everything_is_started(
    make_plan: MakePlan, link: LinkOptions
) -> None:
    """A hub too; here with prices of the past."""
    out = io.BytesIO()
    plan = make_plan("cycle", "", messages=40)
    assert await run(plan, link, out) == 0
    assert b'"hub_started"' in out.getvalue()


async def test_a_file_that_cannot_be_replayed_starts_nothing(
    make_plan: MakePlan, link: LinkOptions, tmp_path: Path
) -> None:
    """Its mistakes are told before the hub is there."""
    out = io.BytesIO()
    file = tmp_path / "p.csv"
    file.write_text("nothing\n")
    with pytest.raises(UsageError, match="no column price"):
        await run(make_plan("cycle", "", replay=file), link, out)
    assert out.getvalue() == b""
    file.write_text("price,volume,timestamp\n" + "100,1,1\n" * 25)
    assert await run(make_plan("cycle", "", replay=file), link, out) == 0


async def test_who_is_not_read_any_more_leaves(
    make_plan: MakePlan, link: LinkOptions
) -> None:
    """There is no hub either, and nobody waits for one."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as out:
        plan = make_plan("bot", "ws://127.0.0.1:9/ws")
        running = asyncio.create_task(run(plan, link, out))  # type: ignore[arg-type] # without a buffer
        assert b"started" in await asyncio.to_thread(os.read, reading, 4096)
        os.close(reading)
        async with asyncio.timeout(60.0):
            with pytest.raises(BrokenPipeError):
                await running
