"""A command's arguments, from a table of options.

It refuses to know what they mean: values stay the texts that were typed.
"""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from wavetank.errors import UsageError, nearest
from wavetank.settings import Option

__all__ = ["Parser"]


class Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are `UsageError`, all at once.

    Args:
        command: Such as ``run``.
        description: What the command does, for ``--help``.
        options: The table; each row becomes a flag.
        epilog: What stands below the options.
    """

    def __init__(
        self,
        command: str,
        *,
        description: str,
        options: Sequence[Option] = (),
        epilog: str = "",
    ) -> None:
        super().__init__(
            prog=f"wavetank {command}",
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._options = tuple(options)
        for option in options:
            self._add(option)

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse arguments.

        Raises:
            UsageError: With every unknown option, and the nearest valid one.
        """
        # Intermixed: what stands behind an option may be one more argument.
        namespace, unknown = self.parse_known_intermixed_args(list(argv))
        strangers = [word for word in unknown if word.startswith("-")]
        if strangers:
            # What follows an unknown option may be its value: no problem of its own.
            flags = [flag for flag in self._option_string_actions if flag[:2] == "--"]
            raise UsageError(
                [
                    f"{word}: unknown option{nearest(word.partition('=')[0], flags)}"
                    for word in strangers
                ]
            )
        if unknown:
            raise UsageError([f"{word}: one argument too many" for word in unknown])
        return namespace

    def flags(self, namespace: argparse.Namespace) -> dict[str, object]:
        """Return what was typed for the options of the table, by option name."""
        return {option.name: getattr(namespace, option.key) for option in self._options}

    def error(self, message: str) -> NoReturn:
        """Turn argparse's own complaint into ours."""
        raise UsageError(message)

    def _add(self, option: Option) -> None:
        names = [f"--{name}" for name in (option.name, *option.also)]
        # Percent signs have a meaning in argparse's help.
        text = option.help.replace("%", "%%")
        if option.is_flag:
            action = (
                "store_true"
                if option.default is False
                else argparse.BooleanOptionalAction
            )
            self.add_argument(
                *names, dest=option.key, action=action, default=None, help=text
            )
        else:
            self.add_argument(
                *names,
                dest=option.key,
                action="append" if option.many else "store",
                metavar=option.metavar or option.key.upper(),
                default=None,
                help=text,
            )
