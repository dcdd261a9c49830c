"""What a target promises of its deliveries, as far as its capabilities say.

It refuses to know whether it keeps that.
"""

from collections.abc import Collection

from wavetank.dialects import Capability
from wavetank.lab.checkers.promises import Promise

__all__ = ["promise_of"]


def promise_of(capabilities: Collection[str]) -> Promise:
    """Return what a target promises, as far as its capabilities say.

    Who goes on behind a position is owed what is behind it, and nothing again. Where
    nothing can be resumed, what is published while a subscriber is away is not owed to
    it. Without acknowledgements, what somebody got is all that is known.
    """
    resumes = {Capability.RESUME, Capability.SEQUENCE} <= set(capabilities)
    return Promise(
        acknowledges=Capability.ACKNOWLEDGE in capabilities,
        resumable=resumes,
        exactly_once=resumes,
        one_order=Capability.SEQUENCE in capabilities,
    )
