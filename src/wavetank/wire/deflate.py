"""permessage-deflate (RFC 7692): its parameters, its transform, its limits.

It refuses to know frames: payloads in, payloads out.
"""

import zlib
from collections.abc import Iterable
from typing import Final

import msgspec

from wavetank.errors import LocalError
from wavetank.wire.header import Violation
from wavetank.wire.http import Element

__all__ = [
    "ANY_BITS",
    "DeflateParameters",
    "Deflater",
    "Inflater",
    "agree",
    "deflater_for",
    "encode_parameters",
    "inflater_for",
    "negotiate",
    "parse_parameters",
]

ANY_BITS: Final = 0
"""``client_max_window_bits`` without a value: the server may name one."""

_NAME: Final = "permessage-deflate"
_BITS: Final = {str(bits): bits for bits in range(8, 16)}
_FLAGS: Final = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS: Final = ("server_max_window_bits", "client_max_window_bits")

_TAIL: Final = b"\x00\x00\xff\xff"
"""What a sender takes off the end of a message (RFC 7692 7.2.1)."""

_MAX_STREAMS: Final = 16
"""Streams that one frame may hold. Each block with BFINAL ends one; zlib hands
the rest of the frame back each time, so without a bound, time grows with the
square of the frame's length."""

_BROKEN = Violation(1007, "deflated data is broken", "RFC 7692 7.2.2")
_TOO_MANY_STREAMS = Violation(1007, "too many final blocks", "RFC 7692 7.2.1")


class DeflateParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered, configured or agreed: the four parameters of RFC 7692 7.1.

    Attributes:
        server_no_context_takeover: The server forgets between messages.
        client_no_context_takeover: The client forgets between messages.
        server_max_window_bits: 8 to 15, None where nothing is said (15).
        client_max_window_bits: 8 to 15, None where nothing is said (15);
            ``ANY_BITS`` in an offer: the parameter without a value.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None


def parse_parameters(element: Element, *, in_offer: bool) -> DeflateParameters | str:
    """Read one element of ``Sec-WebSocket-Extensions``.

    Args:
        element: Its name is ``permessage-deflate``.
        in_offer: Whether ``client_max_window_bits`` may stand without a value.

    Returns:
        The parameters, or what is wrong with them: an unknown one, one that
        comes twice, one whose value is missing, invalid or too much.
    """
    found: dict[str, bool | int] = {}
    for name, value in element.parameters:
        if name in found:
            return f"{name} comes twice"
        if name in _FLAGS:
            if value is not None:
                return f"{name} takes no value"
            found[name] = True
        elif name in _WINDOWS:
            bare = in_offer and value is None and name == "client_max_window_bits"
            bits = ANY_BITS if bare else _BITS.get(value or "")
            if bits is None:
                return f"{name} takes 8 to 15"
            found[name] = bits
        else:
            return f"{name} is unknown"
    return msgspec.convert(found, DeflateParameters)


def encode_parameters(parameters: DeflateParameters) -> str:
    """Return the element of ``Sec-WebSocket-Extensions`` that says this."""
    words = [_NAME]
    words += [flag for flag in _FLAGS if getattr(parameters, flag)]
    for window in _WINDOWS:
        bits = getattr(parameters, window)
        if bits is not None:
            words.append(window if bits == ANY_BITS else f"{window}={bits}")
    return "; ".join(words)


def negotiate(
    offers: Iterable[Element], config: DeflateParameters
) -> DeflateParameters | None:
    """Return what a server answers: the first offer that it can take, or None.

    An offer with an invalid parameter is declined (RFC 7692 7), and so is one
    that limits the server to ``server_max_window_bits=8``: zlib cannot deflate
    into so small a window, and answering 9 would break the client's limit.

    Args:
        offers: Elements of the request, of any extension, in its order.
        config: What this server wants. Its ``client_max_window_bits`` holds
            only where the client offers that parameter.
    """
    for offer in offers:
        if offer.name != _NAME:
            continue
        asked = parse_parameters(offer, in_offer=True)
        if isinstance(asked, str):
            continue
        agreed = _answer(asked, config)
        if agreed.server_max_window_bits != 8:
            return agreed
    return None


