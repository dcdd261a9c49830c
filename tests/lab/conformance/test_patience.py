"""Time-outs as values: the rows of the table, and what becomes of each."""

import msgspec
import pytest

from wavetank.evidence import Verdict
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.patience import (
    NEWCOMERS,
    PATIENCE,
    RESIDENT,
    STALLS,
    Place,
    Seen,
    Service,
    Stall,
    Wish,
    judge_service,
    judge_stall,
    opening_parts,
    reason_to_skip_stall,
)
from wavetank.wire import MessageLimits, MessageReader

REQUEST = (
    b"GET /chat HTTP/1.1\r\n"
    b"Host: localhost\r\n"
    b"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
ROWS = {stall.id: stall for stall in (*STALLS, RESIDENT, NEWCOMERS)}
KEPT = ROWS["T.11"]
MUST = ROWS["T.14"]


def read(stall: Stall, data: bytes) -> MessageReader:
    """Return a strict reader of a server that has read what a row sends."""
    limits = MessageLimits(message_bytes=1024, fragments=10)
    reader = MessageReader(expect_mask=True, limits=limits)
    reader.feed(data)
    return reader


# The rows


def test_the_rows_are_numbered_and_each_says_what_it_proves() -> None:
    """Ids go from T.1 on; titles are sentences, and end in what has to happen."""
    assert list(ROWS) == [f"T.{number}" for number in range(1, 19)]
    for stall in ROWS.values():
        assert stall.title[0].isupper()
        assert stall.title.endswith(".")
        assert stall.clause
        assert stall.name
        assert 0 < stall.within <= PATIENCE
    assert len({stall.name for stall in ROWS.values()}) == len(ROWS)


def test_only_one_clause_demands_an_end() -> None:
    """RFC 6455 5.5.1 wants TCP closed immediately; no other time-out is a MUST."""
    must = [stall for stall in ROWS.values() if stall.level is Level.MUST]
    assert must == [MUST]
    assert MUST.within < PATIENCE


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("T.2", b"GET /chat"),
        ("T.3", b"localhost\r\nSec-"),
        ("T.4", b"Version: 13\r\n"),
        ("T.15", b"localhost\r\nSec-"),
    ],
)
def test_an_opening_handshake_stalls_where_its_row_says(name: str, end: bytes) -> None:
    """The rest of the request is held back for good, and is never empty."""
    sent, drip = opening_parts(ROWS[name], REQUEST)
    assert REQUEST.startswith(sent)
    assert sent.endswith(end)
    assert sent != REQUEST
    assert drip == b""


def test_an_opening_handshake_drips_from_its_first_byte_on() -> None:
    """Nothing goes out at once, and everything byte by byte."""
    assert opening_parts(ROWS["T.5"], REQUEST) == (b"", REQUEST)


def test_behind_tcp_nothing_is_sent() -> None:
    """Not even the method."""
    assert opening_parts(ROWS["T.1"], REQUEST) == (b"", b"")


def test_a_whole_request_can_be_sent() -> None:
    """A row that holds nothing back stalls behind the handshake."""
    whole = msgspec.structs.replace(ROWS["T.1"], held=b"")
    assert opening_parts(whole, REQUEST) == (REQUEST, b"")


@pytest.mark.parametrize("name", ["T.7", "T.8", "T.9", "T.10"])
def test_a_stalled_message_has_begun_legally_and_not_ended(name: str) -> None:
    """A server that ends it does so for its patience alone."""
    stall = ROWS[name]
    reader = read(stall, stall.sent)
    assert reader.violation is None
    assert any(reader.statistics().values())
    assert len(stall.drip) in (0, 125)
    if stall.drip:
        assert not any(read(stall, stall.sent + stall.drip).statistics().values())


def test_the_target_is_made_to_close_by_a_broken_rule() -> None:
    """T.13 breaks one, and T.14 is a close frame that breaks none."""
    assert read(ROWS["T.13"], ROWS["T.13"].sent).violation is not None
    assert read(MUST, MUST.sent).violation is None
    assert [row.id for row in ROWS.values() if row.closes] == ["T.13", "T.14"]


