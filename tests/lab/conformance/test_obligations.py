"""The rules for a server's frames, and how it is kept what came of them."""

import re

from wavetank.lab.conformance.obligations import RULES, Blame, Tally, Unit


def test_each_rule_is_numbered_and_says_what_it_rests_on() -> None:
    """In their order; each is a sentence, with its clause."""
    assert [rule.id for rule in RULES] == [f"S.{n}" for n in range(1, len(RULES) + 1)]
    for rule in RULES:
        assert re.fullmatch(r"[A-Z0-9].*\.", rule.title)
        assert re.match(r"RFC (6455|7692) \d", rule.clause)
    assert {rule.unit for rule in RULES} == set(Unit)


def test_a_blame_counts_on_where_it_keeps_no_more() -> None:
    """Whoever breaks a rule in every frame does not fill the memory."""
    blame = Blame()
    for number in range(1000):
        blame.add(str(number))
    assert (blame.count, blame.examples) == (1000, ["0", "1", "2"])
    assert repr(blame) == "<Blame 1000 times>"


def test_a_tally_tells_rules_and_faults_apart_from_notes() -> None:
    """Both by the rule's id."""
    tally = Tally()
    tally.judged[Unit.FRAMES] += 5
    tally.blame(RULES[0], "this")
    tally.blame(RULES[0], "that")
    tally.note(RULES[1], "also")
    assert {key: each.count for key, each in tally.faults.items()} == {"S.1": 2}
    assert {key: each.count for key, each in tally.notes.items()} == {"S.2": 1}
    assert repr(tally) == "<Tally 5 frames, faults ['S.1']>"
