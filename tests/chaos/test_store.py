"""Store: what goes in comes out, in pieces of any size."""

from hypothesis import given
from hypothesis import strategies as st

from wavetank.chaos.store import Store
from wavetank.chaos.toxic import Bytes, End, Frame, data_of


def test_store_hands_out_whole_items_where_they_are_small_enough() -> None:
    """A frame stays a frame, and an end an end."""
    store = Store()
    frame = Frame(b"\x89\x00", 2)
    for item in (frame, End()):
        store.add(item)
    assert repr(store) == "Store(2 items, 2 bytes)"
    assert store.take(2) == frame
    assert store.next == 0
    assert store.take(1) == End()
    assert not store


def test_store_cuts_what_is_larger() -> None:
    """The pieces of a frame are bytes."""
    store = Store()
    store.add(Frame(b"\x81\x03abc", 2))
    assert store.take(2) == Bytes(b"\x81\x03")
    assert (store.next, store.kept) == (3, 3)
    assert store.take_all() == [Bytes(b"abc")]
    assert (store.kept, bool(store)) == (0, False)


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 9)))
def test_store_loses_nothing_and_knows_what_it_keeps(
    parts: list[bytes], cuts: list[int]
) -> None:
    """Bytes leave in order, and each is counted out once."""
    store, left = Store(), b""
    for part in parts:
        store.add(Bytes(part))
    for cut in cuts:
        if store:
            piece = data_of(store.take(cut))
            assert len(piece) <= cut
            left += piece
        assert store.kept == sum(map(len, parts)) - len(left)
    left += b"".join(map(data_of, store.take_all()))
    assert left == b"".join(parts)
