"""Toxiproxy's HTTP interface as values: what is asked for, and what is answered.

It refuses to know sockets and proxies: it reads requests and writes answers.

The model is `api.go` of Toxiproxy 2; what is ours stands beside it and is in nobody's
way: ``mode``, ``seed`` and ``wire_log`` of a proxy, ``when`` of a toxic, toxics of
frames, links, cut and wire log, and every mistake by itself in ``problems``.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

from wavetank.chaos.reading import ProxySpec, address_text, read_proxies
from wavetank.chaos.spec import ToxicSpec
from wavetank.chaos.toxic import Direction
from wavetank.chaos.toxics import TYPES
from wavetank.wire.header import Opcode
from wavetank.wire.http import Request

__all__ = [
    "API_VERSION",
    "PORT",
    "ROUTES",
    "Action",
    "Answer",
    "Call",
    "Needs",
    "Route",
    "answer",
    "populated",
    "proxy_value",
    "read_call",
    "read_orders",
    "refusal",
    "toxic_refusal",
    "toxic_value",
]

API_VERSION: Final = "2.12.0"
"""Toxiproxy whose interface this is; some clients look at it."""
PORT: Final = 8474
"""Where its clients look for it."""

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_BROWSER: Final = "Mozilla/"


class Needs(enum.Enum):
    """What a request has to have in its body."""

    NOTHING = "nothing"
    OBJECT = "an object"
    OBJECT_IF_ANY = "an object, or nothing"
    LIST = "a list"


class Action(enum.StrEnum):
    """What may be asked for."""

    LIST_PROXIES = "list the proxies with their toxics"
    CREATE_PROXY = "create a proxy"
    POPULATE = "create or replace a list of proxies"
    SHOW_PROXY = "show a proxy with its toxics"
    CHANGE_PROXY = "change a proxy"
    DELETE_PROXY = "delete a proxy"
    LIST_TOXICS = "list the toxics of a proxy"
    ADD_TOXIC = "add a toxic"
    SHOW_TOXIC = "show a toxic"
    CHANGE_TOXIC = "change a toxic"
    REMOVE_TOXIC = "remove a toxic"
    RESET = "enable all proxies and remove all toxics"
    VERSION = "tell the version"
    METRICS = "tell counts, for Prometheus"
    LIST_LINKS = "list the links that there are"
    COUNTS = "tell the counts of a proxy"
    CUT = "cut links"
    WIRE_LOG = "tell what became of each frame"


class Route(NamedTuple):
    """One row of the interface.

    Attributes:
        methods: Of HTTP.
        path: Its parts, ``{proxy}`` and ``{toxic}`` for names.
        action: What is asked for.
        needs: What has to be in the body.
        is_ours: Whether Toxiproxy does not have it.
    """

    methods: tuple[str, ...]
    path: str
    action: Action
    needs: Needs = Needs.NOTHING
    is_ours: bool = False


_GET: Final = ("GET",)
_POST: Final = ("POST",)
_CHANGE: Final = ("POST", "PATCH")
_DELETE: Final = ("DELETE",)
_PROXY: Final = "/proxies/{proxy}"
_TOXIC: Final = "/proxies/{proxy}/toxics/{toxic}"

ROUTES: Final = (
    Route(_GET, "/proxies", Action.LIST_PROXIES),
    Route(_POST, "/proxies", Action.CREATE_PROXY, Needs.OBJECT),
    Route(_POST, "/populate", Action.POPULATE, Needs.LIST),
    Route(_GET, _PROXY, Action.SHOW_PROXY),
    Route(_CHANGE, _PROXY, Action.CHANGE_PROXY, Needs.OBJECT),
    Route(_DELETE, _PROXY, Action.DELETE_PROXY),
    Route(_GET, f"{_PROXY}/toxics", Action.LIST_TOXICS),
    Route(_POST, f"{_PROXY}/toxics", Action.ADD_TOXIC, Needs.OBJECT),
    Route(_GET, _TOXIC, Action.SHOW_TOXIC),
    Route(_CHANGE, _TOXIC, Action.CHANGE_TOXIC, Needs.OBJECT),
    Route(_DELETE, _TOXIC, Action.REMOVE_TOXIC),
    Route(_POST, "/reset", Action.RESET),
    Route(_GET, "/version", Action.VERSION),
    Route(_GET, "/metrics", Action.METRICS),
    Route(_GET, f"{_PROXY}/links", Action.LIST_LINKS, is_ours=True),
    Route(_GET, f"{_PROXY}/counts", Action.COUNTS, is_ours=True),
    Route(_POST, f"{_PROXY}/cut", Action.CUT, Needs.OBJECT_IF_ANY, is_ours=True),
    Route(_GET, f"{_PROXY}/wirelog", Action.WIRE_LOG, is_ours=True),
)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for.

    Attributes:
        action: Of the table.
        proxy: Its name; "" where it is about none.
        toxic: Its name; "" where it is about none.
        given: The body, read.
    """

    action: Action
    proxy: str = ""
    toxic: str = ""
    given: Any = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered.

    Attributes:
        status: Of HTTP.
        body: Its bytes.
        kind: Their type, as ``Content-Type`` has it.
        headers: More fields.
    """

    status: int
    body: bytes = b""
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def answer(status: int, value: object) -> Answer:
    """Answer with a value."""
    return Answer(status=status, body=msgspec.json.encode(value))


def refusal(status: int, error: str, problems: Sequence[str] = ()) -> Answer:
    """Answer with what is wrong, as Toxiproxy does.

    Args:
        status: Of HTTP.
        error: Toxiproxy's own words, where it has some.
        problems: A sentence for each mistake.
    """
    value: dict[str, object] = {"error": error, "status": status}
    if problems:
        value["problems"] = list(problems)
    return answer(status, value)


# What is asked for


def read_call(request: Request, body: bytes) -> Call | Answer:
    """Find out what is asked for, or what to answer instead."""
    if (request.headers.get("User-Agent") or "").startswith(_BROWSER):
        # A page that somebody looks at must not break links on this machine.
        text = b"User agent not allowed\n"
        return Answer(status=403, body=text, kind="text/plain; charset=utf-8")
    parts = [unquote(part) for part in request.path.split("/")]
    found = [
        (route, names)
        for route in ROUTES
        if (names := _match(route.path.split("/"), parts)) is not None
    ]
    if not found:
        return refusal(404, f"there is nothing at {request.path:.200}")
    for route, names in found:
        if request.method in route.methods:
            given = _read_body(route.needs, body)
            if isinstance(given, Answer):
                return given
            return Call(action=route.action, given=given, **names)
    allowed = sorted({method for route, _ in found for method in route.methods})
    refused = refusal(405, f"{request.method:.20} is not for {request.path:.200}")
    return msgspec.structs.replace(refused, headers=(("Allow", ", ".join(allowed)),))


def _match(wanted: list[str], parts: list[str]) -> dict[str, str] | None:
    """Return the names in a path, or None where it is another one."""
    if len(wanted) != len(parts):
        return None
    names = {}
    for want, part in zip(wanted, parts, strict=True):
        if want.startswith("{") and part:
            names[want.strip("{}")] = part
        elif want != part:
            return None
    return names


_READABLE: Final[Mapping[Needs, type[Any]]] = {
    Needs.OBJECT: dict,
    Needs.OBJECT_IF_ANY: dict,
    Needs.LIST: list,
}


def _read_body(needs: Needs, body: bytes) -> object:
    if needs is Needs.NOTHING:
        return None
    if needs is Needs.OBJECT_IF_ANY and not body.strip():
        return {}
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        return refusal(400, f"bad request body: {error}")
    if not isinstance(given, _READABLE[needs]):
        return refusal(400, f"bad request body: it is not {needs.value}")
    return given


def read_orders(call: Call) -> tuple[ProxySpec, ...] | Answer:
    """Read the proxies that are to be created.

    Toxics beside them are passed over, as in Toxiproxy: its own client sends what it
    has read.
    """
    is_one = call.action is Action.CREATE_PROXY
    rows: list[Any] = [call.given] if is_one else call.given
    missing = _missing(rows, is_one=is_one)
    if missing:
        return refusal(400, f"missing required field: {missing}")
    problems: list[str] = []
    specs = read_proxies([_without_toxics(row) for row in rows], "", problems)
    if problems:
        return refusal(400, f"bad request body: {'; '.join(problems)}", problems)
    return specs


def _missing(rows: list[Any], *, is_one: bool) -> str:
    """Return what Toxiproxy would miss first, or nothing."""
    for number, row in enumerate(rows, start=1):
        for field in ("name", "upstream"):
            if isinstance(row, dict) and row.get(field) in (None, ""):
                return field if is_one else f"{field} at proxy {number}"
    return ""


def _without_toxics(row: object) -> object:
    if not isinstance(row, dict):
        return row
    return {key: value for key, value in row.items() if key not in {"toxics", "toxic"}}


def toxic_refusal(given: Mapping[str, object], problems: Sequence[str]) -> Answer:
    """Refuse a toxic, in Toxiproxy's words where it would refuse it, too."""
    kind = given.get("type")
    if given.get("stream") is not None and given["stream"] not in tuple(Direction):
        error = "stream was invalid, can be either upstream or downstream"
    elif kind is None or (isinstance(kind, str) and kind not in TYPES):
        error = "invalid toxic type"
    else:
        error = f"bad request body: {'; '.join(problems)}"
    return refusal(400, error, problems)


