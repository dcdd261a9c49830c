"""Names in the environment that belong to other commands."""

from wavetank.cli.variables import variables_of_others


def test_the_names_of_hub_and_load_are_known_without_the_prefix_of_a_run() -> None:
    """A run that meets one of them in the environment passes over it."""
    names = variables_of_others()
    assert {"HUB_PORT", "LOAD_RATE"} <= set(names)
    assert not any(name.startswith("WAVETANK_") for name in names)
