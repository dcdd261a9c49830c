"""Agreement: what was agreed on compression, and how both sides are held to it."""

import zlib

import pytest

from wavetank.lab.conformance import agreement
from wavetank.lab.conformance.agreement import (
    Broken,
    Declined,
    ExactInflater,
    Pieces,
    agreed_on,
    make_deflate,
    make_inflater,
)
from wavetank.lab.conformance.compressed import PARAMETERS
from wavetank.lab.conformance.corpus import Material, cut
from wavetank.wire import ANY_BITS, DeflateParameters, Deflater, Inflater, Violation

VOLUME = PARAMETERS[0]
OFFER = DeflateParameters(
    client_no_context_takeover=True, client_max_window_bits=ANY_BITS
)
NARROW = DeflateParameters(server_max_window_bits=9)


# The answer


@pytest.mark.parametrize(
    ("answer", "offer", "agreed"),
    [
        ("", OFFER, OFFER),
        (
            "; client_max_window_bits=10",
            OFFER,
            DeflateParameters(
                client_no_context_takeover=True, client_max_window_bits=10
            ),
        ),
        ("; server_max_window_bits=9", NARROW, NARROW),
        ("", DeflateParameters(server_max_window_bits=15), DeflateParameters()),
    ],
)
def test_an_answer_that_fits_an_offer_is_agreed_on(
    answer: str, offer: DeflateParameters, agreed: DeflateParameters
) -> None:
    """What we said of ourselves holds, too; without a word a window has 15 bits."""
    found = agreed_on([f"permessage-deflate{answer}"], [offer])

    assert found.client_no_context_takeover == agreed.client_no_context_takeover
    assert (found.client_max_window_bits or 15) == (agreed.client_max_window_bits or 15)
    assert found.server_max_window_bits == agreed.server_max_window_bits


@pytest.mark.parametrize(
    "answer", [[], ["other"], ["permessage-deflate; client_max_window_bits=8"]]
)
def test_what_is_declined_is_no_fault(answer: list[str]) -> None:
    """Nor is what zlib cannot do."""
    with pytest.raises(Declined):
        agreed_on(answer, [OFFER])


@pytest.mark.parametrize(
    "answer",
    [
        ["permessage-deflate", "permessage-deflate"],
        ["permessage-deflate; =;"],
        ["permessage-deflate"],
        ["permessage-deflate; server_max_window_bits=10"],
        ["permessage-deflate; server_max_window_bits=16"],
    ],
)
def test_what_was_not_offered_breaks_the_rule(answer: list[str]) -> None:
    """And it is shown what was answered."""
    with pytest.raises(Broken) as error:
        agreed_on(answer, [NARROW])

    assert "permessage-deflate" in str(error.value)


# What we send


