"""Operations are paired: what was asked, and what came of it."""

import msgspec

from wavetank.evidence.operations import Kind, Operation, Pair, pairs


def operation(kind: Kind, number: int, *, peer: str = "peer-1") -> Operation:
    """Return an operation of which only kind, id and peer matter."""
    return Operation(
        at=0.0, check="check", peer=peer, kind=kind, name="publish", id=number
    )


def test_pairs_ties_each_invoke_to_its_end_in_order_of_the_invokes() -> None:
    """Ends may overtake each other; the pairs keep the order of asking."""
    first, second = operation(Kind.INVOKE, 1), operation(Kind.INVOKE, 2)
    ok, lost = operation(Kind.OK, 2), operation(Kind.INFO, 1)
    assert list(pairs([first, second, ok, lost])) == [
        Pair(first, lost),
        Pair(second, ok),
    ]


def test_pairs_leaves_an_invoke_without_an_end_open() -> None:
    """What nobody answered has no end."""
    invoke = operation(Kind.INVOKE, 1)
    assert list(pairs([invoke])) == [Pair(invoke, None)]


def test_pairs_leaves_out_what_nobody_asked_for() -> None:
    """A push is no answer."""
    assert list(pairs([operation(Kind.INFO, 0)])) == []


def test_pairs_tells_peers_apart() -> None:
    """Two peers may use the same id."""
    one, other = operation(Kind.INVOKE, 1), operation(Kind.INVOKE, 1, peer="peer-2")
    end = operation(Kind.OK, 1, peer="peer-2")
    assert list(pairs([one, other, end])) == [Pair(one, None), Pair(other, end)]


def test_pairs_keeps_the_first_end_when_two_came() -> None:
    """An answer that comes twice does not change what happened first."""
    invoke, ok, late = (
        operation(kind, 1) for kind in (Kind.INVOKE, Kind.OK, Kind.FAIL)
    )
    assert list(pairs([invoke, ok, late])) == [Pair(invoke, ok)]


def test_operation_says_its_tag_and_leaves_out_what_is_empty() -> None:
    """One line of the journal is as short as it can be."""
    assert msgspec.json.encode(operation(Kind.INVOKE, 1)) == (
        b'{"record":"operation","at":0.0,"check":"check","peer":"peer-1",'
        b'"kind":"invoke","name":"publish","id":1}'
    )
