"""What the tests of frames and messages share."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

settings.register_profile("wire", deadline=None, database=None)
settings.load_profile("wire")


@pytest.fixture
def in_chunks() -> Callable[[bytes, int], Iterator[bytes]]:
    """Return what cuts a stream into chunks of one size."""

    def cut(stream: bytes, size: int) -> Iterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    return cut
