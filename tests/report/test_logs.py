"""Each suite has a log: what happened, in order, in the marks of a wire log."""

import re

import pytest

from wavetank.evidence import (
    CheckFinished,
    CheckStarted,
    FaultBegan,
    FaultHealed,
    Kind,
    Noted,
    Operation,
    Record,
    TargetEnded,
)
from wavetank.report import logs
from wavetank.report.logs import log_name, suite_logs


def test_log_tells_a_suite_in_order(records: list[Record]) -> None:
    """Start, readiness, checks, operations and findings."""
    assert suite_logs(records)["core.log"].splitlines() == [
        "    0.000000 = run core_20260921_133320, 2026-09-21 14:13:20 UTC, seed 7, "
        "target python app.py --port {port}",
        "    0.500000 = target ready at ws://127.0.0.1:41233/ws after 412 ms",
        "    1.000000 = broadcast: All hear it.",
        '    1.100000 > broadcast peer-1 publish invoke id=1 topic=prices {"price":1}',
        "    1.200000 < broadcast peer-1 publish ok id=1 topic=prices seq=1",
        "    2.000000 = broadcast PASS All heard it.",
        "    2.000000 = broadcast PASS in 1.00 s",
        "    2.000000 = reconnection: It returns.",
        "    2.500000 ! reconnection FAIL Nothing is lost.; expected: seq 1 to 9; "
        "seen: seq 4 is missing; clause: RFC 6455 5.4",
        "    2.500000 ! reconnection FAIL Nothing is repeated.",
        "    2.500000 ! reconnection FAIL in 500 ms",
    ]


def test_log_of_the_suite_in_which_the_target_died_has_its_last_words(
    records: list[Record],
) -> None:
    """Whoever reads the suite's log sees why it ends."""
    assert suite_logs(records)["security.log"].splitlines()[-4:] == [
        "    4.300000 = note: TLS is off",
        "    4.500000 ! target died by itself, status -11",
        "    4.500000 ! | Traceback",
        "    4.500000 ! | Segmentation fault",
    ]
    ended = TargetEnded(at=6.0, by_lab=True, reason="all done")
    text = suite_logs([*records, ended])["security.log"]
    assert text.endswith("    6.000000 = target stopped by the lab, all done\n")


def test_every_suite_that_was_asked_for_has_a_log(records: list[Record]) -> None:
    """Also one of which no check began; the load suite's has its own name."""
    texts = suite_logs(records[:2])
    assert list(texts) == ["core.log", "load_tests.log", "security.log"]
    assert all("target ready" in text for text in texts.values())
    assert "rate 1,250.5 1/s" in suite_logs(records)["load_tests.log"]


def test_logs_of_nothing_are_none() -> None:
    """A journal without a run has no suites."""
    assert suite_logs([Noted(at=0.0, text="alone")]) == {}


@pytest.mark.parametrize(
    ("suite", "name"),
    [
        ("load", "load_tests.log"),
        ("message_flow", "message_flow.log"),
        ("../../etc/passwd", "______etc_passwd.log"),
        ("", ".log"),
        ("x" * 500, "x" * 100 + ".log"),
    ],
)
def test_log_name_is_safe_whatever_the_suite(suite: str, name: str) -> None:
    """No suite reaches out of the results folder."""
    assert log_name(suite) == name


@pytest.mark.parametrize(
    ("name", "kind", "number", "mark"),
    [
        ("publish", Kind.INVOKE, 1, ">"),
        ("publish", Kind.OK, 1, "<"),
        ("publish", Kind.FAIL, 1, "!"),
        ("publish", Kind.INFO, 1, "="),  # nobody knows what came of it
        ("event", Kind.INFO, 0, "<"),  # a push
        ("send", Kind.INFO, 0, ">"),  # fire and forget
        ("error", Kind.INFO, 0, "!"),
        ("close", Kind.INVOKE, 1, "x"),
        ("abort", Kind.INFO, 0, "x"),
    ],
)
def test_operation_has_the_mark_of_its_direction(
    name: str, kind: Kind, number: int, mark: str
) -> None:
    """``<`` in, ``>`` out, ``=`` state, ``x`` close, ``!`` error."""
    operation = Operation(at=1.0, check="c", peer="p", kind=kind, name=name, id=number)
    began = CheckStarted(at=0.0, suite="s", check="c", title="")
    last = suite_logs([began, operation])["s.log"].splitlines()[-1]
    assert last.startswith(f"    1.000000 {mark} c p {name} {kind}")


def test_operation_of_another_suites_check_goes_to_its_log() -> None:
    """A late answer belongs to the check that asked."""
    operation = Operation(at=2.0, check="c", peer="p", kind=Kind.OK, name="late", id=1)
    texts = suite_logs(
        [
            CheckStarted(at=0.0, suite="one", check="c", title=""),
            CheckStarted(at=1.0, suite="two", check="d", title=""),
            operation,
        ]
    )
    assert "late" in texts["one.log"]
    assert "late" not in texts["two.log"]


def test_log_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million operations stay in the journal."""
    monkeypatch.setattr(logs, "MOST_LINES", 3)
    began = CheckStarted(at=0.0, suite="s", check="c", title="")
    end = CheckFinished(at=1.0, suite="s", check="c", took=1.0)
    lines = suite_logs([began, *[end] * 5])["s.log"].splitlines()
    assert len(lines) == 4
    assert lines[-1] == "... 3 more lines: see journal.ndjson"


def test_head_of_the_logs_is_bounded() -> None:
    """What comes before the first check is repeated in every log."""
    notes = [Noted(at=0.0, text="x")] * 5000
    began = CheckStarted(at=0.0, suite="s", check="c", title="")
    assert len(suite_logs([*notes, began])["s.log"].splitlines()) == 1001


def test_logs_hold_hostile_text_as_text(poisoned: list[Record]) -> None:
    """One record is one line (and one for each line that the target printed)."""
    ((name, text),) = suite_logs(poisoned).items()
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.log", name)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", text)
    assert all(re.match(r" +\d+\.\d{6} [<>=x!] ", line) for line in text.splitlines())


def test_log_tells_what_was_broken(hostile: str) -> None:
    """Begin and end of each fault stand between what the target did."""
    where = {"suite": "fault_tolerance", "check": "partition"}
    log = suite_logs(
        [
            FaultBegan(
                at=1.0,
                name="latency-2",
                what="latency",
                where="all links",
                attributes={"latency": 200, "jitter": 5},
                **where,
            ),
            FaultHealed(at=2.0, name="latency-2", **where),
            FaultBegan(at=3.0, name="cut", what="cut", **where),
            FaultHealed(at=4.0, name=hostile, **where),
        ]
    )["fault_tolerance.log"].splitlines()
    assert log[:3] == [
        "    1.000000 = partition fault latency-2 begins: latency at all links "
        "(latency=200, jitter=5)",
        "    2.000000 = partition fault latency-2 is healed",
        "    3.000000 = partition fault cut begins: cut",
    ]
    assert len(log) == 4
    assert log[3].isprintable()
