"""The decorator: what a check's body raises becomes a finding."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wavetank.dialects import Capability
from wavetank.errors import LocalError, RemoteError
from wavetank.evidence import Noted, Record, Verdict
from wavetank.lab.check import MARKER, ROUND_TRIP, check
from wavetank.lab.interruption import INTERRUPTION
from wavetank.lab.notebook import CheckFailed, CheckUnknown, Notebook

pytestmark = pytest.mark.anyio

Body = Callable[[Notebook], Awaitable[None]]


@pytest.fixture
def notebook(records: list[Record]) -> Notebook:
    """An empty notebook."""
    return Notebook(
        suite="core", check="broadcast", record=records.append, now=lambda: 0.0
    )


def fail_with(error: BaseException) -> Body:
    """Make the body of a check that raises."""

    async def body(notebook: Notebook) -> None:
        raise error

    return body


async def beside(*errors: Exception) -> None:
    """Raise these errors in tasks side by side, once all of them run."""
    everyone = asyncio.Barrier(len(errors))

    async def fail(error: Exception) -> None:
        await everyone.wait()
        raise error

    async with asyncio.TaskGroup() as group:
        for error in errors:
            group.create_task(fail(error))


async def test_a_check_that_holds_passes(notebook: Notebook) -> None:
    """Arguments arrive, and nothing is raised."""
    seen: list[object] = []

    @check()
    async def test_it(peer: str, *, notebook: Notebook) -> None:
        """Say what is proved."""
        seen.append(peer)
        notebook.expect(True, "it holds")

    await test_it("a peer", notebook=notebook)
    assert seen == ["a peer"]
    assert test_it.__doc__ == "Say what is proved."
    assert notebook.verdict is Verdict.PASS


async def test_a_check_with_a_failure_fails_with_its_sentence(
    notebook: Notebook,
) -> None:
    """Pytest is told what was seen and what was expected."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        notebook.expect(False, "it holds", expected="a", seen="b")
        notebook.expect(True, "more")

    with pytest.raises(CheckFailed, match=r"^it holds: saw b; expected a$"):
        await it(notebook=notebook)
    assert len(notebook.findings) == 2


async def test_a_check_without_expectation_fails_without_one(
    notebook: Notebook,
) -> None:
    """The sentence does not end in an empty promise."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        notebook.expect(False, "it holds", seen="b")

    with pytest.raises(CheckFailed, match=r"^it holds: saw b$"):
        await it(notebook=notebook)


async def test_a_check_that_looks_at_nothing_is_unknown(notebook: Notebook) -> None:
    """No finding is no success."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        pass

    with pytest.raises(CheckUnknown, match="without looking at anything"):
        await it(notebook=notebook)


async def test_a_check_that_was_left_out_is_skipped(notebook: Notebook) -> None:
    """Pytest skips it with the reason; a row of it that was left out does not."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        notebook.skip("no certificate")

    with pytest.raises(pytest.skip.Exception, match="no certificate"):
        await it(notebook=notebook)
    notebook.expect(True, "a row")
    await it(notebook=notebook)


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (RemoteError("it went away"), "the target plays its part to the end"),
        (TimeoutError("no answer in 5 s"), "the target answers in time"),
    ],
)
async def test_what_the_target_does_wrong_is_a_failure(
    notebook: Notebook, error: Exception, title: str
) -> None:
    """A connection that breaks and an answer that does not come are theirs."""
    with pytest.raises(CheckFailed, match=str(error)):
        await check()(fail_with(error))(notebook=notebook)
    assert notebook.worst().title == title


@pytest.mark.parametrize(
    "error",
    [LocalError("bad header"), KeyError("x"), AssertionError("never"), OSError("full")],
)
async def test_what_the_lab_does_wrong_is_unknown(
    notebook: Notebook, error: Exception
) -> None:
    """A crashed check says nothing about the target; an assertion is our bug, too."""
    with pytest.raises(CheckUnknown, match=f"it crashed: {type(error).__name__}"):
        await check()(fail_with(error))(notebook=notebook)
    assert notebook.verdict is Verdict.UNKNOWN


async def test_a_failure_before_a_crash_stays_a_failure(notebook: Notebook) -> None:
    """What was seen was seen."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        notebook.expect(False, "it holds", seen="b")
        raise ZeroDivisionError

    with pytest.raises(CheckFailed):
        await it(notebook=notebook)


async def test_a_check_that_does_not_end_is_given_up_as_unknown(
    notebook: Notebook,
) -> None:
    """Its deadline is ours: it says nothing about the target."""

    @check(deadline=0.01)
    async def it(*, notebook: Notebook) -> None:
        await asyncio.Event().wait()

    with pytest.raises(CheckUnknown, match=r"given up after 0\.01 s"):
        await it(notebook=notebook)


