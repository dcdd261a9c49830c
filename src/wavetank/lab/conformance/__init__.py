"""Conformance: cases as tables, one file per RFC topic, and how they are judged.

It refuses to know sockets, pytest and reports.
"""
