"""Playing: the steps of a case on an open connection, and what is heard of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from wavetank.dialects import Bare, Echo, Hub, Subscribe, Template, Welcome
from wavetank.errors import LocalError
from wavetank.lab.conformance.aio import playing
from wavetank.lab.conformance.aio.playing import Player
from wavetank.lab.conformance.case import (
    BROKEN,
    Binary,
    Case,
    Chopped,
    End,
    Frame,
    HalfClose,
    Outcome,
    Pause,
    Pong,
    Raw,
    Reset,
    Step,
    Text,
    close,
    continuation,
    ping,
    text,
)
from wavetank.lab.conformance.echoes import Mirror, Nowhere, Post, Way
from wavetank.lab.conformance.hearing import Transcript
from wavetank.lab.conformance.judge import judge
from wavetank.lab.conformance.tracing import Tracing
from wavetank.lab.conversation import Refused
from wavetank.net import ConnectionEnded, RudePeer
from wavetank.wire import Inflater, Opcode, encode_close, encode_frame
from wavetank.wrecks import SoundServer
from wavetank.wrecks.rules import ReservedBitsIgnored

pytestmark = pytest.mark.anyio

DEADLINE = 30.0
"""Seconds after which a test gives up; nothing is measured against it."""

LONG = Pause(DEADLINE)

Rudely = Callable[..., Awaitable[str]]
Sounding = Callable[..., Awaitable[SoundServer]]

FAILS = Outcome(end=End.FAILED, codes=BROKEN)
HELLO = Outcome(heard=(Text(b"Hello"),))


class Table:
    """A player, and all that it plays with."""

    def __init__(
        self, rude: RudePeer, case: Case, *, way: Way, inflater: Inflater | None = None
    ) -> None:
        self.rude = rude
        self.case = case
        self.transcript = Transcript()
        self.tracing = Tracing()
        self.player = Player(
            case,
            rude,
            self.transcript,
            self.tracing,
            way=way,
            inflater=inflater,
            within=DEADLINE,
        )

    async def play(self) -> Transcript:
        """Play the case."""
        self.player.ready()
        await self.player.play()
        return self.transcript

    @property
    def verdict(self) -> str:
        """What the judge says."""
        return judge(self.case, self.transcript).verdict


Seat = Callable[..., Awaitable[Table]]


@pytest.fixture
async def seat(rudely: Rudely, sounding: Sounding) -> AsyncIterator[Seat]:
    """Open a connection, and make a player of a case for it."""
    open_ones: list[RudePeer] = []

    async def make(
        url: str,
        *steps: Step,
        outcomes: tuple[Outcome, ...] = (Outcome(),),
        way: Way | None = None,
        inflater: Inflater | None = None,
    ) -> Table:
        rude = await RudePeer.connect(url)
        open_ones.append(rude)
        assert (await rude.open()).status == 101
        case = Case(
            id="T.1",
            title="It is played.",
            clause="RFC 6455 5",
            steps=steps,
            outcomes=outcomes,
        )
        return Table(rude, case, way=way or Mirror(), inflater=inflater)

    yield make
    for rude in open_ones:
        await rude.close()


@pytest.fixture
async def echo(sounding: Sounding) -> str:
    """The URL of a sound echo."""
    return f"ws://127.0.0.1:{(await sounding()).port}/echo"


# Steps


async def test_frames_go_out_as_they_are_described(seat: Seat, rudely: Rudely) -> None:
    """Bits, masks, lengths, and what is no frame at all, in one order."""
    came = asyncio.get_running_loop().create_future()

    async def listen(guest: Any) -> None:
        await guest.shake_hands()
        came.set_result(await guest.reader.read(-1))

    steps: tuple[Step, ...] = (
        Frame(opcode=1, payload=b"Hello", mask=b"wave"),
        Frame(opcode=2, payload=b"Hi", rsv=4, fin=False, is_masked=False),
        Frame(opcode=0, rsv=2, form=16, mask=b"wave"),
        Frame(opcode=9, payload=b"x", rsv=1, declared=7, mask=b"wave"),
        Raw(b"\x00no frame"),
        Chopped((Frame(opcode=1, payload=b"three", mask=b"wave"),), size=4),
        HalfClose(),
    )
    table = await seat(await rudely(listen), *steps, outcomes=(FAILS,))
    await table.play()
    assert await came == b"".join(
        (
            encode_frame(1, b"Hello", mask=b"wave"),
            encode_frame(2, b"Hi", rsv1=True, fin=False),
            encode_frame(0, rsv2=True, mask=b"wave", length_form=16),
            encode_frame(9, b"x", rsv3=True, mask=b"wave", declared_length=7),
            b"\x00no frame",
            encode_frame(1, b"three", mask=b"wave"),
        )
    )


async def test_a_mask_that_nobody_chose_is_new_for_each_frame(
    seat: Seat, rudely: Rudely
) -> None:
    """RFC 6455 5.3: it cannot be foretold."""
    masks = []

    async def listen(guest: Any) -> None:
        await guest.shake_hands()
        while frame := await guest.frame():
            masks.append(frame.mask)

    steps = [text("a")] * 8
    table = await seat(await rudely(listen), *steps, HalfClose(), outcomes=(FAILS,))
    await table.play()
    assert len(set(masks)) > 1
    assert None not in masks


async def test_a_case_is_heard_to_its_end(seat: Seat, echo: str) -> None:
    """Messages and pongs in their order, our close frame, its answer, FIN."""
    steps = (text("Hel", fin=False), ping(b"now"), continuation("lo"))
    heard = (Pong(b"now"), Text(b"Hello"))
    table = await seat(echo, *steps, outcomes=(Outcome(heard=heard),))
    said = await table.play()
    assert tuple(said.heard) == heard
    assert (said.has_closed, said.is_first, said.has_answer) == (True, True, True)
    assert (said.code, said.ending, said.step) == (1000, "fin", None)
    assert table.verdict == "PASS"
    lines = table.tracing.lines()
    assert [line[:3] for line in lines] == [
        *("> T", "> P", "> C"),
        *("< P", "< T", "> C", "< C", "= T"),
    ]
    assert lines[-1] == "= TCP ended: fin"


async def test_a_compressed_message_is_inflated(seat: Seat, rudely: Rudely) -> None:
    """RFC 7692 7.2.3.1: its own example."""

    async def answer(guest: Any) -> None:
        await guest.shake_hands("permessage-deflate")
        frame = await guest.frame()
        guest.send(Opcode.TEXT, frame.payload, rsv1=True)
        guest.send(Opcode.CLOSE, (await guest.frame()).payload)

    step = text(bytes.fromhex("f248cdc9c90700"), rsv=4)
    url = await rudely(answer)
    table = await seat(url, step, outcomes=(HELLO,), inflater=Inflater(100))
    assert (await table.play()).heard == [Text(b"Hello")]
    assert table.verdict == "PASS"


async def test_a_close_frame_among_the_steps_is_the_only_one(
    seat: Seat, rudely: Rudely
) -> None:
    """Whether it goes out whole or byte by byte."""
    closes = []

    async def answer(guest: Any) -> None:
        await guest.shake_hands()
        while frame := await guest.frame():
            closes.append(frame.payload)
            guest.send(Opcode.CLOSE, frame.payload)
            guest.writer.write_eof()

    url, outcome = await rudely(answer), Outcome(end=End.CLOSED)
    for step in (close(1001), Chopped((close(1001),))):
        table = await seat(url, step, outcomes=(outcome,))
        said = await table.play()
        assert (said.is_first, said.code, table.verdict) == (True, 1001, "PASS")
        await table.rude.close()
    assert closes == [b"\x03\xe9"] * 2


# Pauses


async def test_a_pause_is_over_when_the_target_ends_the_connection(
    seat: Seat, rudely: Rudely
) -> None:
    """By FIN, by RST or by a close frame; what comes before it is heard."""

    async def end(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        guest.send(Opcode.TEXT, b"one")
        guest.send(Opcode.TEXT, b"two")
        if guest.number == 1:
            return
        if guest.number == 2:
            await guest.writer.drain()
            guest.drop()
            return
        guest.send(Opcode.CLOSE, b"\x03\xea")
        assert (await guest.frame()).opcode == Opcode.CLOSE

    url = await rudely(end)
    for ending, answer in (("fin", False), ("reset", False), ("fin", True)):
        outcome = Outcome(heard=(Text(b"one"), Text(b"two")), end=End.FAILED, before=3)
        steps = (text("bad"), Pause(0.0), LONG, text("late"))
        table = await seat(url, *steps, outcomes=(outcome,))
        said = await table.play()
        assert (said.step, said.ending, said.has_answer) == (3, ending, answer)
        assert not any("late" in line for line in table.tracing.lines())
        assert table.verdict == "PASS"


async def test_a_pause_without_an_end_goes_by(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """What is said in it is heard, and the next step is taken."""

    async def wait(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b"Hello")
        await guest.frame()
        clock.leap(2.0)
        assert (await guest.frame()).payload == b"two"
        clock.leap(2 * DEADLINE)
        await guest.rest()

    steps = (text("one"), Pause(1.0), text("two"))
    table = await seat(await rudely(wait), *steps, outcomes=(FAILS,))
    said = await table.play()
    assert said.heard == [Text(b"Hello")]
    assert (said.step, said.ending) == (None, "")


# Ends


async def test_half_a_connection_goes_on(seat: Seat, rudely: Rudely) -> None:
    """Behind our FIN the target is still heard."""

    async def answer(guest: Any) -> None:
        await guest.shake_hands()
        await guest.reader.read(-1)
        guest.send(Opcode.TEXT, b"Hello")

    outcome = Outcome(heard=(Text(b"Hello"),), end=End.FAILED)
    url = await rudely(answer)
    table = await seat(url, text("Hello"), HalfClose(), outcomes=(outcome,))
    said = await table.play()
    assert (said.heard, said.ending) == ([Text(b"Hello")], "fin")
    assert table.verdict == "PASS"


async def test_behind_our_fin_no_close_frame_is_answered(
    seat: Seat, rudely: Rudely
) -> None:
    """A target that says goodbye to FIN ended the run of all cases: TCP says no."""

    async def say_goodbye(guest: Any) -> None:
        await guest.shake_hands()
        assert await guest.reader.read(-1) == b""
        guest.send(Opcode.CLOSE, b"\x03\xe8")

    outcome = Outcome(end=End.FAILED)
    table = await seat(await rudely(say_goodbye), HalfClose(), outcomes=(outcome,))
    said = await table.play()
    assert (said.has_answer, said.has_closed, said.ending) == (True, False, "fin")
    assert table.verdict == "PASS"


async def test_a_reset_ends_the_case_at_once(seat: Seat, rudely: Rudely) -> None:
    """The target sees RST; nobody waits for it."""
    ends = asyncio.get_running_loop().create_future()

    async def listen(guest: Any) -> None:
        await guest.shake_hands()
        try:
            await guest.rest()
        except ConnectionResetError as error:
            ends.set_result(error)

    table = await seat(await rudely(listen), text("Hel", fin=False), Reset())
    said = await table.play()
    assert isinstance(await ends, ConnectionResetError)
    assert not said.ending


async def test_a_target_that_goes_away_in_the_middle_of_a_step_is_heard(
    seat: Seat, rudely: Rudely
) -> None:
    """What could not be sent is the next step, and none follows it."""

    async def drop(guest: Any) -> None:
        await guest.shake_hands()
        await guest.reader.readexactly(1)
        guest.drop()

    endless = Chopped((text("a" * 65_536), close(1000)))
    table = await seat(await rudely(drop), endless, text("late"), outcomes=(HELLO,))
    said = await table.play()
    assert (said.step, said.ending, said.has_closed) == (0, "reset", False)
    assert table.verdict == "FAIL"


async def test_a_close_frame_that_could_not_be_sent_was_none(
    seat: Seat, rudely: Rudely
) -> None:
    """Else the target's own goodbye would pass for the answer to it."""

    async def leave(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.CLOSE, b"\x03\xe8")
        await guest.writer.drain()
        guest.drop()

    table = await seat(
        await rudely(leave), close(1000), outcomes=(Outcome(end=End.CLOSED),)
    )
    # Its goodbye is not read yet, but TCP is over.
    await table.rude.ended(DEADLINE)
    said = await table.play()
    assert (said.is_first, said.has_answer) == (False, True)
    assert table.verdict == "FAIL"
    assert table.tracing.lines()[1] == "= TCP ended before all of it was sent"