def test_half_a_tls_handshake_is_the_beginning_of_a_client_hello() -> None:
    """A record of type 22 that announces more than comes (RFC 8446 5.1)."""
    sent = ROWS["T.6"].sent
    assert sent[0] == 22
    assert int.from_bytes(sent[3:5], "big") > len(sent) - 5
    assert sent[5] == 1


@pytest.mark.parametrize(
    ("name", "is_tls", "has_tls", "reason"),
    [
        ("T.6", False, False, "the target has no TLS"),
        ("T.6", True, True, ""),
        ("T.15", True, True, "TLS cannot be closed half"),
        ("T.16", False, True, ""),
        ("T.1", True, True, ""),
    ],
)
def test_a_row_that_says_nothing_is_skipped(
    name: str, is_tls: bool, has_tls: bool, reason: str
) -> None:
    """TLS is needed for one, and stands in the way of two."""
    found = reason_to_skip_stall(ROWS[name], is_tls=is_tls, has_tls=has_tls)
    assert found == reason


# What becomes of them


def ended(**fields: object) -> Seen:
    """Return what is seen of a connection that the target has ended."""
    return Seen(**({"ending": "fin", "after": 10.04} | fields))


@pytest.mark.parametrize(
    ("name", "seen", "verdict", "note"),
    [
        ("T.2", ended(status=408), Verdict.PASS, ""),
        ("T.2", ended(), Verdict.PASS, ""),
        ("T.2", ended(ending="reset"), Verdict.PASS, "by FIN and not by RST"),
        ("T.5", ended(ending="reset"), Verdict.PASS, ""),
        ("T.2", Seen(), Verdict.PASS, "keeps half a request line for more than 45 s"),
        ("T.2", Seen(status=408), Verdict.PASS, "keeps half a request line"),
        ("T.4", Seen(status=101), Verdict.FAIL, "must not open before the request"),
        ("T.4", ended(status=101), Verdict.FAIL, "must not open before the request"),
        ("T.6", ended(ending="reset"), Verdict.PASS, ""),
        ("T.8", ended(), Verdict.PASS, "should send a close frame"),
        ("T.8", ended(has_closed=True, code=1011), Verdict.PASS, ""),
        ("T.8", Seen(has_closed=True, code=1011), Verdict.PASS, ""),
        ("T.12", Seen(), Verdict.PASS, "an idle connection that answers no ping"),
        ("T.13", ended(has_closed=True, code=1002), Verdict.PASS, ""),
        ("T.13", Seen(has_closed=True, code=1002), Verdict.PASS, "is not answered"),
        ("T.13", Seen(), Verdict.UNKNOWN, ""),
        ("T.14", ended(has_closed=True, code=1000), Verdict.PASS, ""),
        ("T.14", Seen(has_closed=True, code=1000), Verdict.FAIL, ""),
        ("T.16", ended(), Verdict.PASS, ""),
        ("T.16", Seen(), Verdict.PASS, "keeps a half-closed connection"),
        ("T.3", Seen(obstacle="nobody there"), Verdict.UNKNOWN, ""),
    ],
)
def test_what_stalls_is_judged_by_its_end(
    name: str, seen: Seen, verdict: Verdict, note: str
) -> None:
    """No end in time is a note where no clause demands one, and FAIL where one does."""
    judged = judge_stall(ROWS[name], seen)
    assert judged.verdict is verdict
    assert note in judged.note
    assert bool(judged.note) == bool(note)


