"""A virtual user: opened, introduced, kept, and lost."""

import contextlib
from dataclasses import dataclass, field
from typing import cast

import pytest

from wavetank.dialects import Dialect
from wavetank.errors import RemoteError
from wavetank.load.engine.user import MOST_UNSENT, Setting, User
from wavetank.wire import Opcode, encode_close, encode_frame

from .hosts import SUBSCRIBED, WELCOME, Bench, Guest, Shy, framed, refused


@dataclass
class Told:
    """What a user told."""

    ready: list[User] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


class Listener(User):
    """A user that keeps what comes, and finds control frames in it."""

    received = b""
    controls: list[tuple[int, bytes]] = []  # noqa: RUF012  # set by each test
    pongs = 0

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """Keep bytes."""
        self.received += data
        return self.controls

    def ponged(self, payload: bytes) -> None:
        """Count it."""
        super().ponged(payload)
        self.pongs += 1


def start(
    bench: Bench, setting: Setting | None = None, topic: str = ""
) -> tuple[Listener, Told]:
    """Start a user."""
    told = Told()
    user = Listener(
        setting or bench.setting(),
        7,
        topic=topic,
        on_ready=told.ready.append,
        on_lost=lambda _, reason: told.lost.append(reason),
    )
    bench.closing.callback(user.close)
    user.start()
    bench.turn()
    return user, told


def ready(bench: Bench) -> tuple[Listener, Told, Guest]:
    """Start a user of an echo, and let it become ready."""
    user, told = start(bench)
    guest = bench.host.accept().answer()
    bench.turn_until(lambda: told.ready)
    return user, told, guest


def test_user_of_an_echo_is_ready_once_its_connection_is_open(bench: Bench) -> None:
    """Nothing is said before; who it is can be printed."""
    user, told, _ = ready(bench)
    assert told.ready == [user]
    assert user.is_idle
    assert repr(user) == "<Listener 7 ready=True>"


def test_user_takes_in_what_came_with_the_last_word_of_its_introduction(
    bench: Bench,
) -> None:
    """What stands behind it in the same piece is the scenario's."""
    user, told = start(bench)
    bench.host.accept().answer(behind=framed("first"))
    bench.turn_until(lambda: told.ready)
    assert user.received == framed("first")


def test_user_of_a_hub_is_ready_once_it_is_subscribed(bench: Bench) -> None:
    """Welcome, subscription, answer; a ping in between is answered too."""
    user, told = start(bench, bench.setting(dialect="hub"), topic="t")
    guest = bench.host.accept().answer(subprotocol=True)
    guest.say("hi", Opcode.PING)
    guest.say(WELCOME)
    bench.turn_until(lambda: user.asked > user.began)
    bench.turn()
    assert guest.read().opcode == Opcode.PONG
    ask = guest.read().payload.decode()
    assert '"subscribe"' in ask
    assert not told.ready
    guest.say(SUBSCRIBED)
    bench.turn_until(lambda: told.ready)


def test_user_waits_no_longer_for_an_answer_that_need_not_come(bench: Bench) -> None:
    """After some patience it is ready all the same; one that is not open is not."""
    setting = bench.setting(dialect="hub")
    setting.dialect = cast("Dialect", Shy())
    user, told = start(bench, setting, topic="t")
    user.go_on()
    guest = bench.host.accept().answer(subprotocol=True)
    guest.say(WELCOME)
    bench.turn_until(lambda: user.asked > user.began)
    bench.turn()
    user.go_on()
    assert told.ready == [user]
    user.go_on()
    assert told.ready == [user]


def test_user_whose_subscription_is_refused_is_lost(bench: Bench) -> None:
    """The answer says why."""
    user, told = start(bench, bench.setting(dialect="hub"), topic="t")
    guest = bench.host.accept().answer(subprotocol=True)
    guest.say(WELCOME)
    guest.say(refused(2))
    bench.turn_until(lambda: told.lost)
    assert told.lost[0].startswith("the subscription was refused: forbidden")
    assert not user.is_ready


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            framed(encode_close(1013, "later"), Opcode.CLOSE),
            "the target closed with code 1013 (later)",
        ),
        (
            framed(encode_close(1001), Opcode.CLOSE),
            "the target closed with code 1001",
        ),
        (
            framed(b"\x03", Opcode.CLOSE),
            "the target closed with a malformed close frame",
        ),
        (encode_frame(1, b"x", mask=b"mask"), "a frame of the target is masked"),
        (b"\x82\x7f\0\0\0\0\x40\0\0\0", "a frame of 1073741824 bytes"),
        (b"\xf1\x00", "no frame begins with 0xf1"),
    ],
)
def test_user_is_lost_for_what_comes_instead_of_a_welcome(
    bench: Bench, data: bytes, reason: str
) -> None:
    """Once, with the reason; and nothing more is read of it."""
    user, told = start(bench, bench.setting(dialect="hub"))
    guest = bench.host.accept().answer(subprotocol=True)
    guest.send(data + framed("more"))
    bench.turn_until(lambda: told.lost)
    assert len(told.lost) == 1
    assert told.lost[0].startswith(reason)
    assert not user.is_ready


