"""permessage-deflate: what is negotiated, and what is inflated."""

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode

from wavetank.errors import LocalError
from wavetank.wire.deflate import (
    ANY_BITS,
    DeflateParameters,
    Deflater,
    Inflater,
    agree,
    deflater_for,
    encode_parameters,
    inflater_for,
    negotiate,
    parse_parameters,
)
from wavetank.wire.header import Violation
from wavetank.wire.http import Element, parse_elements

ANYTHING = DeflateParameters()
NAME = "permessage-deflate"


def offer(text: str) -> tuple[Element, ...]:
    """Return the elements of a header's value."""
    elements = parse_elements([text])
    assert elements is not None
    return elements


def parsed(text: str, *, in_offer: bool = True) -> DeflateParameters | str:
    """Return what one element says."""
    return parse_parameters(offer(text)[0], in_offer=in_offer)


# Parameters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NAME, ANYTHING),
        (
            f"{NAME}; server_no_context_takeover",
            DeflateParameters(server_no_context_takeover=True),
        ),
        (
            f"{NAME}; client_no_context_takeover; server_max_window_bits=8",
            DeflateParameters(
                client_no_context_takeover=True, server_max_window_bits=8
            ),
        ),
        (
            f"{NAME}; client_max_window_bits",
            DeflateParameters(client_max_window_bits=ANY_BITS),
        ),
        (
            f'{NAME}; client_max_window_bits="15"; server_max_window_bits=9',
            DeflateParameters(client_max_window_bits=15, server_max_window_bits=9),
        ),
    ],
)
def test_parameters_are_read_from_an_offer(
    text: str, expected: DeflateParameters
) -> None:
    """Every parameter of RFC 7692 7.1 is known, with quotes or without."""
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ("server_no_context_takeover=1", "server_no_context_takeover takes no value"),
        (
            "client_no_context_takeover=true",
            "client_no_context_takeover takes no value",
        ),
        ("server_max_window_bits", "server_max_window_bits takes 8 to 15"),
        ("server_max_window_bits=7", "server_max_window_bits takes 8 to 15"),
        ("server_max_window_bits=16", "server_max_window_bits takes 8 to 15"),
        ("server_max_window_bits=08", "server_max_window_bits takes 8 to 15"),
        ("server_max_window_bits=+9", "server_max_window_bits takes 8 to 15"),
        ('server_max_window_bits=""', "server_max_window_bits takes 8 to 15"),
        ("client_max_window_bits=0", "client_max_window_bits takes 8 to 15"),
        ('client_max_window_bits=""', "client_max_window_bits takes 8 to 15"),
        ("client_max_window_bits=9; client_max_window_bits=9", "comes twice"),
        ("client_max_window_bits; client_max_window_bits", "comes twice"),
        ("server_no_context_takeover; server_no_context_takeover", "comes twice"),
        ("window=9", "window is unknown"),
        ("Server_No_Context_Takeover", "is unknown"),
    ],
)
def test_parameters_of_an_offer_are_refused_with_what_is_wrong(
    parameters: str, problem: str
) -> None:
    """An invalid parameter makes the whole offer invalid (RFC 7692 7)."""
    assert problem in str(parsed(f"{NAME}; {parameters}"))
    assert negotiate(offer(f"{NAME}; {parameters}"), ANYTHING) is None


def test_client_max_window_bits_needs_a_value_in_an_answer() -> None:
    """Only an offer may leave the value out (RFC 7692 7.1.2.2)."""
    text = f"{NAME}; client_max_window_bits"
    assert parsed(text, in_offer=False) == "client_max_window_bits takes 8 to 15"


PARAMETERS = st.builds(
    DeflateParameters,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.none() | st.integers(8, 15),
    client_max_window_bits=st.none() | st.just(ANY_BITS) | st.integers(8, 15),
)


@given(PARAMETERS)
def test_parameters_are_read_as_they_were_written(
    parameters: DeflateParameters,
) -> None:
    """Every offer survives its header."""
    assert parsed(encode_parameters(parameters)) == parameters