@pytest.mark.parametrize(
    ("seen", "verdict", "note"),
    [
        (Seen(pings=2), Verdict.PASS, ""),
        (Seen(), Verdict.PASS, ""),
        (ended(pings=1), Verdict.FAIL, ""),
        (ended(pings=1, has_closed=True), Verdict.FAIL, ""),
        (ended(pings=1, has_closed=True, code=1011), Verdict.FAIL, ""),
        (Seen(pings=1, has_closed=True, code=1011), Verdict.FAIL, ""),
        (
            ended(pings=1, has_closed=True, code=1001, closed_after=9.0),
            Verdict.PASS,
            "it ends an idle connection after 9.0 s",
        ),
        (ended(pings=1, has_closed=True, code=4008), Verdict.PASS, "it ends an idle"),
        (ended(), Verdict.PASS, "it ends an idle connection after 10.0 s"),
    ],
)
def test_who_is_asked_and_answers_is_not_taken_for_dead(
    seen: Seen, verdict: Verdict, note: str
) -> None:
    """RFC 6455 7.3 lets a server go whenever it wants to; then it says so."""
    judged = judge_stall(KEPT, seen)
    assert (judged.verdict, judged.expected) == (verdict, "no end")
    assert note in judged.note
    assert bool(judged.note) == bool(note)


@pytest.mark.parametrize(
    ("name", "seen", "words"),
    [
        ("T.2", ended(status=408), "answered with 408, TCP ended by FIN after 10.0 s"),
        ("T.1", Seen(after=45.0), "TCP open after 45.0 s"),
        (
            "T.12",
            ended(pings=1, has_closed=True, code=1011, closed_after=9.96),
            "1 ping came, its close frame with 1011 (internal error) after 10.0 s, "
            "TCP ended by FIN after 10.0 s",
        ),
        (
            "T.8",
            ended(has_closed=True, ending="reset"),
            "its close frame without a code after 0.0 s, TCP ended by RESET after "
            "10.0 s",
        ),
        ("T.11", Seen(after=45.0), "0 pings came, TCP open after 45.0 s"),
        ("T.13", Seen(), "it did not send the close frame that it was to send"),
        ("T.9", Seen(obstacle="nobody there"), "nobody there"),
    ],
)
def test_what_was_seen_is_told_in_words(name: str, seen: Seen, words: str) -> None:
    """With the seconds, and who ended it how."""
    assert judge_stall(ROWS[name], seen).seen == words


def test_what_is_expected_names_the_time() -> None:
    """The deadline of the row, whatever it was bounded to."""
    bounded = msgspec.structs.replace(MUST, within=0.4)
    assert judge_stall(bounded, Seen()).expected == "an end within 0.4 s"


def test_seconds_count_until_the_target_begins_to_end_it() -> None:
    """Its close frame is that, and else the end of TCP."""
    assert Seen(after=45.0).seconds is None
    assert ended().seconds == 10.04
    assert ended(has_closed=True, closed_after=5.0).seconds == 5.0


# Others


@pytest.mark.parametrize(
    ("service", "verdict", "note"),
    [
        (Service(rounds=45), Verdict.PASS, ""),
        (Service(failure="no pong came"), Verdict.FAIL, ""),
        (Service(failure="it was ended", code=1011), Verdict.FAIL, ""),
        (Service(failure="it was ended", code=1001), Verdict.PASS, "it ends a"),
        (Service(failure="x", obstacle="y"), Verdict.UNKNOWN, ""),
    ],
)
def test_others_have_to_be_served(
    service: Service, verdict: Verdict, note: str
) -> None:
    """Who is not, is harmed by strangers; but a server may go when it wants to."""
    judged = judge_service(service)
    assert judged.verdict is verdict
    assert note in judged.note
    assert bool(judged.note) == bool(note)


def test_what_became_of_others_is_told_in_words() -> None:
    """How often they were served, how slowly, and in which way no longer."""
    service = Service(rounds=3, slowest=0.126, failure="no pong came within 3 s")
    assert judge_service(service).seen == (
        "served 3 times, after 0.13 s at most, and then no pong came within 3 s"
    )
    assert judge_service(Service(obstacle="nobody there")).seen == "nobody there"


def test_rows_are_of_three_places_and_three_wishes() -> None:
    """None of the words of the model is without a row."""
    assert {stall.place for stall in STALLS} == set(Place)
    assert {stall.wish for stall in ROWS.values()} == set(Wish)
