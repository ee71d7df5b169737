"""The ``grpc-timeout`` header.

Source: gRPC over HTTP/2, "Timeout": at most eight digits and a unit out of ``H M S m u n``.
"""

from __future__ import annotations

import math
import re

from pyspark_connect_web.wire.errors import MetadataError, ProtocolError

__all__ = ["format_timeout", "parse_timeout"]

_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_MAX_VALUE = 99_999_999
# From fine to coarse: the first unit in which the value has at most eight digits is the most exact.
_FORMAT_UNITS = (("u", 1_000_000.0), ("m", 1_000.0), ("S", 1.0), ("M", 1 / 60.0), ("H", 1 / 3600.0))


def format_timeout(seconds: float) -> str:
    """The header value for a timeout in seconds, rounded up in the finest unit that holds it.

    Zero and less become ``0u``; more than 99,999,999 hours become that.

    Raises:
        MetadataError: not a number.
    """
    if math.isnan(seconds):
        raise MetadataError("The timeout is not a number; pass seconds, or None for no timeout.")
    if seconds <= 0:
        return "0u"
    for unit, factor in _FORMAT_UNITS:
        value = seconds * factor
        if value <= _MAX_VALUE:
            return f"{math.ceil(value)}{unit}"
    return f"{_MAX_VALUE}H"


def parse_timeout(value: str) -> float:
    """The timeout in seconds.

    Raises:
        ProtocolError: the value does not follow the grammar.
    """
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise ProtocolError(
            f"grpc-timeout is {value[:32]!r}; it must be 1 to 8 digits and one of H M S m u n."
        )
    return int(match[1]) * _SECONDS[match[2]]
