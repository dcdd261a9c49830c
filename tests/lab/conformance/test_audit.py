"""The audit: each rule is seen kept and broken, however the bytes come."""

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.lab.conformance import audit as module
from wavetank.lab.conformance.audit import PATIENCE, Audit
from wavetank.lab.conformance.obligations import RULES, Tally, Unit
from wavetank.wire import (
    Deflater,
    Frame,
    Opcode,
    encode_close,
    encode_frame,
    encode_response,
)

MASK = b"mask"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = (
    *(Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION),
    *(Opcode.CLOSE, Opcode.PING, Opcode.PONG),
)
DEFLATE = "permessage-deflate"


def opened(*extensions: str) -> bytes:
    """Return a 101 that names these extensions."""
    fields = [("Sec-WebSocket-Extensions", each) for each in extensions]
    return encode_response(101, fields)


class Watched:
    """A connection that is listened in on, and a clock that a test moves."""

    def __init__(self, *extensions: str, answer: bytes = b"") -> None:
        self.tally = Tally()
        self.time = 0.0
        self.audit = Audit(self.tally, now=lambda: self.time)
        self.audit.sent(REQUEST)
        self.audit.received(answer or opened(*extensions))

    def hears(self, *frames: bytes) -> "Watched":
        """Have the target send frames."""
        for frame in frames:
            self.audit.received(frame)
        return self

    def says(self, opcode: int, payload: bytes = b"", **changes: bool) -> "Watched":
        """Send a frame to the target."""
        self.audit.sent(encode_frame(opcode, payload, mask=MASK, **changes))
        return self

    @property
    def broken(self) -> dict[str, int]:
        """How often each rule was broken, by its id."""
        return {rule: blame.count for rule, blame in self.tally.faults.items()}

    @property
    def noted(self) -> dict[str, int]:
        """How often something was worth a word, by the rule's id."""
        return {rule: blame.count for rule, blame in self.tally.notes.items()}

    def judged(self, unit: Unit) -> int:
        """Return how many of a unit were judged."""
        return self.tally.judged[unit]


def frame(opcode: int, payload: bytes = b"", **changes: object) -> bytes:
    """Return a frame as a server sends it, or nearly."""
    return encode_frame(opcode, payload, **changes)  # type: ignore[arg-type]


HEADERS: dict[str, tuple[str, bytes]] = {
    "masked": ("S.1", frame(TEXT, b"Hello", mask=MASK)),
    "rsv1": ("S.2", frame(TEXT, b"Hello", rsv1=True)),
    "rsv2": ("S.2", frame(BINARY, b"Hello", rsv2=True)),
    "rsv3": ("S.2", frame(PONG, b"", rsv3=True)),
    "opcode of data": ("S.3", frame(0x3, b"Hello")),
    "opcode of control": ("S.3", frame(0xB)),
    "fragmented ping": ("S.4", frame(PING, b"half", fin=False)),
    "long ping": ("S.4", frame(PING, b"x" * 126)),
    "short in 16 bits": ("S.5", frame(TEXT, b"x" * 125, length_form=16)),
    "short in 64 bits": ("S.5", frame(TEXT, b"x" * 65_535, length_form=64)),
    "top bit": ("S.6", frame(BINARY, declared_length=2**63)),
    "orphan": ("S.7", frame(CONTINUATION, b"orphan")),
    "not UTF-8": ("S.8", frame(TEXT, b"caf\xe9")),
    "close of one byte": ("S.9", frame(CLOSE, b"x")),
    "close code of nobody": ("S.9", frame(CLOSE, (1005).to_bytes(2, "big"))),
    "close reason": ("S.9", frame(CLOSE, encode_close(1000) + b"\xff")),
}


@pytest.mark.parametrize("piece", [None, 1])
@pytest.mark.parametrize(("rule", "said"), HEADERS.values(), ids=HEADERS)
def test_a_broken_rule_is_told_alone(rule: str, said: bytes, piece: int | None) -> None:
    """And legal frames before it do not hide it, in whatever pieces it comes."""
    watched = Watched().hears(frame(TEXT, "κόσμε".encode()), frame(PING))
    size = piece or len(said)
    watched.hears(*(said[start : start + size] for start in range(0, len(said), size)))
    assert watched.broken == {rule: 1}
    (example,) = watched.tally.faults[rule].examples
    assert "frame 3 [" in example
    assert not watched.noted.keys() - {"S.11"}


