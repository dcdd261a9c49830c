"""A mixed schedule of faults: one check of the suite *fault_tolerance*.

It refuses to know more of the target than its dialect declares.
"""

from wavetank.lab.check import BROADCAST, PROCESS, check
from wavetank.lab.fault_rules import again, mild_mix, schedule_of, without_effect
from wavetank.lab.faults import Chaos
from wavetank.lab.keeping import Patience
from wavetank.lab.load_plans import seconds_of
from wavetank.lab.notebook import Notebook
from wavetank.lab.peers import Peers
from wavetank.lab.plan import Plan
from wavetank.lab.proof import Crowd, Proof

__all__ = ["test_mixed_schedule"]

DEADLINE = 7300.0
"""Seconds: an hour of faults, the restarts between them, and what comes behind."""
QUICK = 5.0
"""Seconds of the mix, where nobody wants it longer."""
PATIENCE = Patience(
    opening=2.0, ping_every=0.2, pong=1.0, answer=2.0, base=0.02, cap=0.2
)
"""Of those who notice soon that a link is dead, and bear with one that is slow."""
SILENCE = 5.0
"""Seconds: longer than anybody takes to notice that its link is dead."""


@check(needs={BROADCAST}, deadline=DEADLINE)
async def test_mixed_schedule(
    peer: Peers, chaos: Chaos, plan: Plan, notebook: Notebook
) -> None:
    """Links and target fail side by side, and each message is accounted for."""
    seconds = plan.test_duration if plan.faults else seconds_of(plan, QUICK)
    crowd = Crowd(followers=3, hit_publishers=1, topics=2, rate=80.0, patience=PATIENCE)
    proof = Proof(chaos, peer, notebook, crowd)
    # Where nothing can be resumed, what a restart forgets is nobody's to miss.
    may_kill = peer.can(PROCESS) and proof.promise.resumable
    rules = plan.faults or mild_mix(seconds, has_process=may_kill)
    schedule = schedule_of(rules, seed=plan.seed, seconds=seconds)
    notebook.note(f"again: {again(plan, schedule)}")
    kinds = {step.fault.kind for step in schedule.steps}
    if why := await chaos.lacks(kinds):
        notebook.unknown("the target has what is to be broken", seen=why)
        return
    async with proof:
        played = await proof.play(schedule)
        await proof.finish(silence=SILENCE)
    for sentence in without_effect(schedule, played, chaos.log.has_hit):
        notebook.note(sentence)
