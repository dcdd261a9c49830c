"""What a hub says first, in the tests of `wavetank pub` and `wavetank sub`."""

WELCOME = {
    "type": "welcome",
    "protocol": "wavetank.v1",
    "connection": "c-1",
    "node": "fake",
    "version": "0",
    "ts": 1.0,
    "auth": "none",
    "ping_interval_ms": 60_000,
    "limits": {
        "message_bytes": None,
        "payload_bytes": None,
        "topics": None,
        "commands_per_s": None,
        "publish_per_s": None,
        "first_command_ms": None,
    },
    "features": [],
}
