"""The table of volumes: Autobahn's category 9."""

from wavetank.lab.conformance.case import Need
from wavetank.lab.conformance.volumes import VOLUMES, Volume, volume_needs
from wavetank.wire import Opcode

BY_ID = {each.id: each for each in VOLUMES}
MIB = 2**20


def test_all_54_cases_of_autobahn_are_there() -> None:
    """In its order, each once; 9.9 and 9.10 are never played there either."""
    counts = {1: 6, 2: 6, 3: 9, 4: 9, 5: 6, 6: 6, 7: 6, 8: 6}

    assert [each.id for each in VOLUMES] == [
        f"9.{group}.{number}"
        for group, count in counts.items()
        for number in range(1, count + 1)
    ]


def test_titles_are_sentences_that_differ() -> None:
    """They are what a report shows."""
    titles = {each.title for each in VOLUMES}

    assert len(titles) == len(VOLUMES)
    assert all(title.endswith(" back.") for title in titles)


def sizes(group: str, field: str) -> list[int]:
    """Return a field of the cases of a group."""
    return [getattr(each, field) for each in VOLUMES if each.id.startswith(group)]


def test_messages_grow_to_16_mib() -> None:
    """One message a case."""
    for group in ("9.1.", "9.2."):
        assert sizes(group, "size") == [65536, 262144, MIB, 4 * MIB, 8 * MIB, 16 * MIB]
        assert set(sizes(group, "count")) == {1}


def test_fragments_grow_from_64_bytes_to_4_mib() -> None:
    """Of a message of 4 MiB."""
    for group in ("9.3.", "9.4."):
        assert sizes(group, "fragment") == [64 * 4**power for power in range(9)]
        assert set(sizes(group, "size")) == {4 * MIB}


def test_writes_grow_from_64_to_2048_bytes() -> None:
    """Of a message of 1 MiB."""
    for group in ("9.5.", "9.6."):
        assert sizes(group, "chop") == [64, 128, 256, 512, 1024, 2048]
        assert set(sizes(group, "size")) == {MIB}


def test_a_thousand_round_trips_are_made_one_by_one() -> None:
    """Of messages up to 4096 bytes."""
    for group in ("9.7.", "9.8."):
        assert sizes(group, "size") == [0, 16, 64, 256, 1024, 4096]
        assert set(sizes(group, "count")) == {1000}
    assert [each.id[:3] for each in VOLUMES if each.in_turn] == ["9.7"] * 6 + [
        "9.8"
    ] * 6


def test_odd_groups_are_texts_and_even_ones_binary() -> None:
    """And so they need an echo of texts, or of binary messages."""

    def kind(volume: Volume) -> tuple[Opcode, Need]:
        return volume.opcode, volume_needs(volume)

    assert kind(BY_ID["9.1.1"]) == (Opcode.TEXT, Need.ECHO)
    assert kind(BY_ID["9.4.1"]) == (Opcode.BINARY, Need.BINARY)
    for each in VOLUMES:
        assert (each.opcode == Opcode.TEXT) is (int(each.id[2]) % 2 == 1)
        assert not each.extensions