# Negotiation, the server's side


@pytest.mark.parametrize(
    ("asked", "config", "answer"),
    [
        ("", ANYTHING, ""),
        ("; server_no_context_takeover", ANYTHING, "; server_no_context_takeover"),
        ("; client_no_context_takeover", ANYTHING, "; client_no_context_takeover"),
        (
            "",
            DeflateParameters(
                server_no_context_takeover=True, client_no_context_takeover=True
            ),
            "; server_no_context_takeover; client_no_context_takeover",
        ),
        ("; server_max_window_bits=10", ANYTHING, "; server_max_window_bits=10"),
        (
            "; server_max_window_bits=10",
            DeflateParameters(server_max_window_bits=12),
            "; server_max_window_bits=10",
        ),
        (
            "; server_max_window_bits=15",
            DeflateParameters(server_max_window_bits=12),
            "; server_max_window_bits=12",
        ),
        ("", DeflateParameters(server_max_window_bits=9), "; server_max_window_bits=9"),
        # The client did not offer it, so it cannot be asked for it.
        ("", DeflateParameters(client_max_window_bits=9), ""),
        ("; client_max_window_bits", ANYTHING, ""),
        (
            "; client_max_window_bits",
            DeflateParameters(client_max_window_bits=9),
            "; client_max_window_bits=9",
        ),
        (
            "; client_max_window_bits=10",
            DeflateParameters(client_max_window_bits=12),
            "; client_max_window_bits=10",
        ),
        ("; client_max_window_bits=8", ANYTHING, "; client_max_window_bits=8"),
    ],
)
def test_server_answers_an_offer_with_the_tighter_of_both(
    asked: str, config: DeflateParameters, answer: str
) -> None:
    """What either side limits is limited; nothing is answered that was not offered."""
    agreed = negotiate(offer(NAME + asked), config)
    assert agreed is not None
    assert encode_parameters(agreed) == NAME + answer


def test_server_takes_the_first_offer_that_it_can() -> None:
    """An offer that is declined leaves the next one, its fall-back."""
    offers = offer(
        f"x-webkit-deflate-frame, {NAME}; nonsense, {NAME}; server_max_window_bits=8,"
        f"{NAME}; server_max_window_bits=9, {NAME}"
    )
    agreed = negotiate(offers, ANYTHING)
    assert agreed == DeflateParameters(server_max_window_bits=9)


@pytest.mark.parametrize(
    ("asked", "config"),
    [
        ("permessage-bzip2", ANYTHING),
        (f"{NAME}; server_max_window_bits=8", ANYTHING),
        (NAME, DeflateParameters(server_max_window_bits=8)),
    ],
)
def test_server_declines_what_it_cannot_do(
    asked: str, config: DeflateParameters
) -> None:
    """zlib cannot deflate into 8 bits, and other extensions are not known."""
    assert negotiate(offer(asked), config) is None


@given(PARAMETERS, PARAMETERS)
def test_server_never_promises_more_than_both_sides_allow(
    asked: DeflateParameters, config: DeflateParameters
) -> None:
    """An answer fits its offer, as the client and websockets judge it."""
    config = DeflateParameters(
        server_no_context_takeover=config.server_no_context_takeover,
        client_no_context_takeover=config.client_no_context_takeover,
        server_max_window_bits=config.server_max_window_bits,
        client_max_window_bits=config.client_max_window_bits or None,
    )
    agreed = negotiate(offer(encode_parameters(asked)), config)
    theirs = ServerPerMessageDeflateFactory(
        config.server_no_context_takeover,
        config.client_no_context_takeover,
        9 if config.server_max_window_bits == 8 else config.server_max_window_bits,
        config.client_max_window_bits,
    )
    (element,) = offer(encode_parameters(asked))
    if config.server_max_window_bits == 8:
        assert agreed is None
        return
    try:
        answer, _ = theirs.process_request_params(list(element.parameters), [])
    except NegotiationError:
        assert agreed is None
        return
    assert agreed is not None
    said = offer(encode_parameters(agreed))[0].parameters
    assert sorted(said) == sorted(answer)


