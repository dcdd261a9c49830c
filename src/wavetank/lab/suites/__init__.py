"""The shipped suites: what every WebSocket service is put through.

They refuse to know the hub: a target is what its dialect says it can do.
"""

__all__: list[str] = []
