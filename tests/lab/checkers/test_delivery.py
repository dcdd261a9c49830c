"""The delivery checker finds every class, and nothing in a sound run."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavetank.evidence import Verdict
from wavetank.lab.checkers.delivery import Checker
from wavetank.lab.checkers.history import (
    Closed,
    Connected,
    Damaged,
    Delivered,
    Drained,
    DropNotice,
    Event,
    Fate,
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
from wavetank.lab.checkers.promises import (
    AT_LEAST_ONCE,
    BEST_EFFORT,
    EXACTLY_ONCE,
    Anomaly,
    Promise,
)

from .deeds import DEEDS, SHAPES, Deed, Shape, steady_run
from .histories import random_history, random_promise, sound_run
from .reference import count
from .runs import FULL, drained, following, got, judged, message, sent, wrong

LOOSE = Promise(acknowledges=False, resumable=False)
ALONE = [*following("a"), *sent(1), got(1), *sent(2)]
"""One subscriber; the second of two messages is still to be delivered."""

BOTH = [*following("a", "b"), *sent(1), *sent(2)]
"""Two subscribers and two messages."""


def unnumbered(*events: Event) -> list[Event]:
    """Return a history without sequence numbers."""
    return [
        event._replace(seq=None)
        if isinstance(event, PublishOk | Delivered)
        else event._replace(head=None)
        if isinstance(event, Subscribed)
        else event
        for event in events
    ]


# What each class is, and what it is not: a history that has it, and a near miss


def resumed(since: int) -> list[Event]:
    """Connect the subscriber again, which asks for what is behind a number."""
    return [Resumed(3.0, "a", "c2"), Subscribed(3.0, "a", "t", since, "e1")]


HAS: list[tuple[str, Promise, list[Event], dict[Anomaly, int]]] = [
    (
        "lost: another subscriber got it, and all is drained",
        AT_LEAST_ONCE,
        [*BOTH, got(1), got(2), got(1, who="b"), drained()],
        {Anomaly.LOST: 1},
    ),
    (
        "lost: nothing is drained, and a higher number came",
        AT_LEAST_ONCE,
        [*BOTH, got(1), got(2), got(2, who="b")],
        {Anomaly.LOST: 1, Anomaly.SKIPPED: 1},
    ),
    (
        "lost while it was away: the session can be resumed",
        AT_LEAST_ONCE,
        [
            *following("a", "b"),
            Closed(0.5, "b", "c1"),
            *sent(1),
            got(1),
            Resumed(1.0, "b", "c2"),
            drained(),
        ],
        {Anomaly.LOST: 1},
    ),
    (
        "lost without numbers: a later one of its publisher came before the end",
        LOOSE,
        unnumbered(*BOTH, got(1), got(2), got(2, who="b"), Closed(3.0, "b", "c1")),
        {Anomaly.LOST: 1},
    ),
    (
        "lost to all: acknowledged, and nobody got it",
        AT_LEAST_ONCE,
        [*BOTH, got(1), got(1, who="b"), drained()],
        {Anomaly.LOST: 2, Anomaly.LOST_TO_ALL: 1},
    ),
    (
        "declared gap: by number",
        AT_LEAST_ONCE,
        [*ALONE, Gap(2.0, "a", "t", 2, 2), drained()],
        {Anomaly.DECLARED: 1},
    ),
    (
        "declared gap: to the end of the epoch",
        AT_LEAST_ONCE,
        [*ALONE, Gap(2.0, "a", "t", 2, None, "e1"), drained()],
        {Anomaly.DECLARED: 1},
    ),
    (
        "declared gap: by how many, and what is jumped over is explained with it",
        AT_LEAST_ONCE,
        [*ALONE, *sent(3), DropNotice(2.0, "a", "t", 1), got(3), drained()],
        {Anomaly.DECLARED: 1},
    ),
    (
        "pending: nothing behind it came, and nobody has waited",
        AT_LEAST_ONCE,
        ALONE,
        {Anomaly.PENDING: 1},
    ),
    (
        "recovered: a time-out, and it came",
        AT_LEAST_ONCE,
        [
            *following("a"),
            PublishInvoked(1.0, "p", message(1), "t", "d1"),
            PublishInfo(2.0, message(1)),
            got(1),
            drained(),
        ],
        {Anomaly.RECOVERED: 1},
    ),
    (
        "phantom: refused, and it came before that was known",
        AT_LEAST_ONCE,
        [
            *following("a"),
            PublishInvoked(1.0, "p", message(1), "t", "d1"),
            got(1),
            PublishFailed(2.0, message(1)),
            drained(),
        ],
        {Anomaly.PHANTOM: 1},
    ),
    (
        "unexpected: nobody has published it",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), got(9, 2), drained()],
        {Anomaly.UNEXPECTED: 1},
    ),
    (
        "unexpected: it has no id at all",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), Delivered(2.0, "a", "c1", "t", "")],
        {Anomaly.UNEXPECTED: 1},
    ),
    (
        "leftover: its id is of another run",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), got(1, 2)._replace(id="w-r0-p-1")],
        {Anomaly.LEFTOVER: 1},
    ),
    (
        "duplicated in a connection",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), got(1), drained()],
        {Anomaly.REPEATED: 1},
    ),
    (
        "duplicated on resume",
        AT_LEAST_ONCE,
        [
            *ALONE,
            Resumed(2.0, "a", "c2"),
            got(1, connection="c2"),
            got(2, connection="c2"),
            drained(),
        ],
        {Anomaly.REDELIVERED: 1},
    ),
    (
        "duplicated on resume: the replay overlaps, and that is not out of order",
        EXACTLY_ONCE,
        [
            *(*ALONE, got(2), Resumed(2.0, "a", "c2")),
            *(got(1, connection="c2"), got(2, connection="c2"), drained()),
        ],
        {Anomaly.REDELIVERED: 2},
    ),
    (
        "duplicated by publisher: a retry has another place in the log",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), *sent(1, 2), got(1), got(1, 2), drained()],
        {Anomaly.PUBLISHED_TWICE: 1},
    ),
    (
        "duplicated by publisher: seen at the subscriber alone, told once",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), got(1, 2), got(1, 3), drained()],
        {Anomaly.PUBLISHED_TWICE: 1},
    ),
    (
        "reordered: numbers go backwards",
        AT_LEAST_ONCE,
        [
            *following("a"),
            *sent(1),
            *sent(1, 2, publisher="q"),
            got(1, 2, publisher="q"),
            got(1),
            drained(),
        ],
        {Anomaly.REORDERED: 1},
    ),
    (
        "reordered: by what nobody has published",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), *sent(2), got(1), got(2), got(9, 1), drained()],
        {Anomaly.REORDERED: 1, Anomaly.UNEXPECTED: 1},
    ),
    (
        "skip: a number of which nobody knows anything never came",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), *sent(2, 3), got(1), got(2, 3), drained()],
        {Anomaly.SKIPPED: 1},
    ),
    (
        "reordered across a resume: it has asked for what is behind that one",
        EXACTLY_ONCE,
        [
            *ALONE,
            *sent(3),
            got(3),
            *resumed(3),
            got(2, connection="c2"),
            drained(),
        ],
        {Anomaly.REORDERED: 1},
    ),
    (
        "publisher order: the log has them in the wrong one",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1, 2), *sent(2, 1), got(2, 1), got(1, 2), drained()],
        {Anomaly.OVERTAKEN: 1},
    ),
    (
        "disagreement: two messages at one place of the log",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), *sent(2, 1), got(1), drained()],
        {Anomaly.DISAGREEMENT: 1, Anomaly.LOST: 1, Anomaly.LOST_TO_ALL: 1},
    ),
    (
        "disagreement: two payloads of one message, and nobody said which it was",
        AT_LEAST_ONCE,
        [
            *following("a", "b"),
            PublishInvoked(1.0, "p", message(1), "t"),
            PublishOk(1.0, message(1), 1),
            got(1),
            got(1, who="b", digest="other"),
            drained(),
        ],
        {Anomaly.DISAGREEMENT: 1},
    ),
    (
        "disagreement: two publishers in two orders, without numbers",
        AT_LEAST_ONCE,
        unnumbered(
            *following("a", "b"),
            *sent(1),
            *sent(1, publisher="q"),
            *(got(1), got(1, publisher="q")),
            *(got(1, publisher="q", who="b"), got(1, who="b")),
            drained(),
        ),
        {Anomaly.DISAGREEMENT: 1},
    ),
    (
        "corrupted: another payload than was published",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1, digest="other"), drained()],
        {Anomaly.CORRUPTED: 1},
    ),
    (
        "corrupted: it was no message",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), Damaged(2.0, "a", "c1", "t", "no UTF-8")],
        {Anomaly.CORRUPTED: 1},
    ),
    (
        "corrupted: no log has such a number",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), got(1, -7), got(1, 2**53)],
        {Anomaly.CORRUPTED: 2},
    ),
    (
        "misrouted: to who did not subscribe",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1), got(1, who="b"), drained()],
        {Anomaly.MISROUTED: 1},
    ),
    (
        "misrouted: to who has unsubscribed",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), Unsubscribed(1.0, "a", "t"), got(1)],
        {Anomaly.MISROUTED: 1},
    ),
    (
        "misrouted: to who has no right to it",
        AT_LEAST_ONCE,
        [Subscribed(0.0, "a", "t", 0, entitled=False), *sent(1), got(1)],
        {Anomaly.MISROUTED: 1, Anomaly.PENDING: 1},
    ),
    (
        "misrouted: on another topic than it was published to",
        AT_LEAST_ONCE,
        [
            *following("a"),
            *following("a", topic="u"),
            *sent(1),
            got(1),
            got(1, topic="u"),
        ],
        {Anomaly.MISROUTED: 1},
    ),
    (
        "stale: later after its acknowledgement than agreed",
        Promise(stale_after=0.9),
        [*following("a"), *sent(1, at=1.0), got(1, at=2.0), drained()],
        {Anomaly.STALE: 1},
    ),
    (
        "stale: a retry that is acknowledged again makes it no younger",
        Promise(stale_after=0.9),
        [
            *following("a"),
            *sent(1, at=1.0),
            *sent(1, at=1.9),
            got(1, at=2.0),
            drained(),
        ],
        {Anomaly.STALE: 1},
    ),
]

LACKS: list[tuple[str, Promise, list[Event]]] = [
    (
        "not lost: it came on resume",
        AT_LEAST_ONCE,
        [
            *ALONE,
            Closed(2.0, "a", "c1"),
            Resumed(3.0, "a", "c2"),
            got(2, connection="c2"),
            drained(),
        ],
    ),
    (
        "not lost: published before the head",
        AT_LEAST_ONCE,
        [*sent(1), *following("a", head=1), *sent(2), got(2), drained()],
    ),
    (
        "not lost: the target does not resume, and it was away",
        BEST_EFFORT,
        unnumbered(
            *following("a", "b"),
            *(*sent(1), got(1), got(1, who="b")),
            Closed(2.0, "b", "c1"),
            *(*sent(2), got(2)),
            Connected(3.0, "b", "c2"),
            Subscribed(3.0, "b", "t"),
            *(*sent(3), got(3), got(3, who="b", connection="c2"), drained()),
        ),
    ),
    (
        "not lost: published after it had unsubscribed",
        AT_LEAST_ONCE,
        [
            *following("a", "b"),
            *sent(1),
            got(1),
            got(1, who="b"),
            Unsubscribed(2.0, "b", "t"),
            *sent(2),
            got(2),
            drained(),
        ],
    ),
    (
        "not lost: before the first delivery of a subscription without head",
        AT_LEAST_ONCE,
        [
            *sent(1),
            Connected(0.0, "a", "c1"),
            Subscribed(0.0, "a", "t", confirmed=False),
            *(*sent(2), *sent(3), got(3), drained()),
        ],
    ),
    (
        "not lost to all: the history has it",
        Promise(allowed=frozenset({Anomaly.LOST})),
        [*ALONE, Kept(3.0, "t", message(2)), Unsubscribed(3.0, "a", "t"), drained()],
    ),
    (
        "no phantom: the attempt was refused, its retry was not",
        AT_LEAST_ONCE,
        [
            *following("a"),
            PublishInvoked(1.0, "p", message(1), "t", "d1"),
            PublishFailed(1.0, message(1)),
            *(*sent(1), got(1), drained()),
        ],
    ),
    (
        "not duplicated by publisher: the retry was known for one",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), *sent(1), got(1), drained()],
    ),
    (
        "not unexpected: it came before its acknowledgement",
        AT_LEAST_ONCE,
        [
            *following("a"),
            PublishInvoked(1.0, "p", message(1), "t", "d1"),
            got(1),
            PublishOk(3.0, message(1), 1),
            drained(),
        ],
    ),
    (
        "not recovered: it was acknowledged after all",
        AT_LEAST_ONCE,
        [
            *following("a"),
            PublishInvoked(1.0, "p", message(1), "t", "d1"),
            PublishInfo(2.0, message(1)),
            *(*sent(1), got(1), drained()),
        ],
    ),
    (
        "not misrouted: it has subscribed again",
        AT_LEAST_ONCE,
        [
            *(*following("a"), *sent(1), got(1), Unsubscribed(2.0, "a", "t")),
            *(Subscribed(2.0, "a", "t", 1), *sent(2), got(2), drained()),
        ],
    ),
    (
        "no skip: what was jumped over came after the resume",
        AT_LEAST_ONCE,
        [
            *ALONE,
            *sent(3),
            got(3),
            Resumed(3.0, "a", "c2"),
            got(2, connection="c2"),
            drained(),
        ],
    ),
    (
        "not reordered: it has asked for it again, and for what is behind it",
        EXACTLY_ONCE,
        [
            *ALONE,
            *sent(3),
            got(3),
            *resumed(1),
            got(2, connection="c2"),
            drained(),
        ],
    ),
    (
        "no skip: a new epoch begins with one",
        AT_LEAST_ONCE,
        [
            *(*following("a"), *sent(1), got(1)),
            PublishInvoked(2.0, "p", message(2), "t", "d2"),
            PublishOk(2.0, message(2), 1, "e2"),
            got(2, 1)._replace(epoch="e2"),
            drained(),
        ],
    ),
    (
        "no new place: a delivery without epoch is of the subscription's own",
        AT_LEAST_ONCE,
        [
            *(*following("a"), *sent(1), *sent(2, 1)[:1]),
            PublishOk(1.0, message(2), 1, "e2"),
            got(1)._replace(epoch=""),
            got(2, 1)._replace(epoch="e2"),
            drained(),
        ],
    ),
    (
        "publisher order: two publishers have none between them",
        AT_LEAST_ONCE,
        [
            *following("a"),
            *sent(1),
            *sent(1, 2, publisher="q"),
            got(1),
            got(1, 2, publisher="q"),
            drained(),
        ],
    ),
    (
        "no disagreement: two orders, and the target promises none",
        Promise(one_order=False),
        unnumbered(
            *following("a", "b"),
            *(*sent(1), *sent(1, publisher="q"), got(1), got(1, publisher="q")),
            *(got(1, publisher="q", who="b"), got(1, who="b"), drained()),
        ),
    ),
    (
        "no disagreement: who came later saw only the second",
        AT_LEAST_ONCE,
        unnumbered(
            *(*following("a"), *sent(1), *sent(1, publisher="q")),
            *(*following("b"), *sent(2), got(2, who="b")),
            *(got(1), got(1, publisher="q"), got(2), drained()),
        ),
    ),
    (
        "not corrupted: nobody can compare it",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1), got(1, digest=""), drained()],
    ),
    (
        "not stale: it came before its acknowledgement",
        Promise(stale_after=0.1),
        [
            *following("a"),
            PublishInvoked(1.0, "p", message(1), "t", "d1"),
            got(1, at=2.0),
            PublishOk(3.0, message(1), 1),
            drained(),
        ],
    ),
    (
        "what is told of an unknown message is nothing",
        AT_LEAST_ONCE,
        [
            *(*following("a"), *sent(1), got(1)),
            PublishOk(2.0, message(8), 8),
            PublishInfo(2.0, message(8)),
            Kept(2.0, "t", message(8)),
            drained(),
        ],
    ),
    (
        "an acknowledgement with an impossible number is one without",
        AT_LEAST_ONCE,
        [*following("a"), *sent(1, 2**60), got(1), drained()],
    ),
]


@pytest.mark.parametrize(
    ("promise", "events", "found"),
    [row[1:] for row in HAS],
    ids=[row[0] for row in HAS],
)
def test_checker_finds_each_class(
    promise: Promise, events: list[Event], found: dict[Anomaly, int]
) -> None:
    """It is counted, and nothing else; the reference checker says the same."""
    assert wrong(*events, promise=promise) == found
    assert {name: n for name, n in count(events, promise).items() if n} == found


def test_checker_has_a_history_for_every_class() -> None:
    """None of them is only promised."""
    assert {anomaly for _, _, _, found in HAS for anomaly in found} == set(Anomaly)


@pytest.mark.parametrize(
    ("promise", "events"), [row[1:] for row in LACKS], ids=[row[0] for row in LACKS]
)
def test_checker_finds_nothing_in_a_near_miss(
    promise: Promise, events: list[Event]
) -> None:
    """What looks like it and is none passes."""
    assert wrong(*events, promise=promise) == {}
    assert judged(*events, promise=promise).verdict is Verdict.PASS


# Random histories


@given(st.integers(0, 2**32), st.booleans())
def test_checker_passes_every_sound_run(seed: int, has_seqs: bool) -> None:
    """However subscribers come and go, a target that keeps its word is not accused."""
    events = sound_run(random.Random(seed), has_seqs=has_seqs)
    for promise in (EXACTLY_ONCE, Promise(resumable=False), LOOSE):
        report = judged(*events, promise=promise)
        assert report.verdict is not Verdict.FAIL, report


def agree(seeds: range) -> None:
    """Compare both checkers on histories to which something was done."""
    for seed in seeds:
        rng = random.Random(seed)
        events, promise = random_history(rng), random_promise(rng)
        assert judged(*events, promise=promise).counts == count(events, promise), seed


@pytest.mark.parametrize("tenth", range(10))
def test_checker_agrees_with_the_reference(tenth: int) -> None:
    """300 histories: every class has the same count as by looking at everything."""
    agree(range(tenth * 30, tenth * 30 + 30))


@pytest.mark.long
@pytest.mark.parametrize("part", range(1, 11))
def test_checker_agrees_with_the_reference_on_10_000_histories(part: int) -> None:
    """The same, at length."""
    agree(range(part * 1000, part * 1000 + 1000))


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_checker_may_be_asked_at_any_time(seed: int, place: int) -> None:
    """What was judged meanwhile makes no difference to what is judged at the end."""
    rng = random.Random(seed)
    events = random_history(rng)
    checker = Checker()
    for number, event in enumerate(events):
        checker.take(event)
        if number % 5 == place % 5:
            checker.judge()
    assert checker.judge().counts == judged(*events).counts
    assert checker.judge().counts == checker.judge().counts


# The final phase


@pytest.mark.parametrize(
    ("events", "doubt"),
    [
        ([], "nobody has waited until everything was delivered"),
        ([Drained(3.0), *sent(2), got(2)], "nobody has waited until everything"),
        ([Drained(3.0, finished=False)], "messages were still coming"),
        ([FaultBegins(2.0, "cut"), Drained(3.0)], "still broken: cut"),
        ([Closed(2.0, "a", "c1"), Drained(3.0)], "not connected again: a"),
        (
            [FaultBegins(2.0, "cut"), FaultHeals(2.5, "cut"), Drained(3.0)],
            "nobody has made sure that all are connected again",
        ),
    ],
)
def test_checker_never_passes_without_the_final_phase(
    events: list[Event], doubt: str
) -> None:
    """A sound run that was not seen to its end is UNKNOWN."""
    report = judged(*following("a"), *sent(1), got(1), *events)
    assert report.verdict is Verdict.UNKNOWN
    assert report.doubts[0].startswith(doubt)


def test_checker_does_not_pass_while_somebody_is_away_to_whom_nothing_is_owed() -> None:
    """Nobody knows whether the target would have let it come again."""
    events = [*following("a", "b"), *sent(1), got(1), got(1, who="b")]
    away = Closed(2.0, "b", "c1")
    report = judged(*events, away, drained(), promise=Promise(resumable=False))
    assert report.doubts == ("not connected again: b",)
    gone = Unsubscribed(2.0, "b", "t")
    report = judged(*events, gone, away, drained(), promise=Promise(resumable=False))
    assert report.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("events", "seen"),
    [
        (sent(2, 1, topic="u"), "nobody has subscribed to u"),
        (
            [Connected(0.0, "b", "c1"), Subscribed(0.0, "b", "t", confirmed=False)],
            "nothing has told what b is owed of t",
        ),
    ],
)
def test_checker_never_passes_what_nobody_could_see(
    events: list[Event], seen: str
) -> None:
    """A topic without subscribers, and a subscriber to which nothing ever came."""
    report = judged(*following("a"), *sent(1), *events, got(1), drained())
    assert report.verdict is Verdict.UNKNOWN
    assert [
        one.seen for one in report.findings() if one.verdict is Verdict.UNKNOWN
    ] == [seen]


def test_checker_passes_once_all_is_healed_connected_and_drained() -> None:
    """In that order."""
    end: list[Event] = [Healed(3.0), Reconnected(4.0), Drained(5.0)]
    faults: list[Event] = [FaultBegins(2.0, "cut"), FaultBegins(2.0, "kill")]
    assert (
        judged(*following("a"), *sent(1), got(1), *faults, *end).verdict is Verdict.PASS
    )


def test_checker_says_where_a_loss_was() -> None:
    """As far as the wire knows."""
    events = [*BOTH, got(1), got(2), got(1, who="b"), drained()]
    report = judged(*events, fates={("b", "t", 2): Fate.CLIENT})
    assert report.fates == {Fate.CLIENT: 1}
    assert report.examples(Anomaly.LOST)[0].by is Fate.CLIENT


def test_checker_refuses_a_publication_that_it_could_not_know_again() -> None:
    """That is a mistake of the lab."""
    with pytest.raises(ValueError, match="no message id"):
        Checker().take(PublishInvoked(0.0, "p", "nonsense", "t"))


# Bounds


def test_checker_forgets_what_everybody_has_got() -> None:
    """What it keeps does not grow with the run; all of it is accounted for."""
    checker = Checker(recent=FULL, most=FULL)
    checker.take_all(following("a", "b"))
    for number in range(1, 6 * FULL + 1):
        checker.take_all(sent(number))
        checker.take(got(number))
        checker.take(got(number, who="b"))
    assert "1 wait, 1 whole" in repr(checker)
    checker.take(drained())
    report = checker.judge()
    assert report.verdict is Verdict.PASS
    assert report.statistics()["delivered"] == 12 * FULL
    assert report.stable.count == 6 * FULL


def test_checker_counts_what_it_has_forgotten() -> None:
    """Refused and unknown messages that came are in the count, long after."""
    checker = Checker(recent=0, most=FULL)
    checker.take_all(following("a"))
    for number in range(1, 4 * FULL + 1):
        if number == 3:
            checker.take(PublishInvoked(1.0, "p", message(3), "t", "d3"))
            checker.take(PublishFailed(1.0, message(3)))
        elif number == 4:
            checker.take(PublishInvoked(1.0, "p", message(4), "t", "d4"))
            checker.take(PublishInfo(1.0, message(4)))
        else:
            checker.take_all(sent(number))
        checker.take(got(number))
    counts = checker.judge().counts
    assert (counts[Anomaly.PHANTOM], counts[Anomaly.RECOVERED]) == (1, 1)


def test_checker_does_not_judge_what_comes_after_it_is_forgotten() -> None:
    """It may be wrong or not: UNKNOWN, and the report says why."""
    checker = Checker(recent=0, most=FULL)
    checker.take_all(following("a"))
    for number in range(1, 4 * FULL + 1):
        checker.take_all(sent(number))
        checker.take(got(number))
    checker.take(got(1))
    checker.take(drained())
    report = checker.judge()
    assert report.statistics()["late"] == 1
    assert "came again so late" in report.bounds[0]
    assert report.counts[Anomaly.REORDERED] == 1  # its number went backwards
    asks = Subscribed(5.0, "b", "t", 0)
    checker.take(asks)
    assert any("asked for messages" in bound for bound in checker.judge().bounds)


def test_checker_decides_the_oldest_where_too_much_is_missing() -> None:
    """A subscriber that never gets anything costs a bounded memory."""
    checker = Checker(recent=0, most=FULL)
    checker.take_all(following("a", "b"))
    checker.take(DropNotice(0.0, "b", "t", 5))
    for number in range(1, 4 * FULL + 1):
        checker.take_all(sent(number))
        checker.take(got(number))
    checker.take(drained())
    report = checker.judge()
    assert report.verdict is Verdict.FAIL
    # What was decided before the end was still pending, the rest is lost.
    missing = report.counts[Anomaly.LOST] + report.counts[Anomaly.PENDING]
    assert missing + report.counts[Anomaly.DECLARED] == 4 * FULL
    assert report.counts[Anomaly.DECLARED] == 5
    assert "given up for lost" in report.bounds[0]


def test_checker_settles_announced_drops_once() -> None:
    """What was excused when it was forgotten is not excused again."""
    checker = Checker(recent=0, most=FULL)
    checker.take_all(following("a"))
    checker.take(DropNotice(0.0, "a", "t", 1))
    for number in range(1, 5 * FULL + 1):
        checker.take_all(sent(number))
        if number not in {7, 4 * FULL + 7}:
            checker.take(got(number))
    checker.take(drained())
    counts = checker.judge().counts
    assert (counts[Anomaly.DECLARED], counts[Anomaly.LOST]) == (1, 1)
    assert counts[Anomaly.SKIPPED] == 1


def test_checker_says_when_numbers_are_scattered_too_widely() -> None:
    """A hostile target jumps wherever it likes, in bounded memory."""
    checker = Checker(limit=5)
    checker.take_all(following("a"))
    for number in range(1, 40):
        checker.take_all([*sent(number, number * 1000), got(number, number * 1000)])
    checker.take(drained())
    report = checker.judge()
    assert report.counts[Anomaly.SKIPPED] == 39 * 999
    assert any("more gaps or epochs" in bound for bound in report.bounds)
    assert len(report.examples(Anomaly.SKIPPED)) == 5


def test_checker_counts_each_delivery_in_time() -> None:
    """From the acknowledgement to the delivery, and to the last one who got it."""
    report = judged(*BOTH, got(1, at=1.5), got(1, who="b", at=3.0), drained())
    assert report.lags.count == 2
    assert report.lags.max == pytest.approx(2.0, rel=0.01)
    assert report.stable.max == pytest.approx(2.0, rel=0.01)


def test_checker_counts_what_is_said_to_be_sent_again() -> None:
    """Recovery figures want it."""
    events = [*ALONE, Resumed(2.0, "a", "c2")]
    again = got(2, connection="c2")._replace(replay=True)
    report = judged(*events, again, drained())
    assert report.statistics()["replayed"] == 1
    assert report.statistics()["reconnections"] == 1


def test_checker_cannot_tell_how_late_what_nobody_acknowledges_is() -> None:
    """None in time is not the same as none too late."""
    promise = Promise(acknowledges=False, stale_after=1.0)
    report = judged(*BOTH, got(1), got(2), drained(), promise=promise)
    (stale,) = [one for one in report.findings() if "in time" in one.title]
    assert stale.verdict is Verdict.SKIP
    assert report.lags.count == 0


def test_checker_says_when_a_message_is_sent_again_too_late() -> None:
    """It was refused, forgotten, sent again and acknowledged: was it delivered?"""
    checker = Checker(recent=0)
    checker.take_all(following("a"))
    checker.take(PublishInvoked(1.0, "q", message(1, "q"), "t"))
    checker.take(PublishFailed(1.0, message(1, "q")))
    for number in range(1, 4 * FULL):
        checker.take_all([*sent(number), got(number)])
    assert not checker.judge().bounds
    checker.take(PublishInvoked(8.0, "p", message(1), "t"))
    checker.take(PublishOk(8.0, message(1), 5 * FULL, "e1"))
    checker.take(drained())
    report = checker.judge()
    assert report.verdict is Verdict.UNKNOWN
    assert report.bounds[0].startswith("a message was sent again")


# Whatever is done to a sound run


def whole(shape: Shape) -> list[Event]:
    """Return a sound run of a shape that comes to PASS."""
    events = steady_run(shape)
    report = judged(*events, promise=shape.promise)
    assert report.verdict is Verdict.PASS, report
    return events


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_checker_sees_each_deed_at_each_place(shape: Shape, deed: Deed) -> None:
    """First, last, at an epoch's border, around a resume and a gap, to the only one."""
    events = whole(shape)
    places = [n for n, event in enumerate(events) if isinstance(event, Delivered)]
    done = [(place, deed(events, place)) for place in places]
    passed = [
        (events[place], wrecked)
        for place, wrecked in done
        if wrecked is not None
        and judged(*wrecked, promise=shape.promise).verdict is Verdict.PASS
    ]
    assert not passed, passed[0][0]


def test_no_deed_is_idle() -> None:
    """Each of them can be done somewhere."""
    for deed in DEEDS:
        assert any(
            deed(events, place) is not None
            for events in map(steady_run, SHAPES)
            for place, event in enumerate(events)
            if isinstance(event, Delivered)
        ), deed.__name__
