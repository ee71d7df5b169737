"""What a server lacks that does not know a library's own plans: it says no more than that it has no handler."""

from __future__ import annotations

import re
import sys
from typing import Any

__all__ = ["explain_extension"]

# Apache Spark, and Sail.
_UNKNOWN = re.compile(
    r"NO_HANDLER_FOR_EXTENSION.*delta\.connect\.|^(extension relation|command extension)$", re.DOTALL
)
_ADDED = (
    "DeltaTable needs Delta Lake's plugin on the Spark Connect server, and this server has none. The administrator of"
    " an Apache Spark adds the package io.delta:delta-connect-server_2.13"
    " (https://docs.delta.io/latest/delta-spark-connect.html); on Sail, use spark.read and df.write with"
    ' format("delta"), or SQL.'
)


def explain_extension(error: Any) -> None:
    """Add to a server's refusal of a plan of delta-spark what the server lacks; other errors stay as they are."""
    if "delta.connect.tables" in sys.modules and _UNKNOWN.search(error._message or ""):
        error._message = f"{error._message}\n\n{_ADDED}"
