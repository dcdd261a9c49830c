"""The command line: parses arguments and writes files, nothing else.

It refuses to decide anything that a program could want to know without it.
"""

__all__: list[str] = []