def test_user_keeps_no_endless_first_message(bench: Bench) -> None:
    """A welcome of more than 16 MiB is none."""
    _, told = start(bench, bench.setting(dialect="hub"))
    guest = bench.host.accept().answer(subprotocol=True)
    guest.send(b"\x81\x7f\0\0\0\0\x03\0\0\0")
    guest.socket.setblocking(False)

    def is_lost() -> bool:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            guest.socket.send(b"x" * 1_000_000)
        return bool(told.lost)

    bench.turn_until(is_lost)
    assert told.lost == ["its first message is too long"]


def test_user_answers_pings_and_the_close_frame(bench: Bench) -> None:
    """Each ping with its payload; the close with its code, and nothing after it."""
    user, told, guest = ready(bench)
    user.controls = [
        (Opcode.PING, b"one"),
        (Opcode.PONG, b"never asked for"),
        (Opcode.CLOSE, encode_close(1001, "bye")),
        (Opcode.PING, b"two"),
    ]
    guest.send(b"x")
    bench.turn_until(lambda: told.lost)
    assert told.lost == ["the target closed with code 1001 (bye)"]
    pong, close = guest.read(), guest.read()
    assert (pong.opcode, pong.payload) == (Opcode.PONG, b"one")
    assert (close.opcode, close.payload) == (Opcode.CLOSE, encode_close(1001))
    assert guest.is_ended()
    assert user.pongs == 1


def test_user_sends_no_pongs_to_who_reads_none(bench: Bench) -> None:
    """A flood of pings that nobody reads the pongs of fills no memory."""
    user, told, guest = ready(bench)
    user.controls = [(Opcode.PING, b"x" * 125)] * 10_000
    for _ in range(5):
        while not user.is_blocked:
            guest.send(b"x")
            bench.turn()
        guest.send(b"x")
        bench.turn()
    assert len(user.unsent) < MOST_UNSENT + 200
    assert not told.lost


def test_user_that_says_no_to_bytes_is_lost(bench: Bench) -> None:
    """What its scenario calls no frame is the reason."""
    user, told, guest = ready(bench)

    class Strict(Listener):
        def receive(self, data: bytes) -> list[tuple[int, bytes]]:
            raise RemoteError("no frame")

    user.__class__ = Strict
    guest.send(b"x")
    bench.turn_until(lambda: told.lost)
    assert told.lost == ["no frame"]


def test_user_says_goodbye(bench: Bench) -> None:
    """Code 1000, then the end; twice is once, and nobody is told."""
    user, told, guest = ready(bench)
    user.close()
    user.close()
    frame = guest.read()
    assert (frame.opcode, frame.payload) == (Opcode.CLOSE, encode_close(1000))
    assert guest.is_ended()
    assert told.lost == []
    user.send_frame(Opcode.TEXT, b"nobody hears it")


def test_user_says_no_goodbye_behind_half_a_message(bench: Bench) -> None:
    """What waits to be sent would make a close frame part of a message."""
    user, _, guest = ready(bench)
    assert user.connection is not None
    while not user.unsent:
        user.connection.send(b"x" * 1_000_000)
    user.close()
    assert guest.is_ended()


def test_user_whose_goodbye_fails_is_closed(bench: Bench) -> None:
    """The target is gone, and that is found out by the goodbye."""
    user, told, guest = ready(bench)
    guest.abort()
    user.close()
    assert user.connection is None
    assert told.lost != ["x"]


def test_user_can_be_cut_and_come_back(bench: Bench) -> None:
    """As a crash would; it begins anew then, with nothing of before."""
    user, told, guest = ready(bench)
    user.abort()
    user.abort()
    with pytest.raises(ConnectionResetError):
        guest.socket.recv(1)
    user.start()
    bench.turn()
    bench.host.accept().answer()
    bench.turn_until(lambda: len(told.ready) == 2)
    assert told.lost == []


def test_user_without_a_scenario_takes_nothing_in(bench: Bench) -> None:
    """What becomes of bytes is for others to say."""
    user = User(bench.setting(), 0, on_ready=pytest.fail, on_lost=pytest.fail)
    with pytest.raises(NotImplementedError):
        user.receive(b"")
