"""Replies are verified and timed as by one who looks each answer up in a list."""

import random
from collections import Counter, deque
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavetank.errors import RemoteError
from wavetank.load.exchange import Operation
from wavetank.load.marks import EMPTY, find_mark, mark_head, write_mark
from wavetank.load.meter import Meter
from wavetank.load.replies import Owed, Replies
from wavetank.wire import Opcode, encode_frame

RUN = "0123abcd"
USER = 7
PING = encode_frame(Opcode.PING, b"are you there?")

COUNTS = ("received", "corrupted", "duplicated", "reordered", "foreign")


def text(number: int, *, run: str = RUN, user: int = USER) -> bytes:
    """Return the payload of a request; some need two bytes for their length."""
    mark = write_mark(mark_head(run, user), number, 1000 * number)
    return b'{"mark":"' + mark + b'","pad":"' + b"x" * (number % 3 * 40) + b'"}'


def frame(payload: bytes) -> bytes:
    """Return the frame of a text."""
    return encode_frame(Opcode.TEXT, payload)


def wrapped(payload: bytes) -> bytes:
    """Return an answer as a server with more to say gives it."""
    return b'{"id":1,"answer":' + payload + b"}"


def in_pieces(payload: bytes) -> bytes:
    """Return a message in three fragments, and a ping between them."""
    return b"".join(
        (
            encode_frame(Opcode.TEXT, payload[:20], fin=False),
            encode_frame(Opcode.CONTINUATION, payload[20:30], fin=False),
            PING,
            encode_frame(Opcode.CONTINUATION, payload[30:]),
        )
    )


class Manner(NamedTuple):
    """How a target answers, as the user knows it."""

    is_exact: bool
    is_verbatim: bool

    def replies(self, meter: Meter) -> Replies:
        """Return what follows such a target."""
        return Replies(
            meter,
            run=RUN,
            publisher=USER,
            is_exact=self.is_exact,
            is_verbatim=self.is_verbatim,
        )

    def owed(self, number: int) -> Owed:
        """Return a request that is sent 300 us after it should have been."""
        payload = text(number)
        answer = frame(payload) if self.is_exact else payload
        return Owed(number, 1000 * number, 1000 * number + 300, answer)

    def answer(self, number: int) -> bytes:
        """Return the message that answers it."""
        return text(number) if self.is_exact else wrapped(text(number))


ECHO = Manner(is_exact=True, is_verbatim=True)
ANSWER = Manner(is_exact=False, is_verbatim=True)
LOOSE = Manner(is_exact=False, is_verbatim=False)

PUSHES = (
    b'{"type":"heartbeat"}',
    b"",
    text(1, run="another0"),
    text(1, user=8),
    EMPTY,
)


def new_meter() -> Meter:
    """Return one that has counted nothing."""
    return Meter("ask", Operation.REQUEST)


