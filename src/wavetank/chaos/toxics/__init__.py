"""The one table of toxics: what each is called, what may be said of it, what it does.

It refuses to know links and chains. Names, attributes and units of Toxiproxy's own
toxics are Toxiproxy's; a new toxic starts from `noop`, and gets a row here.
"""

from collections.abc import Mapping
from typing import Final

from wavetank.chaos.attributes import Attribute, ToxicType, number
from wavetank.chaos.toxics.bandwidth import Bandwidth
from wavetank.chaos.toxics.close_code import CloseCode
from wavetank.chaos.toxics.close_without_handshake import (
    ENDS as ENDINGS,
)
from wavetank.chaos.toxics.close_without_handshake import (
    CloseWithoutHandshake,
)
from wavetank.chaos.toxics.corrupt import PARTS, Corrupt
from wavetank.chaos.toxics.delay import Delay
from wavetank.chaos.toxics.drop import Drop
from wavetank.chaos.toxics.duplicate import Duplicate
from wavetank.chaos.toxics.finish import Finish
from wavetank.chaos.toxics.fragment import Fragment
from wavetank.chaos.toxics.half_open import HalfOpen
from wavetank.chaos.toxics.latency import DISTRIBUTIONS, Latency
from wavetank.chaos.toxics.limit_data import LimitData
from wavetank.chaos.toxics.limit_time import LimitTime
from wavetank.chaos.toxics.merge import WAYS, Merge
from wavetank.chaos.toxics.negotiation import Negotiation, extensions, subprotocols
from wavetank.chaos.toxics.noop import Noop
from wavetank.chaos.toxics.packet_loss import PacketLoss
from wavetank.chaos.toxics.reorder import Reorder
from wavetank.chaos.toxics.reset_peer import ResetPeer
from wavetank.chaos.toxics.slicer import Slicer
from wavetank.chaos.toxics.slow_close import SlowClose
from wavetank.chaos.toxics.slow_open import SlowOpen
from wavetank.chaos.toxics.stall import Stall
from wavetank.chaos.toxics.stall_inside import StallInside
from wavetank.chaos.toxics.swallow import KINDS, Swallow
from wavetank.chaos.toxics.timeout import Timeout
from wavetank.chaos.toxics.truncate import ENDS as CUTS
from wavetank.chaos.toxics.truncate import Truncate
from wavetank.kinds import boolean, choice, integer, text

__all__ = ["TYPES"]

_COUNT = integer(0)
_SIZE = integer(1)
_TIME = number(0)
_SHARE = number(0, 1)
_MOST: Final = 4096
"""Of whatever is multiplied or kept: a fault must not be the end of the proxy."""

_BYTES: Final = Attribute("bytes", _COUNT, 0, "bytes", "as many go by before")
_DELAY: Final = Attribute("delay", _TIME, 0.0, "ms", "how much later")
_WITHIN: Final = Attribute("timeout", _TIME, 0.0, "ms", "or after this time; 0: no")

_FOR_BYTES: Final = (
    ToxicType(name="noop", make=Noop, help="Does nothing."),
    ToxicType(
        name="latency",
        make=Latency,
        has_dice=True,
        help="Delays everything, in order.",
        attributes=(
            Attribute("latency", _TIME, 0.0, "ms", "how much later"),
            Attribute("jitter", _TIME, 0.0, "ms", "more or less at random"),
            Attribute(
                "distribution", choice(*DISTRIBUTIONS), "uniform", "", "of jitter"
            ),
        ),
    ),
    ToxicType(
        name="bandwidth",
        make=Bandwidth,
        help="Lets so many bytes a second by.",
        attributes=(Attribute("rate", _TIME, 0.0, "KB/s", "0: nothing goes by"),),
    ),
    ToxicType(
        name="slicer",
        make=Slicer,
        has_dice=True,
        help="Cuts into small pieces, with a pause behind each.",
        attributes=(
            Attribute("average_size", _SIZE, 1, "bytes", "of a piece"),
            Attribute("size_variation", _COUNT, 0, "bytes", "more or less at most"),
            Attribute("delay", _TIME, 0.0, "us", "behind each piece"),
        ),
    ),
    ToxicType(
        name="slow_open",
        make=SlowOpen,
        help="Delays the opening of the connection to the target.",
        attributes=(_DELAY,),
    ),
    ToxicType(
        name="slow_close",
        make=SlowClose,
        help="Delays the end of the stream.",
        attributes=(_DELAY,),
    ),
    ToxicType(
        name="timeout",
        make=Timeout,
        help="Swallows everything; closes the connection after a time.",
        attributes=(Attribute("timeout", _TIME, 0.0, "ms", "0: never, a black hole"),),
    ),
    ToxicType(
        name="stall",
        make=Stall,
        help="Holds everything until it is taken out, as a partition does.",
    ),
    ToxicType(
        name="limit_data",
        make=LimitData,
        help="Closes the connection after so many bytes.",
        attributes=(_BYTES,),
    ),
    ToxicType(
        name="limit_time",
        make=LimitTime,
        help="Closes the connection after a time, though bytes flow.",
        attributes=(Attribute("time", _TIME, 0.0, "ms", "since it was added"),),
    ),
    ToxicType(
        name="reset_peer",
        make=ResetPeer,
        help="Breaks the connection (RST) when bytes come, or some time later.",
        attributes=(
            Attribute("timeout", _TIME, 0.0, "ms", "until RST, swallowing"),
            _BYTES,
        ),
    ),
    ToxicType(
        name="finish",
        make=Finish,
        help="Ends this stream (FIN); the other one goes on.",
        attributes=(_BYTES, _WITHIN),
    ),
    ToxicType(
        name="half_open",
        make=HalfOpen,
        help="Ends this stream, and whoever reads it is never told.",
        attributes=(_BYTES, _WITHIN),
    ),
    ToxicType(
        name="packet_loss",
        make=PacketLoss,
        has_dice=True,
        help="Drops pieces of the stream, which nobody sends again.",
        attributes=(
            Attribute("loss_rate", _SHARE, 0.1, "", "probability for a piece"),
            Attribute("correlation", _SHARE, 0.0, "", "more behind a lost one"),
            Attribute("size", _COUNT, 0, "bytes", "of a piece; 0: as they come"),
        ),
    ),
)

