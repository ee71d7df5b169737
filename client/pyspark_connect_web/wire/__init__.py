"""The grpc-web wire format without I/O, shared by the browser client and the server.

frames      length-prefixed frames: encoder, incremental decoder
trailers    the last frame of a body
values      percent-encoded messages, base64 of ``-bin`` values
metadata    which keys and values may travel
timeouts    the grpc-timeout header
status      status codes, the status of a call, the HTTP mapping
content     content types
text        the base64 variant of the body
response    a client's response as a state machine
errorpage   HTTP answers that are no gRPC
errors      the exceptions; a decoder raises nothing else

Sources: PROTOCOL-WEB and PROTOCOL-HTTP2 of the gRPC project.
"""

from pyspark_connect_web.wire.content import (
    GRPC_WEB_PROTO,
    GRPC_WEB_TEXT_PROTO,
    ContentType,
    parse_content_type,
)
from pyspark_connect_web.wire.errors import (
    MessageTooLarge,
    MetadataError,
    ProtocolError,
    StateError,
    WireError,
)
from pyspark_connect_web.wire.frames import (
    COMPRESSED,
    DEFAULT_MAX_MESSAGE,
    HEADER_SIZE,
    TRAILERS,
    Frame,
    FrameDecoder,
    encode_frame,
    frame_header,
)
from pyspark_connect_web.wire.metadata import (
    DECLARED_METADATA,
    LONGEST_SILENCE,
    Metadata,
    check_key,
    check_value,
    decode_metadata,
    encode_metadata,
    is_reserved,
)
from pyspark_connect_web.wire.response import Response, State
from pyspark_connect_web.wire.status import HTTP_TO_GRPC, Status, StatusCode, code_from_http
from pyspark_connect_web.wire.text import TextDecoder, encode_text
from pyspark_connect_web.wire.timeouts import format_timeout, parse_timeout
from pyspark_connect_web.wire.trailers import encode_trailers, parse_trailers, serialize_trailers
from pyspark_connect_web.wire.values import decode_bin, encode_bin, percent_decode, percent_encode

__all__ = [
    "COMPRESSED",
    "DECLARED_METADATA",
    "DEFAULT_MAX_MESSAGE",
    "GRPC_WEB_PROTO",
    "GRPC_WEB_TEXT_PROTO",
    "HEADER_SIZE",
    "HTTP_TO_GRPC",
    "LONGEST_SILENCE",
    "TRAILERS",
    "ContentType",
    "Frame",
    "FrameDecoder",
    "MessageTooLarge",
    "Metadata",
    "MetadataError",
    "ProtocolError",
    "Response",
    "State",
    "StateError",
    "Status",
    "StatusCode",
    "TextDecoder",
    "WireError",
    "check_key",
    "check_value",
    "code_from_http",
    "decode_bin",
    "decode_metadata",
    "encode_bin",
    "encode_frame",
    "encode_metadata",
    "encode_text",
    "encode_trailers",
    "format_timeout",
    "frame_header",
    "is_reserved",
    "parse_content_type",
    "parse_timeout",
    "parse_trailers",
    "percent_decode",
    "percent_encode",
    "serialize_trailers",
]
