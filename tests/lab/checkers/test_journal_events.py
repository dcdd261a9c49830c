"""A journal's operations are a history that can be judged again."""

from collections.abc import Iterable, Iterator

import pytest

from wavetank.evidence import FaultBegan, FaultHealed, Kind, Noted, Operation, Record
from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Damaged,
    Delivered,
    Drained,
    DropNotice,
    Event,
    FaultBegins,
    FaultHeals,
    Gap,
    Healed,
    Kept,
    PublishFailed,
    PublishInfo,
    PublishInvoked,
    PublishOk,
    Reconnected,
    Resumed,
    Subscribed,
    Unsubscribed,
)
from wavetank.lab.checkers.ids import digest_of
from wavetank.lab.checkers.journal_events import UNFINISHED, JournalEvents, events_of
from wavetank.lab.checkers.promises import Anomaly

from .deeds import DEEDS, SHAPES, Deed, Shape, steady_run
from .runs import judged
from .written import digest_in, written

PAYLOAD = '{"id":"w-r1-p-1","n":1}'
DIGEST = digest_of(PAYLOAD)


def did(
    name: str,
    kind: Kind = Kind.INFO,
    *,
    peer: str = "a",
    number: int = 0,
    topic: str = "",
    seq: int | None = None,
    detail: str = "",
) -> Operation:
    """Return an operation."""
    return Operation(
        at=1.0,
        check="c",
        peer=peer,
        kind=kind,
        name=name,
        id=number,
        topic=topic,
        seq=seq,
        detail=detail,
    )


def read(*records: Record) -> list[Event]:
    """Return the history of some records."""
    return list(events_of(records))


@pytest.mark.parametrize(
    ("record", "events"),
    [
        (did("open", Kind.OK), [Connected(1.0, "a", "connection 1")]),
        (did("close", Kind.OK), [Closed(1.0, "a", "connection 0")]),
        (did("abort"), [Closed(1.0, "a", "connection 0")]),
        (did("cut"), [Closed(1.0, "a", "connection 0")]),
        (did("unsubscribe", Kind.OK, topic="t"), [Unsubscribed(1.0, "a", "t")]),
        (did("gap", topic="t", detail="3 5"), [Gap(1.0, "a", "t", 3, 5)]),
        (did("gap", topic="t", detail="3"), [Gap(1.0, "a", "t", 3, None)]),
        (did("gap", topic="t", detail="3 epoch e"), [Gap(1.0, "a", "t", 3, None, "e")]),
        (did("gap", topic="t", detail="3 5 epoch e"), [Gap(1.0, "a", "t", 3, 5, "e")]),
        (did("gap", topic="t", detail="many"), []),
        (did("gap", topic="t", detail="9" * 20), []),
        (did("dropped", topic="t", detail="4"), [DropNotice(1.0, "a", "t", 4)]),
        (did("kept", topic="t", detail=PAYLOAD), [Kept(1.0, "t", "w-r1-p-1")]),
        (did("healed"), [Healed(1.0)]),
        (did("reconnected"), [Reconnected(1.0)]),
        (did("drained"), [Drained(1.0, finished=True)]),
        (did("drained", detail=UNFINISHED), [Drained(1.0, finished=False)]),
        (did("welcome"), []),
        (did("ping", Kind.OK), []),
        (did("open", Kind.FAIL), []),
        (did("publish", Kind.OK, number=7), []),
        (did("publish", Kind.INVOKE, number=7, detail="{}"), []),
        (
            FaultBegan(at=1.0, suite="s", check="c", name="cut-1", what="cut"),
            [FaultBegins(1.0, "cut-1")],
        ),
        (
            FaultHealed(at=1.0, suite="s", check="c", name="cut-1"),
            [FaultHeals(1.0, "cut-1")],
        ),
        (Noted(at=1.0, text="x"), []),
    ],
)
def test_a_record_alone_says_what_happened(record: Record, events: list[Event]) -> None:
    """What is nothing to messages is left out."""
    assert read(record) == events


@pytest.mark.parametrize(
    ("end", "event"),
    [
        (did("publish", Kind.FAIL, number=1), PublishFailed(1.0, "w-r1-p-1")),
        (did("publish", Kind.INFO, number=1), PublishInfo(1.0, "w-r1-p-1")),
        (
            did("publish", Kind.OK, number=1, seq=4),
            PublishOk(1.0, "w-r1-p-1", 4),
        ),
        (
            did("publish", Kind.OK, number=1, seq=4, detail="epoch e1"),
            PublishOk(1.0, "w-r1-p-1", 4, "e1"),
        ),
    ],
)
def test_a_publication_is_known_by_the_id_in_its_payload(
    end: Operation, event: Event
) -> None:
    """Its end has only the number of the operation."""
    begun = did("publish", Kind.INVOKE, number=1, topic="t", detail=PAYLOAD)
    assert read(begun, end, end) == [
        PublishInvoked(1.0, "a", "w-r1-p-1", "t", DIGEST),
        event,
    ]


