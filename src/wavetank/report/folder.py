"""The results folder: every file of it but the journal, as text.

It refuses to know where the folder is and to write into it.
"""

from collections.abc import Iterable

from wavetank.evidence import Record, fold
from wavetank.report.hlog import hlog_files
from wavetank.report.html import report_html
from wavetank.report.json import summary_json
from wavetank.report.junit import junit_xml
from wavetank.report.logs import suite_logs
from wavetank.report.markdown import report_markdown
from wavetank.report.table import load_csv

__all__ = ["render"]


def render(
    records: Iterable[Record],
    *,
    cut: bool,
    folder: str,
    problems: Iterable[str] = (),
) -> dict[str, str]:
    """Return every file of a results folder but the journal: name -> text.

    Each text can be written as UTF-8, whatever the target said.

    Args:
        records: The records of one run, in the order of the journal.
        cut: Whether the journal has no end (``Journal.cut``).
        folder: Where the files will lie, for the commands in the report.
        problems: What of the journal could not be read (``Journal.problems``).
    """
    kept = list(records)
    summary = fold(kept, cut=cut, problems=problems)
    table = load_csv(kept)
    return {
        "test_summary.json": summary_json(summary),
        "test_report.md": report_markdown(summary, folder=folder),
        "report.html": report_html(summary, folder=folder),
        "junit.xml": junit_xml(summary),
        **suite_logs(kept),
        **hlog_files(kept),
        **({"load.csv": table} if table else {}),
    }
