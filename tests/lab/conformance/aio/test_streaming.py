"""Streaming: volumes on a target, and what became of each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from wavetank.dialects import Bare, Dialect, Echo, Hub
from wavetank.errors import LocalError
from wavetank.evidence import Record, Verdict
from wavetank.lab.conformance.aio import streaming
from wavetank.lab.conformance.aio.streaming import Streamer, Weighed
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.corpus import Material
from wavetank.lab.conformance.volumes import Volume
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.wire import ANY_BITS, DeflateParameters, Inflater, Opcode, encode_close
from wavetank.wrecks import SoundServer
from wavetank.wrecks.frames import ContextKept, Deflating, WindowForgotten
from wavetank.wrecks.messages import CorruptOver32K, EveryFiftiethLost
from wavetank.wrecks.volumes import ContextShared, WindowRaised

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

Stream = Callable[..., Awaitable[list[Weighed]]]
Rudely = Callable[..., Awaitable[str]]
Sounding = Callable[..., Awaitable[SoundServer]]

BROWSER = (DeflateParameters(client_max_window_bits=ANY_BITS),)
NARROW = (DeflateParameters(server_max_window_bits=9),)
WIDE = (DeflateParameters(server_max_window_bits=15),)
FORGETFUL = (DeflateParameters(server_no_context_takeover=True),)


def volume(number: int = 1, **fields: Any) -> Volume:
    """Return a volume: 3 messages of 100 letters, but for what is given."""
    given = {
        "id": f"V.{number}",
        "title": "It comes back.",
        "clause": "RFC 6455 6.2",
        "level": Level.MUST,
        "material": Material.LETTERS,
        "size": 100,
        "count": 3,
    }
    return Volume(**(given | fields))


@pytest.fixture
async def stream(records: list[Record]) -> AsyncIterator[Stream]:
    """Play volumes on a target; its connections end before any server."""
    async with contextlib.AsyncExitStack() as stack:

        async def play(
            url: str, *volumes: Volume, dialect: Dialect | None = None, **options: Any
        ) -> list[Weighed]:
            dialect = dialect or Echo()
            target = Target(
                url=url, dialect=dialect, subprotocols=dialect.endpoint.subprotocols
            )
            peers = Peers(
                target, check="volumes", record=records.append, now=lambda: 7.0
            )
            stack.push_async_callback(peers.close)
            streamer = Streamer(peers, **({"patience": DEADLINE} | options))
            async with asyncio.timeout(DEADLINE):
                return await streamer.run(volumes)

        yield play


@pytest.fixture
def serving(sounding: Sounding) -> Callable[..., Awaitable[str]]:
    """Start a sound server, or a wreck; return the URL of its echo."""

    async def start(make: Any = Deflating, path: str = "/echo") -> str:
        return f"ws://127.0.0.1:{(await sounding(make)).port}{path}"

    return start


def verdicts(results: list[Weighed]) -> list[str]:
    """Return what each volume came to."""
    return [str(each.finding.verdict) for each in results]


# What comes back


async def test_everything_comes_back_from_a_sound_server(
    stream: Stream, serving: Any
) -> None:
    """Texts and binary messages, in frames, in small writes, and in turn."""
    results = await stream(
        await serving(),
        volume(1),
        volume(2, material=Material.THORNS, in_turn=True),
        volume(3, size=70_000, fragment=64, count=1),
        volume(4, size=5_000, chop=64, count=1),
        volume(5, size=0, in_turn=True),
        volume(6, size=300_000, count=4),
        volume(7, size=16, count=None),
        messages=40,
    )

    assert verdicts(results) == ["PASS"] * 7
    assert [each.volume.id for each in results] == [f"V.{n}" for n in range(1, 8)]
    assert [each.tally.came for each in results] == [3, 3, 1, 1, 3, 4, 40]
    assert [each.tally.latencies.count for each in results] == [0, 3, 0, 0, 3, 0, 0]
    assert {each.tally.deflated for each in results} == {0}


@pytest.mark.parametrize("offers", [BROWSER, NARROW, WIDE, FORGETFUL])
@pytest.mark.parametrize("fragment", [0, 64])
async def test_compressed_messages_come_back_from_a_sound_server(
    stream: Stream, serving: Any, offers: Any, fragment: int
) -> None:
    """Whatever is agreed; and all of them came compressed."""
    results = await stream(
        await serving(),
        *(
            volume(
                number, material=material, size=4096, fragment=fragment, offers=offers
            )
            for number, material in enumerate((Material.JSON, Material.PDF))
        ),
        messages=8,
    )

    assert verdicts(results) == ["PASS"] * 2
    assert [each.tally.deflated for each in results] == [3, 3]


async def test_a_topic_of_its_own_is_a_way_back_too(
    stream: Stream, serving: Any
) -> None:
    """Compressed or not; what does not fit into the dialect is skipped."""
    results = await stream(
        await serving(path="/ws"),
        volume(1),
        volume(2, material=Material.JSON, size=9000, offers=BROWSER, fragment=256),
        volume(3, material=Material.HTML, size=9000, in_turn=True),
        volume(4, material=Material.PDF),
        volume(5, size=70_000),
        dialect=Hub(),
    )

    assert verdicts(results) == ["PASS", "PASS", "PASS", "SKIP", "SKIP"]
    assert results[1].tally.deflated == 3
    assert results[3].finding.seen == "the target has no binary echo"
    assert results[4].finding.seen == "the target takes payloads of 65536 bytes"


async def test_where_nothing_comes_back_all_is_skipped(
    stream: Stream, serving: Any
) -> None:
    """It is never called a PASS."""
    (result,) = await stream(await serving(), volume(), dialect=Bare())

    assert (result.finding.verdict, result.tally.came) == (Verdict.SKIP, 0)


# What is agreed on compression


async def test_compression_that_is_declined_is_skipped(
    stream: Stream, serving: Any
) -> None:
    """A server need not have it."""
    (result,) = await stream(await serving(SoundServer), volume(offers=BROWSER))

    assert result.finding.verdict is Verdict.SKIP
    assert "declines permessage-deflate" in result.finding.seen


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("permessage-deflate; client_max_window_bits=8", Verdict.SKIP),
        ("other", Verdict.SKIP),
        ("permessage-deflate, permessage-deflate", Verdict.FAIL),
        ("permessage-deflate; =;", Verdict.FAIL),
        ("permessage-deflate; server_max_window_bits=16", Verdict.FAIL),
        ("permessage-deflate; client_max_window_bits", Verdict.FAIL),
    ],
)
async def test_the_answer_to_an_offer_has_to_be_legal(
    stream: Stream, rudely: Rudely, answer: str, verdict: Verdict
) -> None:
    """What zlib cannot do is legal all the same, and skipped."""

    async def agree(guest: Any) -> None:
        await guest.shake_hands(answer)
        await guest.rest()

    (result,) = await stream(await rudely(agree), volume(offers=BROWSER))

    assert result.finding.verdict is verdict


@pytest.mark.parametrize(
    ("make", "offers", "words"),
    [
        (WindowRaised, NARROW, "its answer is"),
        (WindowForgotten, NARROW, "farther than its window of 512 bytes"),
        (ContextKept, FORGETFUL, "deflated data is broken"),
    ],
)
async def test_what_was_agreed_has_to_be_kept_to(
    stream: Stream, serving: Any, make: Any, offers: Any, words: str
) -> None:
    """The window, and what is forgotten between messages."""
    row = volume(material=Material.JSON, size=2048, offers=offers)

    (result,) = await stream(await serving(make), row)

    assert result.finding.verdict is Verdict.FAIL
    assert words in result.finding.seen


async def test_connections_do_not_share_what_they_are_compressed_with(
    stream: Stream, serving: Any
) -> None:
    """With one context for all, only the first one can be read."""
    rows = [volume(n, material=Material.JSON, offers=BROWSER) for n in range(4)]

    results = await stream(await serving(ContextShared), *rows, at_once=1)

    assert verdicts(results) == ["PASS", "FAIL", "FAIL", "FAIL"]


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_no_context_takeover", False),
    ],
)
async def test_our_own_messages_are_compressed_as_agreed(
    stream: Stream, rudely: Rudely, answer: str, is_kept: bool
) -> None:
    """Pointing back into those before, unless that is ruled out."""
    frames = []

    async def collect(guest: Any) -> None:
        await guest.shake_hands(answer)
        frames.extend([await guest.frame() for _ in range(3)])
        guest.send(Opcode.CLOSE, encode_close(1011))

    await stream(await rudely(collect), volume(offers=BROWSER), messages=3)

    inflater = Inflater(1000, context_takeover=is_kept)
    texts = [inflater.inflate(frame.payload) for frame in frames]
    assert [text[:4] for text in texts] == [b"BAsd"] * 3  # 100 letters are 10 turns
    assert all(frame.rsv1 for frame in frames)
    assert (len(frames[1].payload) < len(frames[0].payload)) is is_kept


# What goes wrong


async def test_a_lost_message_and_a_changed_one_are_seen(
    stream: Stream, serving: Any
) -> None:
    """Of many, and in a large one."""
    url = await serving(EveryFiftiethLost)
    results = await stream(url, volume(material=Material.PDF, count=60))
    assert "(message 50 of 60)" in results[0].finding.seen

    url = await serving(CorruptOver32K)
    results = await stream(url, volume(size=40_000))
    assert "came back changed (message 1 of 3)" in results[0].finding.seen


async def test_a_limit_that_is_stated_passes_with_a_note(
    stream: Stream, serving: Any
) -> None:
    """Also where the target reads no further than that."""
    results = await stream(
        await serving(),
        volume(1, size=2 * 2**20, count=1),
        volume(2, size=4 * 2**20, count=1, fragment=100),
    )

    assert verdicts(results) == ["PASS", "PASS"]
    assert all(each.finding.note.startswith("it does not") for each in results)


async def test_a_limit_counts_where_the_target_goes_away_behind_it(
    stream: Stream, rudely: Rudely
) -> None:
    """Our answer could not be sent any more, and its end was not looked for then."""

    async def state_and_go(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        guest.send(Opcode.CLOSE, encode_close(1009))
        await guest.writer.drain()
        guest.drop()

    rows = [volume(number, count=1, size=5000) for number in range(20)]
    results = await stream(await rudely(state_and_go), *rows)

    assert verdicts(results) == ["PASS"] * 20


async def test_a_connection_that_is_cut_fails(stream: Stream, rudely: Rudely) -> None:
    """It was not even said why."""

    async def cut_off(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        guest.drop()

    (result,) = await stream(await rudely(cut_off), volume())

    assert result.finding.verdict is Verdict.FAIL
    assert result.finding.seen == "0 of 3 came back, TCP ended by RESET"


async def silent(guest: Any) -> None:
    """Shake hands, and never say anything again."""
    await guest.shake_hands()
    await guest.rest()


async def test_a_target_that_gets_stuck_fails_and_holds_nobody_up(
    stream: Stream, rudely: Rudely
) -> None:
    """It is given a second look, but not again and again."""
    guests = []

    async def count(guest: Any) -> None:
        guests.append(guest)
        await silent(guest)

    rows = [volume(number, count=1) for number in range(6)]
    results = await stream(await rudely(count), *rows, patience=0.05)

    assert verdicts(results) == ["FAIL"] * 6
    assert "then nothing for" in results[0].finding.seen
    assert len(guests) == 6 + 3


async def test_a_target_that_does_not_read_is_stuck_too(
    stream: Stream, rudely: Rudely
) -> None:
    """What it has to take does not fit into any buffer."""
    gone = asyncio.Event()

    async def unread(guest: Any) -> None:
        await guest.shake_hands()
        await gone.wait()

    row = volume(size=8 * 2**20, count=1)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(streaming, "_SLOWEST", 2**40)
            (result,) = await stream(await rudely(unread), row, patience=0.05)
    finally:
        gone.set()

    assert result.finding.verdict is Verdict.FAIL
    assert result.tally.stalled


async def test_a_target_that_does_not_answer_our_close_frame_fails(
    stream: Stream, rudely: Rudely
) -> None:
    """Though every message came back."""

    async def echo_only(guest: Any) -> None:
        await guest.shake_hands()
        while frame := await guest.frame():
            if frame.opcode != Opcode.CLOSE:
                guest.send(frame.opcode, frame.payload)

    (result,) = await stream(await rudely(echo_only), volume(), patience=0.3)

    assert result.tally.came == 3
    assert "no answer to the close frame" in result.finding.seen


async def test_an_endless_message_is_not_kept(stream: Stream, rudely: Rudely) -> None:
    """Nor is one whose announced length is beyond all that was sent."""

    async def endless(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b"", fin=False)
        for _ in range(80):
            guest.send(Opcode.CONTINUATION, bytes(1024), fin=False)
        await guest.rest()

    async def giant(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b"", declared_length=2**40)
        await guest.rest()

    for handle in (endless, giant):
        (result,) = await stream(await rudely(handle), volume(), patience=1.0)
        assert result.finding.verdict is Verdict.FAIL
        assert "more came back than was sent" in result.finding.seen


async def test_many_frames_that_are_no_echo_are_passed_over(
    stream: Stream, rudely: Rudely
) -> None:
    """Pongs that nobody asked for."""

    async def chatty(guest: Any) -> None:
        await guest.shake_hands()
        while frame := await guest.frame():
            for _ in range(100):
                guest.send(Opcode.PONG, b"")
            guest.send(frame.opcode, frame.payload)
            if frame.opcode == Opcode.CLOSE:
                return

    (result,) = await stream(await rudely(chatty), volume())

    assert result.finding.verdict is Verdict.PASS


async def test_a_refused_handshake_says_nothing_of_the_volume(
    stream: Stream, rudely: Rudely
) -> None:
    """It is unknown, after a second look."""

    async def refuse(guest: Any) -> None:
        await guest.head()
        guest.writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    (result,) = await stream(await rudely(refuse), volume())

    assert result.finding.verdict is Verdict.UNKNOWN
    assert "answered with 503" in result.finding.seen


async def test_a_fault_of_ours_is_none_of_the_target(
    stream: Stream, rudely: Rudely, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be sent is unknown."""

    def stumble(*_: Any, **__: Any) -> bytes:
        raise LocalError("out of letters")

    async def leave(guest: Any) -> None:
        await guest.shake_hands()

    monkeypatch.setattr(streaming, "cut", stumble)
    (result,) = await stream(await rudely(leave), volume())

    assert result.finding.verdict is Verdict.UNKNOWN
    assert result.finding.seen == "the case could not be played: out of letters"


