"""Whether anybody reads what a process prints."""

import asyncio
import io
import os
from pathlib import Path

import pytest

from wavetank.demo.aio.readers import watched

pytestmark = pytest.mark.anyio

DEADLINE = 20.0


async def test_a_pipe_that_nobody_reads_any_more_is_noticed_without_writing() -> None:
    """Whoever read it was killed, and nothing happens that could be told."""
    reading, writing = os.pipe()
    left = asyncio.Event()
    with os.fdopen(writing, "wb") as out, watched(out, left.set):
        await asyncio.sleep(0)
        assert not left.is_set()
        os.close(reading)
        async with asyncio.timeout(DEADLINE):
            await left.wait()


async def test_a_pipe_that_is_read_to_the_end_is_none_of_it() -> None:
    """Nobody is told to leave who has left already."""
    reading, writing = os.pipe()
    left = asyncio.Event()
    with os.fdopen(writing, "wb") as out:
        with watched(out, left.set):
            await asyncio.sleep(0)
        os.close(reading)
        await asyncio.sleep(0)
    assert not left.is_set()


async def test_a_file_has_nobody_who_could_leave(tmp_path: Path) -> None:
    """Nor has what is no file at all."""
    left = asyncio.Event()
    with (tmp_path / "out").open("wb") as out, watched(out, left.set):
        out.write(b"x")
    with watched(io.BytesIO(), left.set):
        await asyncio.sleep(0)
    assert not left.is_set()
