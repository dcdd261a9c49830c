"""The shell of conformance: connections, processes and time around its tables.

It refuses to decide what a case came to.
"""

__all__: list[str] = []