@pytest.mark.parametrize(
    ("errors", "raised", "seen"),
    [
        ([RemoteError("gone")], CheckFailed, "gone"),
        ([KeyError("x"), RemoteError("gone")], CheckFailed, "gone"),
        ([TimeoutError("late"), TimeoutError("later")], CheckFailed, "late"),
        ([KeyError("x")], CheckUnknown, "it crashed: KeyError"),
    ],
)
async def test_tasks_side_by_side_count_like_one(
    notebook: Notebook, errors: list[Exception], raised: type, seen: str
) -> None:
    """What is theirs comes first; a crash of ours alone is unknown."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        await beside(*errors)

    with pytest.raises(raised, match=seen):
        await it(notebook=notebook)


async def test_groups_in_groups_are_looked_into(notebook: Notebook) -> None:
    """The sentence is that of the error itself, however deep it lies."""
    inner = ExceptionGroup("inner", [RemoteError("deep down")])
    with pytest.raises(CheckFailed, match="saw deep down"):
        await check()(fail_with(ExceptionGroup("outer", [inner])))(notebook=notebook)


async def test_a_cancelled_check_stays_cancelled(notebook: Notebook) -> None:
    """The end of the run is no finding."""
    with pytest.raises(asyncio.CancelledError):
        await check()(fail_with(asyncio.CancelledError()))(notebook=notebook)
    assert notebook.findings == []


async def test_an_interrupted_check_is_unknown_and_its_task_goes_on(
    notebook: Notebook,
) -> None:
    """Its fixtures are taken down by the same task."""
    before = signal.getsignal(signal.SIGTERM)
    assert INTERRUPTION.catch()
    INTERRUPTION.is_watched = True
    try:

        @check()
        async def it(*, notebook: Notebook) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

        with pytest.raises(CheckUnknown, match="the check ends: interrupted"):
            await it(notebook=notebook)
        await asyncio.sleep(0)
    finally:
        INTERRUPTION.release()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_check_is_marked_for_the_plugin() -> None:
    """Needs, politeness and deadline stand in one marker; anyio runs it."""

    @check(needs={Capability.RESUME, ROUND_TRIP}, deadline=3.0, polite=False)
    async def it(*, notebook: Notebook) -> None:
        pass

    marks: dict[str, Any] = {mark.name: mark.kwargs for mark in it.pytestmark}  # type: ignore[attr-defined]
    assert "anyio" in marks
    assert marks[MARKER] == {
        "needs": frozenset({"resume", "round_trip"}),
        "deadline": 3.0,
        "polite": False,
    }
    assert {type(need) for need in marks[MARKER]["needs"]} == {str}


# A second look


async def test_a_check_that_the_lab_spoilt_has_a_second_look_and_that_one_counts(
    notebook: Notebook, records: list[Record]
) -> None:
    """A machine that stood still says nothing of the target; why is told in a note."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        if notebook.looks == 1:
            notebook.blame("Worker 0 stood still for 900 ms.")
            notebook.unknown("it is quick")
        notebook.expect(True, "it answers")

    await it(notebook=notebook)
    assert notebook.verdict is Verdict.PASS
    assert [one.title for one in notebook.findings] == ["it answers"]
    (note,) = records
    assert isinstance(note, Noted)
    assert "once more" in note.text
    assert "stood still for 900 ms" in note.text


async def test_a_check_has_no_third_look(notebook: Notebook) -> None:
    """A machine that is always busy ends in UNKNOWN."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        notebook.blame("it was busy")
        notebook.unknown("it is quick", seen=notebook.looks)

    with pytest.raises(CheckUnknown, match="it is quick: 2"):
        await it(notebook=notebook)


@pytest.mark.parametrize("is_blamed", [True, False])
async def test_a_failure_is_never_looked_at_again(
    notebook: Notebook, is_blamed: bool
) -> None:
    """Nor what is unknown for the target's own sake."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        if is_blamed:
            notebook.blame("it was busy")
            notebook.expect(False, "nothing is lost")
        notebook.unknown("it is quick")

    with pytest.raises(CheckFailed if is_blamed else CheckUnknown):
        await it(notebook=notebook)
    assert notebook.looks == 1


async def test_an_interrupted_check_is_not_looked_at_again(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wants an end gets it."""

    @check()
    async def it(*, notebook: Notebook) -> None:
        monkeypatch.setattr(INTERRUPTION, "happened", True)
        notebook.blame("it was busy")
        notebook.unknown("it is quick")

    with pytest.raises(CheckUnknown):
        await it(notebook=notebook)
    assert notebook.looks == 1
