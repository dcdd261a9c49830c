"""Replies as values."""

import msgspec

from wavetank.protocol import REPLIES, After, HistoryPage, Start, Subscribed

START = {
    "epoch": "Kq3v9TzA",
    "seq": 57,
    "tag": "05c1d2e4",
    "oldest": 12,
    "recovered": False,
    "reason": "truncated",
    "after": After(57, "05c1d2e4"),
}


def test_replies_have_types_of_their_own():
    """Only ``subscribed`` has two forms: for a topic and for a pattern."""
    assert [reply.__struct_config__.tag for reply in REPLIES] == [
        "authenticated",
        "subscribed",
        "subscribed",
        "unsubscribed",
        "published",
        "history",
        "pong",
    ]


def test_start_is_the_same_in_each_reply_that_has_one():
    """All three replies that say where a topic stands say it alike."""
    start = Start(**START)
    assert Subscribed(id=1, topic="a", **START).start == start
    page = HistoryPage(id=1, topic="a", events=[], more=False, **START)
    assert page.start == start
    assert msgspec.structs.asdict(start) == START


def test_start_never_leaves_out_what_it_does_not_know():
    """``recovered`` and ``reason`` are written as null, so that nobody has to guess."""
    text = msgspec.json.encode(Start(**START | {"recovered": None, "reason": None}))
    assert b'"recovered":null,"reason":null' in text
