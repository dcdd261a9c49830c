"""The table of permessage-deflate: every row is what it says."""

import re
import zlib

import pytest

from wavetank.lab.conformance.case import (
    Binary,
    Case,
    Chopped,
    End,
    Frame,
    Heard,
    Level,
    Need,
    Pong,
    Text,
    frames_of,
)
from wavetank.lab.conformance.deflate_rules import CASES
from wavetank.wire import (
    Control,
    DeflateParameters,
    Inflater,
    Message,
    MessageLimits,
    MessageReader,
    Opcode,
    encode_frame,
    inflater_for,
    parse_elements,
    parse_parameters,
)

KEY = b"\x11\x22\x33\x44"
MOST = 1 << 20
LIMITS = MessageLimits(message_bytes=MOST, fragments=None)
TAIL = b"\x00\x00\xff\xff"
BY_ID = {case.id: case for case in CASES}
FAILED = [case for case in CASES if case.outcomes[0].end is End.FAILED]
OTHERS = [case for case in CASES if case.outcomes[0].end is not End.FAILED]
PASSES_AS_SHORTER = "D.48"


def encoded(frame: Frame) -> bytes:
    """Return the bytes of a frame."""
    return encode_frame(
        frame.opcode,
        frame.payload,
        fin=frame.fin,
        rsv1=bool(frame.rsv & 4),
        rsv2=bool(frame.rsv & 2),
        rsv3=bool(frame.rsv & 1),
        mask=KEY,
    )


def offered(case: Case) -> DeflateParameters | None:
    """Return what a case offers."""
    elements = parse_elements([case.extensions]) if case.extensions else None
    if not elements:
        return None
    (element,) = elements
    assert element.name == "permessage-deflate"
    parameters = parse_parameters(element, in_offer=True)
    assert isinstance(parameters, DeflateParameters)
    return parameters


def inflater(case: Case) -> Inflater | None:
    """Return what a server inflates with that agrees to all that is offered."""
    parameters = offered(case)
    if parameters is None:
        return None
    return inflater_for(parameters, by_server=True, limit=MOST)


def heard(
    case: Case, window: Inflater | None = None
) -> tuple[tuple[Heard, ...], int | None]:
    """Return what an echo that forgives nothing answers, and its close code."""
    reader = MessageReader(
        expect_mask=True, limits=LIMITS, inflater=window or inflater(case)
    )
    answers: list[Heard] = []
    for step in case.steps:
        data = b"".join(map(encoded, frames_of([step])))
        size = step.size if isinstance(step, Chopped) else len(data)
        for at in range(0, len(data), size):
            for event in reader.feed(data[at : at + size]):
                if isinstance(event, Message):
                    kind = Text if event.opcode is Opcode.TEXT else Binary
                    answers.append(kind(event.data))
                elif isinstance(event, Control) and event.opcode is Opcode.PING:
                    answers.append(Pong(event.payload))
    return tuple(answers), reader.violation.code if reader.violation else None


def payload(number: str) -> bytes:
    """Return the payload of the first frame of a row."""
    return frames_of(BY_ID[number].steps)[0].payload