# Negotiation, the client's side


@pytest.mark.parametrize(
    ("offered", "answer", "expected"),
    [
        ("", "", ANYTHING),
        (
            "; client_max_window_bits",
            "; client_max_window_bits=10; server_max_window_bits=8",
            DeflateParameters(client_max_window_bits=10, server_max_window_bits=8),
        ),
        # A server may forget, and may ask the client to, without being asked.
        (
            "",
            "; server_no_context_takeover; client_no_context_takeover",
            DeflateParameters(
                server_no_context_takeover=True, client_no_context_takeover=True
            ),
        ),
        # What a client offers for itself, it does, whatever is answered.
        (
            "; client_no_context_takeover; client_max_window_bits=11",
            "",
            DeflateParameters(
                client_no_context_takeover=True, client_max_window_bits=11
            ),
        ),
    ],
)
def test_client_agrees_to_an_answer_that_fits(
    offered: str, answer: str, expected: DeflateParameters
) -> None:
    """What is agreed is what both said."""
    said = parsed(NAME + offered)
    assert isinstance(said, DeflateParameters)
    assert agree(offer(NAME + answer)[0], [said]) == expected


@pytest.mark.parametrize(
    ("offered", "answer", "reason"),
    [
        ("; server_no_context_takeover", "", "not as offered"),
        ("; server_max_window_bits=10", "", "not as offered"),
        (
            "; server_max_window_bits=10",
            "; server_max_window_bits=11",
            "not as offered",
        ),
        ("", "; client_max_window_bits=10", "not as offered"),
        (
            "; client_max_window_bits=10",
            "; client_max_window_bits=11",
            "not as offered",
        ),
        ("; client_max_window_bits", "; client_max_window_bits=8", "not as offered"),
        ("", "; nonsense", "nonsense is unknown"),
        ("", "; server_max_window_bits=7", "takes 8 to 15"),
    ],
)
def test_client_refuses_an_answer_that_does_not_fit(
    offered: str, answer: str, reason: str
) -> None:
    """An answer that was not offered fails the connection (RFC 7692 7.1)."""
    said = parsed(NAME + offered)
    assert isinstance(said, DeflateParameters)
    violation = agree(offer(NAME + answer)[0], [said])
    assert isinstance(violation, Violation)
    assert violation.code == 1002
    assert reason in violation.reason


def test_client_agrees_when_one_of_its_offers_fits() -> None:
    """The answer says which of the offers was taken."""
    offers = [DeflateParameters(server_max_window_bits=9), ANYTHING]
    assert agree(offer(NAME)[0], offers) == ANYTHING


@given(PARAMETERS, PARAMETERS)
def test_client_agrees_with_websockets_on_every_answer(
    offered: DeflateParameters, answer: DeflateParameters
) -> None:
    """The same offer, the same answer, the same judgement."""
    if offered.client_max_window_bits == 8 or answer.client_max_window_bits == ANY_BITS:
        return  # websockets cannot offer the one, and nobody may answer the other
    element = offer(encode_parameters(answer))[0]
    bits = offered.client_max_window_bits
    theirs = ClientPerMessageDeflateFactory(
        offered.server_no_context_takeover,
        offered.client_no_context_takeover,
        offered.server_max_window_bits,
        True if bits == ANY_BITS else bits,
    )
    agreed = agree(element, [offered])
    try:
        extension = theirs.process_response_params(list(element.parameters), [])
    except NegotiationError:
        assert isinstance(agreed, Violation)
        return
    assert isinstance(agreed, DeflateParameters)
    assert (
        agreed.server_no_context_takeover,
        agreed.client_no_context_takeover,
        agreed.server_max_window_bits or 15,
        agreed.client_max_window_bits or 15,
    ) == (
        extension.remote_no_context_takeover,
        extension.local_no_context_takeover,
        extension.remote_max_window_bits,
        extension.local_max_window_bits,
    )


