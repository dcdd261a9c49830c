"""Answers to what a client offers: subprotocols, extensions and their parameters.

They refuse to know the rest of an opening handshake.
"""

from typing import Final

from wavetank.lab.conformance.answers import opening
from wavetank.lab.conformance.case import Level
from wavetank.lab.conformance.openings import DEFLATE, EXTENSIONS, SUBPROTOCOL

__all__ = ["OPENINGS"]

_CLIENT: Final = "RFC 6455 4.1"
_NOBODYS: Final = "wavetank-nobody-speaks-this"
_BITS: Final = "client_max_window_bits"

_SUBPROTOCOLS = (
    opening(
        87,
        "An answer with a subprotocol that was not offered does not open.",
        _CLIENT,
        opens=False,
        change={SUBPROTOCOL: _NOBODYS},
    ),
    opening(
        88,
        "An answer with two subprotocols that were not offered does not open.",
        _CLIENT,
        opens=False,
        change={SUBPROTOCOL: (_NOBODYS, f"{_NOBODYS}-either")},
    ),
    opening(
        89,
        "An answer with an empty subprotocol does not open.",
        "RFC 6455 4.2.2",
        opens=False,
        level=Level.MAY,
        change={SUBPROTOCOL: ""},
    ),
)

_UNOFFERED = (
    opening(
        90,
        "An answer with an extension that nobody knows does not open.",
        _CLIENT,
        opens=False,
        change={EXTENSIONS: "x-wavetank-nobody"},
    ),
    opening(
        91,
        "An answer with permessage-deflate to no offer of it does not open.",
        _CLIENT,
        opens=False,
        change={EXTENSIONS: DEFLATE},
        spared=(DEFLATE,),
    ),
    opening(
        92,
        "An answer with permessage-deflate and an unknown extension does not open.",
        _CLIENT,
        opens=False,
        change={EXTENSIONS: "{agreed}, x-wavetank-nobody"},
        wants=(DEFLATE,),
    ),
    opening(
        93,
        "An answer with extensions that break the grammar does not open.",
        "RFC 6455 9.1",
        opens=False,
        level=Level.SHOULD,
        change={EXTENSIONS: "; ="},
    ),
    opening(
        94,
        "An answer with an empty field of extensions opens.",
        "RFC 6455 9.1",
        opens=True,
        level=Level.MAY,
        change={EXTENSIONS: ""},
    ),
)

_AGREED = (
    opening(
        95,
        "An answer that agrees to permessage-deflate as it was offered opens.",
        "RFC 7692 5.1",
        opens=True,
        change={EXTENSIONS: "{agreed}"},
        wants=(DEFLATE,),
    ),
    opening(
        96,
        "An answer that agrees to forget on both sides opens.",
        "RFC 7692 7.1.1",
        opens=True,
        change={
            EXTENSIONS: f"{DEFLATE}; server_no_context_takeover; "
            "client_no_context_takeover"
        },
        wants=(DEFLATE,),
        spared=("server_max_window_bits",),
    ),
    opening(
        97,
        "An answer with a server's window of 10 bits opens.",
        "RFC 7692 7.1.2.1",
        opens=True,
        change={EXTENSIONS: f"{DEFLATE}; server_max_window_bits=10"},
        wants=(DEFLATE,),
        spared=("server_max_window_bits", "server_no_context_takeover"),
    ),
    opening(
        98,
        "An answer with a client's window of 10 bits, which it offered, opens.",
        "RFC 7692 7.1.2.2",
        opens=True,
        change={EXTENSIONS: f"{{agreed}}; {_BITS}={{bits}}"},
        wants=(DEFLATE, _BITS),
    ),
    opening(
        99,
        "An answer that agrees to permessage-deflate twice does not open.",
        "RFC 7692 5.1",
        opens=False,
        change={EXTENSIONS: "{agreed}, {agreed}"},
        wants=(DEFLATE,),
    ),
    opening(
        100,
        "An answer with a client's window, which it did not offer, does not open.",
        "RFC 7692 7.1.2.2",
        opens=False,
        change={EXTENSIONS: f"{{agreed}}; {_BITS}=10"},
        wants=(DEFLATE,),
        spared=(_BITS,),
    ),
)

_WRONG_ROWS = (
    (101, "an unknown parameter", "x_wavetank=1", "7.1"),
    (102, "a parameter twice", "server_no_context_takeover; " * 2, "7.1"),
    (103, "a value where none belongs", "client_no_context_takeover=1", "7.1.1.2"),
    (104, "a server's window of 7 bits", "server_max_window_bits=7", "7.1.2.1"),
    (105, "a server's window of 16 bits", "server_max_window_bits=16", "7.1.2.1"),
    (106, "a server's window of 012 bits", "server_max_window_bits=012", "7.1.2.1"),
    (107, "a server's window without bits", "server_max_window_bits", "7.1.2.1"),
    (108, "a client's window without bits", _BITS, "7.1.2.2"),
    (109, "a client's window of 7 bits", f"{_BITS}=7", "7.1.2.2"),
    (110, "a client's window of 16 bits", f"{_BITS}=16", "7.1.2.2"),
)

_WRONG = tuple(
    opening(
        number,
        f"An answer to permessage-deflate with {what} does not open.",
        f"RFC 7692 {section}",
        opens=False,
        change={EXTENSIONS: f"{{agreed}}; {parameter.removesuffix('; ')}"},
        wants=(DEFLATE,),
    )
    for number, what, parameter, section in _WRONG_ROWS
)

OPENINGS = (*_SUBPROTOCOLS, *_UNOFFERED, *_AGREED, *_WRONG)
"""K.87 to K.89: subprotocols; K.90 to K.94: extensions that were not offered; K.95 to
K.98: good agreements; K.99 to K.110: bad ones."""
