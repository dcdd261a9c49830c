"""Every case for clients is seen failing: on some client that is broken on purpose."""

import asyncio
import time
from collections.abc import Iterable

import pytest

from wavetank.lab.conformance.aio import welcoming
from wavetank.lab.conformance.aio.welcoming import Played, play_case, play_opening
from wavetank.lab.conformance.case import Case
from wavetank.lab.conformance.clients import GROUPS
from wavetank.lab.conformance.echoes import Mirror
from wavetank.lab.conformance.masks import Masks, judge_masks
from wavetank.lab.conformance.openings import Opening, reason_to_leave_out
from wavetank.lab.conformance.requests import Asked, judge_requests
from wavetank.lab.conformance.worklist import Row
from wavetank.net import Guest, RudeHost
from wavetank.wire import Refusal, Request, encode_refusal

from .clients.wrecked import (
    MASKS,
    REQUESTS,
    Cheerful,
    Deaf,
    Forgiving,
    Hanging,
    Impatient,
    Joined,
    Refusing,
    SoundClient,
    Touchy,
    Trusting,
)

pytestmark = [pytest.mark.anyio, pytest.mark.hasty]

WITHIN = 0.4
"""Seconds for a reaction of a broken client, of which many never come."""

PATIENTLY = 20.0
"""Seconds for a reaction of a sound client, which comes on the busiest machine."""

LOOKS = 5
"""How often a row is played on a sound client on a machine that stands still."""

ROWS = [row for group in GROUPS.values() for row in group.rows]
CASES = [row for row in ROWS if isinstance(row, Case)]
OPENINGS = [row for row in ROWS if isinstance(row, Opening)]

NOT_OFFERED = {"K.91", "K.100"}
"""Openings that say something to a client alone that does not offer what ours does."""


class Trial:
    """Rows that are played on one client, one after the other.

    Attributes:
        played: What became of each.
        asked: The client's opening handshakes.
        masks: The masks of its frames.
    """

    def __init__(self, rows: Iterable[Row], *, within: float) -> None:
        self.played: list[Played] = []
        self.asked: list[Asked] = []
        self.masks = Masks()
        self._rows = iter(rows)
        self._within = within

    async def receive(self, guest: Guest) -> None:
        """Play the next row, or say that there is none."""
        head = await guest.read_request()
        row = next(self._rows, None)
        if head is None or row is None:
            await guest.write(encode_refusal(Refusal(410, "all is played")))
            await guest.leave()
            return
        is_early = guest.has_unread
        self.asked.append(Asked(head=head, port=guest.port, is_early=is_early))
        if isinstance(head, Request) and "Sec-WebSocket-Key" in head.headers:
            self.played.append(await play(guest, head, row, self._within))
        self.masks.add(guest.masks)


async def play(guest: Guest, request: Request, row: Row, within: float) -> Played:
    """Play one row."""
    if isinstance(row, Opening):
        assert not reason_to_leave_out(row, request), row.id
        return await play_opening(guest, request, row, within=within)
    return await play_case(guest, request, row, way=Mirror(), within=within)


async def tried(
    make: type[SoundClient],
    rows: Iterable[Row],
    *,
    abreast: int,
    within: float = WITHIN,
) -> Trial:
    """Play rows on so many clients of a kind side by side."""
    trial = Trial(rows, within=within)
    async with RudeHost(trial.receive) as host, asyncio.TaskGroup() as group:
        for _ in range(abreast):
            group.create_task(make(host.url).run())
    return trial


async def caught_by(make: type[SoundClient], rows: Iterable[Row]) -> set[str]:
    """Return the ids of the rows that do not simply pass."""
    trial = await tried(make, rows, abreast=16)
    return {played.row.id for played in trial.played if not has_passed(played)}


def has_passed(played: Played) -> bool:
    """Tell whether there is nothing to say of a row."""
    judgement = played.judgement
    return judgement is not None and judgement.verdict == "PASS" and not judgement.note


