"""Reports: a journal's records as text, for people and for programs.

It refuses to know files, colours and how the evidence came to be.
"""

from wavetank.report.autobahn import autobahn_files
from wavetank.report.comparison import Comparison, compare, comparison_text
from wavetank.report.console import check_line, last_block
from wavetank.report.folder import render
from wavetank.report.html import report_html
from wavetank.report.json import summary_json
from wavetank.report.junit import junit_xml
from wavetank.report.logs import suite_logs
from wavetank.report.markdown import report_markdown
from wavetank.report.matrix import Entry, matrix_html, matrix_markdown
from wavetank.report.pairing import Side

__all__ = [  # noqa: RUF022  # grouped by module, as every room's public names
    # autobahn
    "autobahn_files",
    # comparison
    "Comparison",
    "compare",
    "comparison_text",
    # console
    "check_line",
    "last_block",
    # folder
    "render",
    # html
    "report_html",
    # json
    "summary_json",
    # junit
    "junit_xml",
    # logs
    "suite_logs",
    # markdown
    "report_markdown",
    # matrix
    "Entry",
    "matrix_html",
    "matrix_markdown",
    # pairing
    "Side",
]