# The transform


@given(
    st.lists(st.binary(max_size=400), max_size=6),
    st.integers(9, 15),
    st.booleans(),
    st.integers(1, 100),
)
def test_payload_is_inflated_as_it_was_deflated(
    messages: list[bytes], bits: int, takeover: bool, size: int
) -> None:
    """Any messages, any window, with and without memory, in any fragments."""
    deflater = Deflater(window_bits=bits, context_takeover=takeover)
    inflater = Inflater(400, window_bits=bits, context_takeover=takeover)
    for message in messages:
        payload = deflater.deflate(message)
        pieces = [
            payload[start : start + size] for start in range(0, len(payload), size)
        ]
        inflated = [
            inflater.inflate(piece, final=place == len(pieces) - 1)
            for place, piece in enumerate(pieces)
        ]
        assert b"".join(piece for piece in inflated if isinstance(piece, bytes)) == (
            message
        )


@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_payload_is_understood_by_websockets(
    messages: list[bytes], takeover: bool
) -> None:
    """What we deflate, another library inflates, and the other way round."""
    theirs = PerMessageDeflate(not takeover, not takeover, 12, 12)
    deflater = Deflater(window_bits=12, context_takeover=takeover)
    inflater = Inflater(None, window_bits=12, context_takeover=takeover)
    for message in messages:
        frame = Frame(TheirOpcode.BINARY, deflater.deflate(message), rsv1=True)
        assert bytes(theirs.decode(frame).data) == message
        encoded = theirs.encode(Frame(TheirOpcode.BINARY, message))
        assert inflater.inflate(bytes(encoded.data)) == message


def test_payload_may_be_deflated_in_fragments() -> None:
    """Each piece can be sent at once; the last one ends the message."""
    deflater = Deflater()
    pieces = [deflater.deflate(b"one, ", final=False), deflater.deflate(b"two")]
    assert Inflater(None).inflate(b"".join(pieces)) == b"one, two"


@pytest.mark.parametrize("bits", [7, 8, 16])
def test_deflater_refuses_a_window_that_zlib_does_not_have(bits: int) -> None:
    """zlib reads raw data in 8 bits, but does not write it."""
    with pytest.raises(LocalError, match="9 to 15"):
        Deflater(window_bits=bits)


def test_inflater_reads_the_smallest_window() -> None:
    """A peer may promise a window of 256 bytes; reading it is possible."""
    payload = Deflater(window_bits=9).deflate(b"abc" * 10)
    assert Inflater(None, window_bits=8).inflate(payload) == b"abc" * 10


def test_deflater_keeps_its_window_only_with_context_takeover() -> None:
    """The second message is small when it may point back into the first."""
    message = random.Random(1).randbytes(200)
    with_memory, without = Deflater(), Deflater(context_takeover=False)
    assert len(with_memory.deflate(message)) > 200
    assert len(with_memory.deflate(message)) < 20
    assert without.deflate(message) == without.deflate(message)


# Limits


def deflated(data: bytes) -> bytes:
    """Return a message with a window of its own."""
    return Deflater(context_takeover=False).deflate(data)


@pytest.mark.parametrize("size", [0, 1, 99, 100])
@pytest.mark.parametrize("step", [1, 1000])
def test_inflater_takes_a_message_up_to_its_limit(size: int, step: int) -> None:
    """The limit itself is legal, in one frame and in many."""
    payload = deflated(bytes(size))
    inflater = Inflater(100)
    pieces = [payload[start : start + step] for start in range(0, len(payload), step)]
    seen = [
        inflater.inflate(piece, final=place == len(pieces) - 1)
        for place, piece in enumerate(pieces)
    ]
    assert b"".join(piece for piece in seen if isinstance(piece, bytes)) == bytes(size)


