"""The lab's side of the network: peers, certificates and ports.

It refuses to know what a target should do.
"""

from wavetank.net.failures import (
    ConnectionEnded,
    HandshakeBroken,
    HandshakeRefused,
    NotReached,
    Side,
    TlsFailed,
)
from wavetank.net.host import Guest, RudeHost
from wavetank.net.opening import opening_request
from wavetank.net.peer import Peer, open_peer
from wavetank.net.ports import (
    find_available_port,
    find_dynamic_port,
    get_free_port_pair,
    get_websocket_uri,
    hand_over,
    held_ports,
    hold_port,
    is_port_in_use,
    release_port,
    update_websocket_env_vars,
)
from wavetank.net.rude import RudePeer
from wavetank.net.stream import Ending, Tap
from wavetank.net.tls import (
    Credentials,
    Flaw,
    ThrowAwayAuthority,
    client_context,
    server_context,
)
from wavetank.net.trace import Step, without_secrets

__all__ = [  # noqa: RUF022 - grouped by module
    # failures
    "ConnectionEnded",
    "HandshakeBroken",
    "HandshakeRefused",
    "NotReached",
    "Side",
    "TlsFailed",
    # host
    "Guest",
    "RudeHost",
    # opening
    "opening_request",
    # peer
    "Peer",
    "open_peer",
    # ports
    "find_available_port",
    "find_dynamic_port",
    "get_free_port_pair",
    "get_websocket_uri",
    "hand_over",
    "held_ports",
    "hold_port",
    "is_port_in_use",
    "release_port",
    "update_websocket_env_vars",
    # rude
    "RudePeer",
    # stream
    "Ending",
    "Tap",
    # tls
    "Credentials",
    "Flaw",
    "ThrowAwayAuthority",
    "client_context",
    "server_context",
    # trace
    "Step",
    "without_secrets",
]
