"""What a coordinator and its workers say to each other, as values.

They refuse to know pipes and processes. All times between the two are seconds
since the agreed start of the load, but for the start itself.
"""

import enum

import msgspec

from wavetank.load.plan import LoadPlan

__all__ = [
    "Address",
    "Begin",
    "Broken",
    "Drain",
    "Drained",
    "End",
    "Ended",
    "FromWorker",
    "Generator",
    "Job",
    "Opened",
    "Operation",
    "Quit",
    "Second",
    "Share",
    "Tally",
    "ToWorker",
    "decode_from_worker",
    "decode_to_worker",
    "encode",
]


class Operation(enum.StrEnum):
    """What is counted and timed apart within a scenario."""

    REQUEST = "request"
    PUBLISH = "publish"
    """From the publication to its acknowledgement."""
    DELIVER = "deliver"
    """From the publication to each of its receivers."""
    LISTEN = "listen"
    CONNECT = "connect"
    """From the TCP connect to ready: handshake, login, subscription."""
    PING = "ping"


class _Value(msgspec.Struct, frozen=True, kw_only=True, tag_field="says"):
    """One message."""


class Tally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Counts and times of one operation of one scenario, over some time.

    Attributes:
        scenario: Its name.
        operation: Which.
        intended: Arrivals that the schedule had.
        sent: Of these, handed to the system (publications, pings, connects).
        late: Of the sent, later than a millisecond behind the intended time.
        dropped: Arrivals for which no user was free, or no room in flight.
        received: Answers, deliveries, connections that came, each once.
        failed: Refused, or cut off with the connection.
        lost: Never came, though the receiver was there to the end.
        duplicated: Came again.
        reordered: Came behind a later one.
        corrupted: Not what was sent.
        foreign: Messages that belong to nobody's run: pushes, heartbeats.
        bytes_sent: Of frames.
        bytes_received: Of frames.
        response: From the intended time, an encoded histogram; "" for none.
        service: From the time it was really sent; "" for none.
        reasons: Why it failed -> how often; at most twenty.
    """

    scenario: str
    operation: Operation
    intended: int = 0
    sent: int = 0
    late: int = 0
    dropped: int = 0
    received: int = 0
    failed: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    foreign: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    response: str = ""
    service: str = ""
    reasons: dict[str, int] = {}


class Generator(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How a worker itself fared over some time.

    Attributes:
        cpu: Share of a core that it used, 0 to 1.
        waited: Share of the time in which it could have run, and others had the core.
        lag: Longest turn of its loop, in seconds.
        lateness: Sent minus intended, an encoded histogram; "" for none.
        open: Connections that are open now.
        lost_connections: That the target ended, so far.
    """

    cpu: float = 0.0
    waited: float = 0.0
    lag: float = 0.0
    lateness: str = ""
    open: int = 0
    lost_connections: int = 0


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to reach and to address the target.

    Attributes:
        url: With ws or wss.
        headers: Sent with every opening handshake.
        subprotocols: Offered.
        origin: Sent as Origin header, or "".
        token: Presented by a message where the dialect has one for it, or "".
        ca: PEM file of the authorities to trust, or "".
        insecure: Whether any certificate will do.
        dialect: Name of a shipped dialect, or of the described one.
        description: The table that describes it; empty for a shipped one.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    origin: str = ""
    token: str = ""
    ca: str = ""
    insecure: bool = False
    dialect: str = "bare"
    description: dict[str, object] = {}


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the plan is a worker's: number ``index`` of ``count``."""

    index: int
    count: int


# To a worker


class Job(_Value, frozen=True, kw_only=True, tag="job"):
    """What to do; it begins to open its connections at once.

    Attributes:
        run: Eight characters of [0-9a-z] that no other run has.
        plan: The whole plan.
        share: The part of it.
        address: Where.
    """

    run: str
    plan: LoadPlan
    share: Share
    address: Address


class Begin(_Value, frozen=True, kw_only=True, tag="begin"):
    """Start the schedule at this moment of the worker's monotonic clock."""

    at: float


class Drain(_Value, frozen=True, kw_only=True, tag="drain"):
    """Nobody sends any more: wait for what is still to come, and account for it.

    Attributes:
        published: Scenario, publisher -> how many messages it published.
        within: Seconds at most.
        refused: Of these, refused by the target: nobody is owed them.
    """

    published: dict[str, dict[int, int]]
    within: float
    refused: dict[str, dict[int, int]] = {}


class End(_Value, frozen=True, kw_only=True, tag="end"):
    """Stop sending now (Ctrl-C): then drain as ever."""


class Quit(_Value, frozen=True, kw_only=True, tag="quit"):
    """Close everything and leave."""


ToWorker = Job | Begin | Drain | End | Quit


# From a worker


class Opened(_Value, frozen=True, kw_only=True, tag="opened"):
    """All connections of its share are open, or will not be.

    Attributes:
        users: How many are open.
        failed: How many are not.
        reasons: Why -> how often.
        tallies: The connects.
    """

    users: int
    failed: int = 0
    reasons: dict[str, int] = {}
    tallies: list[Tally] = []


class Second(_Value, frozen=True, kw_only=True, tag="second"):
    """What happened in one second of the load.

    Attributes:
        number: Which: 0 is from the start to one second behind it.
        tallies: What was counted, by scenario and operation.
        generator: How the worker itself fared.
        took: How long it was: the last one ends with the load.
    """

    number: int
    tallies: list[Tally]
    generator: Generator
    took: float = 1.0


class Ended(_Value, frozen=True, kw_only=True, tag="ended"):
    """Everything due was sent, or it was told to end.

    Attributes:
        published: Scenario, publisher -> how many messages it published.
        at: When, in seconds since the start.
        refused: Of these, refused by the target, as far as it answered.
    """

    published: dict[str, dict[int, int]]
    at: float
    refused: dict[str, dict[int, int]] = {}


class Drained(_Value, frozen=True, kw_only=True, tag="drained"):
    """The end, in answer to `Drain`.

    Attributes:
        tallies: What came in the drain, and what never did.
        generator: How the worker itself fared.
        problems: First sentences of what went wrong, at most ten.
        complete: Whether every receiver was waited for as long as it took, so that
            what is lost is lost for certain.
    """

    tallies: list[Tally]
    generator: Generator
    problems: list[str] = []
    complete: bool = True


class Broken(_Value, frozen=True, kw_only=True, tag="broken"):
    """The worker itself cannot go on, and ends; ``reason`` is one sentence."""

    reason: str


FromWorker = Opened | Second | Ended | Drained | Broken

_encoder = msgspec.json.Encoder()
_to_worker: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
_from_worker: msgspec.json.Decoder[FromWorker] = msgspec.json.Decoder(FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """Return a message as one line of JSON, its end included."""
    return _encoder.encode(message) + b"\n"


def decode_to_worker(line: bytes) -> ToWorker:
    """Return what a coordinator said.

    Raises:
        ValueError: If it is none of its messages.
    """
    return _to_worker.decode(line)


def decode_from_worker(line: bytes) -> FromWorker:
    """Return what a worker said.

    Raises:
        ValueError: If it is none of its messages.
    """
    return _from_worker.decode(line)
