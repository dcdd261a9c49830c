"""The audit of what a target sends: each rule is seen broken, and nobody is wronged."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from wavetank.dialects import Echo
from wavetank.evidence import Finding
from wavetank.lab.auditing import Ledger
from wavetank.lab.conformance.aio.conforming import Conformer
from wavetank.lab.conformance.audit import PATIENCE
from wavetank.lab.conformance.obligations import RULES
from wavetank.lab.conformance.traffic import TRAFFIC
from wavetank.lab.peers import Peers
from wavetank.lab.target import Target
from wavetank.wrecks import SoundServer, frames, lifecycle, rules

pytestmark = pytest.mark.hasty

WITHIN = 0.4
"""Seconds for a reaction; only those that owe one for ever take so long."""

BREAKERS: Mapping[str, type[SoundServer]] = {
    "S.1": frames.MaskedMessages,
    "S.2": frames.ReservedBitsSet,
    "S.3": frames.ReservedOpcodesBehindPongs,
    "S.4": frames.FragmentedPongs,
    "S.5": frames.LongLengths,
    "S.6": frames.EndlessFrameBehindPongs,
    "S.7": frames.OrphansBehindPongs,
    "S.8": frames.BadTextBehindPongs,
    "S.9": frames.ReservedCloseCode,
    "S.10": lifecycle.SendsAfterClose,
    "S.12": frames.ContextKept,
    "S.13": lifecycle.UnendedClose,
}
MISSERS: Mapping[str, type[SoundServer]] = {
    "S.11": rules.PongCutShort,
    "S.14": frames.HalfAPong,
}
"""They do what is allowed, as far as one can see, and get a note."""


async def audited(
    make: type[SoundServer], *, patience: float = PATIENCE
) -> dict[str, Finding]:
    """Return what the audit finds of a server's traffic, by the rule's id."""
    async with make() as server:
        await server.start()
        now = asyncio.get_running_loop().time
        ledger = Ledger(now, patience=patience)
        peers = Peers(
            Target(url=f"ws://127.0.0.1:{server.port}/echo", dialect=Echo()),
            check="audit",
            record=lambda _: None,
            now=now,
            tap=ledger.page("conformance.audit").tap,
        )
        await Conformer(peers, within=WITHIN).run(TRAFFIC)
        await peers.close()
    found = zip(RULES, ledger.findings(), strict=True)
    return {rule.id: finding for rule, finding in found}


@pytest.mark.anyio
async def test_a_sound_server_keeps_every_rule() -> None:
    """Each of them was asked of something that it sent, and none got a note."""
    found = await audited(frames.Deflating)
    assert {rule: each.verdict for rule, each in found.items()} == dict.fromkeys(
        [rule.id for rule in RULES], "PASS"
    )
    assert not any(each.note for each in found.values())


@pytest.mark.anyio
@pytest.mark.parametrize("rule", BREAKERS)
async def test_each_rule_is_seen_broken_and_no_other(rule: str) -> None:
    """The wreck breaks one, and its finding shows the frame."""
    # Nobody waits for the end of TCP as long as a run does.
    patience = WITHIN / 4 if rule == "S.13" else PATIENCE
    found = await audited(BREAKERS[rule], patience=patience)
    assert [each for each in found if found[each].verdict == "FAIL"] == [rule]
    assert "conformance.audit: " in found[rule].seen


@pytest.mark.anyio
@pytest.mark.parametrize("rule", MISSERS)
async def test_what_is_allowed_but_odd_gets_a_note(rule: str) -> None:
    """And nothing fails by it."""
    found = await audited(MISSERS[rule])
    assert not [each for each in found if found[each].verdict == "FAIL"]
    assert [each for each in found if found[each].note] == [rule]


def test_each_rule_has_somebody_who_breaks_or_misses_it() -> None:
    """No rule is in the list that was never seen to say anything."""
    assert BREAKERS.keys() | MISSERS.keys() == {rule.id for rule in RULES}
    assert not BREAKERS.keys() & MISSERS.keys()


@pytest.mark.parametrize("check", ["basics.load", "connectivity.large_messages"])
def test_checks_of_every_suite_fail_by_frames_that_their_peers_forgive(
    prove: Callable, wreck: Callable[[str], str], check: str
) -> None:
    """Who takes lengths in any form sees nothing wrong, but for the audit."""
    ended = prove(check, "--dialect", "hub", "--serve", wreck("long-lengths"))

    assert ended.verdicts() == {check: "FAIL"}
    assert "S.5 Lengths are written in their shortest form" in ended.printed
    assert ended.code == 1


def test_a_server_of_others_keeps_every_rule(prove: Callable, echo: str) -> None:
    """Alone, the audit makes traffic of every kind itself."""
    ended = prove("conformance.audit", "--serve", echo)

    assert ended.verdicts() == {"conformance.audit": "PASS"}
    checked = ended.summary["suites"]["conformance"]["checks"]["audit"]
    verdicts = [finding["verdict"] for finding in checked["findings"]]
    assert verdicts == ["PASS"] * len(RULES)
    assert ended.code == 0