def test_an_example_shows_the_header_as_hex_and_its_fields() -> None:
    """The mask is part of the header, and the payload is shown without it."""
    watched = Watched().hears(frame(TEXT, b"Hi", mask=MASK))
    assert watched.tally.faults["S.1"].examples == [
        "frame 1 [81 82 6d 61 73 6b] TEXT FIN MASK length 2: 48 69"
    ]


LEGAL = (
    frame(TEXT, b""),
    frame(TEXT, b"x" * 126),
    frame(BINARY, b"\xff" * 65_536),
    frame(TEXT, "κό".encode()[:3], fin=False),
    frame(PING, b"between"),
    frame(CONTINUATION, "κό".encode()[3:], fin=False),
    frame(CONTINUATION),
    frame(CLOSE, encode_close(1001, "ĝis")),
)


def test_legal_frames_are_counted_and_nothing_is_told() -> None:
    """Each by what it is; a frame may be several things."""
    watched = Watched().hears(b"".join(LEGAL))
    watched.audit.ended()
    assert (watched.broken, watched.noted) == ({}, {})
    assert watched.tally.judged == {
        Unit.FRAMES: 8,
        Unit.BITS: 8,
        Unit.CONTROLS: 2,
        Unit.WIDE: 1,
        Unit.DATA: 6,
        Unit.TEXTS: 3,
        Unit.CLOSES: 1,
        Unit.ENDS: 1,
    }
    assert repr(watched.audit) == "<Audit of 8 frames>"


@given(
    st.lists(st.sampled_from(LEGAL[:3]), max_size=8),
    st.lists(st.integers(1, 200), max_size=40),
)
def test_legal_frames_are_legal_in_any_pieces(
    frames: list[bytes], sizes: list[int]
) -> None:
    """Also where the answer to the handshake comes with them."""
    watched, said = Watched(answer=b"HTTP"), b"/1.1 101 \r\n\r\n"
    said += b"".join(frames)
    for size in sizes:
        watched.hears(said[:size])
        said = said[size:]
    watched.hears(said)
    assert watched.broken == {}
    assert watched.judged(Unit.FRAMES) == len(frames)


@given(st.lists(st.binary(max_size=60)), st.lists(st.binary(max_size=60)))
@pytest.mark.parametrize("extensions", [(), (DEFLATE,), ("x-unknown",)])
def test_nothing_that_comes_or_goes_makes_it_stumble(
    extensions: tuple[str, ...], said: list[bytes], sent: list[bytes]
) -> None:
    """Whatever it is, and whoever ends it."""
    watched = Watched(*extensions)
    for ours, theirs in zip(sent, said, strict=False):
        watched.audit.sent(ours)
        watched.hears(theirs)
    watched.audit.ended()
    watched.audit.waited()
    assert watched.broken.keys() <= {rule.id for rule in RULES}


# Messages


def test_fragments_out_of_order_are_told() -> None:
    """A message that begins within another is read as the next one."""
    watched = Watched().hears(
        frame(TEXT, b"caf\xc3", fin=False), frame(TEXT, b"whole"), frame(CONTINUATION)
    )
    assert watched.broken == {"S.7": 2}
    assert watched.judged(Unit.TEXTS) == 1


def test_text_is_read_over_its_fragments() -> None:
    """A character that is cut is whole; one that is never ended is not."""
    watched = Watched().hears(
        frame(TEXT, b"caf\xc3", fin=False), frame(CONTINUATION, b"\xa9")
    )
    assert watched.broken == {}
    watched.hears(frame(TEXT, b"caf\xc3", fin=False), frame(CONTINUATION))
    assert watched.broken == {"S.8": 1}
    watched.hears(frame(TEXT, b"\xff", fin=False), frame(CONTINUATION, b"\xff"))
    assert watched.broken == {"S.8": 2}
    assert watched.judged(Unit.TEXTS) == 3


