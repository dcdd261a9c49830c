"""Who a token belongs to."""

import pytest

from wavetank.hub.aio.auth import StaticTokens


def test_tokens_have_users_of_their_own() -> None:
    """Each token is a user; an operator's token is one with more rights."""
    tokens = StaticTokens(["first", "second"], ["boss"])
    users = [tokens.verify(token) for token in ("first", "second", "boss")]
    assert [claims and (claims.user, claims.operator) for claims in users] == [
        ("token-1", False),
        ("token-2", False),
        ("operator-1", True),
    ]


@pytest.mark.parametrize("token", ["", "firs", "first ", "FIRST", "ü", "\ud800"])
def test_tokens_nobody_has_are_nobodys(token: str) -> None:
    """Nearly right is wrong, whatever characters it is made of."""
    assert StaticTokens(["first"]).verify(token) is None


def test_tokens_are_not_shown() -> None:
    """A log line may show the object."""
    assert repr(StaticTokens(["secret"])) == "<StaticTokens 1>"


def test_no_tokens_let_nobody_in() -> None:
    """An empty table is not an open door."""
    assert StaticTokens([]).verify("") is None
