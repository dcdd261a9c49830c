"""How a hub can let a client down for good, as exceptions.

They refuse to know connections; what passes by itself is never raised.
"""

from wavetank.errors import RemoteError

__all__ = ["GaveUp", "NotPublished", "Refused"]


class Refused(RemoteError):
    """The hub does not do this, and would not do it later either.

    Attributes:
        code: The protocol's error code, such as ``topic_forbidden``.
        topic: Which subscription or publication; "" where it is the connection.
    """

    def __init__(self, message: str, *, code: str, topic: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.topic = topic


class GaveUp(RemoteError):
    """There is no connection, and there will be none.

    Attributes:
        code: Close code or HTTP status that made it final, or None.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class NotPublished(RemoteError):
    """A publication was not acknowledged.

    Attributes:
        code: The protocol's error code, or ``refused`` (there was no room),
            ``retries`` (as often as allowed, in vain), ``closed``, ``gave_up``.
        is_certain: Whether it is in no log for sure; otherwise the answer was lost.
    """

    def __init__(self, message: str, *, code: str, is_certain: bool) -> None:
        super().__init__(message)
        self.code = code
        self.is_certain = is_certain
