"""The recorder: what it writes to a file of the frames of proxies, and when."""

import errno
import json

import pytest

from wavetank.chaos.aio.proxies import Proxies
from wavetank.chaos.aio.recorder import Recorder
from wavetank.chaos.reading import ProxySpec
from wavetank.chaos.reframing import make_frame
from wavetank.chaos.toxic import Direction
from wavetank.chaos.tracking import Note

from .wires import REQUEST, RESPONSE, Target, dial, frame, settled

pytestmark = pytest.mark.anyio

HELLO = make_frame(0x81, b"hello", None)


class File:
    """A file that takes some bytes at a time, until it is full."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.data = b""
        self.writes = 0
        self._room = room

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Take a few of them."""
        self.writes += 1
        if self._room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = bytes(data[:100])
        self._room -= len(taken)
        self.data += taken
        return len(taken)

    @property
    def lines(self) -> list[dict[str, object]]:
        """What was written."""
        return [json.loads(line) for line in self.data.splitlines()]


async def test_frames_are_written_once_when_their_fate_is_known() -> None:
    """One that is held follows when it has left, under the name of its proxy."""
    recorder = Recorder(file := File())
    log = recorder.follow("hub")
    held, passed = Note(1, HELLO, 1.0, 3), Note(2, HELLO, 1.0, 3)
    held.parts = 1
    for note in (held, passed):
        log.add(1, Direction.UPSTREAM, note)
    await recorder.write()
    assert [line["number"] for line in file.lines] == [2]
    held.leave(2.0)
    held.parts = 0
    await recorder.write()
    await recorder.write()
    assert [(line["proxy"], line["number"]) for line in file.lines] == [
        ("hub", 2),
        ("hub", 1),
    ]
    assert repr(recorder) == "<Recorder of 1 proxies>"


async def test_a_log_that_was_left_is_written_and_forgotten() -> None:
    """Nothing of it is kept then; who was never followed is not missed."""
    recorder = Recorder(file := File())
    log = recorder.follow("hub")
    for number in range(600):
        log.add(1, Direction.UPSTREAM, Note(number, HELLO, 1.0, 3))
    recorder.leave(log)
    recorder.leave(None)
    await recorder.write()
    assert len(file.lines) == 600
    assert repr(recorder) == "<Recorder of 0 proxies>"


async def test_nothing_is_written_behind_a_failure() -> None:
    """It is kept for whoever asks, and frames are not."""
    recorder = Recorder(file := File(room=150))
    log = recorder.follow("hub")
    for _ in range(2):
        log.add(1, Direction.UPSTREAM, Note(1, HELLO, 1.0, 3))
        await recorder.write()
    assert recorder.failure is not None
    assert recorder.failure.errno == errno.ENOSPC
    writes = file.writes
    log.add(1, Direction.UPSTREAM, Note(1, HELLO, 1.0, 3))
    await recorder.write()
    assert file.writes == writes
    assert "No space" in repr(recorder)


async def test_frames_of_a_proxy_that_was_deleted_are_written() -> None:
    """Those that it held too: they never left."""
    recorder = Recorder(file := File())
    async with Target() as target, Proxies(recorder=recorder) as proxies:
        upstream = f"127.0.0.1:{target.port}"
        proxy = await proxies.create(ProxySpec(name="a", upstream=upstream))
        client = await dial(proxy.port)
        server = await target.guest()
        client.send(REQUEST)
        await server.reads(REQUEST)
        server.send(RESPONSE + frame(b"1"))
        await client.reads(RESPONSE + frame(b"1"))
        proxy.add({"type": "stall", "stream": "upstream"})
        client.send(frame(b"2"))
        await settled(lambda: proxy.links[1].upstream.held > 0)
        await proxies.delete("a")
        await recorder.write()
        await client.gone()
    fates = {line["start"]: line["fate"] for line in file.lines}
    assert (fates["MQ=="], fates["Mg=="]) == ("passed", "held")
