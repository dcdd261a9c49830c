"""Cases of the closing handshake, as Autobahn's group 7 numbers them.

It refuses to know the codes and bodies that Autobahn leaves out, and verdicts.
"""

from wavetank.lab.conformance.case import (
    BROKEN,
    Case,
    End,
    Heard,
    Level,
    Need,
    Outcome,
    Step,
    Text,
    close,
    continuation,
    ping,
    text,
)

__all__ = ["BAD_REASON", "CASES", "FAILED", "answered", "closed", "refused"]

_CLOSING = "RFC 6455 5.5.1"

BAD_REASON = frozenset({1002, 1007})
"""Close codes for a close reason that is not UTF-8.

RFC 6455 8.1 names none, and 7.4.1 speaks of messages where it explains 1007.
"""

_BLAMELESS = frozenset({1000, 1001, 1012, 1013, 1014, *range(3000, 5000)})
"""Close codes that find no fault with the close frame that they answer."""

_NO_ECHO = "It should have echoed the close code (RFC 6455 5.5.1: typically)."

FAILED = Outcome(end=End.FAILED, codes=BROKEN)
"""The target says that a rule of the protocol broke."""


def closed(*codes: int, heard: tuple[Heard, ...] = ()) -> tuple[Outcome, ...]:
    """Return how a legal close frame may be answered.

    Args:
        codes: Close codes that fit; others that blame nobody get a note.
        heard: What comes before the answer.
    """
    fits = frozenset(codes)
    return (
        Outcome(heard=heard, end=End.CLOSED, codes=fits),
        Outcome(heard=heard, end=End.CLOSED, codes=_BLAMELESS, note=_NO_ECHO),
    )


def answered(
    number: str,
    title: str,
    *steps: Step,
    clause: str = _CLOSING,
    codes: tuple[int, ...] = (1000,),
    needs: frozenset[Need] = frozenset(),
) -> Case:
    """Return a case whose close frame is answered, and nothing else."""
    return Case(
        id=number,
        title=title,
        clause=clause,
        steps=steps,
        outcomes=closed(*codes),
        needs=needs,
    )


def refused(
    number: str,
    title: str,
    *steps: Step,
    clause: str = _CLOSING,
    codes: frozenset[int] = BROKEN,
    level: Level = Level.MUST,
) -> Case:
    """Return a case whose close frame breaks a rule."""
    return Case(
        id=number,
        title=title,
        clause=clause,
        level=level,
        steps=steps,
        outcomes=(Outcome(end=End.FAILED, codes=codes),),
    )


_HELLO = "Hello World!"
_ECHO = Text(_HELLO.encode())

_LARGE = (b"BAsd7&jh23" * 26215)[: 256 * 1024]

_TOO_BIG = Outcome(
    end=End.FAILED,
    codes=frozenset({1009}),
    note="It takes no message of 256 KiB.",
)

_BROKEN_REASON = bytes.fromhex("ceba e1bdb9 cf83 cebc ceb5 eda080") + b"edited"
"""A surrogate among characters."""

_BASIC = (
    Case(
        id="7.1.1",
        title="A text message comes back, and our close frame behind it is answered.",
        clause=_CLOSING,
        steps=(text(_HELLO),),
        outcomes=(Outcome(heard=(_ECHO,), codes=frozenset({1000})),),
        needs=frozenset({Need.ECHO}),
    ),
    answered(
        "7.1.2",
        "Of two close frames the first is answered, and the second is ignored.",
        close(1000),
        close(),
    ),
    answered(
        "7.1.3",
        "A ping behind a close frame gets no pong.",
        close(1000),
        ping(),
        clause="RFC 6455 5.5.2",
    ),
    answered(
        "7.1.4",
        "A text message behind a close frame is ignored.",
        close(1000),
        text(_HELLO),
        clause="RFC 6455 1.4",
    ),
    answered(
        "7.1.5",
        "A close frame between two fragments is answered, and the message is not.",
        text("fragment1", fin=False),
        close(1000),
        continuation("fragment2"),
        clause="RFC 6455 5.4",
    ),
    Case(
        id="7.1.6",
        title="A close frame behind a message of 256 KiB is answered, whether the "
        "messages come back or not.",
        clause="RFC 6455 1.4",
        level=Level.MAY,
        steps=(text(_LARGE), text(_HELLO), close(1000), ping()),
        outcomes=(
            *closed(1000, heard=(Text(_LARGE), _ECHO)),
            *closed(1000, heard=(Text(_LARGE),)),
            *closed(1000),
            # Autobahn's own best: the large message is lost, the one behind it not.
            *closed(1000, heard=(_ECHO,)),
            _TOO_BIG,
        ),
        needs=frozenset({Need.ECHO}),
    ),
)

_BODIES = (
    answered("7.3.1", "A close frame without a body is answered.", close()),
    refused(
        "7.3.2",
        "A close frame with a body of one byte, a letter, fails the connection.",
        close(body=b"a"),
    ),
    answered("7.3.3", "A close frame with a code alone is answered.", close(1000)),
    answered("7.3.4", "A close frame with a reason is answered.", close(1000, _HELLO)),
    answered(
        "7.3.5",
        "A close frame with a reason of 123 bytes is answered.",
        close(1000, "*" * 123),
    ),
    refused(
        "7.3.6",
        "A close frame with a reason of 124 bytes fails the connection.",
        close(1000, "*" * 124),
        clause="RFC 6455 5.5",
    ),
    refused(
        "7.5.1",
        "A close reason with a surrogate among its characters fails the connection.",
        close(1000, _BROKEN_REASON),
        clause="RFC 6455 8.1",
        codes=BAD_REASON,
    ),
)

_GOOD = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
_BAD = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
_BEYOND = (5000, 65535)

_RESERVED = (1004, 1005, 1006)
"""The codes that RFC 6455 7.4.1 itself takes out."""


def _good(place: int, code: int) -> Case:
    """Return the case of a code that may be sent."""
    either = "" if code == 1000 else " or with 1000"
    return answered(
        f"7.7.{place}",
        f"A close frame with {code} is answered with it{either}.",
        close(code),
        clause="RFC 6455 7.4.1" if code < 3000 else "RFC 6455 7.4.2",
        codes=(1000, code),
    )


def _bad(place: int, code: int) -> Case:
    """Return the case of a code that must not be sent."""
    # What nobody has assigned yet is out of use, but no receiver is told to mind.
    is_unassigned = 1015 < code < 3000
    return refused(
        f"7.9.{place}",
        f"A close frame with {code} fails the connection.",
        close(code),
        clause="RFC 6455 7.4.1" if code in _RESERVED else "RFC 6455 7.4.2",
        level=Level.SHOULD if is_unassigned else Level.MUST,
    )


def _beyond(place: int, code: int) -> Case:
    """Return the case of a code about which RFC 6455 says nothing."""
    return Case(
        id=f"7.13.{place}",
        title=f"A close frame with {code} fails the connection or is answered.",
        clause="RFC 6455 7.4.2",
        level=Level.MAY,
        steps=(close(code),),
        outcomes=(FAILED, *closed(1000, code)),
    )


CASES: tuple[Case, ...] = (
    *_BASIC,
    *_BODIES,
    *(_good(place, code) for place, code in enumerate(_GOOD, 1)),
    *(_bad(place, code) for place, code in enumerate(_BAD, 1)),
    *(_beyond(place, code) for place, code in enumerate(_BEYOND, 1)),
)