def _answer(asked: DeflateParameters, config: DeflateParameters) -> DeflateParameters:
    """Combine an offer with what the server wants; the tighter one holds."""
    client_bits = asked.client_max_window_bits
    if client_bits is not None:
        # RFC 7692 7.1.2.2: without the parameter in the offer, none in the answer.
        client_bits = _tighter(client_bits or None, config.client_max_window_bits)
    return DeflateParameters(
        server_no_context_takeover=(
            asked.server_no_context_takeover or config.server_no_context_takeover
        ),
        client_no_context_takeover=(
            asked.client_no_context_takeover or config.client_no_context_takeover
        ),
        server_max_window_bits=_tighter(
            asked.server_max_window_bits, config.server_max_window_bits
        ),
        client_max_window_bits=client_bits,
    )


def _tighter(*limits: int | None) -> int | None:
    """Return the lowest of the limits that are set."""
    return min((limit for limit in limits if limit is not None), default=None)


def agree(
    answer: Element, offers: Iterable[DeflateParameters]
) -> DeflateParameters | Violation:
    """Return what a client holds to after a server's answer.

    Args:
        answer: The server's element.
        offers: What the client offered; one of them has to fit.

    Returns:
        What is agreed, or the rule that the answer breaks. An answer with
        ``client_max_window_bits=8`` is not taken, because zlib cannot
        deflate into so small a window.
    """
    given = parse_parameters(answer, in_offer=False)
    if isinstance(given, str):
        return Violation(1002, f"permessage-deflate: {given}", "RFC 7692 7.1")
    for offer in offers:
        agreed = _fit(given, offer)
        if agreed is not None:
            return agreed
    return Violation(1002, "permessage-deflate: not as offered", "RFC 7692 7.1")


def _fit(
    given: DeflateParameters, offer: DeflateParameters
) -> DeflateParameters | None:
    """Return what is agreed where an answer fits an offer."""
    if offer.server_no_context_takeover and not given.server_no_context_takeover:
        return None
    most = offer.server_max_window_bits
    if most is not None and (given.server_max_window_bits or 16) > most:
        return None
    client_bits = given.client_max_window_bits
    if client_bits is not None and (
        offer.client_max_window_bits is None
        or client_bits > (offer.client_max_window_bits or 15)
    ):
        return None
    client_bits = _tighter(client_bits, offer.client_max_window_bits or None)
    if client_bits == 8:
        return None
    return DeflateParameters(
        server_no_context_takeover=given.server_no_context_takeover,
        client_no_context_takeover=(
            given.client_no_context_takeover or offer.client_no_context_takeover
        ),
        server_max_window_bits=given.server_max_window_bits,
        client_max_window_bits=client_bits,
    )


class Deflater:
    """Compresses the payloads of one direction of a connection.

    Args:
        window_bits: 9 to 15; zlib cannot write raw data with 8.
        context_takeover: Whether a message may point back into those before.
        level: Effort, 1 to 9; -1 is zlib's own choice.
        memory_level: 1 to 9; about 2 ** (memory_level + 9) bytes.

    Raises:
        LocalError: If ``window_bits`` is not one of these.
    """

    __slots__ = ("_level", "_memory_level", "_stream", "_takeover", "_window_bits")

    def __init__(
        self,
        *,
        window_bits: int = 15,
        context_takeover: bool = True,
        level: int = -1,
        memory_level: int = 8,
    ) -> None:
        if not 9 <= window_bits <= 15:
            raise LocalError(f"zlib deflates into 9 to 15 bits, not {window_bits}")
        self._window_bits = window_bits
        self._takeover = context_takeover
        self._level = level
        self._memory_level = memory_level
        self._stream: zlib._Compress | None = None

    def __repr__(self) -> str:
        return f"<Deflater {self.statistics()}>"

    def statistics(self) -> dict[str, int]:
        """Return its settings, and whether it holds a stream between calls."""
        return {
            "window_bits": self._window_bits,
            "context_takeover": int(self._takeover),
            "stream": int(self._stream is not None),
        }

    def deflate(self, data: bytes, *, final: bool = True) -> bytes:
        """Return the payload of a frame; the first one of a message wants RSV1.

        Args:
            data: Payload before compression.
            final: Whether the frame ends its message.
        """
        if self._stream is None:
            self._stream = zlib.compressobj(
                self._level, zlib.DEFLATED, -self._window_bits, self._memory_level
            )
        stream = self._stream
        deflated = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        if not final:
            return deflated
        if not self._takeover:
            self._stream = None
        return deflated[: -len(_TAIL)]


