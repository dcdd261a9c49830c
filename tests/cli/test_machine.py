"""What this machine gives a load."""

import resource
from pathlib import Path

import pytest

from wavetank.cli.machine import limits_of_machine


def test_the_machine_says_what_processes_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processors, descriptors, ports and memory."""
    ports = tmp_path / "ports"
    ports.write_text("32768\t60999\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, resource.RLIM_INFINITY))
    limits = limits_of_machine(serves=True, ports=ports)
    assert (limits.soft, limits.hard, limits.ports) == (100, None, 28_232)
    assert limits.cores >= 1
    assert limits.memory is not None
    assert limits.memory > 0
    assert limits.serves


@pytest.mark.parametrize("content", [None, "", "nonsense here", "1 2 3"])
def test_a_machine_that_does_not_say_has_no_limit_that_is_known(
    tmp_path: Path, content: str | None
) -> None:
    """It is not made up."""
    ports = tmp_path / "ports"
    if content is not None:
        ports.write_text(content)
    assert limits_of_machine(ports=ports).ports is None