async def test_what_is_cancelled_leaves_nothing_behind(
    stream: Stream, rudely: Rudely
) -> None:
    """No task, and no connection."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def watch(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        began.set()
        await guest.rest()
        ended.set()

    url = await rudely(watch)
    before = asyncio.all_tasks()
    task = asyncio.create_task(stream(url, volume()))
    async with asyncio.timeout(DEADLINE):
        await began.wait()
        task.cancel()
        await asyncio.wait([task])
        await ended.wait()

    assert task.cancelled()
    left = asyncio.all_tasks() - before
    assert not [each for each in left if "_send_all" in repr(each)]


async def test_a_streamer_shows_what_it_does(records: list[Record]) -> None:
    """Whoever debugs it reads that."""
    target = Target(url="ws://127.0.0.1:9/", dialect=Echo())
    peers = Peers(target, check="volumes", record=records.append, now=lambda: 7.0)

    assert repr(Streamer(peers, messages=5)) == "<Streamer 5 messages, 4 at once>"


async def test_a_stream_shows_its_volume(
    stream: Stream, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how far it got."""
    shown = []
    end = streaming._Stream._end

    async def watch(self: Any) -> None:
        shown.append(repr(self))
        await end(self)

    monkeypatch.setattr(streaming._Stream, "_end", watch)
    await stream(await serving(), volume())

    assert shown == ["<_Stream V.1 <Weighing 3 of 3>>"]
