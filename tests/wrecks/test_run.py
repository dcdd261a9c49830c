"""Running a server until a signal."""

import os
import signal
import socket

import pytest

from wavetank.errors import UsageError
from wavetank.wrecks import SoundServer, run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_on_a_signal(number: int) -> None:
    """It announces its port once, then either signal ends it with 0."""
    ports = []

    def announce(server: SoundServer) -> None:
        ports.append(server.port)
        os.kill(os.getpid(), number)

    assert run(SoundServer(), announce) == 0
    assert len(ports) == 1
    assert ports[0]


def test_run_ends_with_1_when_the_server_died_by_itself() -> None:
    """A crash is told apart from an end that was asked for."""

    def announce(server: SoundServer) -> None:
        server.has_crashed = True
        server.ended.set()

    assert run(SoundServer(), announce) == 1


def test_run_refuses_a_port_that_is_taken() -> None:
    """A port that somebody listens on is a mistake of the user's."""

    def announce(server: SoundServer) -> None:
        raise AssertionError("it must not listen")

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is taken"):
            run(SoundServer(), announce, port=port)
