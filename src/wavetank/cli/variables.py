"""Names in the environment that belong to other commands than the one that runs.

It refuses to know values: a name that is somebody else's is no slip of the user's.
"""

from collections.abc import Sequence

from wavetank.chaos.options import PROXY_OPTIONS
from wavetank.hub import OPTIONS as HUB_OPTIONS
from wavetank.load.options import LOAD_OPTIONS
from wavetank.settings import Option

__all__ = ["variables_of_others"]

_OTHERS: tuple[tuple[str, Sequence[Option]], ...] = (
    ("WAVETANK_HUB_", HUB_OPTIONS),
    ("WAVETANK_LOAD_", LOAD_OPTIONS),
    ("WAVETANK_PROXY_", PROXY_OPTIONS),
)


def variables_of_others() -> list[str]:
    """Return the names for other commands, without the prefix that a run's have."""
    return [
        name.removeprefix("WAVETANK_")
        for prefix, options in _OTHERS
        for option in options
        for name in option.variables(prefix)
    ]