async def missed_by_a_sound_client(rows: Iterable[Row]) -> set[str]:
    """Return the ids of the rows that it fails.

    A machine that stood still while sixteen rows were out makes sixteen doubtful:
    they are looked at again, as in every run.
    """
    missed: set[str] = set()
    for _ in range(LOOKS):
        trial = await tried(SoundClient, rows, abreast=16, within=PATIENTLY)
        rows = [played.row for played in trial.played if played.is_doubtful]
        missed |= {
            played.row.id
            for played in trial.played
            if not (played.is_doubtful or has_passed(played))
        }
    return missed | {row.id for row in rows}


@pytest.fixture(autouse=True)
def less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no second where nothing is to come."""
    monkeypatch.setattr(welcoming, "_SILENCE", WITHIN)


async def test_each_case_is_seen_failing() -> None:
    """Or its note: a case that nothing can miss would prove nothing."""
    left = CASES
    for wreck in (Forgiving, Touchy, Cheerful, Deaf):
        caught = await caught_by(wreck, left)
        left = [case for case in left if case.id not in caught]
    assert [f"{case.id} {case.title}" for case in left] == []


async def test_each_answer_is_seen_failing() -> None:
    """What must open on a client that takes none, the others on one that takes all."""
    left = [row for row in OPENINGS if row.id not in NOT_OFFERED]
    for wreck in (Trusting, Refusing, Hanging, Joined, Impatient):
        caught = await caught_by(wreck, left)
        left = [row for row in left if row.id not in caught]
    assert [f"{row.id} {row.title}" for row in left] == []


async def test_the_sound_client_passes_every_case() -> None:
    """What the wrecks break is whole in the client that they are made of."""
    rows = [row for row in ROWS if row.id not in NOT_OFFERED]
    # zlib does not tell whether a block has ended.
    assert await missed_by_a_sound_client(rows) == {"D.48"}


async def test_a_machine_that_stood_still_is_no_finding_of_the_client() -> None:
    """Its rows get a second look."""
    openings = [row for row in OPENINGS if row.id not in NOT_OFFERED]
    rows = [*CASES[:100], *openings]
    stands_still = asyncio.get_running_loop().call_later(0.2, time.sleep, 0.7)
    assert not await missed_by_a_sound_client(rows)
    assert stands_still.when() < asyncio.get_running_loop().time()


@pytest.mark.parametrize("rule", REQUESTS)
async def test_each_rule_of_requests_is_seen_failing(rule: str) -> None:
    """On a client that breaks it, and mostly no other."""
    trial = await tried(REQUESTS[rule], OPENINGS[-10:], abreast=1)
    broken = {
        finding.title.partition(" ")[0]
        for finding in judge_requests(trial.asked)
        if finding.verdict == "FAIL" or finding.note
    }
    assert rule in broken


@pytest.mark.parametrize("rule", MASKS)
async def test_each_rule_of_masks_is_seen_failing(rule: str) -> None:
    """On a client whose masks can be guessed that way."""
    hundred = [row for row in CASES if row.id == "K.117"]
    trial = await tried(MASKS[rule], hundred * 4, abreast=1)
    broken = {
        finding.title.partition(" ")[0]
        for finding in judge_masks(trial.masks)
        if finding.verdict == "FAIL"
    }
    assert rule in broken


async def test_the_sound_client_keeps_all_rules() -> None:
    """No mask of its is like another, and no key, and its requests are right."""
    hundred = [row for row in CASES if row.id == "K.117"]
    trial = await tried(SoundClient, hundred * 20, abreast=4, within=PATIENTLY)
    findings = [*judge_requests(trial.asked), *judge_masks(trial.masks)]
    told = {each.verdict for each in findings if each.title[:5] != "K.12 "}
    assert told == {"PASS"}
    assert not any(each.note for each in findings)