@pytest.mark.parametrize("size", [101, 300, 10**7])
def test_inflater_stops_at_its_limit(size: int) -> None:
    """A bomb is answered with 1009, and never unfolded."""
    violation = Inflater(100).inflate(deflated(bytes(size)))
    assert violation == Violation(
        1009, "message inflates beyond the limit", "RFC 7692 8"
    )


def test_inflater_asks_zlib_for_one_byte_beyond_the_limit_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The output of every call is bounded before it is made."""
    asked: list[int] = []

    class Watched:
        """A decompressor that notes how much it may return."""

        def __init__(self, bits: int) -> None:
            self._inner = real(bits)

        def decompress(self, data: bytes, most: int) -> bytes:
            asked.append(most)
            return self._inner.decompress(data, most)

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Watched)
    Inflater(100).inflate(deflated(bytes(10**6)))
    assert asked == [100, 1]


def test_inflater_counts_a_message_over_all_its_fragments() -> None:
    """Fragments do not have a limit each."""
    payload = deflated(bytes(101))
    inflater = Inflater(100)
    first = inflater.inflate(payload[:-1], final=False)
    assert isinstance(first, Violation) or isinstance(
        inflater.inflate(payload[-1:]), Violation
    )


def test_inflater_gives_each_message_its_own_limit() -> None:
    """What one message used up, the next one has again."""
    inflater = Inflater(100)
    for _ in range(3):
        assert inflater.inflate(deflated(bytes(100))) == bytes(100)


@pytest.mark.parametrize(("room", "fits"), [(3, True), (2, False), (0, False)])
def test_inflater_holds_the_room_that_its_caller_has_left(
    room: int, fits: bool
) -> None:
    """The caller's limit counts beside its own, and zero is a limit."""
    seen = Inflater(None).inflate(deflated(b"abc"), room=room)
    assert seen == b"abc" if fits else isinstance(seen, Violation)


def test_inflater_takes_an_empty_message_when_there_is_no_room() -> None:
    """Nothing fits everywhere."""
    assert Inflater(0).inflate(deflated(b"")) == b""


# What else may come


def test_inflater_takes_the_examples_of_the_rfc() -> None:
    """RFC 7692 7.2.3: one block, two blocks, no compression, a final block."""
    plain = bytes.fromhex("f248cdc9c90700")
    shared = bytes.fromhex("f200110000")
    stored = bytes.fromhex("000500faff48656c6c6f00")
    final = bytes.fromhex("f348cdc9c9070000")
    two_blocks = bytes.fromhex("f24805000000ffffcac9c90700")
    inflater = Inflater(None)
    assert [inflater.inflate(data) for data in (plain, shared)] == [b"Hello"] * 2
    for data in (stored, final, two_blocks):
        assert Inflater(None).inflate(data) == b"Hello"


@pytest.mark.parametrize("padding", [b"", b"\x00"])
@pytest.mark.parametrize("takeover", [True, False])
def test_inflater_goes_on_after_a_final_block(padding: bytes, takeover: bool) -> None:
    """A sender may end its stream with each message, with the octet behind or without.

    zlib returns nothing at all from a stream that has ended, so every message
    after the first one would be empty.
    """
    inflater = Inflater(None, context_takeover=takeover)
    for data in (b"first", b"second", b"third"):
        stream = zlib.compressobj(wbits=-15)
        payload = stream.compress(data) + stream.flush(zlib.Z_FINISH) + padding
        assert inflater.inflate(payload) == data
    assert inflater.inflate(deflated(b"usual")) == b"usual"


def test_inflater_takes_several_final_blocks_in_one_message() -> None:
    """BFINAL ends a stream, not a message (RFC 7692 7.2.1)."""
    payload = b""
    for data in (b"one ", b"two ", b"three"):
        stream = zlib.compressobj(wbits=-15)
        payload += stream.compress(data) + stream.flush(zlib.Z_FINISH)
    assert Inflater(13).inflate(payload) == b"one two three"
    assert isinstance(Inflater(12).inflate(payload), Violation)
    cut = Inflater(None)
    assert cut.inflate(payload[:10], final=False) == b"one two"
    assert cut.inflate(payload[10:]) == b" three"


