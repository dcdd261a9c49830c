"""Dialects: how to speak with a target, and what its messages mean.

They refuse to know sockets, the hub and the checks.
"""

from wavetank.dialects.base import (
    Answer,
    Ask,
    Authenticate,
    Bare,
    Call,
    Capability,
    Dialect,
    Documented,
    Endpoint,
    Event,
    Foreign,
    Heard,
    Limits,
    Malformed,
    Notice,
    Publish,
    Reply,
    StatusPage,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from wavetank.dialects.catalogue import SHIPPED, named, recognise
from wavetank.dialects.echo import Echo
from wavetank.dialects.hub import Hub
from wavetank.dialects.template import Template

__all__ = [  # noqa: RUF022  # grouped by module
    # base
    "Answer",
    "Ask",
    "Authenticate",
    "Bare",
    "Call",
    "Capability",
    "Dialect",
    "Documented",
    "Endpoint",
    "Event",
    "Foreign",
    "Heard",
    "Limits",
    "Malformed",
    "Notice",
    "Publish",
    "Reply",
    "StatusPage",
    "Subscribe",
    "Unsubscribe",
    "Welcome",
    # catalogue
    "SHIPPED",
    "named",
    "recognise",
    # echo, hub, template
    "Echo",
    "Hub",
    "Template",
]
