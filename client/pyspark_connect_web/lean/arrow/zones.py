"""Zone names of Arrow timestamps to ``tzinfo``, as pyarrow resolves them."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from functools import cache

_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


@cache
def zone(name: str) -> datetime.tzinfo:
    """The ``tzinfo`` of ``+HH:MM`` or of an IANA name.

    Where the zone database is missing (a browser runtime without the ``tzdata`` package) or does not know
    the name, UTC stands in: the instant is the same, only the wall clock shown differs, and PySpark
    converts every timestamp to local time by its instant.
    """
    match = _OFFSET.fullmatch(name)
    if match:
        sign, hours, minutes = match.groups()
        delta = datetime.timedelta(hours=int(hours), minutes=int(minutes))
        return datetime.timezone(-delta if sign == "-" else delta) if delta else datetime.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.timezone.utc
