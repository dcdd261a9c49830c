"""Which errors say that a disk is full."""

import errno

import pytest

from wavetank.cli.disk import is_full


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_is_full_where_there_is_no_room(number: int) -> None:
    """On the device, in a quota, or in what one file may hold."""
    assert is_full(OSError(number, "full"))


@pytest.mark.parametrize(
    "error", [None, OSError(errno.EACCES, "no"), OSError("no number"), ValueError("x")]
)
def test_a_disk_is_not_full_for_any_other_reason(error: BaseException | None) -> None:
    """A folder without leave is somebody's mistake."""
    assert not is_full(error)
