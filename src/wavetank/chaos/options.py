"""The options of ``wavetank proxy``: one table for command line and environment.

It refuses to know what is made of them.
"""

from wavetank.chaos.reading import MODES, listen_address, read_words
from wavetank.chaos.spec import ToxicSpec
from wavetank.errors import UsageError
from wavetank.kinds import boolean, choice, integer, path, seconds, text
from wavetank.settings import Option

__all__ = ["PROXY_OPTIONS"]


def _toxic(typed: str) -> ToxicSpec:
    """Read a toxic's words."""
    try:
        return read_words(typed)
    except UsageError as error:
        raise ValueError("; ".join(error.problems)) from None


PROXY_OPTIONS = (
    Option(
        name="upstream",
        kind=text,
        default="",
        metavar="URL",
        help="the target: ws://127.0.0.1:8765, or host:port",
    ),
    Option(
        name="listen",
        kind=listen_address,
        default=("127.0.0.1", 0),
        metavar="HOST:PORT",
        help="where clients come (127.0.0.1, a free port)",
    ),
    Option(
        name="mode",
        kind=choice(*MODES),
        default="frames",
        metavar="MODE",
        help="frames, or bytes: then toxics of frames cannot be used (frames)",
    ),
    Option(
        name="toxic",
        kind=_toxic,
        default=(),
        many=True,
        metavar="WORDS",
        help="'latency latency=100 jitter=20 stream=upstream' (repeatable)",
    ),
    Option(
        name="config",
        kind=path,
        default=None,
        metavar="FILE",
        help="TOML file with tables [[proxy]] and [[proxy.toxic]], or Toxiproxy's JSON",
    ),
    Option(
        name="control",
        kind=listen_address,
        default=None,
        metavar="HOST:PORT",
        help="serve Toxiproxy's HTTP interface there (127.0.0.1:8474 where neither "
        "--upstream nor --config is given)",
    ),
    Option(
        name="seed",
        kind=integer(0, 2**63 - 1),
        default=None,
        metavar="N",
        help="of all dice: the same seed, the same faults (another one each time)",
    ),
    Option(
        name="wire-log",
        kind=path,
        default=None,
        metavar="FILE",
        help="write there what became of each frame, as it is known, as lines of JSON",
    ),
    Option(
        name="seconds",
        kind=seconds,
        default=None,
        metavar="TIME",
        help="end by itself after this time (never)",
    ),
    Option(
        name="ca",
        kind=path,
        default=None,
        metavar="FILE",
        help="PEM file of the only authorities that vouch for a wss:// target",
    ),
    Option(
        name="insecure",
        kind=boolean,
        default=False,
        is_flag=True,
        help="trust any wss:// target, whoever it is",
    ),
    Option(
        name="cert",
        kind=path,
        default=None,
        metavar="FILE",
        help="certificate chain for clients, who then have to speak TLS",
    ),
    Option(
        name="key",
        kind=path,
        default=None,
        metavar="FILE",
        help="its private key",
    ),
)
"""What ``wavetank proxy`` takes."""
