"""Cases seen from the other side."""

import pytest

from wavetank.lab.conformance import (
    close_matrix,
    closing,
    deflate_rules,
    fragments,
    framing,
    lengths,
    masking,
    reserved,
    sequences,
    transport,
    unicode,
)
from wavetank.lab.conformance.case import (
    Case,
    Chopped,
    End,
    Frame,
    Outcome,
    Raw,
    Reset,
    ping,
    text,
)
from wavetank.lab.conformance.mirrored import mirrored
from wavetank.wire import FrameReader, MessageLimits, MessageReader, encode_frame

TABLES = (
    close_matrix,
    closing,
    deflate_rules,
    fragments,
    framing,
    lengths,
    masking,
    reserved,
    sequences,
    transport,
    unicode,
)
CASES = [case for table in TABLES for case in table.CASES]
TURNED = {case.id: case for case in mirrored(CASES)}


def case(*steps: object, title: str = "It is played.") -> Case:
    """Return a case."""
    return Case(
        id="T.1",
        title=title,
        clause="RFC 6455 5",
        steps=steps,  # type: ignore[arg-type]
        outcomes=(Outcome(),),
    )


def steps_of(*steps: object) -> tuple[object, ...]:
    """Return the steps of a case, turned around."""
    (turned,) = mirrored([case(*steps)])
    return turned.steps


def test_frames_lose_their_masks_and_others_get_one() -> None:
    """A server does not mask (RFC 6455 5.1): what was right stays right."""
    bare = Frame(opcode=1, payload=b"a", is_masked=False)
    assert steps_of(text("a"), bare) == (
        Frame(opcode=1, payload=b"a", is_masked=False),
        Frame(opcode=1, payload=b"a", is_masked=True),
    )
    assert steps_of(Chopped((ping(b"a"),), size=3)) == (
        Chopped((Frame(opcode=9, payload=b"a", is_masked=False),), size=3),
    )


def test_bytes_lose_their_masks_wherever_they_are_cut() -> None:
    """The parts together are the frame as a server sends it."""
    for size in (5, 126, 65_536):
        payload = bytes(range(1, 251)) * (size // 250 + 1)
        whole = encode_frame(2, payload[:size], mask=b"\x37\xfa\x21\x3d")
        bare = encode_frame(2, payload[:size])
        for cut in (1, 2, 3, 7, 14, len(whole) - 1):
            parts = steps_of(Raw(whole[:cut]), Raw(whole[cut:]))
            assert b"".join(part.data for part in parts) == bare  # type: ignore[attr-defined]
            assert bare.startswith(parts[0].data)  # type: ignore[attr-defined]


def test_bytes_of_several_frames_lose_all_their_masks() -> None:
    """Each has one of its own, and the last may not be whole."""
    first = encode_frame(9, b"now", mask=b"abcd")
    second = encode_frame(2, b"Hello", mask=b"efgh")
    (step,) = steps_of(Raw(first + second[:-2]))
    assert step == Raw(encode_frame(9, b"now") + encode_frame(2, b"Hello")[:-2])


@pytest.mark.parametrize(
    "step",
    [Reset(), Frame(opcode=1, mask=b"abcd"), Chopped((Frame(opcode=1, mask=b"abcd"),))],
)
def test_what_has_no_other_side_is_left_out(step: object) -> None:
    """A mask of a certain kind, and RST, behind which nothing is seen of a client."""
    assert mirrored([case(step)]) == ()


def test_hardly_any_case_is_left_out() -> None:
    """Those about masks, and those of RST."""
    left_out = {case.id for case in CASES} - TURNED.keys()
    assert left_out == {
        *(f"M.{number}" for number in range(14, 27)),
        *("B.18", "B.21", "B.26", "B.27", "B.28", "B.29"),
        *("L.51", "L.52", "L.53", "C.62"),
    }


@pytest.mark.parametrize(
    ("number", "title"),
    [
        ("1.1.1", "An empty text message comes back."),
        ("M.1", "A text frame with a mask fails the connection."),
        (
            "M.10",
            "A masked fragment in the middle of an unmasked message fails the "
            "connection.",
        ),
        (
            "M.13",
            "An unmasked text comes back, and a masked one after it fails the "
            "connection.",
        ),
        (
            "D.36",
            "A client that agreed to forget sends two equal texts without pointing "
            "back.",
        ),
        ("B.14", "Messages with a header of 4 bytes cut at each place come back."),
        (
            "7.7.8",
            "A close frame with 1010 is answered with it or with 1000, or fails the "
            "connection.",
        ),
    ],
)
def test_titles_say_what_is_sent_to_a_client(number: str, title: str) -> None:
    """Sides and masks are turned around in them, too."""
    assert TURNED[number].title == title


def test_notes_and_parameters_are_turned_around() -> None:
    """Whoever was a client is a server now."""
    notes = [each.note for each in TURNED["C.60"].outcomes]
    assert "It should not have answered a masked close frame as a good one." in notes
    offer = "permessage-deflate; client_no_context_takeover"
    assert TURNED["D.36"].extensions == offer


def test_a_code_that_only_clients_send_may_be_refused() -> None:
    """RFC 6455 7.4.1 says of 1010 that a server does not use it."""
    assert TURNED["7.7.8"].outcomes[-1].end is End.FAILED
    assert all(each.end is End.CLOSED for each in TURNED["7.7.9"].outcomes)


def test_what_breaks_a_rule_breaks_it_on_the_other_side_too() -> None:
    """And what breaks none breaks none: each case, read as a client reads it."""
    for number, turned in TURNED.items():
        must_fail = all(each.end is End.FAILED for each in turned.outcomes)
        is_whole = all(isinstance(step, Frame | Chopped) for step in turned.steps)
        # Data that cannot be inflated, and the end of TCP, are no matter of frames.
        if not is_whole or turned.extensions or turned.level != "MUST":
            continue
        limits = MessageLimits(message_bytes=None, fragments=None)
        reader = MessageReader(expect_mask=False, limits=limits)
        reader.feed(wire(turned))
        broken = reader.violation is not None
        assert broken is must_fail or number in {"C.60", "C.61", "M.6"}, number


def wire(turned: Case) -> bytes:
    """Return what the steps of a case put on the wire."""
    frames = [
        frame
        for step in turned.steps
        for frame in (step.frames if isinstance(step, Chopped) else (step,))
        if isinstance(frame, Frame)
    ]
    return b"".join(
        encode_frame(
            frame.opcode,
            frame.payload,
            fin=frame.fin,
            rsv1=bool(frame.rsv & 4),
            rsv2=bool(frame.rsv & 2),
            rsv3=bool(frame.rsv & 1),
            mask=b"abcd" if frame.is_masked else None,
            length_form=frame.form,
            declared_length=frame.declared,
        )
        for frame in frames
    )


def test_no_bytes_of_a_client_are_left() -> None:
    """None of the frames that are cut somewhere has a mask."""
    for turned in TURNED.values():
        data = b"".join(step.data for step in turned.steps if isinstance(step, Raw))
        reader = FrameReader(expect_mask=False, max_payload=None, strict=False)
        for frame in reader.feed(data):
            assert frame.mask is None, turned.id