# What is answered


def proxy_value(spec: ProxySpec, *, is_enabled: bool) -> dict[str, object]:
    """Return a proxy as it is shown.

    Args:
        spec: As it stands: with the port that it has, and its toxics.
        is_enabled: Whether clients are let in.
    """
    return {
        "name": spec.name,
        "listen": address_text(spec.listen),
        "upstream": spec.upstream,
        "enabled": is_enabled,
        "toxics": [toxic_value(toxic) for toxic in spec.toxics],
        "mode": spec.mode,
        "seed": spec.seed,
        "wire_log": bool(spec.wire_log),
    }


def toxic_value(spec: ToxicSpec) -> dict[str, object]:
    """Return a toxic as it is shown; what can be read is read again as it is."""
    value: dict[str, object] = {
        "attributes": {
            name: _plain(each)
            for name, each in spec.attributes.items()
            if each is not None
        },
        "name": spec.name,
        "type": spec.type,
        "stream": str(spec.stream),
        "toxicity": _plain(spec.toxicity),
    }
    if spec.when is not None:
        usual = type(spec.when)()
        value["when"] = {
            name: _plain_when(name, getattr(spec.when, name))
            for name in spec.when.__struct_fields__
            if getattr(spec.when, name) != getattr(usual, name)
        }
    return value


def _plain(value: object) -> object:
    """Return whole numbers without a point: clients read many as integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return list(value) if isinstance(value, tuple) else value


def _plain_when(name: str, value: object) -> object:
    if name != "opcodes" or not isinstance(value, tuple):
        return _plain(value)
    known = {opcode.value: opcode.name.lower() for opcode in Opcode}
    return [known.get(number, number) for number in value]


def populated(proxies: Sequence[object], error: Answer | None = None) -> Answer:
    """Answer to a list of proxies: those that stand, and what went wrong."""
    if error is None:
        return answer(201, {"proxies": list(proxies)})
    told = msgspec.json.decode(error.body)
    return answer(error.status, {**told, "proxies": list(proxies)})
