"""The answers to plain HTTP requests: health and status.

It refuses to know what the status says.
"""

import json
from collections.abc import Mapping
from typing import Any

from wavetank.wire import Refusal, Request, encode_refusal, encode_response

__all__ = ["answer"]


def answer(request: Request, status: Mapping[str, Any]) -> bytes:
    """Return the response to a plain HTTP request."""
    if request.path not in {"/healthz", "/api/websocket/status"}:
        return encode_refusal(Refusal(404, f"there is nothing at {request.path}"))
    if request.method != "GET":
        allowed = (("Allow", "GET"),)
        return encode_refusal(Refusal(405, "only GET is served here", allowed))
    if request.path == "/healthz":
        return _page("ok\n", "text/plain")
    return _page(json.dumps(status), "application/json")


def _page(body: str, kind: str) -> bytes:
    fields = [("Content-Type", f"{kind}; charset=utf-8"), ("Connection", "close")]
    return encode_response(200, fields, body.encode())
