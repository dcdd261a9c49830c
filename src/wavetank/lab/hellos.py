"""TLS by hand: the first bytes of a client, and what those of a server are.

They refuse to know sockets; a library would refuse what is too old to be sent.
"""

import random
from typing import Final

__all__ = [
    "TLS_1_0",
    "TLS_1_1",
    "TLS_1_2",
    "client_hello",
    "served_version",
    "words_of",
]

TLS_1_0: Final = 0x0301
TLS_1_1: Final = 0x0302
TLS_1_2: Final = 0x0303

_NAMES: Final = {0x0300: "SSL 3.0", TLS_1_0: "TLS 1.0", TLS_1_1: "TLS 1.1"}
_ALERT, _HANDSHAKE = 0x15, 0x16  # RFC 5246 6.2.1
_SUITES: Final = (
    *(0xC02B, 0xC02F),  # ECDHE with AES-GCM, which begins with TLS 1.2
    *(0xC009, 0xC00A, 0xC013, 0xC014, 0x002F, 0x0035),  # with AES-CBC: all versions
)
_GROUPS: Final = (0x001D, 0x0017, 0x0018)
_SIGNATURES: Final = (0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501, 0x0203, 0x0201)
_SHOWN = 40


def client_hello(version: int, host: str, *, rng: random.Random) -> bytes:
    """Return a ClientHello that offers a version of TLS and those before it.

    Args:
        version: The highest that is offered, at most `TLS_1_2`.
        host: Name of the server.
        rng: Of the random bytes in it.
    """
    name = host.encode()
    extensions = [
        (0, _sized(b"\0" + _sized(name))),  # RFC 6066 3: server_name
        (10, _sized(_numbers(_GROUPS))),  # RFC 8422 5.1.1: supported_groups
        (11, b"\x01\x00"),  # RFC 8422 5.1.2: ec_point_formats
    ]
    if version >= TLS_1_2:
        # RFC 5246 7.4.1.4.1: signature_algorithms, of no meaning before
        extensions.append((13, _sized(_numbers(_SIGNATURES))))
    body = (
        version.to_bytes(2)
        + rng.randbytes(32)
        + b"\0"  # no session
        + _sized(_numbers(_SUITES))
        + b"\x01\x00"  # no compression
        + _sized(b"".join(kind.to_bytes(2) + _sized(data) for kind, data in extensions))
    )
    message = b"\x01" + len(body).to_bytes(3) + body
    return bytes([_HANDSHAKE]) + TLS_1_0.to_bytes(2) + _sized(message)


def served_version(data: bytes) -> int | None:
    """Return the version that a server has agreed to; None where it has not.

    Args:
        data: The first bytes that it sent.
    """
    # RFC 5246 6.2.1 and 7.4.1.3: a record's head is 5 bytes, a message's is 4.
    is_hello = len(data) >= 11 and data[0] == _HANDSHAKE and data[5] == 2
    return int.from_bytes(data[9:11]) if is_hello else None


def words_of(data: bytes) -> str:
    """Say what the first bytes of a server are."""
    version = served_version(data)
    if not data:
        return "nothing"
    if version is not None:
        return f"a ServerHello of {_NAMES.get(version, 'TLS 1.2 or later')}"
    if data[0] == _ALERT and len(data) >= 7:
        return f"alert {data[6]}"
    line = data.partition(b"\r\n")[0]
    return line[:_SHOWN].decode("ascii", "backslashreplace")


def _sized(data: bytes) -> bytes:
    """Put the length before it, in two bytes."""
    return len(data).to_bytes(2) + data


def _numbers(numbers: tuple[int, ...]) -> bytes:
    return b"".join(number.to_bytes(2) for number in numbers)
