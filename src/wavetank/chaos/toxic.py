"""What a toxic is: it takes what goes by, and says what becomes of it, and when.

It refuses to know sockets, clocks and dice: `now` and a seeded `rng` are handed in.
The words are Toxiproxy's: a link joins one client with the target, a toxic stands in
one of its two streams, and a chain is all toxics of a stream in their order.
"""

import enum
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

__all__ = [
    "AT_ONCE",
    "NEVER",
    "Bytes",
    "Direction",
    "End",
    "Frame",
    "Head",
    "How",
    "Item",
    "Keeps",
    "Lingers",
    "Open",
    "PassesBy",
    "TakesOver",
    "Timed",
    "Toxic",
    "data_of",
    "size_of",
]


class Direction(enum.StrEnum):
    """Which way a stream goes."""

    UPSTREAM = "upstream"
    """From the client to the target."""
    DOWNSTREAM = "downstream"
    """From the target to the client."""


class How(enum.StrEnum):
    """How a stream ends."""

    FIN = "fin"
    """In order: nothing more comes this way, the other way may go on."""
    CLOSE = "close"
    """In order, and both ways: the connection is closed, as by whoever ends."""
    RST = "rst"
    """At once, both ways: what was not read is gone."""
    GONE = "gone"
    """Without a word: whoever reads this stream is never told (half-open)."""


class Open(NamedTuple):
    """The client has connected; upstream alone, and before everything else.

    The link connects to the target when it has come through the chain.
    """


class Bytes(NamedTuple):
    """Bytes without known borders: in byte mode, and where no frames are spoken."""

    data: bytes


class Head(NamedTuple):
    """The head of the opening handshake's request or response, with its blank line."""

    data: bytes


class Frame(NamedTuple):
    """One whole frame as it stands on the wire.

    Attributes:
        data: Header, masking key, payload as it was sent (masked, where it is).
        head: How many bytes of it are header and masking key.
    """

    data: bytes
    head: int

    @property
    def fin(self) -> bool:
        """Whether it ends its message."""
        return self.data[0] >= 0x80

    @property
    def opcode(self) -> int:
        """Its opcode, reserved ones too."""
        return self.data[0] & 0x0F

    @property
    def mask(self) -> bytes | None:
        """Its masking key."""
        is_masked = self.data[1] & 0x80
        return self.data[self.head - 4 : self.head] if is_masked else None

    @property
    def size(self) -> int:
        """Bytes of its payload."""
        return len(self.data) - self.head


class End(NamedTuple):
    """The end of the stream; nothing comes behind it."""

    how: How = How.FIN


Item: TypeAlias = Open | Bytes | Head | Frame | End
"""What goes by. A chain is told everything in order, an Open or an End too."""

Timed: TypeAlias = tuple[float, Item]
"""When an item goes on, in seconds of the caller's clock, and the item."""

NEVER: Final = float("inf")
"""When what is not due at all is due."""

AT_ONCE: Final = float("-inf")
"""The first ``wakes_at`` of a toxic that has to know when it was added."""


class Toxic(Protocol):
    """One fault in one stream of one link; a toxic is made anew for each link.

    The times that it returns are wishes: the chain never lets one item overtake
    another, so a toxic that reorders keeps items and returns them in another order.

    Attributes:
        wakes_at: When it wants to be woken; infinity for never. Minus infinity at
            the start: it is woken as soon as it stands in its chain.
    """

    wakes_at: float

    def receive(self, item: Item, now: float) -> list[Timed]:
        """Take an item; return what goes on, in its order on the wire."""
        ...

    def wake(self, now: float) -> list[Timed]:
        """Return what goes on because it is ``wakes_at``, which is set anew."""
        ...

    def heal(self, now: float) -> list[Timed]:
        """Return what is still kept: the toxic is taken out, and nothing is lost."""
        ...


class Keeps(Protocol):
    """What a toxic has too that keeps bytes itself, and not in what it returned."""

    @property
    def kept(self) -> int:
        """Bytes that it keeps; the link stops reading above a bound of all."""
        ...


class Lingers(Protocol):
    """What a toxic has too that cannot always let go of everything when it is healed.

    Without it nothing is left of a toxic that was healed. With it the chain hands it
    all that comes, as what was not chosen, until nothing is left.
    """

    @property
    def is_empty(self) -> bool:
        """Whether it keeps nothing any more."""
        ...


class PassesBy(Protocol):
    """What a toxic has too that is to see what it was not asked to hurt.

    Without it whatever its `when` does not choose goes by, behind what it returned.
    """

    def pass_by(self, item: Item, now: float) -> list[Timed]:
        """Take an item that is to come to no harm; return what goes on, in order."""
        ...


class TakesOver(Protocol):
    """What a toxic has too that goes on from an older one when it is changed.

    Without it the older one is healed, and the newer one starts from nothing.
    """

    def take_over(self, old: Any) -> None:
        """Go on where one of the same type with other attributes has come to."""
        ...


def data_of(item: Item) -> bytes:
    """Return the bytes of an item; none of an Open or an End."""
    return b"" if isinstance(item, Open | End) else item.data


def size_of(item: Item) -> int:
    """Return how many bytes an item keeps."""
    return 0 if isinstance(item, Open | End) else len(item.data)
