"""permessage-deflate in volume: data of several kinds, under several agreements.

It refuses to know single frames; what breaks a rule is in ``deflate_rules``.
"""

from collections.abc import Iterator
from typing import Final

from wavetank.lab.conformance.corpus import Material
from wavetank.lab.conformance.volumes import Volume
from wavetank.wire import ANY_BITS, DeflateParameters

__all__ = ["MATERIALS", "PARAMETERS"]

_SIZES: Final[tuple[tuple[int, int], ...]] = (
    *((16 * 4**power, 0) for power in range(5)),
    *((4096 * 2**power, 0) for power in range(1, 6)),
    *((4096 * 2**power, 256) for power in range(1, 6)),
    *((131_072, fragment) for fragment in (1024, 4096, 32_768)),
)
"""Bytes of a message, and of a frame once it is compressed; 0 is one frame."""


def _offer(*, forgetful: bool = False, bits: int | None = None) -> DeflateParameters:
    """Return one of Autobahn's offers: the server may ask anything of the client.

    Args:
        forgetful: Whether the server must not take over its context.
        bits: Its largest window.
    """
    return DeflateParameters(
        server_no_context_takeover=forgetful,
        server_max_window_bits=bits,
        client_no_context_takeover=True,
        client_max_window_bits=ANY_BITS,
    )


_DEFAULT: Final = _offer()

_OFFERS: Final[tuple[tuple[str, tuple[DeflateParameters, ...]], ...]] = (
    ("as most clients offer it", (_DEFAULT,)),
    ("with a server that forgets", (_offer(forgetful=True),)),
    ("into a window of 9 bits", (_offer(bits=9),)),
    ("into a window of 15 bits", (_offer(bits=15),)),
    (
        "with a server that forgets, into a window of 9 bits",
        (_offer(forgetful=True, bits=9),),
    ),
    (
        "with a server that forgets, into a window of 15 bits",
        (_offer(forgetful=True, bits=15),),
    ),
    (
        "by whichever of three offers is taken",
        (_offer(forgetful=True, bits=9), _offer(forgetful=True), _DEFAULT),
    ),
)
"""Autobahn's offers. They say that the client forgets between messages, and so it does
(RFC 7692 7.1.1.2)."""

_BROWSER: Final = DeflateParameters(client_max_window_bits=ANY_BITS)
"""What browsers offer: both sides go on with their windows from message to message."""


def _volumes(
    group: str,
    what: str,
    material: Material,
    offers: tuple[DeflateParameters, ...],
    *,
    clause: str,
    sizes: tuple[tuple[int, int], ...] = _SIZES,
) -> Iterator[Volume]:
    for number, (size, fragment) in enumerate(sizes, 1):
        parts = f", in frames of {fragment} bytes" if fragment else ""
        yield Volume(
            id=f"{group}.{number}",
            title=f"Messages of {size} bytes of {what} come back{parts}.",
            clause=clause,
            material=material,
            size=size,
            fragment=fragment,
            offers=offers,
        )


MATERIALS: Final[tuple[Volume, ...]] = tuple(
    volume
    for group, material in enumerate(
        (Material.JSON, Material.BITMAP, Material.VERSE, Material.HTML, Material.PDF), 1
    )
    for volume in _volumes(
        f"12.{group}", str(material), material, (_DEFAULT,), clause="RFC 7692 7.2"
    )
)
"""Autobahn's category 12."""

PARAMETERS: Final[tuple[Volume, ...]] = (
    *(
        volume
        for group, (words, offers) in enumerate(_OFFERS, 1)
        for volume in _volumes(
            f"13.{group}", f"JSON {words}", Material.JSON, offers, clause="RFC 7692 7.1"
        )
    ),
    *_volumes(
        "Z",
        "JSON as browsers offer it",
        Material.JSON,
        (_BROWSER,),
        clause="RFC 7692 7.1.1",
        sizes=_SIZES[0:15:3] + _SIZES[16:17],
    ),
)
"""Autobahn's category 13, and what it lacks: a client that forgets nothing."""
