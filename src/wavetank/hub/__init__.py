"""The reference publish/subscribe server; it knows nothing of the lab.

Its pure half stands here, its shell in ``aio``.
"""

from wavetank.hub.config import OPTIONS, ConnectionLimits, HubConfig, Ports, make_config

__all__ = [
    # config
    "OPTIONS",
    "ConnectionLimits",
    "HubConfig",
    "Ports",
    "make_config",
]
