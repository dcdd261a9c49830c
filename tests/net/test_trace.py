"""Wire traces."""

import logging

import pytest
from websockets.frames import Close, Frame, Opcode

from wavetank.clock import VirtualClock
from wavetank.net.trace import Step, trace_logger, without_secrets


def _trace(
    *lines: tuple[object, ...], secrets: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    """Log lines as the library does and return what an observer sees."""
    steps: list[Step] = []
    logger = trace_logger(steps.append, secrets, VirtualClock(now=3.0))
    for message, *args in lines:
        logger.debug(message, *args)
    assert {step.at for step in steps} == {3.0}
    return [(step.mark, step.what) for step in steps]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://host:1/path", "ws://host:1/path"),
        ("ws://user:pass@host/", "ws://***@host/"),
        ("ws://host/@path", "ws://host/@path"),
        ("/ws?token=abc&topic=a", "/ws?token=***&topic=a"),
        ("/ws?topic=a&api_key=b#c", "/ws?topic=a&api_key=***#c"),
        ("ws://host/?access_token=", "ws://host/?access_token=***"),
        ("ws://[not-an-address/", "***"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, shown: str) -> None:
    """Passwords, and values of a query that sound like a secret, are hidden."""
    assert without_secrets(url) == shown


def test_an_observer_sees_marks_and_what_happened() -> None:
    """Each line begins with its mark: in, out, state, close, error."""
    assert _trace(
        ("= connection is %s", "OPEN"),
        ("> GET %s HTTP/1.1", "/ws?ticket=abc"),
        ("< HTTP/1.1 %d %s", 101, "Switching Protocols"),
        ("< [body] (%d bytes)", 3),
        ("< EOF",),
        ("x half-closing TCP connection",),
        ("! error while sending data",),
    ) == [
        ("=", "connection is OPEN"),
        (">", "GET /ws?ticket=*** HTTP/1.1"),
        ("<", "HTTP/1.1 101 Switching Protocols"),
        ("<", "[body] (3 bytes)"),
        ("<", "EOF"),
        ("x", "half-closing TCP connection"),
        ("!", "error while sending data"),
    ]


def test_a_line_without_a_mark_is_an_error() -> None:
    """What the library says in plain words is about something going wrong."""
    assert _trace(("parser failed",)) == [("!", "parser failed")]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Host", "there:1", "there:1"),
        ("Authorization", "Bearer abc", "***"),
        ("Cookie", "id=1", "***"),
        ("X-Api-Key", "abc", "***"),
        ("Sec-WebSocket-Key", "dGhl", "dGhl"),
        ("Location", "/login?session=1", "/login?session=***"),
    ],
)
def test_credentials_in_headers_are_hidden(name: str, value: str, shown: str) -> None:
    """A header that carries a credential shows its name alone."""
    assert _trace(("> %s: %s", name, value)) == [(">", f"{name}: {shown}")]


def test_secrets_are_hidden_wherever_they_stand() -> None:
    """A text that is given as a secret is hidden in headers, paths and payloads."""
    assert _trace(
        ("> %s: %s", "X-Room", "is s3cret"),
        ("> GET %s HTTP/1.1", "/s3cret"),
        ("> %s", Frame(Opcode.TEXT, b'{"token":"s3cret"}')),
        secrets=("s3cret", ""),
    ) == [
        (">", "X-Room: is ***"),
        (">", "GET /*** HTTP/1.1"),
        (">", 'TEXT \'{"token":"***"}\' [18 bytes]'),
    ]


def test_a_secret_at_the_cut_of_a_preview_is_hidden_whole() -> None:
    """Cutting comes after hiding, so that no half of a secret is left."""
    payload = b"x" * 110 + b"s3cret-and-long" + b"y" * 50
    [(_, what)] = _trace(("< %s", Frame(Opcode.TEXT, payload)), secrets=("s3cret-",))
    assert "s3c" not in what
    assert what.endswith("… [175 bytes]")


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (Frame(Opcode.TEXT, b"a"), "TEXT 'a' [1 byte]"),
        (Frame(Opcode.TEXT, b"\xff"), "TEXT '\ufffd' [1 byte]"),
        (Frame(Opcode.CONT, b"", fin=False), "CONT '' [0 bytes, more follows]"),
        (Frame(Opcode.BINARY, b"\x00\x01"), "BINARY 00 01 [2 bytes]"),
        (Frame(Opcode.PING, b"\xfe"), "PING fe [1 byte]"),
        (
            Frame(Opcode.CLOSE, Close(1001, "bye").serialize()),
            "CLOSE 1001 (going away) bye [5 bytes]",
        ),
        (Frame(Opcode.CLOSE, b"\x03"), "CLOSE 03 [1 byte]"),
    ],
)
def test_a_frame_is_shown_by_opcode_payload_and_length(
    frame: Frame, shown: str
) -> None:
    """Text as text, bytes as hex, a close frame as code and reason."""
    assert _trace(("< %s", frame)) == [("<", shown)]


def test_nothing_is_formatted_when_nobody_observes() -> None:
    """Without an observer the library finds its trace switched off."""
    logger = trace_logger(None, (), VirtualClock())
    assert not logger.isEnabledFor(logging.DEBUG)
