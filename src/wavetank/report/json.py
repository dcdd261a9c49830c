"""test_summary.json: the summary for programs.

It refuses to know the meaning of a field; the shape is the summary's own.
"""

import json
import math

import msgspec

from wavetank.evidence import Summary

__all__ = ["summary_json"]


def summary_json(summary: Summary) -> str:
    """Return the summary as JSON, indented, in the order of its fields.

    All of it is ASCII: what a target said cannot reach a terminal unescaped.
    """
    plain = _finite(msgspec.to_builtins(summary))
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
