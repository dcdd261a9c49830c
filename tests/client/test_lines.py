"""Lines: items and outcomes as lines of text."""

import json

import pytest

from wavetank.client.failures import NotPublished
from wavetank.client.items import Event, Gap, Item, Stale
from wavetank.client.lines import failed_line, json_line, published_line, text_line
from wavetank.protocol import Position

EVENT = Event(topic="a.b", epoch="e", seq=3, at=1790000000.123456, data=b'{"x": 1.10}')
GAP = Gap(topic="a.b", epoch="e", first=4, last=6, reason="truncated")
STALE = Stale(is_stale=True, reason="silent", since=100.5)
FRESH = Stale(is_stale=False, reason="silent", since=100.5, until=103.0)


def test_event_line_keeps_the_payload_byte_for_byte() -> None:
    """Numbers, spacing and escapes are those of the publisher."""
    assert json_line(EVENT) == (
        b'{"type":"event","topic":"a.b","epoch":"e","seq":3,"ts":1790000000123.456,'
        b'"data":{"x": 1.10}}\n'
    )


def test_event_line_is_one_line_even_if_the_payload_is_not() -> None:
    """JSON has line ends between tokens only, and there a space is as good."""
    event = Event(topic="a", epoch="e", seq=1, at=1.0, data=b'{\r\n"x":\n"a\\nb"}')
    line = json_line(event)
    assert line.count(b"\n") == 1
    assert json.loads(line)["data"] == {"x": "a\nb"}
    assert text_line(event) == b'a 1 {  "x": "a\\nb"}\n'


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (
            GAP,
            {
                "type": "gap",
                "topic": "a.b",
                "epoch": "e",
                "from": 4,
                "to": 6,
                "reason": "truncated",
            },
        ),
        (
            STALE,
            {"type": "stale", "reason": "silent", "since": 100500.0, "until": None},
        ),
        (
            FRESH,
            {"type": "fresh", "reason": "silent", "since": 100500.0, "until": 103000.0},
        ),
    ],
)
def test_other_items_are_objects_too(item: Item, told: dict[str, object]) -> None:
    """With a type of their own; times are milliseconds, as in the protocol."""
    assert json.loads(json_line(item)) == told


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (EVENT, b'a.b 3 {"x": 1.10}\n'),
        (GAP, b"# gap: a.b 3 missing, truncated\n"),
        (
            Gap(topic="a", epoch="e", first=1, last=0, reason="new\x1b[2J"),
            b"# gap: a nothing known to be missing, new?[2J\n",
        ),
        (STALE, b"# stale: silent\n"),
        (FRESH, b"# fresh again after 2.5 s\n"),
        (
            Stale(is_stale=False, reason="silent", since=1.0),
            b"# fresh again after 0.0 s\n",
        ),
    ],
)
def test_items_can_be_read_by_a_person(item: Item, line: bytes) -> None:
    """What is no event begins with a number sign."""
    assert text_line(item) == line


def test_outcomes_are_lines() -> None:
    """Where it is, or why it is nowhere."""
    line = published_line("a", Position("e", 3), is_duplicate=True)
    assert json.loads(line) == {
        "type": "published",
        "topic": "a",
        "epoch": "e",
        "seq": 3,
        "duplicate": True,
    }
    line = published_line("a", None, is_duplicate=True)
    assert json.loads(line)["seq"] is None
    error = NotPublished("no", code="retries", is_certain=False)
    assert json.loads(failed_line("a", "failed", error)) == {
        "type": "failed",
        "topic": "a",
        "code": "retries",
        "message": "no",
        "certain": False,
    }
