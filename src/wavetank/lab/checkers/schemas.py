"""Schemas: the messages that a target sent, held against its contract.

They refuse to know how messages travel, and how a schema is checked.
"""

from collections.abc import Iterator, Sequence

from wavetank.contracts import Example, Seen, Tally
from wavetank.evidence import Finding, Verdict

__all__ = ["judge_schemas"]

_MOST_NAMES = 10
_MOST_PROBLEMS = 3


def judge_schemas(who: str, seen: Seen) -> list[Finding]:
    """Judge whether every message is one of the contract, and fits its schema.

    Args:
        who: Who sent them, for the report.
        seen: What was seen.

    Returns:
        One finding for all: PASS, or FAIL where a message does not fit or is of no
        known type, with one more finding for each such type. Nothing seen, and
        types that could not be checked, are UNKNOWN. Types that never came are a
        note: nobody can tell of them.
    """
    title = f"every message of {who} fits its contract"
    if not seen.total:
        return [
            Finding(
                verdict=Verdict.UNKNOWN,
                title=title,
                expected="at least one message",
                seen="no messages",
            )
        ]
    whole = Finding(
        verdict=_verdict(seen),
        title=title,
        expected=f"messages of {len(seen.types)} types that fit their schemas",
        seen=_told(seen),
        note=_note(seen),
    )
    return [whole, *_of_types(who, seen.types), *_of_unknown(who, seen.unknown)]


def _verdict(seen: Seen) -> Verdict:
    if seen.unknown or any(one.invalid for one in seen.types):
        return Verdict.FAIL
    unjudged = any(one.unjudged for one in seen.types)
    return Verdict.UNKNOWN if unjudged else Verdict.PASS


def _told(seen: Seen) -> str:
    """Say in numbers what was seen."""
    came = [one for one in seen.types if one.seen]
    parts = [
        (sum(one.invalid for one in came), "invalid"),
        (sum(one.unjudged for one in came), "not checked"),
        (sum(one.seen for one in seen.unknown), "of no type of the contract"),
    ]
    faults = [f"{count} {what}" for count, what in parts if count]
    return ", ".join(
        [
            f"{_count(seen.total, 'message')} of {_count(len(came), 'type')}",
            *(faults or ["all valid"]),
        ]
    )


def _note(seen: Seen) -> str:
    if not seen.never:
        return ""
    return f"never seen: {_names(seen.never)}"


def _of_types(who: str, types: Sequence[Tally]) -> Iterator[Finding]:
    for one in types:
        title = f"messages {one.name} of {who} fit their schema"
        if one.invalid:
            yield Finding(
                verdict=Verdict.FAIL,
                title=title,
                expected=f"{_count(one.seen, 'valid message')}",
                seen=f"{one.invalid} invalid; {_example(one.examples)}",
            )
        elif one.unjudged:
            yield Finding(
                verdict=Verdict.UNKNOWN,
                title=title,
                expected=f"{_count(one.seen, 'valid message')}",
                seen=f"{one.unjudged} not checked: {one.reason}",
            )


def _of_unknown(who: str, unknown: Sequence[Tally]) -> Iterator[Finding]:
    for one in unknown:
        yield Finding(
            verdict=Verdict.FAIL,
            title=f"what {who} sends is in its contract: {one.name}",
            expected="a message of the contract",
            seen=f"{_count(one.seen, 'message')}; {_example(one.examples)}",
        )


def _example(examples: Sequence[Example]) -> str:
    problems = "; ".join(str(one) for one in examples[0].problems[:_MOST_PROBLEMS])
    return f"{problems}; such as {examples[0].text}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