def test_what_is_too_large_to_be_kept_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its payload at least; its header is."""
    monkeypatch.setattr(module, "_MOST_PAYLOAD", 200)
    watched = Watched().hears(frame(TEXT, b"\xff" * 201), frame(TEXT, b"\xff" * 200))
    assert watched.broken == {"S.8": 1}
    assert watched.judged(Unit.TEXTS) == 1
    watched.hears(frame(TEXT, b"x" * 201, mask=MASK))
    assert watched.broken == {"S.8": 1, "S.1": 1}


# Compression

WORDS = b" ".join(b"%d" % (number * 7919) for number in range(700))


def deflated(data: bytes, deflater: Deflater, **changes: bool) -> bytes:
    """Return a message that is compressed."""
    return frame(TEXT, deflater.deflate(data), rsv1=True, **changes)


@pytest.mark.parametrize(
    ("agreed", "deflater"),
    [
        (DEFLATE, Deflater()),
        (f"{DEFLATE}; server_max_window_bits=9", Deflater(window_bits=9)),
        (f"{DEFLATE}; server_no_context_takeover", Deflater(context_takeover=False)),
    ],
)
def test_what_is_compressed_as_agreed_is_inflated(
    agreed: str, deflater: Deflater
) -> None:
    """Message after message, and over fragments; text is UTF-8 behind it."""
    watched = Watched(agreed).hears(
        *(deflated(WORDS * 2, deflater) for _ in range(2)), deflated(b"", deflater)
    )
    half = deflater.deflate("κόσμε".encode()[:3], final=False)
    rest = deflater.deflate("κόσμε".encode()[3:])
    watched.hears(frame(TEXT, half, rsv1=True, fin=False), frame(CONTINUATION, rest))
    watched.hears(frame(TEXT, b"plain"))
    assert watched.broken == {}
    assert watched.judged(Unit.DEFLATED) == 4
    assert watched.judged(Unit.TEXTS) == 5
    watched.hears(deflated(b"caf\xe9", deflater))
    assert watched.broken == {"S.8": 1}


@pytest.mark.parametrize(
    ("agreed", "sent"),
    [
        (f"{DEFLATE}; server_max_window_bits=9", WORDS + WORDS),
        (f"{DEFLATE}; server_no_context_takeover", WORDS),
    ],
)
def test_what_points_back_too_far_is_told_once(agreed: str, sent: bytes) -> None:
    """Behind it nothing can be inflated, and nothing more is blamed."""
    deflater = Deflater()
    watched = Watched(agreed).hears(*(deflated(sent, deflater) for _ in range(4)))
    assert watched.broken == {"S.12": 1}
    (example,) = watched.tally.faults["S.12"].examples
    assert example.startswith("deflated data is broken, frame ")
    # None but the legal ones before it count as text.
    assert watched.judged(Unit.TEXTS) == watched.judged(Unit.DEFLATED) - 1


def test_data_that_is_not_deflated_is_told() -> None:
    """A block of the type that there is not."""
    watched = Watched(DEFLATE).hears(frame(BINARY, b"\x07", rsv1=True))
    assert watched.broken == {"S.12": 1}


def test_a_bomb_is_not_blamed_and_not_inflated_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is more than we inflate, which says nothing about the target."""
    monkeypatch.setattr(module, "_MOST_INFLATED", 10_000)
    deflater = Deflater()
    watched = Watched(DEFLATE).hears(
        deflated(b"\x00" * 10_001, deflater), deflated(b"behind it", deflater)
    )
    assert watched.broken == {}
    assert watched.judged(Unit.DEFLATED) == watched.judged(Unit.TEXTS) == 0


