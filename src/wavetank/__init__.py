"""Wavetank proves a WebSocket service before its users do.

The package is two strangers under one roof: the lab, which proves any
WebSocket server over a socket, and the hub, a publish/subscribe server.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
