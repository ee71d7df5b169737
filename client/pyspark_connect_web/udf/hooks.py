"""Where PySpark's Connect client pickles functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from pyspark_connect_web.patches.apply import replace
from pyspark_connect_web.udf import pickler
from pyspark_connect_web.udf.server import python_version
from pyspark_connect_web.udf.source import LOCAL, Version

_target: ContextVar[Version | None] = ContextVar("target", default=None)

NEVER_SHIPPED = "0.0"


def install() -> None:
    """Send functions as source to servers whose Python differs; servers with the same Python are not affected.

    Idempotent. Needs PySpark to be importable.
    """
    serializers: Any = import_module("pyspark.serializers")
    protocol = serializers.pickle_protocol

    def dumper(plain_dumps: Callable[..., Any]) -> Callable[..., bytes]:
        def dumps(self: Any, obj: Any) -> bytes:
            target = _target.get()
            if target is None:
                return bytes(plain_dumps(self, obj))
            return pickler.dumps(obj, protocol, target)

        return dumps

    replace("pyspark.serializers:CloudPickleSerializer.dumps", dumper)
    replace("pyspark.sql.connect.expressions:PythonUDF.to_plan", _as_source)
    replace("pyspark.sql.connect.plan:PythonUDTF.to_plan", _as_source)
    replace("pyspark.sql.connect.plan:PythonDataSource.to_plan", _as_source)
    writer = "pyspark.sql.connect.streaming.readwriter:DataStreamWriter"
    replace(f"{writer}.foreach", functools.partial(_writer_as_source, field="foreach_writer"))
    replace(f"{writer}.foreachBatch", functools.partial(_writer_as_source, field="foreach_batch"))


@contextmanager
def source_for(target: Version) -> Iterator[None]:
    """Within, what PySpark pickles is for Python `target`."""
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)


def _as_source(to_plan: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(self: Any, session: Any) -> Any:
        if self._python_ver == NEVER_SHIPPED:  # the probe itself
            return to_plan(self, session)
        target = python_version(session)
        if target == LOCAL:
            return to_plan(self, session)
        self._python_ver = f"{target[0]}.{target[1]}"
        token = _target.set(
            target
        )  # `source_for`, without its generator: each action comes here for each function
        try:
            return to_plan(self, session)
        finally:
            _target.reset(token)

    return wrapped


def _writer_as_source(method: Callable[..., Any], field: str) -> Callable[..., Any]:
    def wrapped(self: Any, func: Any) -> Any:
        target = python_version(self._session.client)
        if target == LOCAL:
            return method(self, func)
        with source_for(target):
            writer = method(self, func)
        getattr(self._write_proto, field).python_function.python_ver = f"{target[0]}.{target[1]}"
        return writer

    return wrapped
