"""Our worker without its comparison of streams: the mark of each message is read.

It refuses to differ in anything else: what is sent, counted and timed is the same.
"""

from wavetank.load import feed
from wavetank.load.engine import requests, worker
from wavetank.load.marks import find_mark
from wavetank.load.replies import Replies
from wavetank.load.splitting import Piece


class _Marked(Replies):
    """Answers that are told by their marks from the first one on."""

    __slots__ = ()

    def __init__(
        self, *arguments: object, is_exact: bool, is_verbatim: bool, **named: object
    ) -> None:
        super().__init__(
            *arguments, is_exact=is_exact, is_verbatim=is_verbatim, **named
        )
        self._is_exact = False


class _Alone(feed.Follower):
    """A receiver that knows nothing of what others got."""

    __slots__ = ()

    def receive(self, data: bytes, now: int) -> list[tuple[int, bytes]]:
        """Read each frame."""
        return self._read(data, now)

    def _take(self, frame: bytes, piece: Piece, now: int) -> None:
        self._meter.tally.bytes_received += len(frame)
        mark = find_mark(frame)
        if self._feed.owns(mark):
            self._take_alone(mark, now)
        else:
            self._meter.tally.foreign += 1


requests.Replies = _Marked
feed.Follower = _Alone
worker.main()