def test_pieces_are_compressed_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until there are too many; the same piece is always the same."""
    monkeypatch.setattr(agreement, "_MOST_KEPT", 20)
    kept = Pieces()
    sent = [cut(VOLUME.material, number, VOLUME.size) for number in range(3)]

    first = [kept.deflated(VOLUME, *each, 15) for each in enumerate(sent)]
    again = [kept.deflated(VOLUME, *each, 15) for each in enumerate(sent)]

    assert first == again
    inflater = Inflater(None, context_takeover=False)
    assert [inflater.inflate(data) for data in first] == sent
    assert repr(kept).startswith("<Pieces 2 of ")


@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("kept", [Pieces(), None])
def test_our_messages_are_compressed_as_agreed(
    forgets: bool, kept: Pieces | None
) -> None:
    """Within the window; pointing back into those before, unless that is ruled out."""
    agreed = DeflateParameters(
        client_no_context_takeover=forgets, client_max_window_bits=9
    )
    deflate = make_deflate(VOLUME, agreed, kept)
    message = b"the same each time, and quite long"

    sent = [deflate(number * 4096, message) for number in range(3)]

    inflater = ExactInflater(1000, window_bits=9, context_takeover=not forgets)
    assert [inflater.inflate(each) for each in sent] == [message] * 3
    assert (len(sent[1]) < len(sent[0])) is not forgets


# What comes back


@pytest.mark.parametrize("forgets", [True, False])
def test_the_inflater_has_the_window_that_was_agreed_on(forgets: bool) -> None:
    """And forgets where the target has to."""
    agreed = DeflateParameters(
        server_max_window_bits=9, server_no_context_takeover=forgets
    )

    inflater = make_inflater(agreed, 1000)

    told = inflater.statistics()
    assert (told["window_bits"], told["context_takeover"]) == (9, int(not forgets))
    assert make_inflater(DeflateParameters(), 1).statistics()["window_bits"] == 15


def inflate(bits: int, *, used: int, takeover: bool = True) -> list[str]:
    """Deflate messages with one window and inflate them with another.

    Returns:
        What is said of each: "" where it is right.
    """
    deflater = Deflater(window_bits=used)
    inflater = ExactInflater(2**20, window_bits=bits, context_takeover=takeover)
    said = []
    for number in range(6):
        message = cut(Material.JSON, number, 8192)
        inflated = inflater.inflate(deflater.deflate(message))
        said.append(inflated.reason if isinstance(inflated, Violation) else "")
        if not said[-1]:
            assert inflated == message
    return said


@pytest.mark.parametrize("bits", [9, 10, 12, 15])
def test_a_window_that_is_kept_to_is_inflated(bits: int) -> None:
    """Message after message."""
    assert inflate(bits, used=bits) == [""] * 6


def test_a_window_that_is_too_large_is_seen_in_the_first_message() -> None:
    """In which a plain inflater would see nothing, for it has all of it at hand."""
    said = inflate(9, used=15)

    assert said[0] == "it points back farther than its window of 512 bytes"
    plain = zlib.decompressobj(-9)
    message = cut(Material.JSON, 0, 8192)
    assert plain.decompress(Deflater().deflate(message) + b"\0\0\xff\xff") == message


def test_a_context_that_was_to_be_forgotten_is_seen_in_the_second_message() -> None:
    """Whatever the window."""
    assert inflate(15, used=15, takeover=False)[:2] == ["", "deflated data is broken"]
    said = inflate(9, used=9, takeover=False)
    assert said[0] == ""
    assert said[1] == "deflated data is broken"


def test_a_forgetful_target_with_a_large_window_is_told_so() -> None:
    """The words leave open which of the two it is."""
    said = inflate(9, used=15, takeover=False)

    assert said[0].endswith("window of 512 bytes, or into an earlier message")


def test_a_forgetful_target_that_forgets_is_inflated() -> None:
    """Each message begins with nothing."""
    inflater = ExactInflater(2**20, window_bits=9, context_takeover=False)
    for number in range(6):
        message = cut(Material.JSON, number, 4096)
        deflater = Deflater(window_bits=9, context_takeover=False)
        assert inflater.inflate(deflater.deflate(message)) == message


def test_fragments_of_a_message_are_looked_at_together() -> None:
    """As they come."""
    inflater = ExactInflater(2**20, window_bits=9)
    message = cut(Material.JSON, 0, 4096)
    deflated = Deflater(window_bits=9).deflate(message)

    parts = [
        inflater.inflate(deflated[:100], final=False),
        inflater.inflate(deflated[100:]),
    ]

    assert b"".join(part for part in parts if isinstance(part, bytes)) == message


def test_a_final_block_ends_the_looking() -> None:
    """What follows it begins with an empty window."""
    stream = zlib.compressobj(-1, zlib.DEFLATED, -9)
    deflated = stream.compress(b"Hello") + stream.flush()
    inflater = ExactInflater(2**20, window_bits=9)

    assert inflater.inflate(deflated + b"\0") == b"Hello"
    assert inflater.inflate(Deflater(window_bits=9).deflate(b"again")) == b"again"


def test_data_that_is_broken_is_said_to_be_that() -> None:
    """The window has nothing to do with it."""
    inflated = ExactInflater(2**20, window_bits=9).inflate(b"\xff" * 20)

    assert isinstance(inflated, Violation)
    assert inflated.reason == "deflated data is broken"
