"""The corpus: the same bytes each time, and what they are good for."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.lab.conformance.corpus import Material, cut, pieces

LARGE = 131_072

COMPRESSIBLE = (Material.JSON, Material.HTML, Material.VERSE)


@given(
    material=st.sampled_from(Material),
    number=st.integers(0, 2000),
    size=st.integers(0, 5000),
    is_quoted=st.booleans(),
)
def test_a_piece_has_its_size_and_is_the_same_each_time(
    material: Material, number: int, size: int, is_quoted: bool
) -> None:
    """And text is UTF-8, wherever it is cut."""
    piece = cut(material, number, size, is_quoted=is_quoted)

    assert len(piece) == size
    assert piece == cut(material, number, size, is_quoted=is_quoted)
    if material.is_text:
        piece.decode()


@pytest.mark.parametrize("material", [Material.LETTERS, Material.STARS, Material.JSON])
def test_a_piece_may_be_larger_than_what_it_is_cut_from(material: Material) -> None:
    """It goes round and round."""
    assert len(cut(material, 3, 1_000_003)) == 1_000_003


@pytest.mark.parametrize("size", [16, 4096, LARGE])
def test_pieces_come_again_only_where_no_window_reaches(size: int) -> None:
    """Until then they follow each other, and the first comes behind the last."""
    count = pieces(size)

    assert count * size >= 64 * 1024
    assert count >= 32
    assert cut(Material.PDF, count, size) == cut(Material.PDF, 0, size)
    assert len({cut(Material.PDF, number, size) for number in range(count)}) > 7


def test_letters_begin_as_autobahns_do() -> None:
    """What repeats itself begins at its beginning."""
    assert cut(Material.LETTERS, 0, 12) == b"BAsd7&jh23BA"
    assert cut(Material.BYTES, 0, 6) == b"\x00\xfe\x23\xfa\xf0\x00"
    assert cut(Material.THORNS, 9, 2) == b"\xfe\xfe"


def test_json_is_json() -> None:
    """The whole of it, as an API would give it."""
    whole = cut(Material.JSON, 0, 400_000)

    records, _ = json.JSONDecoder().raw_decode(whole.decode())
    assert {"id", "key", "tags", "position"} <= records[0].keys()
    assert not whole.isascii()


def test_kinds_differ_in_how_well_they_are_compressed() -> None:
    """From three to one down to nothing at all."""
    ratio = {
        each: LARGE / len(zlib.compress(cut(each, 0, LARGE)))
        for each in (*COMPRESSIBLE, Material.BITMAP, Material.PDF)
    }

    assert all(ratio[each] > 2 for each in COMPRESSIBLE)
    assert 1.1 < ratio[Material.BITMAP] < 2
    assert ratio[Material.PDF] < 1.1


@pytest.mark.parametrize("material", [each for each in Material if each.is_text])
def test_a_quoted_text_stands_in_a_json_string_as_it_is(material: Material) -> None:
    """No character of it is written in another way there."""
    text = cut(material, 1, 100_000, is_quoted=True).decode()

    assert json.loads(f'"{text}"') == text