def test_the_table_has_its_rows() -> None:
    """Forty-eight rows, each with an id of its own, a sentence, a clause."""
    assert [case.id for case in CASES] == [f"D.{number}" for number in range(1, 49)]
    assert len({case.title for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.fullmatch(r"[A-Z].*[a-z0-9]\.", case.title)
        assert re.fullmatch(
            r"RFC 7692 (6\.1|7\.[12][.0-9]*)|RFC 6455 (5\.2|8\.1)", case.clause
        )


@pytest.mark.parametrize("case", FAILED, ids=lambda case: case.id)
def test_a_row_that_fails_breaks_its_rule(case: Case) -> None:
    """What has to fail is refused by a reader that is sound, with a code that fits.

    But for the text that is cut short: zlib takes it for a shorter one, and fails
    with the text behind it. That is the second outcome.
    """
    expected = case.outcomes[case.id == PASSES_AS_SHORTER]
    assert expected.codes is not None
    answers, code = heard(case)
    assert answers == expected.heard
    assert code in expected.codes


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.id)
def test_a_row_that_is_legal_comes_back(case: Case) -> None:
    """What has to come back is inflated whole, and breaks no rule."""
    assert heard(case) == (case.outcomes[0].heard, None)
    assert case.outcomes[0].heard


def test_needs_are_what_the_outcomes_ask_for() -> None:
    """An extension that is offered has to be agreed; what comes back, to come back."""
    for case in CASES:
        assert (Need.DEFLATE in case.needs) == bool(case.extensions)
        assert (Need.BINARY in case.needs) == (case.id == "D.14")
    for case in OTHERS:
        assert case.needs & {Need.ECHO, Need.BINARY}
    for case in FAILED:
        assert (Need.ECHO in case.needs) == (case.id == PASSES_AS_SHORTER)


def test_offers_name_the_two_that_forget_alone() -> None:
    """The windows have rows of their own elsewhere."""
    assert {case.extensions for case in CASES} == {
        "",
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover",
    }


@pytest.mark.parametrize(
    ("number", "opcodes", "bits"),
    [
        ("D.1", [Opcode.TEXT], [4]),
        ("D.2", [Opcode.BINARY], [4]),
        ("D.3", [Opcode.PING], [4]),
        ("D.4", [Opcode.PONG], [4]),
        ("D.5", [Opcode.CLOSE], [4]),
        ("D.6", [Opcode.TEXT, Opcode.CONTINUATION], [4, 4]),
        ("D.7", [Opcode.TEXT, Opcode.CONTINUATION], [0, 4]),
        ("D.8", [Opcode.TEXT], [6]),
        ("D.9", [Opcode.TEXT], [1]),
    ],
)
def test_reserved_bits_are_what_the_titles_say(
    number: str, opcodes: list[Opcode], bits: list[int]
) -> None:
    """RSV1 is 4, RSV2 is 2, RSV3 is 1."""
    frames = frames_of(BY_ID[number].steps)
    assert [frame.opcode for frame in frames] == opcodes
    assert [frame.rsv for frame in frames] == bits


@pytest.mark.parametrize(
    ("number", "data"),
    [
        ("D.13", "f2 48 cd c9 c9 07 00"),
        ("D.15", "00 05 00 fa ff 48 65 6c 6c 6f 00"),
        ("D.19", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00"),
        ("D.21", "f3 48 cd c9 c9 07 00 00"),
        ("D.23", "00"),
        ("D.43", "f2 00 11 00 00"),
    ],
)
def test_examples_are_those_of_the_rfc(number: str, data: str) -> None:
    """The payloads of RFC 7692 7.2.3, written out."""
    assert payload(number) == bytes.fromhex(data)


@pytest.mark.parametrize(
    ("number", "kind"), [("D.15", 0), ("D.16", 1), ("D.17", 2), ("D.40", 3)]
)
def test_blocks_are_of_the_type_that_the_titles_say(number: str, kind: int) -> None:
    """RFC 1951 3.2.3: BTYPE is in the two bits behind BFINAL, which is not set."""
    assert payload(number)[0] & 1 == 0
    assert payload(number)[0] >> 1 & 3 == kind


def test_blocks_of_all_types_follow_each_other() -> None:
    """A stored block, one of fixed codes, one of dynamic ones, each ended."""
    parts = payload("D.18").split(TAIL)
    assert [part[0] >> 1 & 3 for part in parts] == [0, 1, 2]


def test_an_empty_block_of_fixed_codes_is_in_the_middle() -> None:
    """It is there, and no stored one is."""
    whole = zlib.decompressobj(-15)
    assert whole.decompress(payload("D.20") + TAIL) == b"Hello"
    assert TAIL not in payload("D.20")
    assert len(payload("D.20")) > len(payload("D.13"))


def test_a_final_block_has_one_behind_it() -> None:
    """RFC 7692 7.2.1: the next block follows at the next byte."""
    first = zlib.decompressobj(-15)
    assert first.decompress(payload("D.22")) == b"Hello"
    assert first.eof
    second = zlib.decompressobj(-15)
    assert second.decompress(first.unused_data + TAIL) == b" and on"


def test_the_far_row_does_point_back() -> None:
    """Noise that comes twice takes the room of noise that comes once."""
    assert len(BY_ID["D.26"].outcomes[0].heard[0].data) == 64_000
    assert len(payload("D.26")) < 22_000


def test_fragments_are_cut_where_the_titles_say() -> None:
    """RSV1 is on the first one alone; empty ones are at begin, middle and end."""
    sizes = {}
    for number in ("D.27", "D.28", "D.29", "D.30", "D.32", "D.45"):
        frames = frames_of(BY_ID[number].steps)
        data = [frame for frame in frames if frame.opcode != Opcode.PING]
        assert [frame.rsv for frame in data] == [4] + [0] * (len(data) - 1)
        sizes[number] = [len(frame.payload) for frame in data]
    assert len(sizes["D.27"]) == 3
    assert sizes["D.28"] == [0, 3, 0, 4, 0]
    assert sizes["D.29"] == [1] * 7
    assert payload("D.30").endswith(b"\xf0")


def test_who_forgets_cannot_read_what_points_back() -> None:
    """So these rows are only for targets that did not agree to forget."""
    for case in CASES:
        answers, _ = heard(case, Inflater(MOST, context_takeover=False))
        points_back = case.id in {"D.33", "D.34"}
        assert (Need.TAKEOVER in case.needs) == points_back
        if points_back:
            assert all(each.heard != answers for each in case.outcomes)


@pytest.mark.parametrize("number", ["D.35", "D.36"])
def test_messages_of_those_that_forget_stand_alone(number: str) -> None:
    """Each is inflated without what came before it."""
    assert heard(BY_ID[number], Inflater(MOST, context_takeover=False)) == (
        BY_ID[number].outcomes[0].heard,
        None,
    )


def test_a_text_cut_short_may_pass_as_a_shorter_one() -> None:
    """With a window for each message, the text behind it comes back as well."""
    case = BY_ID[PASSES_AS_SHORTER]
    assert case.level is Level.SHOULD
    lenient = heard(case, Inflater(MOST, context_takeover=False))
    assert lenient == (case.outcomes[2].heard, None)
    assert [bool(outcome.note) for outcome in case.outcomes] == [False, True, True]


def test_a_message_without_a_byte_may_be_refused() -> None:
    """RFC 7692 does not say what it is; none of the outcomes has a note."""
    case = BY_ID["D.38"]
    assert payload("D.38") == b""
    assert case.level is Level.MAY
    assert {outcome.end for outcome in case.outcomes} == {End.OPEN, End.FAILED}


@pytest.mark.parametrize("number", ["D.44", "D.45", "D.46"])
def test_bad_utf8_is_good_deflate_data(number: str) -> None:
    """Nothing but the text itself is wrong."""
    data = b"".join(frame.payload for frame in frames_of(BY_ID[number].steps))
    inflated = zlib.decompressobj(-15).decompress(data + TAIL)
    with pytest.raises(UnicodeDecodeError):
        inflated.decode()
    assert BY_ID[number].outcomes[0].codes == frozenset({1007})
