"""The tables of compression in volume: Autobahn's categories 12 and 13."""

from wavetank.lab.conformance.compressed import MATERIALS, PARAMETERS
from wavetank.lab.conformance.corpus import Material
from wavetank.wire import parse_elements

AUTOBAHN = [each for each in PARAMETERS if each.id.startswith("13.")]
OWN = [each for each in PARAMETERS if each not in AUTOBAHN]

SIZES = (
    [(16 * 4**power, 0) for power in range(5)]
    + [(2**power, 0) for power in range(13, 18)]
    + [(2**power, 256) for power in range(13, 18)]
    + [(131072, fragment) for fragment in (1024, 4096, 32768)]
)

DEFAULT = "permessage-deflate; client_no_context_takeover; client_max_window_bits"


def offered(group: str) -> list[dict[str, str | None]]:
    """Return what the cases of a group offer, all of them the same."""
    (header,) = {each.extensions for each in PARAMETERS if each.id.startswith(group)}
    return [dict(each.parameters) for each in parse_elements([header]) or ()]


def test_all_cases_of_autobahn_are_there() -> None:
    """Five materials and seven agreements in 18 sizes each."""
    assert [each.id for each in MATERIALS] == [
        f"12.{group}.{number}" for group in range(1, 6) for number in range(1, 19)
    ]
    assert [each.id for each in AUTOBAHN] == [
        f"13.{group}.{number}" for group in range(1, 8) for number in range(1, 19)
    ]
    for rows in (MATERIALS, AUTOBAHN):
        assert [(each.size, each.fragment) for each in rows] == SIZES * (
            len(rows) // 18
        )
    assert {each.count for each in (*MATERIALS, *PARAMETERS)} == {None}


def test_materials_are_in_the_order_of_autobahns_reports() -> None:
    """JSON and HTML are text, the others are binary."""
    order = list(dict.fromkeys(each.material for each in MATERIALS))

    assert order == [
        Material.JSON,
        Material.BITMAP,
        Material.VERSE,
        Material.HTML,
        Material.PDF,
    ]
    assert [each.is_text for each in order] == [True, False, False, True, False]
    assert {each.extensions for each in MATERIALS} == {DEFAULT}


def test_offers_are_autobahns() -> None:
    """Each says that the client can do whatever is asked of it."""
    forgetful = {"server_no_context_takeover": None}
    extra: list[list[dict[str, str | None]]] = [
        [{}],
        [forgetful],
        [{"server_max_window_bits": "9"}],
        [{"server_max_window_bits": "15"}],
        [forgetful | {"server_max_window_bits": "9"}],
        [forgetful | {"server_max_window_bits": "15"}],
        [forgetful | {"server_max_window_bits": "9"}, forgetful, {}],
    ]
    default = {"client_no_context_takeover": None, "client_max_window_bits": None}

    for group, offers in enumerate(extra, 1):
        assert offered(f"13.{group}.") == [default | each for each in offers]


def test_browsers_forget_nothing() -> None:
    """Which is what Autobahn never plays."""
    assert offered("Z.") == [{"client_max_window_bits": None}]
    assert [each.id for each in OWN] == [f"Z.{number}" for number in range(1, 7)]
    assert {16, 131072} <= {each.size for each in OWN}


def test_titles_are_sentences_that_differ() -> None:
    """They are what a report shows."""
    titles = {each.title for each in (*MATERIALS, *PARAMETERS)}

    # 13.1 is 12.1 once more, in Autobahn too; the title tells the one from the other.
    assert len(titles) == len(MATERIALS) + len(PARAMETERS)
    assert all(title.endswith(".") for title in titles)
