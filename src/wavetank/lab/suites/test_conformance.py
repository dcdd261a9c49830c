"""Conformance: RFC 6455 and RFC 7692 case by case, on any server.

They refuse to know the cases: each check plays one table of them.
"""

from collections.abc import Sequence

import pytest

from wavetank.evidence import Finding, Histogram, Verdict
from wavetank.lab.auditing import Ledger
from wavetank.lab.check import check
from wavetank.lab.conformance import (
    close_matrix,
    closing,
    compressed,
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
    volumes,
)
from wavetank.lab.conformance.aio.asking import Asker
from wavetank.lab.conformance.aio.beside import Beside
from wavetank.lab.conformance.aio.conforming import Conformer, Result
from wavetank.lab.conformance.aio.stalling import Watched
from wavetank.lab.conformance.aio.streaming import (
    EXHAUSTIVE,
    MESSAGES,
    Streamer,
    Weighed,
)
from wavetank.lab.conformance.asking import Ask
from wavetank.lab.conformance.case import Case
from wavetank.lab.conformance.findings import finding_of
from wavetank.lab.conformance.traffic import TRAFFIC
from wavetank.lab.conformance.volumes import Volume
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.proving import RUN

pytestmark = pytest.mark.usefixtures("stalled")

DEADLINE = 120.0
LONG = 1800.0
"""Deadline where there is much to send, or long to watch."""
MOST_TRACES = 20
"""Failed cases of a group that are shown frame by frame; others fail alike."""


async def _ask_all(peer: Peers, notebook: Notebook, asks: Sequence[Ask]) -> None:
    """Ask with every opening handshake, if a right one is answered at all."""
    asker, right = Asker(peer), handshake.ASKS[0]
    (first,) = await asker.run([right])
    if first.verdict is not Verdict.PASS:
        notebook.add(finding_of(right, first))
        notebook.unknown("the others", seen="a right opening handshake does not open")
        return
    notebook.add(*map(finding_of, asks, await asker.run(asks)))
    notebook.figure("cases", len(asks), "cases")


async def _conform(peer: Peers, notebook: Notebook, cases: Sequence[Case]) -> None:
    results = await Conformer(peer).run(cases)
    notebook.add(*map(_finding, results))
    for result in [each for each in results if each.trace][:MOST_TRACES]:
        for line in result.trace:
            notebook.note(f"{result.case.id} {line}")
    notebook.figure("cases", sum(1 for each in results if each.judgement), "cases")


def _finding(result: Result) -> Finding:
    return finding_of(
        result.case,
        result.judgement,
        skipped=result.skipped,
        took=result.took,
        code=result.code,
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


async def _weigh(
    peer: Peers, notebook: Notebook, plan: Plan, table: Sequence[Volume]
) -> list[Weighed]:
    """Send what a table has; return what came of what was not skipped."""
    messages = EXHAUSTIVE if plan.exhaustive else MESSAGES
    results = await Streamer(peer, messages=messages).run(table)
    notebook.add(*(each.finding for each in results))
    played = [each for each in results if each.finding.verdict is not Verdict.SKIP]
    notebook.figure("cases", len(played), "cases")
    return played


@check(deadline=LONG, polite=False)
async def test_performance(peer: Peers, notebook: Notebook, plan: Plan) -> None:
    """Large messages, many fragments and a thousand round trips come back whole."""
    played = await _weigh(peer, notebook, plan, volumes.VOLUMES)
    whole = [each for each in played if each.tally.came == each.tally.wanted]
    largest = max((each.volume.size for each in whole), default=0)
    notebook.figure("largest message that came back", largest, "bytes")
    for size in (16, 4096):
        both = Histogram()
        for each in whole:
            if each.volume.in_turn and each.volume.size == size:
                both.merge(each.tally.latencies)
        if both.count:
            notebook.latencies(f"round trip of {size} bytes", both)


async def _compress(
    peer: Peers, notebook: Notebook, plan: Plan, table: Sequence[Volume]
) -> None:
    """Send what a table has, and tell how much of it came back compressed."""
    played = await _weigh(peer, notebook, plan, table)
    tallies = [each.tally for each in played]
    messages = max((tally.wanted for tally in tallies), default=0)
    notebook.figure("messages in each case", messages, "messages")
    came = sum(tally.came for tally in tallies)
    deflated = sum(tally.deflated for tally in tallies)
    if came:
        notebook.figure("came back compressed", 100 * deflated / came, "%")


@check(deadline=LONG, polite=False)
async def test_compression(peer: Peers, notebook: Notebook, plan: Plan) -> None:
    """Compressed messages of all kinds and sizes come back as they were sent."""
    await _compress(peer, notebook, plan, compressed.MATERIALS)


@check(deadline=LONG, polite=False)
async def test_parameters(peer: Peers, notebook: Notebook, plan: Plan) -> None:
    """Compressed messages come back under every agreement, which is kept to."""
    await _compress(peer, notebook, plan, compressed.PARAMETERS)


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """What all connections of the run have shown so far."""
    return request.config.stash[RUN].ledger


@check(deadline=DEADLINE)
async def test_audit(peer: Peers, notebook: Notebook, ledger: Ledger) -> None:
    """Every frame that the target sent on any connection of this run is legal."""
    # Alone it would have nothing to judge; what becomes of these cases, others tell.
    await Conformer(peer).run(TRAFFIC)
    await peer.close()
    notebook.add(*ledger.findings())
    notebook.figure("connections", ledger.connections, "connections")


# The last one: what it waits for has begun with the first.
@check(deadline=LONG, polite=False)
async def test_timeouts(
    notebook: Notebook, stalled: Beside[tuple[list[Watched], float]]
) -> None:
    """Connections that stall are ended in time, and nobody else has to wait for it."""
    rows, took = await stalled.result()
    for stall, judgement, skipped, seconds, trace in rows:
        notebook.add(finding_of(stall, judgement, skipped=skipped))
        if judgement is None:
            continue
        if seconds is not None:
            notebook.figure(f"{stall.id} {stall.name}", seconds, "s")
        for line in trace:
            notebook.note(f"{stall.id} {line}")
    notebook.figure("cases", sum(1 for each in rows if each.judgement), "cases")
    notebook.figure("beside the other checks", took, "s")
