"""The command that makes a run again: its checks, its seed and its options.

It refuses to know secrets: whoever makes the run again has to add them.
"""

from collections.abc import Iterator, Mapping

from wavetank.lab.options import OPTIONS
from wavetank.lab.plan import Plan, Source
from wavetank.lab.selection import plays_faults
from wavetank.settings import Option, Settings

__all__ = ["command_again", "values_of"]


def values_of(settings: Settings, plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the values of each option that has to be typed again, by its name.

    Where one came from makes no difference: elsewhere there may be no such file.

    Args:
        settings: The options of `lab.options`, resolved.
        plan: What was made of them.
    """
    without = set(_without_a_part(plan))
    values = {
        option.name: tuple(_values(option, settings[option.name]))
        for option in OPTIONS
        if option.name in settings.changed()
        and not option.secret
        and option.name not in without
    }
    if "faults" in values:
        # Their file may have been changed since.
        values["faults"] = (plan.faults,)
    return {name: told for name, told in values.items() if told}


def command_again(plan: Plan) -> list[str]:
    """Return the command that makes a run again, as words."""
    words = ["wavetank", "run", *plan.asked]
    if plan.keyword:
        words += _typed("-k", plan.keyword)
    words += _typed("--seed", str(plan.seed))
    return [*words, *_flags(plan.typed)]


def _without_a_part(plan: Plan) -> Iterator[str]:
    """Yield options that say nothing here; as flags some would be refused."""
    # The seed is told in any case. Where results go changes nothing of the run.
    yield from ("seed", "output")
    if plan.source is Source.URL:
        yield from ("port", "tls-port", "coverage")
    if plan.contract is None:
        yield "contract-of"
    if not plays_faults(plan.suites, plan.checks):
        yield "faults"


def _values(option: Option, value: object) -> Iterator[str]:
    if option.is_flag:
        if value != option.default:
            yield option.flag if value else f"--no-{option.name}"
        return
    yield from filter(None, map(str, value if isinstance(value, tuple) else (value,)))


def _flags(typed: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for option in OPTIONS:
        values = typed.get(option.name, ())
        if option.is_flag:
            yield from values
        else:
            for value in values:
                yield from _typed(option.flag, value)


def _typed(flag: str, value: str) -> list[str]:
    # A word that begins with a dash would be taken for an option.
    return [f"{flag}={value}"] if value.startswith("-") else [flag, value]
