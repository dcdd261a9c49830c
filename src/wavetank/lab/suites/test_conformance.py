"""Conformance: RFC 6455 and RFC 7692 case by case, on any server.

They refuse to know the cases: each check plays one table of them.
"""

import asyncio
from collections.abc import Sequence

from wavetank.evidence import Finding, Verdict
from wavetank.lab.asking import ask
from wavetank.lab.check import check
from wavetank.lab.conformance import (
    close_matrix,
    closing,
    deflate_rules,
    fragments,
    framing,
    handshake,
    heads,
    lengths,
    masking,
    negotiation,
    reserved,
    sequences,
    transport,
    unicode,
)
from wavetank.lab.conformance.asking import Ask, judge_answer
from wavetank.lab.conformance.case import Case
from wavetank.lab.conforming import AT_ONCE, Conformer, Result
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers

DEADLINE = 120.0
MOST_TRACES = 20
"""Failed cases of a group that are shown frame by frame; others fail alike."""


async def _ask_all(peer: Peers, notebook: Notebook, asks: Sequence[Ask]) -> None:
    """Ask with every opening handshake, if a right one is answered at all."""
    first = await _ask(peer, handshake.ASKS[0])
    if first.verdict is not Verdict.PASS:
        notebook.add(first)
        notebook.unknown("the others", seen="a right opening handshake does not open")
        return
    room = asyncio.Semaphore(AT_ONCE)

    async def ask_bounded(case: Ask) -> Finding:
        async with room:
            return await _ask(peer, case)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask_bounded(case)) for case in asks]
    notebook.add(*(task.result() for task in tasks))
    notebook.figure("cases", len(asks), "cases")


async def _ask(peer: Peers, case: Ask) -> Finding:
    target = peer.target
    url = target.address(tls=False)
    fields = list(target.headers)
    if target.origin:
        fields.append(("Origin", target.origin))
    key, reply = await ask(url, case, tls=target.context_for(url), headers=fields)
    verdict, seen = judge_answer(case, key, reply)
    return Finding(
        verdict=verdict,
        title=f"{case.id} {case.title}",
        seen=seen,
        clause=f"{case.clause} ({case.level})",
    )


async def _conform(peer: Peers, notebook: Notebook, cases: Sequence[Case]) -> None:
    results = await Conformer(peer).run(cases)
    notebook.add(*map(_finding, results))
    for result in [each for each in results if each.trace][:MOST_TRACES]:
        for line in result.trace:
            notebook.note(f"{result.case.id} {line}")
    notebook.figure("cases", sum(1 for each in results if each.judgement), "cases")


def _finding(result: Result) -> Finding:
    case, judgement = result.case, result.judgement
    title = f"{case.id} {case.title}"
    if judgement is None:
        return Finding(verdict=Verdict.SKIP, title=title, seen=result.skipped)
    seen = judgement.seen
    if judgement.note:
        seen = f"{seen}; {judgement.note}"
    return Finding(
        verdict=judgement.verdict,
        title=title,
        expected=judgement.expected,
        seen=seen,
        clause=f"{case.clause} ({case.level})",
    )


@check(deadline=DEADLINE, polite=False)
async def test_handshake(peer: Peers, notebook: Notebook) -> None:
    """A right opening handshake opens, and a wrong one is refused as it has to be."""
    await _ask_all(peer, notebook, (*handshake.ASKS, *heads.ASKS))


@check(deadline=DEADLINE, polite=False)
async def test_negotiation(peer: Peers, notebook: Notebook) -> None:
    """Subprotocols and extensions are taken from the offer, and only legal ones."""
    await _ask_all(peer, notebook, negotiation.ASKS)


@check(deadline=DEADLINE, polite=False)
async def test_framing(peer: Peers, notebook: Notebook) -> None:
    """Messages of every size come back, however their bytes come."""
    await _conform(peer, notebook, framing.MESSAGES)


@check(deadline=DEADLINE, polite=False)
async def test_pings(peer: Peers, notebook: Notebook) -> None:
    """Pings are answered with their payload, and pongs with nothing."""
    await _conform(peer, notebook, framing.PINGS)


@check(deadline=DEADLINE, polite=False)
async def test_reserved(peer: Peers, notebook: Notebook) -> None:
    """Reserved bits and opcodes fail the connection."""
    await _conform(peer, notebook, reserved.CASES)


@check(deadline=DEADLINE, polite=False)
async def test_fragments(peer: Peers, notebook: Notebook) -> None:
    """Messages come whole out of their fragments, and broken orders fail."""
    await _conform(peer, notebook, fragments.CASES)


@check(deadline=DEADLINE, polite=False)
async def test_unicode(peer: Peers, notebook: Notebook) -> None:
    """Text is UTF-8, and what is not fails the connection with 1007."""
    await _conform(peer, notebook, (*unicode.CASES, *sequences.CASES))


@check(deadline=DEADLINE, polite=False)
async def test_closing(peer: Peers, notebook: Notebook) -> None:
    """A close frame is answered with its code, and a bad one fails the connection."""
    await _conform(peer, notebook, closing.CASES)


@check(deadline=DEADLINE, polite=False)
async def test_close_matrix(peer: Peers, notebook: Notebook) -> None:
    """Close frames with every code, reason and form, and what stands around them."""
    await _conform(peer, notebook, close_matrix.CASES)


@check(deadline=DEADLINE, polite=False)
async def test_masking(peer: Peers, notebook: Notebook) -> None:
    """Frames without a mask fail the connection; every mask is as good as another."""
    await _conform(peer, notebook, masking.CASES)


@check(deadline=DEADLINE, polite=False)
async def test_lengths(peer: Peers, notebook: Notebook) -> None:
    """Lengths are read in each of their forms, and what nobody can mean is refused."""
    await _conform(peer, notebook, lengths.CASES)


@check(deadline=DEADLINE, polite=False)
async def test_transport(peer: Peers, notebook: Notebook) -> None:
    """Frames are read however TCP cuts them, and where it ends in the middle."""
    await _conform(peer, notebook, transport.CASES)


@check(deadline=DEADLINE, polite=False)
async def test_deflate(peer: Peers, notebook: Notebook) -> None:
    """Compressed messages are read as RFC 7692 has them, and RSV1 only as agreed."""
    await _conform(peer, notebook, deflate_rules.CASES)
