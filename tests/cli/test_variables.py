"""Names in the environment that belong to other commands."""

import subprocess
import sys

from wavetank.cli.variables import variables_of_others


def test_the_names_of_hub_and_load_are_known_without_the_prefix_of_a_run() -> None:
    """A run that meets one of them in the environment passes over it."""
    names = variables_of_others()
    assert {"HUB_PORT", "LOAD_RATE"} <= set(names)
    assert not any(name.startswith("WAVETANK_") for name in names)
    assert "PROXY_TOXIC" in names
    assert "PROXY_TOXICS" not in names
    assert len(names) == len(tuple(names))


def test_the_rooms_of_others_are_imported_when_somebody_asks() -> None:
    """A run that meets no strange name does without them."""
    code = (
        "import sys\n"
        "from wavetank.cli.variables import variables_of_others\n"
        "names = variables_of_others()\n"
        "print('wavetank.hub' in sys.modules)\n"
        "print('HUB_PORT' in names, 'wavetank.hub' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "True"]