class Asker:
    """Does slowly and obviously what replies have to come to."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.owed: list[int] = []
        self.asked: set[int] = set()
        self.answered: list[int] = []
        self.counts: Counter[str] = Counter()
        self.response: Counter[int] = Counter()
        self.service: Counter[int] = Counter()

    def ask(self, number: int) -> None:
        """Ask once more."""
        self.owed.append(number)
        self.asked.add(number)

    def take(self, message: bytes, now: int) -> None:
        """Take one message in."""
        mark = find_mark(message)
        if mark is None:
            oldest = self.owed[0] if self.owed else None
            is_echo = self.manner.is_exact and oldest is not None
            if is_echo and len(message) == len(text(oldest)):
                self.answer(oldest, message, now)
            else:
                self.counts["foreign"] += 1
        elif (mark.run.decode(), mark.publisher) != (RUN, USER):
            self.counts["foreign"] += 1
        elif mark.number in self.owed:
            self.answer(mark.number, message, now)
        elif mark.number in self.asked:
            self.counts["duplicated"] += 1
        else:
            self.counts["corrupted"] += 1

    def answer(self, number: int, message: bytes, now: int) -> None:
        """Take the answer to a request in."""
        self.counts["received"] += 1
        self.counts["reordered"] += number < max(self.answered, default=0)
        self.counts["corrupted"] += not self.is_right(number, message)
        self.owed.remove(number)
        self.answered.append(number)
        self.response[now - 1000 * number] += 1
        self.service[now - 1000 * number - 300] += 1

    def is_right(self, number: int, message: bytes) -> bool:
        """Tell whether a message carries what was asked."""
        if self.manner.is_exact:
            return message == text(number)
        return text(number) in message or not self.manner.is_verbatim


class Sent(NamedTuple):
    """Something that a server sends: as bytes, and as the message that it is."""

    bytes: bytes
    message: bytes | None


class Line:
    """What is on its way from a server, in reads of any size."""

    def __init__(self) -> None:
        self.pending = b""
        self.size = 0
        self.pings = 0
        self._coming: deque[Sent] = deque()
        self._begun = 0

    def send(self, sent: list[Sent]) -> None:
        """Put more on its way."""
        self.pending += b"".join(each.bytes for each in sent)
        self.pings += sum(each.bytes.count(PING) for each in sent)
        self._coming += sent

    def read(self, length: int) -> tuple[bytes, list[bytes]]:
        """Return the next bytes, and the messages that they complete."""
        data, self.pending = self.pending[:length], self.pending[length:]
        self.size += len(data)
        self._begun += len(data)
        messages = []
        while self._coming and len(self._coming[0].bytes) <= self._begun:
            sent = self._coming.popleft()
            self._begun -= len(sent.bytes)
            messages += [sent.message] if sent.message is not None else []
        return data, messages


def damaged(message: bytes, dice: random.Random) -> bytes:
    """Return a message with one wrong byte, in its mark or elsewhere."""
    at = dice.choice([dice.randrange(len(message)), 9 + dice.randrange(47)])
    byte = dice.choice([b"!", b"0", b"7", b"~"])
    return message[:at] + byte + message[at + 1 :]


def made_up_answers(manner: Manner, numbers: range, dice: random.Random) -> list[bytes]:
    """Return what a server sends that got some requests; mostly their answers."""
    messages = [manner.answer(number) for number in numbers]
    for _ in range(dice.choice([0, 0, 1, 2, 6])):
        at, by = dice.randint(0, len(messages)), dice.randint(1, 3)
        change = dice.choice(["lose", "twice", "swap", "damage", "push", "unasked"])
        if change == "push":
            messages.insert(at, dice.choice(PUSHES))
        elif change == "unasked":
            messages.insert(at, manner.answer(dice.choice([0, 1, 2, 10**12 - 1])))
        elif at < len(messages):
            message = messages.pop(at)
            if change == "twice":
                messages[at:at] = [message, message]
            elif change == "swap":
                messages.insert(at + by, message)
            elif change == "damage" and message:
                messages.insert(at, damaged(message, dice))
    return messages


def made_up_frames(messages: list[bytes], dice: random.Random) -> list[Sent]:
    """Return messages as frames: whole or in pieces, some behind a ping."""
    sent = []
    for message in messages:
        if dice.random() < 0.05:
            sent.append(Sent(PING, None))
        is_cut = dice.random() < 0.05
        sent.append(Sent((in_pieces if is_cut else frame)(message), message))
    return sent


@settings(max_examples=500)
@given(seed=st.integers(0, 2**32), manner=st.sampled_from([ECHO, ECHO, ANSWER, LOOSE]))
def test_replies_account_as_if_each_answer_was_looked_up_in_a_list(
    seed: int, manner: Manner
) -> None:
    """Whatever a server answers, in whatever reads, many under way or one."""
    dice = random.Random(seed)
    meter, asker, line = new_meter(), Asker(manner), Line()
    replies = manner.replies(meter)
    longest = dice.choice([10, 100, 100_000])
    number = pings = 0
    turns = dice.randint(1, 12)
    for turn in range(turns):
        asked = range(number + 1, number + 1 + dice.choice([0, 1, 1, 5, 9]))
        number += len(asked)
        for each in asked:
            replies.owe(manner.owed(each))
            asker.ask(each)
        line.send(made_up_frames(made_up_answers(manner, asked, dice), dice))
        # Some of it comes with what is asked for next; in the end all has come.
        later = dice.choice([0, 0, dice.randint(0, 200)]) if turn + 1 < turns else 0
        while len(line.pending) > later:
            now = 100_000 + turn + len(line.pending)
            data, messages = line.read(dice.randint(1, longest))
            for message in messages:
                asker.take(message, now)
            controls = replies.receive(data, now)
            assert set(controls) <= {(Opcode.PING, b"are you there?")}
            pings += len(controls)
    counts = {name: getattr(meter.tally, name) for name in COUNTS}
    assert counts == {name: asker.counts[name] for name in COUNTS}
    assert meter.response == asker.response
    assert meter.service == asker.service
    assert meter.tally.bytes_received == line.size
    assert replies.under_way == len(asker.owed)
    assert replies.give_up() == len(asker.owed)
    assert pings == line.pings


# One by one


def asked(manner: Manner, count: int) -> tuple[Replies, Meter]:
    """Return replies that are owed the answers to requests 1 to count."""
    meter = new_meter()
    replies = manner.replies(meter)
    for number in range(1, count + 1):
        replies.owe(manner.owed(number))
    return replies, meter


def echoes(*numbers: int) -> bytes:
    """Return the sound answers of an echo."""
    return b"".join(frame(text(number)) for number in numbers)


def counts_of(meter: Meter) -> dict[str, int]:
    """Return what was counted, but for zeros."""
    return {name: n for name in COUNTS if (n := getattr(meter.tally, name))}


def test_replies_answer_an_echo_that_comes_in_pieces_without_reading_frames() -> None:
    """The fast way takes any cut, and times each answer by its last byte."""
    replies, meter = asked(ECHO, 3)
    data = echoes(1, 2, 3)
    for now, at in enumerate(range(0, len(data), 7), start=4000):
        assert replies.receive(data[at : at + 7], now) == []
    assert counts_of(meter) == {"received": 3}
    assert replies.under_way == 0
    assert meter.response.total() == meter.service.total() == 3
    assert meter.response[now - 3000] == 1


def test_replies_know_an_answer_again_that_came_before_anything_was_wrong() -> None:
    """A second answer is one, though the first was only compared."""
    replies, meter = asked(ECHO, 3)
    replies.receive(echoes(1, 2, 3), 5000)
    replies.receive(echoes(2), 5000)
    assert counts_of(meter) == {"received": 3, "duplicated": 1}


def test_replies_remember_every_answer_in_no_memory() -> None:
    """However long ago it was: what was asked and is not owed was answered."""
    replies, meter = asked(ANSWER, 0)
    for number in range(1, 70_001):
        replies.owe(Owed(number, 0, 0, b""))
        replies.receive(frame(text(number)), 0)
    replies.receive(frame(text(1)), 0)
    assert counts_of(meter) == {"received": 70_000, "duplicated": 1}
    assert len(replies._rest) + len(replies._fragments) + replies.under_way == 0


def test_replies_find_answers_in_the_opposite_order() -> None:
    """All but the first one came behind a later one."""
    replies, meter = asked(ECHO, 1000)
    replies.receive(echoes(*range(1000, 0, -1)), 2_000_000)
    assert counts_of(meter) == {"received": 1000, "reordered": 999}


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        (text(1)[:-5] + b"y" + text(1)[-4:], {"received": 1, "corrupted": 1}),
        (b"?" * len(text(1)), {"received": 1, "corrupted": 1}),
        (b"?" * (len(text(1)) - 1), {"foreign": 1}),
        (text(1) + b" ", {"received": 1, "corrupted": 1}),
        (text(3), {"corrupted": 1}),
        (text(0), {"corrupted": 1}),
        (text(1, user=8), {"foreign": 1}),
        (text(1, run="another0"), {"foreign": 1}),
    ],
)
def test_replies_say_what_is_wrong_with_an_echo(
    message: bytes, counts: dict[str, int]
) -> None:
    """Each damage has its count; the request after it is answered as ever."""
    replies, meter = asked(ECHO, 2)
    replies.receive(frame(message), 9000)
    assert counts_of(meter) == counts
    replies.receive(echoes(2), 9000)
    assert meter.tally.received == counts.get("received", 0) + 1


def test_replies_time_an_answer_that_is_damaged_too() -> None:
    """It was as late as it was, whatever it says."""
    replies, meter = asked(ECHO, 1)
    replies.receive(frame(b"?" * len(text(1))), 9000)
    assert (meter.response, meter.service) == ({8000: 1}, {7700: 1})


@pytest.mark.parametrize(("manner", "corrupted"), [(ANSWER, 1), (LOOSE, 0)])
def test_replies_verify_the_payload_where_the_target_promises_to_keep_it(
    manner: Manner, corrupted: int
) -> None:
    """Who passes on a JSON value may write it in another way."""
    replies, meter = asked(manner, 1)
    replies.receive(frame(wrapped(text(1).replace(b":", b": "))), 9000)
    assert (meter.tally.received, meter.tally.corrupted) == (1, corrupted)


def test_replies_are_compared_again_after_a_ping_between_two_halves() -> None:
    """A control frame disturbs nothing, wherever the reads are cut."""
    replies, meter = asked(ECHO, 3)
    data = echoes(1) + PING + echoes(2, 3)
    cut = len(echoes(1)) + len(PING) + 10
    assert replies.receive(data[:10], 5000) == []
    assert len(replies.receive(data[10:cut], 5000)) == 1
    # What came of the second answer is compared already, not kept.
    assert not replies._rest
    assert replies.receive(data[cut:], 5000) == []
    assert counts_of(meter) == {"received": 3}


def test_replies_read_what_looks_like_an_answer_inside_of_another_message() -> None:
    """What a push carries answers nothing, wherever a read begins."""
    replies, meter = asked(ECHO, 1)
    push = encode_frame(Opcode.BINARY, b"an echo: " + echoes(1))
    inside = push.index(echoes(1))
    replies.receive(push[:inside], 5000)
    replies.receive(push[inside:], 5000)
    assert counts_of(meter) == {"received": 1, "corrupted": 1}


def test_replies_expect_no_bytes_any_more_once_they_go_by_the_marks() -> None:
    """From then on a request costs its own payload alone."""
    replies, meter = asked(ECHO, 2)
    replies.receive(echoes(2), 5000)
    replies.owe(ECHO.owed(3))
    assert not replies._expected
    replies.receive(echoes(1, 3), 5000)
    assert counts_of(meter) == {"received": 3, "reordered": 1}


def test_replies_that_were_given_up_are_owed_no_more() -> None:
    """What comes all the same is read on, and is an answer too many."""
    replies, meter = asked(ECHO, 2)
    data = echoes(1, 2)
    replies.receive(data[:10], 5000)
    assert replies.give_up() == 2
    replies.receive(data[10:], 5000)
    assert counts_of(meter) == {"duplicated": 2}


@given(st.lists(st.binary(max_size=60), max_size=8), st.sampled_from([ECHO, ANSWER]))
def test_replies_raise_nothing_but_remote_errors(
    reads: list[bytes], manner: Manner
) -> None:
    """Hostile bytes are frames, or the other side's mistake."""
    replies, meter = asked(manner, 1)
    for data in reads:
        try:
            replies.receive(data, 5000)
        except RemoteError:
            return
    assert meter.tally.received == 0


def test_fragments_that_never_end_answer_nothing_and_hold_what_came() -> None:
    """Empty fragments cost nothing, however many come."""
    replies, meter = asked(ECHO, 1)
    replies.receive(encode_frame(Opcode.TEXT, b"begun", fin=False), 0)
    empty = encode_frame(Opcode.CONTINUATION, fin=False)
    for _ in range(10):
        replies.receive(empty * 1000, 0)
    assert bytes(replies._fragments) == b"begun"
    assert not replies._rest
    assert counts_of(meter) == {}
