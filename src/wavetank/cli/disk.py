"""A disk that is full: which errors say so.

It refuses to know what was to be written, and what the user can do about it.
"""

import errno
from typing import TypeGuard

__all__ = ["is_full"]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(error: BaseException | None) -> TypeGuard[OSError]:
    """Tell whether an error says that there is no room for what is written."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM
