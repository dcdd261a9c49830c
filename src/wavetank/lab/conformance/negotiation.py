"""Subprotocols and extensions in the opening handshake, as a table.

It refuses to know which of them a target speaks: an answer may only come from the
offer, and no offer has to be taken.
"""

from typing import Final

from wavetank.lab.conformance.asking import (
    ENDS,
    EXTENSIONS,
    OPENED,
    OPENS,
    REFUSED,
    REFUSES,
    SUBPROTOCOL,
    UNHEARD,
    Answer,
    Ask,
    row,
)
from wavetank.lab.conformance.case import Level

__all__ = ["ASKS"]

_NOBODYS: Final = "wavetank-nobody-speaks-this"
"""How subprotocols begin that nobody registered or uses."""
_MANY: Final = ", ".join(f"{_NOBODYS}-{number}" for number in range(100))
_COMMON: Final = (
    *("chat", "superchat", "echo", "soap", "mqtt", "v12.stomp", "wamp.2.json"),
    *("graphql-transport-ws", "actioncable-v1-json", "ocpp1.6", "xmpp", "wavetank.v1"),
)
_DEFLATE: Final = "permessage-deflate"
_WEBKIT: Final = "x-webkit-deflate-frame"

_BARE = Answer(statuses=OPENED, lacks=(SUBPROTOCOL,))
_UNEXTENDED = Answer(statuses=OPENED, lacks=(EXTENSIONS,))
_ECHOES = Answer(statuses=OPENED, note="it takes a subprotocol that it cannot know")
_LENIENT = Answer(
    statuses=OPENED,
    lacks=(SUBPROTOCOL,),
    note="it should refuse what breaks the grammar",
)
_TOUCHY = Answer(statuses=REFUSED, note="it should decline the offer alone, and open")

# A service that is there only for who speaks its subprotocol may say so (RFC 6455
# 4.2.2, /resource name/): refusing is fine wherever none of its own is offered.
_SUBPROTOCOLS = (
    row(
        "N.1",
        "Where no subprotocol is offered, none is in the answer.",
        "RFC 6455 4.2.2",
        _BARE,
        REFUSES,
        change={SUBPROTOCOL: None},
    ),
    *(
        row(
            f"N.{number}",
            f"Where only {what} offered, none is in the answer.",
            "RFC 6455 4.2.2",
            _BARE,
            REFUSES,
            _ECHOES,
            change={SUBPROTOCOL: offer},
        )
        for number, what, offer in (
            (2, "an unknown subprotocol is", _NOBODYS),
            (3, "a hundred unknown subprotocols are", _MANY),
        )
    ),
    *(
        row(
            f"N.{number}",
            f"{what} is answered with one of them, or none.",
            clause,
            OPENS,
            REFUSES,
            change={SUBPROTOCOL: offer},
        )
        for number, what, clause, offer in (
            (4, "A list of subprotocols", "RFC 6455 4.2.2", ", ".join(_COMMON)),
            (5, "A list over several lines", "RFC 6455 11.3.4", _COMMON),
            (6, "The same name in three cases", "RFC 6455 4.2.2", "CHAT, Chat, chat"),
            (7, "A list with empty elements", "RFC 9110 5.6.1.2", ", chat,,mqtt ,"),
            (8, "The same name twice", "RFC 6455 4.1", "chat, chat"),
        )
    ),
    row(
        "N.9",
        "An empty list of subprotocols is refused, or offers none.",
        "RFC 6455 4.3",
        REFUSES,
        _BARE,
        level=Level.MAY,
        change={SUBPROTOCOL: ""},
    ),
    *(
        row(
            f"N.{number}",
            f"A subprotocol that is no token ({offer}) is refused.",
            "RFC 6455 4.2.1 and 4.3",
            REFUSES,
            _LENIENT,
            ENDS,
            change={SUBPROTOCOL: offer},
        )
        for number, offer in (
            (10, "super chat"),
            (11, "super/chat"),
            (12, '"chat"'),
            (13, "chat;q=1"),
        )
    ),
)

_EXTENSIONS = (
    row(
        "N.14",
        "Where no extension is offered, none is in the answer.",
        "RFC 6455 4.2.2",
        _UNEXTENDED,
        change={EXTENSIONS: None},
    ),
    *(
        row(f"N.{number}", title, "RFC 6455 4.2.2", OPENS, change={EXTENSIONS: offer})
        for number, title, offer in (
            (15, "An unknown extension is passed over.", f"{UNHEARD}one"),
            (
                16,
                "An unknown extension with parameters is passed over.",
                f'{UNHEARD}one; a; b=1; c="2"; a',
            ),
            (
                17,
                "An unknown extension in front of a known one is passed over.",
                f"{UNHEARD}one, {_DEFLATE}",
            ),
            (
                18,
                "Extensions over several lines are one list.",
                (f"{UNHEARD}one; a=1", _DEFLATE, f"{UNHEARD}two"),
            ),
            (19, "x-webkit-deflate-frame is taken or passed over.", _WEBKIT),
        )
    ),
    row(
        "N.20",
        "Of two extensions that use RSV1, one at most is in the answer.",
        "RFC 7692 5",
        OPENS,
        change={EXTENSIONS: f"{_WEBKIT}, {_DEFLATE}; client_max_window_bits"},
    ),
    row(
        "N.21",
        "An empty list of extensions is refused, or offers none.",
        "RFC 6455 9.1",
        REFUSES,
        _UNEXTENDED,
        level=Level.MAY,
        change={EXTENSIONS: ""},
    ),
    *(
        row(
            f"N.{number}",
            f"Extensions that break the grammar ({offer}) are refused.",
            "RFC 6455 9.1",
            REFUSES,
            ENDS,
            change={EXTENSIONS: offer},
        )
        for number, offer in (
            (22, f"; {_DEFLATE}"),
            (23, f"{_DEFLATE}; =10"),
            (24, f'{_DEFLATE}; server_max_window_bits="10'),
            (25, f"{_DEFLATE} server_max_window_bits"),
        )
    ),
)

_LEGAL = tuple(
    row(
        f"N.{number}",
        f"permessage-deflate{'; ' * bool(said)}{said} is taken as it is, or declined.",
        f"RFC 7692 {clause}",
        OPENS,
        change={EXTENSIONS: f"{_DEFLATE}{'; ' * bool(said)}{said}"},
    )
    for number, clause, said in (
        (26, "5.1", ""),
        (27, "7.1.1.1", "server_no_context_takeover"),
        (28, "7.1.1.2", "client_no_context_takeover"),
        (29, "7.1.2.1", "server_max_window_bits=15"),
        (30, "7.1.2.1", "server_max_window_bits=10"),
        (31, "7.1.2.1", "server_max_window_bits=8"),
        (32, "5.1", 'server_max_window_bits="10"'),
        (33, "7.1.2.2", "client_max_window_bits"),
        (34, "7.1.2.2", "client_max_window_bits=15"),
        (35, "7.1.2.2", "client_max_window_bits=8"),
        (
            36,
            "7.1",
            "client_max_window_bits=9; server_max_window_bits=9; "
            "client_no_context_takeover; server_no_context_takeover",
        ),
    )
)

_ILLEGAL = tuple(
    row(
        f"N.{number}",
        f"permessage-deflate; {said} is declined.",
        f"RFC 7692 7 and {clause}",
        OPENS,
        _TOUCHY,
        change={EXTENSIONS: f"{_DEFLATE}; {said}"},
    )
    for number, clause, said in (
        (37, "7.1.2.1", "server_max_window_bits"),
        (38, "7.1.2.1", "server_max_window_bits=0"),
        (39, "7.1.2.1", "server_max_window_bits=7"),
        (40, "7.1.2.1", "server_max_window_bits=16"),
        (41, "7.1.2.1", "server_max_window_bits=015"),
        (42, "7.1.2.1", "server_max_window_bits=ten"),
        (43, "7.1.2.1", 'server_max_window_bits="16"'),
        (44, "7.1.2.2", "client_max_window_bits=0"),
        (45, "7.1.2.2", "client_max_window_bits=7"),
        (46, "7.1.2.2", "client_max_window_bits=16"),
        (47, "7.1.2.2", "client_max_window_bits=015"),
        (48, "7.1.1.1", "server_no_context_takeover=1"),
        (49, "7.1.1.2", "client_no_context_takeover=true"),
        (50, "7.1", "client_no_context_takeover; client_no_context_takeover"),
        (51, "7.1", "client_max_window_bits=10; client_max_window_bits=12"),
        (52, "7.1", "wavetank_level=9"),
    )
)

_ORDERS = (
    row(
        "N.53",
        "Of two offers, one at most is taken.",
        "RFC 7692 5",
        OPENS,
        change={EXTENSIONS: f"{_DEFLATE}; server_max_window_bits=10, {_DEFLATE}"},
    ),
    row(
        "N.54",
        "Behind an offer that is declined, the next one counts.",
        "RFC 7692 5.1 and 7",
        OPENS,
        _TOUCHY,
        change={
            EXTENSIONS: f"{_DEFLATE}; server_max_window_bits=7, "
            f"{_DEFLATE}; server_max_window_bits=12"
        },
    ),
    row(
        "N.55",
        "Two offers over two lines, neither of them legal, are declined.",
        "RFC 7692 7",
        OPENS,
        _TOUCHY,
        change={
            EXTENSIONS: (
                f"{_DEFLATE}; server_no_context_takeover=0",
                f"{_DEFLATE}; wavetank_level=9",
            )
        },
    ),
)

ASKS: tuple[Ask, ...] = (
    *_SUBPROTOCOLS,
    *_EXTENSIONS,
    *_LEGAL,
    *_ILLEGAL,
    *_ORDERS,
)
