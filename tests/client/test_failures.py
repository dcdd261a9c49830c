"""How a hub can let a client down for good."""

from wavetank.client.failures import GaveUp, NotPublished, Refused
from wavetank.errors import RemoteError


def test_failures_are_the_other_sides_and_say_why() -> None:
    """Each is a RemoteError with what a program wants to know."""
    refused = Refused("no", code="topic_forbidden", topic="a")
    gave_up = GaveUp("no", code=4001)
    failed = NotPublished("no", code="retries", is_certain=False)
    assert (refused.code, refused.topic) == ("topic_forbidden", "a")
    assert gave_up.code == 4001
    assert (failed.code, failed.is_certain) == ("retries", False)
    assert all(isinstance(e, RemoteError) for e in (refused, gave_up, failed))
    assert str(failed) == "no"
