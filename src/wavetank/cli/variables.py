"""Names in the environment that belong to other commands than the one that runs.

It refuses to know values: a name that is somebody else's is no slip of the user's.
"""

from collections.abc import Collection, Iterator

__all__ = ["variables_of_others"]


def variables_of_others() -> Collection[str]:
    """Return the names for other commands, without the prefix that a run's have."""
    return _Others()


class _Others(Collection[str]):
    """The names; the rooms that have them are imported when they are looked at.

    Few runs meet a name that is not their own, and those rooms take a while.
    """

    def __contains__(self, name: object) -> bool:
        return any(name == each for each in self)

    def __iter__(self) -> Iterator[str]:
        from wavetank.chaos.options import PROXY_OPTIONS
        from wavetank.hub.options import OPTIONS as HUB_OPTIONS
        from wavetank.load.options import LOAD_OPTIONS

        for prefix, options in (
            ("WAVETANK_HUB_", HUB_OPTIONS),
            ("WAVETANK_LOAD_", LOAD_OPTIONS),
            ("WAVETANK_PROXY_", PROXY_OPTIONS),
        ):
            for option in options:
                for name in option.variables(prefix):
                    yield name.removeprefix("WAVETANK_")

    def __len__(self) -> int:
        return sum(1 for _ in self)