def test_behind_a_compressed_frame_that_was_not_kept_nothing_is_inflated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Later messages may point back into it."""
    monkeypatch.setattr(module, "_MOST_PAYLOAD", 200)
    deflater = Deflater(level=1)
    noise = zlib.compress(WORDS)
    watched = Watched(DEFLATE).hears(
        deflated(noise, deflater), deflated(noise, deflater), frame(TEXT, b"plain")
    )
    assert watched.broken == {}
    assert watched.judged(Unit.TEXTS) == 1


def test_rsv1_is_for_the_first_frame_of_a_message() -> None:
    """Not for what continues it, nor for control frames, whatever is agreed."""
    watched = Watched(DEFLATE).hears(
        frame(TEXT, b"", fin=False),
        frame(CONTINUATION, b"", rsv1=True),
        frame(PING, rsv1=True),
    )
    assert watched.broken == {"S.2": 2}


@pytest.mark.parametrize(
    "extensions",
    [("x-unknown",), (DEFLATE, "x-unknown"), (f"{DEFLATE}, {DEFLATE}",), ("=",)],
)
def test_bits_and_texts_of_unknown_extensions_are_not_judged(
    extensions: tuple[str, ...],
) -> None:
    """Nobody here knows what they mean."""
    watched = Watched(*extensions).hears(frame(TEXT, b"\xff", rsv1=True, rsv2=True))
    assert watched.broken == {}
    assert watched.judged(Unit.FRAMES) == 1
    assert watched.judged(Unit.BITS) == watched.judged(Unit.TEXTS) == 0


def test_compression_with_unknown_parameters_is_not_inflated() -> None:
    """Its bit has a meaning, but nobody knows which window it takes."""
    watched = Watched(f"{DEFLATE}; x=1").hears(frame(TEXT, b"\xff", rsv1=True))
    assert watched.broken == {}
    assert watched.judged(Unit.BITS) == 1
    assert watched.judged(Unit.DEFLATED) == 0


# The opening handshake


def test_frames_begin_behind_101_and_behind_no_other_answer() -> None:
    """What is not HTTP, or a refusal, is nothing to judge."""
    for answer in (b"SSH-2.0\r\n\r\n", encode_response(404, [], b"\x83\x00")):
        watched = Watched(answer=answer).hears(frame(0x3))
        watched.audit.ended()
        assert not watched.tally.judged
        assert not watched.tally.faults


def test_an_interim_answer_is_passed_over() -> None:
    """101 may come behind it, in the same bytes, with frames."""
    answers = b"HTTP/1.1 103 Early Hints\r\n\r\n" + opened() + frame(0x3)
    assert Watched(answer=answers).broken == {"S.3": 1}
    assert Watched(answer=answers[:28]).hears(answers[28:]).broken == {"S.3": 1}


# Closing


def close_of(code: int, reason: bytes = b"") -> bytes:
    """Return the body of a close frame, legal or not."""
    return code.to_bytes(2, "big") + reason


@pytest.mark.parametrize(
    ("ours", "theirs", "broken", "noted"),
    [
        (close_of(1000), b"", False, False),
        (close_of(1010), close_of(1010), False, False),
        (close_of(1000), close_of(1010), False, True),
        (close_of(1012), close_of(1012), False, False),
        (close_of(2000), close_of(2000), False, True),
        (close_of(5000), close_of(5000), False, True),
        (close_of(5000), close_of(5001), True, False),
        (close_of(5000), close_of(5000, b"\xff"), True, False),
        (close_of(1005), close_of(1005), True, False),
        (close_of(999), close_of(999), True, False),
        (b"x", b"x", True, False),
    ],
)
def test_a_close_code_may_be_ours_echoed(
    ours: bytes, theirs: bytes, *, broken: bool, noted: bool
) -> None:
    """Where it is a client's, or nobody's so far; never where it is reserved."""
    watched = Watched().says(CLOSE, ours).hears(frame(CLOSE, theirs))
    assert (bool(watched.broken), bool(watched.noted)) == (broken, noted)
    assert watched.broken.keys() | watched.noted.keys() <= {"S.9"}


def test_nothing_may_follow_a_close_frame() -> None:
    """A pong may have been on its way, which is worth a word."""
    watched = Watched().hears(frame(CLOSE), frame(TEXT, b"\xff"), frame(CLOSE))
    assert watched.broken == {"S.10": 2}
    watched.hears(frame(PONG), frame(PING))
    assert watched.broken == {"S.10": 2}
    assert watched.noted == {"S.10": 2}


def both_closed() -> Watched:
    """Return a connection behind its closing handshake."""
    return Watched().says(CLOSE).hears(frame(CLOSE))


def test_tcp_that_ends_behind_both_close_frames_is_a_closing_handshake() -> None:
    """However late: only a wait in vain is blamed. It counts once."""
    watched = both_closed()
    watched.time = PATIENCE * 2
    for step in (watched.audit.ended, watched.audit.ended, watched.audit.waited):
        step()
    assert watched.broken == {}
    assert watched.judged(Unit.CLOSINGS) == watched.judged(Unit.ENDS) == 1


def test_tcp_that_is_kept_behind_both_close_frames_is_told() -> None:
    """Once somebody has waited for it long enough, and once alone."""
    watched = both_closed()
    watched.time = PATIENCE - 0.1
    watched.audit.waited()
    assert watched.judged(Unit.CLOSINGS) == 0
    watched.time = PATIENCE
    for step in (watched.audit.waited, watched.audit.waited, watched.audit.ended):
        step()
    assert watched.broken == {"S.13": 1}
    assert watched.judged(Unit.CLOSINGS) == 1


@pytest.mark.parametrize(
    "watch",
    [
        lambda: Watched().says(CLOSE),
        lambda: Watched().hears(frame(CLOSE)),
        lambda: Watched().says(PING).hears(frame(PONG)),
    ],
)
def test_without_both_close_frames_nobody_owes_the_end(
    watch: Callable[[], Watched],
) -> None:
    """Whoever waits then waits for something else."""
    watched = watch()
    watched.time = PATIENCE * 2
    watched.audit.waited()
    watched.audit.ended()
    assert watched.broken == {}
    assert watched.judged(Unit.CLOSINGS) == 0


@pytest.mark.parametrize("said", [frame(TEXT, b"Hello")[:1], frame(TEXT, b"Hello")[:4]])
def test_an_end_within_a_frame_is_worth_a_word(said: bytes) -> None:
    """Within its header, and within its payload; not behind a close frame."""
    watched = Watched().hears(frame(PING), said)
    watched.audit.ended()
    assert watched.noted == {"S.14": 1}
    assert watched.tally.notes["S.14"].examples == ["TCP ended within frame 2"]
    watched = Watched().hears(frame(CLOSE), said)
    watched.audit.ended()
    assert watched.noted == {}


# Pongs


def test_a_pong_that_answers_no_ping_is_worth_a_word() -> None:
    """It may be one that nobody asked for, and that is allowed."""
    watched = Watched().hears(frame(PONG, b"alive"))
    watched.says(PING, b"one").hears(frame(PONG, b"on"), frame(PONG, b"one"))
    watched.hears(frame(PONG, b"one"))
    assert watched.broken == {}
    assert watched.noted == {"S.11": 3}
    assert watched.judged(Unit.PONGS) == 4


def test_a_pong_stands_for_the_pings_before_it() -> None:
    """RFC 6455 5.5.3: who is behind may answer the latest one alone."""
    watched = Watched()
    for number in b"123":
        watched.says(PING, bytes((number,)))
    watched.hears(frame(PONG, b"2"), frame(PONG, b"3"))
    assert watched.noted == {}
    watched.hears(frame(PONG, b"1"))
    assert watched.noted == {"S.11": 1}


def test_pings_are_seen_however_they_are_sent() -> None:
    """Behind the request in the same write, and byte by byte."""
    tally = Tally()
    audit = Audit(tally, now=lambda: 0.0)
    early, later = (encode_frame(PING, each, mask=MASK) for each in (b"1", b"2"))
    audit.sent(REQUEST[:-2])
    audit.sent(REQUEST[-2:] + early)
    for byte in later:
        audit.sent(bytes((byte,)))
    audit.sent(encode_frame(PING, b"x" * 126, mask=MASK))
    audit.received(opened() + frame(PONG, b"1") + frame(PONG, b"2"))
    assert not tally.notes
    audit.received(frame(PONG))
    assert tally.notes.keys() == {"S.11"}


def test_a_request_without_an_end_is_not_kept() -> None:
    """Memory stays small; its end may come all the same."""
    tally = Tally()
    audit = Audit(tally, now=lambda: 0.0)
    for _ in range(100):
        audit.sent(b"x" * 4096)
    audit.sent(b"\r\n\r")
    audit.sent(b"\n" + encode_frame(PING, b"1", mask=MASK))
    audit.received(opened() + frame(PONG, b"1"))
    assert not tally.notes


def test_frames_of_ours_that_are_illegal_do_not_confuse_it() -> None:
    """What a target says to them is judged as ever."""
    watched = Watched()
    watched.audit.sent(Frame(TEXT, b"bare").encode())
    watched.hears(frame(CLOSE, encode_close(1002)))
    watched.audit.ended()
    assert (watched.broken, watched.noted) == ({}, {})