_FOR_FRAMES: Final = (
    ToxicType(name="drop", make=Drop, frames=True, help="Frames do not arrive."),
    ToxicType(
        name="duplicate",
        make=Duplicate,
        frames=True,
        help="Frames arrive more than once.",
        attributes=(
            Attribute("copies", integer(1, _MOST), 1, "", "how many more of each"),
            Attribute("delay", _TIME, 0.0, "ms", "of the copies; 0: right behind"),
        ),
    ),
    ToxicType(
        name="reorder",
        make=Reorder,
        frames=True,
        has_dice=True,
        help="Messages arrive in another order.",
        attributes=(
            Attribute("window", integer(2, _MOST), 2, "", "messages that are shuffled"),
            Attribute("pause", number(1), 100.0, "ms", "until they go, if too few"),
        ),
    ),
    ToxicType(
        name="delay",
        make=Delay,
        frames=True,
        help="Frames arrive later.",
        attributes=(
            Attribute("delay", _TIME, 1000.0, "ms", "how much later"),
            Attribute("overtake", boolean, False, "", "whether others go by meanwhile"),
        ),
    ),
    ToxicType(
        name="corrupt",
        make=Corrupt,
        frames=True,
        has_dice=True,
        help="Frames arrive with something in them that was not sent.",
        attributes=(
            Attribute("part", choice(*PARTS), "payload", "", "what is changed"),
            Attribute("bits", integer(1, _MOST), 1, "", "how many of the payload"),
        ),
    ),
    ToxicType(
        name="truncate",
        make=Truncate,
        frames=True,
        help="Frames arrive without their end.",
        attributes=(
            Attribute("keep", _COUNT, 0, "bytes", "of payload that are left"),
            Attribute("then", choice(*CUTS), "go_on", "", "what comes behind the cut"),
        ),
    ),
    ToxicType(
        name="fragment",
        make=Fragment,
        frames=True,
        help="Messages arrive in several frames.",
        attributes=(
            Attribute("fragments", integer(1, _MOST), 2, "", "how many of each frame"),
        ),
    ),
    ToxicType(
        name="merge",
        make=Merge,
        frames=True,
        help="Several frames arrive as one, or in one piece.",
        attributes=(
            Attribute("what", choice(*WAYS), "fragments", "", "what becomes one"),
            Attribute("window", integer(2, _MOST), 16, "", "frames that become one"),
            Attribute("pause", number(1), 1000.0, "ms", "until they go, if too few"),
        ),
    ),
    ToxicType(
        name="swallow",
        make=Swallow,
        frames=True,
        help="Frames of one kind never arrive.",
        attributes=(Attribute("opcode", choice(*KINDS), "pong", "", "their kind"),),
    ),
    ToxicType(
        name="close_code",
        make=CloseCode,
        frames=True,
        has_dice=True,
        help="A close frame says something else, or comes where there was none.",
        attributes=(
            Attribute("code", integer(0, 0xFFFF), 1011, "", "0: none"),
            Attribute("reason", text, "", "", "empty: the one that was sent"),
            Attribute("frames", _COUNT, 0, "", "it comes behind so many; 0: never"),
        ),
    ),
    ToxicType(
        name="close_without_handshake",
        make=CloseWithoutHandshake,
        frames=True,
        help="The connection ends without a close frame.",
        attributes=(
            Attribute("how", choice(*ENDINGS), "close", "", "how it ends"),
            Attribute("frames", _COUNT, 0, "", "behind so many; 0: at a close frame"),
        ),
    ),
    ToxicType(
        name="stall_inside",
        make=StallInside,
        frames=True,
        help="The first bytes of a frame arrive, and then nothing for a time.",
        attributes=(
            Attribute("bytes", _SIZE, 1, "bytes", "that go on at once"),
            Attribute("delay", _TIME, 0.0, "ms", "of the rest; 0: until taken out"),
        ),
    ),
    ToxicType(
        name="negotiation",
        make=Negotiation,
        frames=True,
        help="Alters extensions and subprotocol in the opening handshake.",
        attributes=(
            Attribute("extensions", extensions, None, "", "empty: none; unsaid: as is"),
            Attribute(
                "subprotocol", subprotocols, None, "", "empty: none; unsaid: as is"
            ),
        ),
    ),
)

TYPES: Final[Mapping[str, ToxicType]] = {
    row.name: row for row in (*_FOR_BYTES, *_FOR_FRAMES)
}
"""Name -> type of toxics."""
