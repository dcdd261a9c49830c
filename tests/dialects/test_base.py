"""The contract of a dialect, and the no-op."""

import pytest

from wavetank.dialects import (
    Ask,
    Authenticate,
    Bare,
    Capability,
    Dialect,
    Endpoint,
    Foreign,
    Limits,
    Publish,
    Subscribe,
    Unsubscribe,
)
from wavetank.errors import LocalError

ASKS: list[Ask] = [
    Authenticate(id=1, token="t"),
    Subscribe(id=2, topic="a"),
    Unsubscribe(id=3, topic="a"),
    Publish(id=4, topic="a", payload="1"),
]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_bare_dialect_refuses_every_ask(ask: Ask) -> None:
    """Nothing can be asked of a target that nobody described."""
    name = type(ask).__name__.lower()
    with pytest.raises(LocalError, match=f"the bare dialect cannot {name}"):
        Bare().encode(ask)


def test_bare_dialect_takes_every_message_as_foreign() -> None:
    """Texts pass as they are, binary messages as Python writes them."""
    assert Bare().decode("hello") == Foreign(text="hello")
    assert Bare().decode(b"\xff") == Foreign(text="b'\\xff'")


def test_bare_dialect_claims_nothing() -> None:
    """It has no capability, no limit, no status page and no malformed message."""
    dialect: Dialect = Bare()
    assert dialect.capabilities == frozenset()
    assert dialect.endpoint == Endpoint(path="/", subprotocols=(), preamble=())
    assert dialect.limits == Limits(payload=None, message=None, handshake=None)
    assert dialect.status is None
    assert dialect.malformed() == ()


def test_capability_is_written_as_its_name() -> None:
    """Journal and reports show a capability by its lower-case name."""
    assert [capability.value for capability in Capability] == [
        capability.name.lower() for capability in Capability
    ]
