"""Contracts: what messages have to look like, read from JSON Schema and AsyncAPI.

They refuse to know connections: documents and messages in, answers out.
"""

from wavetank.contracts.asyncapi import (
    Action,
    Channel,
    Content,
    Contract,
    MessageType,
    read_contract,
)
from wavetank.contracts.problems import Problem
from wavetank.contracts.schema import Schema, compile_schema
from wavetank.contracts.telling import Teller, Told
from wavetank.contracts.traffic import Example, Seen, Tally, Traffic

__all__ = [  # noqa: RUF022 - grouped by module
    # asyncapi
    "Action",
    "Channel",
    "Content",
    "Contract",
    "MessageType",
    "read_contract",
    # problems
    "Problem",
    # schema
    "Schema",
    "compile_schema",
    # telling
    "Teller",
    "Told",
    # traffic
    "Example",
    "Seen",
    "Tally",
    "Traffic",
]