async def test_a_target_that_does_not_end_tcp_is_waited_for(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """For so long as it has, and no longer; the close frame counts."""

    async def stay(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.CLOSE, (await guest.frame()).payload)
        clock.leap(2 * DEADLINE, timers=False)  # its answer wakes the player
        await guest.rest()

    table = await seat(await rudely(stay))
    said = await table.play()
    assert (said.has_answer, said.code, said.ending) == (True, 1000, "")
    assert judge(table.case, said).verdict == "FAIL"


async def test_a_target_that_is_silent_is_waited_for(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """Nothing is heard, nothing ends, and we have no reason to close."""
    read = []

    async def say_nothing(guest: Any) -> None:
        await guest.shake_hands()
        read.append((await guest.frame()).opcode)
        clock.leap(0.5 * DEADLINE)
        read.append((await guest.frame()).opcode)
        clock.leap(2 * DEADLINE)
        assert await guest.frame() is None

    url = await rudely(say_nothing)
    table = await seat(url, text("Hello"), outcomes=(HELLO,))
    said = await table.play()
    assert (said.heard, said.has_closed, said.ending) == ([], False, "")
    assert table.verdict == "FAIL"
    assert read == [Opcode.TEXT, Opcode.PING]


async def test_a_target_that_is_there_is_waited_for_a_part_more(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """An echo may come behind the pong; what has not come soon then comes no more."""

    async def answer_late(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        clock.leap(0.5 * DEADLINE)
        guest.send(Opcode.PONG, (await guest.frame()).payload)
        if guest.number == 1:
            guest.send(Opcode.TEXT, b"Hello")
            guest.send(Opcode.CLOSE, (await guest.frame()).payload)
            return
        await asyncio.sleep(0)
        clock.leap(0.45 * DEADLINE)
        assert await guest.frame() is None

    url = await rudely(answer_late)
    for verdict in ("PASS", "FAIL"):
        table = await seat(url, text("Hello"), outcomes=(HELLO,))
        said = await table.play()
        await table.rude.close()
        assert not said.is_alive
        assert table.verdict == verdict


@pytest.mark.parametrize(("count", "verdict"), [(3, "PASS"), (9, "UNKNOWN")])
async def test_a_target_that_is_slow_and_goes_on_is_not_silent(
    seat: Seat, rudely: Rudely, clock: Any, count: int, verdict: str
) -> None:
    """It answered each ping in time, and all of them together too late.

    There is an end to that, and then nothing is known of it.
    """

    async def take_time(guest: Any) -> None:
        await guest.shake_hands()
        while frame := await guest.frame():
            for _ in range(20):  # long enough for what was sent to be read
                await asyncio.sleep(0)
            clock.leap(0.8 * DEADLINE)
            is_ping = frame.opcode == Opcode.PING
            guest.send(Opcode.PONG if is_ping else frame.opcode, frame.payload)
            if not is_ping:
                break

    payloads = [str(number).encode() for number in range(count)]
    outcome = Outcome(heard=tuple(map(Pong, payloads)))
    table = await seat(
        await rudely(take_time), *map(ping, payloads), outcomes=(outcome,)
    )
    said = await table.play()
    await table.rude.close()
    assert table.verdict == verdict, said
    assert ("still going on" in said.obstacle) is (verdict == "UNKNOWN")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (b"\x03\xea", b"\x03\xea"),  # its own code comes back
        (b"", b"\x03\xe8"),  # without a code: 1000
        (b"\x03\xed", None),  # 1005 is never on the wire, not even as an answer
    ],
)
async def test_the_target_s_close_frame_is_answered(
    seat: Seat, rudely: Rudely, theirs: bytes, ours: bytes | None
) -> None:
    """Once, with its code, as RFC 6455 5.5.1 has it."""
    answers = []

    async def fail(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        guest.send(Opcode.CLOSE, theirs)
        guest.writer.write_eof()
        while frame := await guest.frame():
            if frame.opcode == Opcode.CLOSE:  # a ping may have been under way
                answers.append(frame.payload)

    table = await seat(await rudely(fail), text("a", rsv=2), outcomes=(FAILS,))
    said = await table.play()
    assert (said.has_answer, said.is_first, said.ending) == (True, False, "fin")
    await table.rude.close()
    assert answers == ([] if ours is None else [ours])


# Where what comes back would hang on how the bytes meet the target's reads


MIXED = (Outcome(heard=(Text(b"Hello"),), end=End.FAILED), FAILS)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each write; the first one is the opening handshake."""
    sizes: list[int] = []
    drip = RudePeer.drip

    async def count(rude: RudePeer, data: bytes, **how: Any) -> None:
        sizes.append(len(data))
        await drip(rude, data, **how)

    monkeypatch.setattr(RudePeer, "drip", count)
    return sizes


async def test_a_message_and_what_breaks_the_rules_are_one_write(
    seat: Seat, echo: str, writes: list[int]
) -> None:
    """A case of nothing but good messages has a write for each frame."""
    table = await seat(echo, text("Hello"), text("a", rsv=2), outcomes=MIXED)
    assert (await table.play()).code == 1002
    assert writes[1] == 11 + 7
    writes.clear()
    outcome = Outcome(heard=(Text(b"Hello"), Text(b"a")))
    table = await seat(echo, text("Hello"), text("a"), outcomes=(outcome,))
    await table.play()
    assert (writes[1:3], table.verdict) == ([11, 7], "PASS")


async def test_a_close_frame_and_what_is_behind_it_are_one_write(
    seat: Seat, echo: str, writes: list[int]
) -> None:
    """A server that was seen to answer the second of two, or not, by how it read."""
    closed = Outcome(end=End.CLOSED)
    table = await seat(echo, close(1000), close(1000), outcomes=(closed,))
    await table.play()
    assert (writes[1:], table.verdict) == ([8 + 8], "PASS")


async def test_in_pieces_the_broken_frame_waits_for_what_comes_back(
    seat: Seat, rudely: Rudely
) -> None:
    """An echo that takes its time is heard before anything is broken."""
    early = []

    async def answer_late(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        for _ in range(20):  # long enough for more to come
            await asyncio.sleep(0)
        early.append(bytes(guest.reader._buffer))
        guest.send(Opcode.TEXT, b"Hello")
        await guest.frame()
        guest.send(Opcode.CLOSE, b"\x03\xea")

    chopped = Chopped((text("Hello"), text("a", rsv=2)))
    table = await seat(await rudely(answer_late), chopped, outcomes=MIXED)
    said = await table.play()
    assert (early, said.heard) == ([b""], [Text(b"Hello")])
    assert judge(table.case, said).note == ""


async def test_pieces_go_on_where_nothing_comes_back(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """In vain, or because the connection is over: the case goes on to its end."""

    async def end_early(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        if guest.number == 1:
            clock.leap(0.6 * DEADLINE)
            assert (await guest.frame()).rsv2
        guest.send(Opcode.CLOSE, b"\x03\xea")

    url = await rudely(end_early)
    chopped = Chopped((text("Hello"), text("a", rsv=2)))
    for _ in range(2):
        table = await seat(url, chopped, outcomes=MIXED)
        said = await table.play()
        assert (said.heard, said.code) == ([], 1002)
        await table.rude.close()


# The question


@pytest.mark.parametrize(
    "step",
    [
        text("a", rsv=2),
        Chopped((text("a", rsv=2),)),
        Raw(encode_frame(1, b"a", rsv2=True, mask=b"wave")),
    ],
)
async def test_a_target_that_should_have_failed_is_asked(
    seat: Seat, sounding: Sounding, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """It answers the ping: nobody waits any longer, and that is a FAIL."""
    monkeypatch.setattr(playing, "_SUSPICIOUS", 0.01)
    port = (await sounding(ReservedBitsIgnored)).port
    url = f"ws://127.0.0.1:{port}/echo"
    table = await seat(url, step, Pause(0.0), outcomes=(FAILS,))
    said = await table.play()
    assert (said.is_alive, said.ending) == (True, "")
    assert table.verdict == "FAIL"
    assert "it went on and answered a ping" in judge(table.case, said).seen


async def test_a_target_that_answers_the_question_first_may_fail_all_the_same(
    seat: Seat, rudely: Rudely, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stood still read the ping together with what broke the rule."""
    monkeypatch.setattr(playing, "_SUSPICIOUS", 0.01)
    monkeypatch.setattr(playing, "_AFTERTHOUGHT", DEADLINE)

    async def answer_first(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        guest.send(Opcode.PONG, (await guest.frame()).payload)
        guest.send(Opcode.CLOSE, encode_close(1007))
        guest.writer.write_eof()
        await guest.rest()

    url = await rudely(answer_first)
    table = await seat(url, text("a", rsv=2), Pause(0.0), outcomes=(FAILS,))
    said = await table.play()
    await table.rude.close()
    assert (said.is_alive, said.code, said.ending) == (False, 1007, "fin")


async def test_a_target_is_asked_once_and_may_still_fail(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """One that was only slow reads the bad frame first."""
    pings = []

    async def fail_late(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        clock.leap(1.0)
        pings.append((await guest.frame()).opcode)
        clock.leap(1.0)
        for _ in range(20):  # long enough for a second question
            await asyncio.sleep(0)
        if guest.number == 1:
            guest.send(Opcode.CLOSE, b"\x03\xea")
            return
        clock.leap(2 * DEADLINE)
        while frame := await guest.frame():
            pings.append(frame.opcode)

    url = await rudely(fail_late)
    for verdict in ("PASS", "FAIL"):
        table = await seat(url, text("a", rsv=2), outcomes=(FAILS,))
        await table.play()
        await table.rude.close()
        assert table.verdict == verdict
    assert pings == [Opcode.PING, Opcode.PING]


@pytest.mark.parametrize(
    ("steps", "outcomes"),
    [
        ((Raw(b"\x81"),), (FAILS,)),
        ((Chopped((text("a", fin=False),)),), (FAILS,)),
        ((Frame(opcode=1, payload=b"a", declared=9),), (FAILS,)),
        ((text("a", rsv=2), HalfClose()), (FAILS,)),
        ((text("a"), close(999)), (FAILS,)),
    ],
)
async def test_a_target_is_not_asked_where_a_ping_would_change_the_case(
    seat: Seat,
    rudely: Rudely,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
    steps: tuple[Step, ...],
    outcomes: tuple[Outcome, ...],
) -> None:
    """Within a frame, behind FIN or a close frame."""
    monkeypatch.setattr(playing, "_SUSPICIOUS", 0.0)

    async def listen(guest: Any) -> None:
        await guest.shake_hands()
        while await guest.reader.read(65_536):
            clock.leap(2 * DEADLINE)

    table = await seat(await rudely(listen), *steps, outcomes=outcomes)
    said = await table.play()
    sent = [line for line in table.tracing.lines() if line.startswith("> ")]
    assert not any(line.startswith("> PING") for line in sent)
    assert not said.is_alive


# Before the case


TALK = Template.parse(
    {
        "send": {
            "authenticate": '{"auth":"{token}"}',
            "subscribe": '{"sub":"{topic}"}',
        },
        "welcome": {"has": ["hello"]},
        "reply": {"has": ["done"]},
        "error": {"has": ["error"], "code": "error"},
        "event": {"has": ["data"], "payload": "data"},
    },
    "wavetank.toml [dialect.talk]",
    name="talk",
)


async def test_what_is_heard_before_the_case_does_not_count(
    seat: Seat, rudely: Rudely
) -> None:
    """Words that wait for each other may come in any order, and others between."""
    heard = []

    async def talk(guest: Any) -> None:
        await guest.shake_hands()
        heard.append((await guest.frame()).payload)
        guest.send(Opcode.BINARY, b"\x00")
        guest.send(Opcode.TEXT, b'{"price":1}')
        guest.send(Opcode.TEXT, b'{"done":1}', rsv2=True)
        heard.append((await guest.frame()).payload)
        guest.send(Opcode.TEXT, b'{"done":2}')
        guest.send(Opcode.TEXT, b'{"hello":1}')
        heard.append((await guest.frame()).payload)
        guest.send(Opcode.TEXT, heard[-1])
        guest.send(Opcode.CLOSE, (await guest.frame()).payload)

    table = await seat(await rudely(talk), text("Hello"), outcomes=(HELLO,))
    player = table.player
    await player.authenticate(TALK, "t0ken")
    await player.ask(TALK, Subscribe(id=1, topic="a"))
    assert isinstance(await player.wait_for(Welcome, TALK), Welcome)
    assert table.transcript.faults
    said = await table.play()
    assert heard == [b'{"auth":"t0ken"}', b'{"sub":"a"}', b"Hello"]
    assert (said.heard, said.faults, table.verdict) == ([Text(b"Hello")], [], "PASS")


async def test_a_reply_to_a_login_is_no_reply_to_what_follows(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """The first reply once stood for both, so a refused subscription was not seen."""

    async def refuse(guest: Any) -> None:
        await guest.shake_hands()
        await guest.frame()
        guest.send(Opcode.TEXT, b'{"done":1}')
        await guest.frame()
        guest.send(Opcode.TEXT, b'{"error":"no topics"}')
        await guest.rest()

    table = await seat(await rudely(refuse))
    await table.player.authenticate(TALK, "t0ken")
    with pytest.raises(Refused, match=r"^subscribe was refused: no topics$"):
        await table.player.ask(TALK, Subscribe(id=1, topic="a"))


async def test_a_token_is_left_out_where_nobody_has_a_word_for_it(
    seat: Seat, echo: str
) -> None:
    """Nothing is sent; anything else that cannot be said is a mistake of ours."""
    table = await seat(echo, ping(b"a"), outcomes=(Outcome(heard=(Pong(b"a"),)),))
    await table.player.authenticate(Echo(), "t0ken")
    with pytest.raises(LocalError, match="bare dialect cannot subscribe"):
        await table.player.ask(Bare(), Subscribe(id=1, topic="a"))
    assert (await table.play()).heard == [Pong(b"a")]


async def test_a_word_that_does_not_come_is_named(
    seat: Seat, rudely: Rudely, clock: Any
) -> None:
    """The reason was empty once: a report told that something was wrong, not what."""

    async def push(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b'{"price":1}')
        await guest.frame()
        clock.leap(2 * DEADLINE)
        await guest.rest()

    table = await seat(await rudely(push))
    await table.player.say("well?")
    with pytest.raises(TimeoutError, match=r"^no welcome of the talk dialect came "):
        await table.player.wait_for(Welcome, TALK)


async def test_an_end_before_the_case_is_the_target_s(
    seat: Seat, rudely: Rudely
) -> None:
    """Nothing is known of the case then."""

    async def leave(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b'{"price":1}')

    table = await seat(await rudely(leave))
    with pytest.raises(ConnectionEnded, match="before the case began"):
        await table.player.wait_for(Welcome, TALK)


# Ways


async def test_texts_go_to_a_topic_and_come_back(
    seat: Seat, sounding: Sounding
) -> None:
    """The steps are wrapped as the dialect has it, fragments as one message."""
    dialect = Hub()
    way = Post(dialect, "a.topic")
    url = f"ws://127.0.0.1:{(await sounding()).port}/ws"
    steps = (text("Hel", fin=False), continuation("lo"))
    table = await seat(url, *steps, outcomes=(HELLO,), way=way)
    await table.player.wait_for(Welcome, dialect)
    await table.player.ask(dialect, Subscribe(id=1, topic="a.topic"))
    said = await table.play()
    assert (said.heard, said.strays) == ([Text(b"Hello")], 1)  # and an acknowledgement
    assert table.verdict == "PASS"


async def test_what_is_pushed_is_no_answer(seat: Seat, rudely: Rudely) -> None:
    """Where nothing comes back, messages are counted and left alone."""

    async def push(guest: Any) -> None:
        await guest.shake_hands()
        guest.send(Opcode.TEXT, b'{"hello":1}')
        guest.send(Opcode.PONG, (await guest.frame()).payload)
        guest.send(Opcode.BINARY, b"\x01")
        guest.send(Opcode.CLOSE, (await guest.frame()).payload)

    outcome = Outcome(heard=(Pong(b"a"),))
    url = await rudely(push)
    table = await seat(url, ping(b"a"), outcomes=(outcome,), way=Nowhere())
    said = await table.play()
    assert (said.heard, said.strays, table.verdict) == ([Pong(b"a")], 2, "PASS")


async def test_a_binary_message_comes_back_as_such(seat: Seat, echo: str) -> None:
    """It is not the text of the same bytes."""
    step = Frame(opcode=Opcode.BINARY, payload=b"Hello")
    outcomes = (HELLO, Outcome(heard=(Binary(b"Hello"),)))
    table = await seat(echo, step, outcomes=outcomes)
    assert (await table.play()).heard == [Binary(b"Hello")]
    assert repr(table.player) == "<Player T.1 1 heard>"
