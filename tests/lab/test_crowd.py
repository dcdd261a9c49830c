"""Who takes part in a proof."""

from wavetank.lab.crowd import Crowd
from wavetank.lab.keeping import Patience


def test_a_crowd_has_somebody_of_each_kind_that_is_needed() -> None:
    """A witness past the proxy, and a publisher that goes on whatever breaks."""
    crowd = Crowd()
    assert min(crowd.followers, crowd.witnesses, crowd.publishers, crowd.topics) >= 1
    assert crowd.patience == Patience()