class Inflater:
    """Decompresses the payloads of one direction of a connection.

    Never more than the limit is inflated, but for the one byte that tells
    "at the limit" from "over it". Blocks with BFINAL end a stream; the next
    block begins a new one with an empty window, as zlib's own deflate does.
    A message without any bytes is taken as an empty one. One that is cut short
    may pass as a shorter one: zlib does not tell whether a block has ended.

    Args:
        limit: Most bytes that one message may inflate to; None is no limit.
        window_bits: 8 to 15.
        context_takeover: Whether a message may point back into those before.
    """

    __slots__ = (
        "_begun",
        "_inflated",
        "_limit",
        "_stream",
        "_takeover",
        "_window_bits",
    )

    def __init__(
        self,
        limit: int | None,
        *,
        window_bits: int = 15,
        context_takeover: bool = True,
    ) -> None:
        self._limit = limit
        self._window_bits = window_bits
        self._takeover = context_takeover
        self._inflated = 0
        self._begun = False
        self._stream: zlib._Decompress | None = None

    def __repr__(self) -> str:
        return f"<Inflater {self.statistics()}>"

    def statistics(self) -> dict[str, int]:
        """Return its settings, and what it inflated of the message so far."""
        return {
            "window_bits": self._window_bits,
            "context_takeover": int(self._takeover),
            "inflated": self._inflated,
        }

    def inflate(
        self, data: bytes, *, final: bool = True, room: int | None = None
    ) -> bytes | Violation:
        """Return what the payload of a frame inflates to, or the rule it breaks.

        Args:
            data: Payload as it came.
            final: Whether the frame ends its message.
            room: Bytes that the caller has left for it; None is no bound.
        """
        left = None if self._limit is None else self._limit - self._inflated
        room = _tighter(left, room)
        if final and (data or self._begun):
            data += _TAIL
        try:
            inflated = self._run(data, room, final=final)
        except zlib.error:
            return _BROKEN
        if isinstance(inflated, Violation):
            return inflated
        self._inflated += len(inflated)
        if final:
            self._inflated = 0
            self._begun = False
            if not self._takeover:
                self._stream = None
        return inflated

    def _run(self, data: bytes, room: int | None, *, final: bool) -> bytes | Violation:
        """Inflate stream after stream, until the data is used up."""
        pieces: list[bytes] = []
        for _ in range(_MAX_STREAMS):
            if not data:
                break
            piece = self._inflate_some(data, room)
            if isinstance(piece, Violation):
                return piece
            pieces.append(piece)
            if room is not None:
                room -= len(piece)
            stream = self._stream
            if stream is None or not stream.eof:
                return b"".join(pieces)
            data = stream.unused_data
            self._stream = None
            self._begun = False
            # The tail only ends a stream that has begun (RFC 7692 7.2.3.4).
            if final and len(data) <= len(_TAIL):
                data = b""
        else:
            return _TOO_MANY_STREAMS
        return b"".join(pieces)

    def _inflate_some(self, data: bytes, room: int | None) -> bytes | Violation:
        """Inflate up to the end of a stream, or of the data."""
        if self._stream is None:
            self._stream = zlib.decompressobj(-self._window_bits)
        stream = self._stream
        self._begun = True
        if room is None:
            return stream.decompress(data)
        # zlib reads max_length 0 as "no limit".
        piece = stream.decompress(data, room) if room else b""
        if len(piece) < room:
            return piece
        # Whether there is more shows only when one more byte is asked for; zlib
        # may hold it back although all of the data is used up.
        if stream.decompress(stream.unconsumed_tail if room else data, 1):
            return Violation(1009, "message inflates beyond the limit", "RFC 7692 8")
        return piece


def deflater_for(agreed: DeflateParameters, *, by_server: bool) -> Deflater:
    """Return what that side compresses with."""
    forgets, bits = _direction(agreed, by_server=by_server)
    return Deflater(window_bits=bits, context_takeover=not forgets)


def inflater_for(
    agreed: DeflateParameters, *, by_server: bool, limit: int | None
) -> Inflater:
    """Return what that side decompresses with, bytes of a message bounded."""
    forgets, bits = _direction(agreed, by_server=not by_server)
    return Inflater(limit, window_bits=bits, context_takeover=not forgets)


def _direction(agreed: DeflateParameters, *, by_server: bool) -> tuple[bool, int]:
    """Return whether the sending side forgets, and the bits of its window."""
    if by_server:
        return agreed.server_no_context_takeover, agreed.server_max_window_bits or 15
    return agreed.client_no_context_takeover, agreed.client_max_window_bits or 15
