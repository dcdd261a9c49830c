"""Wire traces: what a peer sent, received and became, step by step.

They refuse to know what a step means, and to show a secret.
"""

import logging
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode

from wavetank.clock import Clock

__all__ = ["Step", "trace_logger", "without_secrets"]

_MARKS = "<>=x!"
_PREVIEW = 120
_DECODED = 4096
_BYTES = {Opcode.BINARY, Opcode.PING, Opcode.PONG}
_HIDDEN = "***"
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie", "set-cookie"}
_SECRET_NAME = re.compile(
    r"token|secret|passw|key|auth|ticket|signature|session|jwt", re.IGNORECASE
)
_QUERY_PAIR = re.compile(r"([?&])([^=&#]+)=([^&#]*)")
# Public by design: it proves that the server speaks WebSocket, nothing else.
_NO_SECRET = {"sec-websocket-key"}


class Step(NamedTuple):
    """One line of a wire trace.

    Attributes:
        at: When, in seconds of the peer's clock.
        mark: ``<`` in, ``>`` out, ``=`` state, ``x`` close, ``!`` error.
        what: What happened; secrets are hidden, long payloads cut.
    """

    at: float
    mark: str
    what: str


def without_secrets(url: str) -> str:
    """Return a URL (or its path) fit to be shown: no password, no token."""
    try:
        user_info = urlsplit(url).netloc.rpartition("@")[0]
    except ValueError:
        return _HIDDEN
    shown = url.replace(f"{user_info}@", f"{_HIDDEN}@", 1) if user_info else url
    return _QUERY_PAIR.sub(_hide_value, shown)


def trace_logger(
    observe: Callable[[Step], None] | None, secrets: Sequence[str], clock: Clock
) -> logging.Logger:
    """Return a logger for one connection of the library that tells an observer.

    The library writes its wire trace to the logger that it is given, at DEBUG;
    without an observer it is told not to format anything.
    """
    logger = logging.Logger("wavetank.net.peer")
    if observe is None:
        logger.setLevel(logging.CRITICAL)
    else:
        logger.addHandler(_Tracer(observe, secrets, clock))
    return logger


class _Tracer(logging.Handler):
    """Turns the library's log records into steps."""

    def __init__(
        self, observe: Callable[[Step], None], secrets: Sequence[str], clock: Clock
    ) -> None:
        super().__init__()
        self._observe = observe
        self._secrets = [secret for secret in secrets if secret]
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        at = self._clock.now()
        args = record.args if isinstance(record.args, tuple) else ()
        text = record.msg % self._shown(args) if args else record.msg
        mark, _, what = text.partition(" ")
        if mark not in _MARKS:
            mark, what = "!", text
        self._observe(Step(at, mark, what))

    def _shown(self, args: tuple[object, ...]) -> tuple[object, ...]:
        if len(args) == 2 and isinstance(args[0], str):  # name and value of a header
            return args[0], self._hide(_header_value(args[0], str(args[1])))
        return tuple(self._argument(arg) for arg in args)

    def _argument(self, arg: object) -> object:
        if isinstance(arg, Frame):
            return self._frame(arg)
        return self._hide(without_secrets(arg)) if isinstance(arg, str) else arg

    def _frame(self, frame: Frame) -> str:
        length = len(frame.data)
        more = "" if frame.fin else ", more follows"
        unit = "byte" if length == 1 else "bytes"
        # Hidden before it is cut, so that no half of a secret is left at the end.
        preview = self._hide(_payload(frame))
        if len(preview) > _PREVIEW:
            preview = f"{preview[:_PREVIEW]}…"
        return f"{frame.opcode.name} {preview} [{length} {unit}{more}]"

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def _payload(frame: Frame) -> str:
    start = bytes(frame.data[:_DECODED])
    if frame.opcode is Opcode.CLOSE:
        try:
            return str(Close.parse(start))
        except (ProtocolError, UnicodeDecodeError):
            return start.hex(" ")
    if frame.opcode in _BYTES:
        return start[:_PREVIEW].hex(" ")
    return repr(start.decode(errors="replace"))


def _header_value(name: str, value: str) -> str:
    lowered = name.lower()
    if lowered in _NO_SECRET:
        return value
    is_secret = lowered in _SECRET_HEADERS or _SECRET_NAME.search(lowered)
    return _HIDDEN if is_secret else without_secrets(value)


def _hide_value(pair: re.Match[str]) -> str:
    return f"{pair[1]}{pair[2]}={_HIDDEN}" if _SECRET_NAME.search(pair[2]) else pair[0]
