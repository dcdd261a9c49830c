"""RFC 6455 and RFC 7692 as values.

The room refuses to know sockets, tasks and time: bytes in, values out, and back.
"""

from wavetank.wire.closes import (
    CLOSE_CODES,
    CloseCode,
    Closing,
    Sender,
    decode_close,
    describe_close,
    encode_close,
    may_be_sent,
)
from wavetank.wire.deflate import (
    ANY_BITS,
    DeflateParameters,
    Deflater,
    Inflater,
    agree,
    deflater_for,
    encode_parameters,
    inflater_for,
    negotiate,
    parse_parameters,
)
from wavetank.wire.frames import Frame, FrameReader, encode_frame, encode_text
from wavetank.wire.handshake import (
    Agreement,
    Upgrade,
    accept_key,
    judge_request,
    judge_response,
    make_key,
    make_request,
    switching_protocols,
)
from wavetank.wire.header import Opcode, Violation
from wavetank.wire.http import (
    Element,
    Headers,
    HeadReader,
    Refusal,
    Request,
    Response,
    encode_refusal,
    encode_request,
    encode_response,
    parse_elements,
)
from wavetank.wire.messages import (
    Control,
    Event,
    Message,
    MessageLimits,
    MessageReader,
)

__all__ = [  # noqa: RUF022 - grouped by module
    # closes
    "CLOSE_CODES",
    "CloseCode",
    "Closing",
    "Sender",
    "decode_close",
    "describe_close",
    "encode_close",
    "may_be_sent",
    # deflate
    "ANY_BITS",
    "Deflater",
    "Inflater",
    "DeflateParameters",
    "agree",
    "deflater_for",
    "encode_parameters",
    "inflater_for",
    "negotiate",
    "parse_parameters",
    # frames
    "Frame",
    "FrameReader",
    "encode_frame",
    "encode_text",
    # handshake
    "Agreement",
    "Upgrade",
    "accept_key",
    "judge_request",
    "judge_response",
    "make_key",
    "make_request",
    "switching_protocols",
    # header
    "Opcode",
    "Violation",
    # http
    "Element",
    "HeadReader",
    "Headers",
    "Refusal",
    "Request",
    "Response",
    "encode_refusal",
    "encode_request",
    "encode_response",
    "parse_elements",
    # messages
    "Control",
    "Event",
    "Message",
    "MessageLimits",
    "MessageReader",
]
