"""test_summary.json is for programs."""

import json

import msgspec

from wavetank.evidence import Record, Summary, fold
from wavetank.report.json import summary_json


def test_json_gives_the_summary_back(summary: Summary) -> None:
    """Nothing is lost on the way; the keys keep the order of the fields."""
    text = summary_json(summary)
    assert msgspec.json.decode(text, type=Summary) == summary
    assert list(json.loads(text)) == list(msgspec.to_builtins(summary))
    assert text.startswith('{\n  "verdict": "FAIL",\n')
    assert text.endswith("}\n")


def test_json_is_ascii_whatever_the_target_said(poisoned: list[Record]) -> None:
    """Also lone surrogates and what is no number become valid JSON."""
    text = summary_json(fold(poisoned))
    assert text.isascii()
    assert "\x1b" not in text
    assert ": NaN" not in text
    (suite,) = json.loads(text)["suites"].values()
    (figure,) = suite["checks"]["check"]["figures"].values()
    assert figure["value"] is None