def test_inflater_bounds_the_final_blocks_of_a_frame() -> None:
    """Each of them costs a copy of what follows, so their number is bounded."""
    violation = Inflater(None).inflate(b"\x03\x00" * 20)
    assert isinstance(violation, Violation)
    assert violation.reason == "too many final blocks"


@pytest.mark.parametrize("pieces", [[b""], [b"", b""]])
def test_inflater_takes_a_message_without_bytes_as_an_empty_one(
    pieces: list[bytes],
) -> None:
    """Nothing inflates to nothing, and does not disturb what follows."""
    deflater, inflater = Deflater(), Inflater(None)
    assert inflater.inflate(deflater.deflate(b"abc")) == b"abc"
    last = len(pieces) - 1
    assert [
        inflater.inflate(piece, final=place == last)
        for place, piece in enumerate(pieces)
    ] == [b""] * len(pieces)
    assert inflater.inflate(deflater.deflate(b"abc")) == b"abc"


def test_inflater_takes_an_empty_last_fragment() -> None:
    """The last frame of a message may be empty; what was held back comes then."""
    inflater = Inflater(None)
    first = inflater.inflate(deflated(b"abc"), final=False)
    last = inflater.inflate(b"")
    assert isinstance(first, bytes)
    assert isinstance(last, bytes)
    assert first + last == b"abc"
    assert inflater.inflate(deflated(b"def")) == b"def"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        b"\x07",
        b"\x00\x05\x00\x00\x00hello",
        b"\x04\x00\xfe\xff",
    ],
)
def test_inflater_refuses_data_that_is_not_deflate(data: bytes) -> None:
    """Broken data is a value with a close code."""
    violation = Inflater(None).inflate(data)
    assert isinstance(violation, Violation)
    assert violation.code == 1007


def test_inflater_refuses_a_window_that_was_not_taken_over() -> None:
    """A message that points back into one that was forgotten is broken."""
    message = random.Random(2).randbytes(100)
    deflater, inflater = Deflater(), Inflater(None, context_takeover=False)
    assert inflater.inflate(deflater.deflate(message)) == message
    assert isinstance(inflater.inflate(deflater.deflate(message)), Violation)


@given(st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=8))
def test_inflater_takes_any_bytes(payloads: list[tuple[bytes, bool]]) -> None:
    """Hostile bytes never raise, and never exceed the limit."""
    inflater = Inflater(50)
    for data, final in payloads:
        seen = inflater.inflate(data, final=final)
        assert isinstance(seen, Violation) or len(seen) <= 50
        assert inflater.statistics()["inflated"] <= 50


# Both directions of a connection


@pytest.mark.parametrize("by_server", [True, False])
def test_each_side_inflates_what_the_other_one_deflates(by_server: bool) -> None:
    """Server and client take their direction from the same agreement."""
    agreed = DeflateParameters(
        server_no_context_takeover=True,
        server_max_window_bits=9,
        client_max_window_bits=12,
    )
    deflater = deflater_for(agreed, by_server=by_server)
    inflater = inflater_for(agreed, by_server=not by_server, limit=100)
    for _ in range(2):
        assert inflater.inflate(deflater.deflate(b"x" * 100)) == b"x" * 100
    assert isinstance(inflater.inflate(deflater.deflate(b"x" * 101)), Violation)
    assert deflater.statistics() == {
        "window_bits": 9 if by_server else 12,
        "context_takeover": 0 if by_server else 1,
        "stream": 0 if by_server else 1,
    }
    assert inflater.statistics()["window_bits"] == deflater.statistics()["window_bits"]


def test_both_show_their_settings() -> None:
    """The state is printable."""
    assert repr(Deflater()) == (
        "<Deflater {'window_bits': 15, 'context_takeover': 1, 'stream': 0}>"
    )
    assert repr(Inflater(9)) == (
        "<Inflater {'window_bits': 15, 'context_takeover': 1, 'inflated': 0}>"
    )
