"""An SVG that stands alone: dark on white, its colours in its own attributes.

It refuses to know what is drawn; inside a page the page's style has the last word.
"""

import re

__all__ = ["COLOURS", "alone"]

COLOURS = ("#3478c6", "#c7692a", "#2f9466", "#b5519c", "#8a7a1f", "#7d6bd1")
"""Of lines, in their order; those of the page's style."""

_INK, _SOFT, _RULE, _FAULT = "#1c2024", "#60646c", "#d9dce1", "#c62a2f"

_LOOKS = {
    "label": f'fill="{_INK}" xml:space="preserve"',
    "lane": f'fill="{_INK}"',
    "tick x": f'fill="{_SOFT}" text-anchor="middle"',
    "tick y": f'fill="{_SOFT}" text-anchor="end" dominant-baseline="middle"',
    "grid": f'fill="none" stroke="{_RULE}"',
    "band": f'fill="{_FAULT}" fill-opacity="0.12"',
    "bar": f'fill="{_FAULT}"',
    **{f"s{n}": f'fill="{colour}"' for n, colour in enumerate(COLOURS)},
    **{f"dot s{n}": f'fill="{colour}"' for n, colour in enumerate(COLOURS)},
    **{
        f"line s{n}": f'fill="none" stroke="{colour}" stroke-width="1.6" '
        'stroke-linejoin="round"'
        for n, colour in enumerate(COLOURS)
    },
}
# No text has a quotation mark that is not escaped.
_CLASS = re.compile(r'class="([a-z0-9 ]+)"')
_ROOT = re.compile(r'<svg class="plot" viewBox="0 0 ([0-9.]+) ([0-9.]+)"([^>]*)>')


def alone(svg: str) -> str:
    """Return a plot (`plots.plot_svg`) that is readable without a page around it."""
    coloured = _CLASS.sub(_look, svg)
    return _ROOT.sub(_root, coloured, count=1)


def _look(match: re.Match[str]) -> str:
    look = _LOOKS.get(match[1])
    return f"{match[0]} {look}" if look else match[0]


def _root(match: re.Match[str]) -> str:
    width, height, rest = match.groups()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}"{rest} font-size="12" '
        f'font-family="system-ui, sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )
