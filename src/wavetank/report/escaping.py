"""Hostile text made harmless: for a terminal, a line, Markdown, HTML and XML.

It refuses to know what the text says.
"""

import html
import re

__all__ = [
    "LONGEST_TEXT",
    "as_code",
    "as_fence",
    "as_html",
    "as_markdown",
    "as_xml",
    "visible",
]

LONGEST_TEXT = 2000
"""Characters of one text in a report; the journal has the rest."""

# What a reader cannot see or what moves the cursor: C0, C1, bidirectional
# overrides, invisible joiners, line and paragraph separators, lone surrogates.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff]"
    "|[\U000e0000-\U000e007f]"
)
# A single underscore between letters is no emphasis (CommonMark 6.2).
_MARKDOWN = re.compile(r"[\\`*{}\[\]<>#|~$&!]|(?<![^\W_])_|_(?![^\W_])")
_MARKDOWN_START = re.compile(r"^([-+=>]|\d{1,9}[.)])(?=\s|$|[-+=])")
_BACKTICKS = re.compile("`+")


def visible(text: str, *, limit: int | None = LONGEST_TEXT) -> str:
    r"""Return text as one line of characters that can be seen.

    Control characters and the like are written out (``\x1b``, ``\u202e``); a
    line break or a tab is a space.

    Args:
        text: Anything.
        limit: Characters that are kept; None keeps all.
    """
    rest = ""
    if limit is not None and len(text) > limit:
        rest = f" ... ({len(text) - limit} more characters)"
        text = text[:limit]
    return _INVISIBLE.sub(_write_out, text) + rest


def _write_out(match: re.Match[str]) -> str:
    character = match.group()
    if character in "\n\t":
        return " "
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def as_markdown(text: str) -> str:
    """Return text that Markdown (GitHub's too) shows as it is."""
    escaped = _MARKDOWN.sub(r"\\\g<0>", visible(text))
    return _MARKDOWN_START.sub(r"\\\1", escaped.strip())


def as_code(text: str) -> str:
    """Return text as a Markdown code span that also holds inside a table."""
    shown = visible(text)
    if not shown.strip():
        return ""
    if "\\|" in shown:
        # subtle: no code span in a table can hold this pair (GFM 4.10).
        return as_markdown(text)
    shown = shown.replace("|", "\\|")
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def as_fence(lines: list[str]) -> str:
    """Return lines as a Markdown code block."""
    shown = [visible(line) for line in lines]
    fence = "`" * max(3, _longest_run("\n".join(shown)) + 1)
    return "\n".join([f"{fence}text", *shown, fence])


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def as_html(text: str) -> str:
    """Return text for HTML, as content or as a quoted attribute."""
    return html.escape(visible(text))


def as_xml(text: str) -> str:
    """Return text for XML 1.0, as content or as a quoted attribute."""
    return html.escape(visible(text))