def test_a_subscription_begins_at_the_head_or_where_it_goes_on() -> None:
    """The invoke says since when."""
    fresh = did("subscribe", Kind.INVOKE, number=1, topic="t")
    since = did("subscribe", Kind.INVOKE, number=2, topic="t", detail="since e1 5")
    assert read(
        fresh,
        did("subscribe", Kind.OK, number=1, topic="t", seq=9, detail="epoch e2"),
        since,
        did("subscribe", Kind.OK, number=2, topic="t", seq=9),
    ) == [Subscribed(1.0, "a", "t", 9, "e2"), Subscribed(1.0, "a", "t", 5, "e1")]


def test_a_delivery_belongs_to_the_connection_and_topic_of_its_peer() -> None:
    """A dialect may not name the topic; peers may be connections of one subscriber."""
    records = [
        did("open", Kind.OK, peer="p1"),
        did("subscribe", Kind.OK, number=1, topic="t", peer="p1"),
        did("event", peer="p1", seq=1, detail=PAYLOAD),
        did("open", Kind.OK, peer="p2"),
        did("replayed", peer="p2", seq=1, topic="t", detail=PAYLOAD),
    ]
    events = list(events_of(records, subscribers={"p1": "a", "p2": "a"}))
    one = Delivered(
        1.0, "a", "connection 1", "t", "w-r1-p-1", 1, digest=DIGEST, replay=False
    )
    assert events[2] == one
    assert events[4] == one._replace(connection="connection 2", replay=True)


def run(missing: Iterable[int] = ()) -> list[Record]:
    """Return the journal of a run of five messages."""
    records: list[Record] = [
        did("open", Kind.OK),
        did("subscribe", Kind.OK, number=1, topic="t", seq=0),
    ]
    for n in range(1, 6):
        payload = f'{{"id":"w-r1-p-{n}"}}'
        records += [
            did("publish", Kind.INVOKE, peer="p", number=n, topic="t", detail=payload),
            did("publish", Kind.OK, peer="p", number=n, topic="t", seq=n),
        ]
        if n not in missing:
            records.append(did("event", topic="t", seq=n, detail=payload))
    return [*records, did("drained")]


def test_a_journal_can_be_judged_again() -> None:
    """What was lost in the run is lost in its journal."""
    assert not any(judged(*events_of(run())).counts.values())
    counts = judged(*events_of(run(missing=[3]))).counts
    assert {name for name, count in counts.items() if count} == {
        Anomaly.LOST,
        Anomaly.LOST_TO_ALL,
        Anomaly.SKIPPED,
    }


def as_heard(events: Iterable[Event]) -> Iterator[Event]:
    """Yield a history in which deliveries have the epoch of their subscription."""
    epochs: dict[tuple[str, str], str] = {}
    for event in events:
        if isinstance(event, Subscribed):
            epochs[event.subscriber, event.topic] = event.epoch
        if isinstance(event, Delivered):
            epoch = epochs.get((event.subscriber, event.topic), "")
            yield event._replace(epoch=epoch)
        else:
            yield event


@pytest.mark.parametrize("shape", SHAPES[::4], ids=str)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_history_that_was_written_down_comes_to_the_verdict_of_the_live_one(
    shape: Shape, deed: Deed
) -> None:
    """Each deed, of every class, at the first, the middle and the last delivery."""
    events = steady_run(shape)
    places = [n for n, event in enumerate(events) if isinstance(event, Delivered)]
    for place in (places[0], places[len(places) // 2], places[-1]):
        live = list(as_heard(deed(events, place) or events))
        read_back = events_of(written(live), digest=digest_in)
        one = judged(*live, promise=shape.promise)
        other = judged(*read_back, promise=shape.promise)
        assert (one.verdict, one.counts) == (other.verdict, other.counts)


def test_a_session_that_goes_on_and_what_is_no_message_are_told() -> None:
    """Both change what is owed, and what counts as lost."""
    assert read(
        did("resume", Kind.OK), did("damaged", topic="t", detail="no JSON")
    ) == [
        Resumed(1.0, "a", "connection 1"),
        Damaged(1.0, "a", "connection 1", "t", "no JSON"),
    ]


def test_a_reader_shows_what_is_unanswered() -> None:
    """Its state can be read in a failing test."""
    reader = JournalEvents()
    reader.read(did("publish", Kind.INVOKE, number=1, detail=PAYLOAD))
    assert repr(reader) == "<JournalEvents 1 unanswered>"


def test_a_subscription_that_was_refused_or_given_up_is_forgotten() -> None:
    """Whoever asks again and again leaves nothing behind."""
    reader = JournalEvents()
    for number, kind in enumerate([Kind.OK, Kind.FAIL, Kind.INFO]):
        reader.read(did("subscribe", Kind.INVOKE, number=number, detail="since e 1"))
        reader.read(did("subscribe", kind, number=number))
    assert not reader._since
