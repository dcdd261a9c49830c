"""What the tests of `wavetank pub` and `wavetank sub` share: a hub in a thread."""

import os
import threading
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.server import ServerConnection, serve


@pytest.fixture
def url(
    hub: Callable[[ServerConnection], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Give the address of the hub, which listens; each file has a hub of its own."""
    for name in [name for name in os.environ if name.startswith("WAVETANK")]:
        monkeypatch.delenv(name)
    with serve(hub, "127.0.0.1", 0, subprotocols=["wavetank.v1"]) as server:  # type: ignore[list-item] # a NewType of str
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        server.shutdown()
        thread.join()
