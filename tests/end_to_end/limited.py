"""`wavetank` where no file may be longer than so many bytes: as on a full disk."""

import sys

__all__ = ["with_room_for"]

_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from wavetank.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def with_room_for(room: int, *arguments: str) -> list[str]:
    """Return the command line of `wavetank ARGUMENTS` with so much room in each file.

    Args:
        room: Bytes.
        arguments: What stands behind `wavetank`.
    """
    return [sys.executable, "-c", _LIMITED, str(room), *arguments]
