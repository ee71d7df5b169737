"""Which Python a server runs."""

from __future__ import annotations

import re
from typing import Any
from weakref import WeakKeyDictionary

from pyspark_connect_web.udf.source import LOCAL, Version

# Spark: "Python in worker has different version: 3.11 than that in driver: 0.0"; Sail names its own runtime.
_ANSWERS = (
    re.compile(r"different version: (\d+)\.(\d+)"),
    re.compile(r"Python version at runtime \((\d+)\.(\d+)"),
)
_known: WeakKeyDictionary[Any, Version] = WeakKeyDictionary()


def python_version(client: Any) -> Version:
    """Return the (major, minor) version of the server's Python workers.

    The protocol has no question for it, so a one-row function claims an impossible version and the server's refusal
    names the real one: one small job, once a client, which starts the worker that the next query needs anyway.
    Raises what PySpark raises when the server cannot be reached or has no Python.
    """
    version = _known.get(client)
    if version is None:
        version = _known[client] = _probe(client)
    return version


def _probe(client: Any) -> Version:
    import pyspark.sql.types as types
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.column import Column
    from pyspark.sql.connect.expressions import CommonInlineUserDefinedFunction, PythonUDF
    from pyspark.sql.connect.plan import Project, Range
    from pyspark.util import PythonEvalType

    function = PythonUDF(types.LongType(), PythonEvalType.SQL_BATCHED_UDF, abs, "0.0")
    call = CommonInlineUserDefinedFunction("probe", function, False, [])
    plan = Project(Range(0, 1, 1, 1), [Column(call)])
    try:
        client.to_table(plan.to_proto(client), {})
    except PySparkException as error:
        for answer in _ANSWERS:
            found = answer.search(str(error))
            if found:
                return int(found[1]), int(found[2])
        raise
    return LOCAL
