"""The lab: runs suites against a target and keeps the evidence.

It refuses to know the hub: a target is reached over a socket, through a dialect.
"""

__all__: list[str] = []
