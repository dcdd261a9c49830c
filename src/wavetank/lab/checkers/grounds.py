"""Grounds: whether a proof of delivery has seen enough to say anything.

They refuse to know what became of any message.
"""

from collections.abc import Collection, Mapping

from wavetank.evidence import Finding, Verdict

__all__ = ["judge_grounds"]


def judge_grounds(
    acknowledged: Mapping[str, int],
    heard: Collection[str],
    *,
    subscribers: Collection[str],
    in_vain: Collection[str],
) -> list[Finding]:
    """Judge whether everybody had a part in it, and whether what broke hit anything.

    The last message of each topic, which the lab sends to see the end, counts for
    nothing here.

    Args:
        acknowledged: Publisher -> how many of its messages the target has taken; of a
            target that says nothing, how many were sent.
        heard: Who got any message.
        subscribers: Who should have.
        in_vain: Kinds of faults that found nothing to break.
    """
    silent = [name for name, count in acknowledged.items() if not count]
    deaf = [name for name in subscribers if name not in heard]
    seen = [f"nothing of {name} was acknowledged" for name in silent]
    seen += [f"nothing came to {name}" for name in deaf]
    if not acknowledged:
        seen.append("nobody published")
    findings = [
        _finding("everybody had a part in it", "messages of and for everybody", seen)
    ]
    if in_vain:
        missed = [f"{what} found nothing to break" for what in in_vain]
        findings.append(
            _finding("what was broken was there to be broken", "a hit", missed)
        )
    return findings


def _finding(title: str, expected: str, doubts: list[str]) -> Finding:
    return Finding(
        verdict=Verdict.UNKNOWN if doubts else Verdict.PASS,
        title=title,
        expected=expected,
        seen="; ".join(doubts) or "everybody",
    )
