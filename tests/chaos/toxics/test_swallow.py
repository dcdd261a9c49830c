"""Swallow takes all frames of one opcode out of a stream."""

import pytest

from wavetank.chaos.toxics.swallow import KINDS, Swallow
from wavetank.wire.header import Opcode

from .streams import Stream, masked


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_one_kind_are_swallowed(kind: str) -> None:
    """All others go by as they are."""
    stream = Stream(Swallow(opcode=kind))
    for opcode in (*Opcode, 0x3, 0xF):
        frame = masked(opcode, b"a", fin=opcode != 1)
        is_swallowed = opcode == Opcode[kind.upper()]
        assert stream.send(frame) == (b"" if is_swallowed else frame)
