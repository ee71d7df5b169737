"""A payload is, byte for byte, what cloudpickle makes with nothing but the reducers of code objects and classes."""

from __future__ import annotations

import dataclasses
import enum
import functools
import io
import linecache
import pickle
import types
from collections import ChainMap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

import pytest
from pyspark.cloudpickle import cloudpickle
from pyspark.sql import types as T
from pyspark_connect_web.udf import pickler
from pyspark_connect_web.udf.classes import reduce_class
from pyspark_connect_web.udf.source import Version

TARGET: Version = (3, 9)

CELL = """
import collections, dataclasses, enum, functools, json, types
from typing import NamedTuple
FACTOR = 3
def plain(x):
    return x * FACTOR
def annotated(x: int, *, y: "missing" = 1) -> int:
    return json.dumps(x) + str(y)
def described(x):
    '''Says what it does.'''
    return described(x - 1) if x else 0
described.note = [1, 2]
def outer(n):
    def inner(x, step=n):
        nonlocal n
        n += step
        return x + n
    return inner
closed = outer(4)
@functools.lru_cache(maxsize=7)
def cached(x):
    return x
class Point:
    scale = 2
    def __init__(self, x):
        self.x = x
    @property
    def double(self):
        return self.x * self.scale
    @functools.cached_property
    def triple(self):
        return self.x * 3
    @classmethod
    def origin(cls):
        return cls(0)
    @staticmethod
    def zero():
        return 0
class Far(Point):
    def __init__(self, x):
        super().__init__(x + 1)
class Colour(enum.Enum):
    RED = 1
@dataclasses.dataclass
class Pair:
    a: int
    b: list = dataclasses.field(default_factory=list)
class Named(NamedTuple):
    a: int
    b: str = "b"
uses = lambda x: (plain(x), Point(x).double, Colour.RED, Pair(1), Named(2), types.SimpleNamespace, collections.deque)
"""

NAMES = (
    "plain",
    "annotated",
    "described",
    "closed",
    "cached",
    "Point",
    "Far",
    "Colour",
    "Pair",
    "Named",
    "uses",
)


def reference(obj: Any) -> bytes:
    """The payload, made without any of the shorter ways."""

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def __init__(self, file: io.BytesIO) -> None:
            own = {
                CodeType: functools.partial(pickler._reduce_code, target=TARGET),
                functools.cached_property: pickler._reduce_cached_property,
            }
            self.dispatch_table = ChainMap(own, cloudpickle.Pickler.dispatch_table)
            super().__init__(file, pickle.DEFAULT_PROTOCOL)

        def reducer_override(self, obj: Any) -> Any:
            by_reference = cloudpickle._should_pickle_by_reference
            if isinstance(obj, functools._lru_cache_wrapper) and not by_reference(obj.__wrapped__):
                return pickler._on_server("make_lru_cache"), (obj.__wrapped__, obj.cache_parameters())
            if isinstance(obj, type) and obj.__module__ != "builtins" and not by_reference(obj):
                return reduce_class(obj, pickler._on_server)
            return super().reducer_override(obj)

        def _dynamic_function_reduce(self, func: Any) -> Any:
            bare = types.FunctionType(
                func.__code__, func.__globals__, func.__name__, func.__defaults__, func.__closure__
            )
            for name in ("__qualname__", "__module__", "__doc__", "__kwdefaults__"):
                setattr(bare, name, getattr(func, name))
            bare.__dict__.update(func.__dict__)
            bare.__annotations__ = {}
            state = cloudpickle._function_getstate(bare)
            arguments = self._function_getnewargs(func)
            return cloudpickle._make_function, arguments, state, None, None, cloudpickle._function_setstate

    file = io.BytesIO()
    Pickler(file).dump(obj)
    return file.getvalue()


def payload(obj: Any) -> bytes:
    return pickler.dumps(obj, pickle.DEFAULT_PROTOCOL, TARGET)


@contextmanager
def registered(module: types.ModuleType) -> Iterator[None]:
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    filename = "<cell of payloads>"
    lines = CELL.splitlines(keepends=True)
    monkeypatch.setitem(linecache.cache, filename, (len(CELL), None, lines, filename))
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CELL, filename, "exec", dont_inherit=True), names)
    return names


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("returned", [T.LongType(), T.ArrayType(T.StringType()), T.StructType()], ids=repr)
def test_payload_is_cloudpickles(cell: dict[str, Any], name: str, returned: T.DataType) -> None:
    found = (cell[name], returned)
    assert payload(found) == reference(found)
    assert payload(found) == payload(found)


@pytest.mark.parametrize(
    "value",
    [
        io.StringIO, dataclasses.dataclass, enum.Enum, types.SimpleNamespace, type(None), type(len), types.CodeType,
        T.LongType, T.LongType(), T.Row(a=1), T.DataTypeSingleton, cloudpickle.dumps, cloudpickle._make_function, len,
        (T, io), [1, "a", None, ...], functools.partial(max, 1), "a".join, T.StructType().add, {"a": {1.5}},
    ],
    # Numbered: what some of them are called differs from process to process.
)  # fmt: skip
def test_other_objects_have_cloudpickles_bytes(value: Any) -> None:
    assert payload(value) == reference(value)


def test_modules_that_travel_by_value_do(cell: dict[str, Any]) -> None:
    found = (cell["plain"], T.LongType())
    by_reference = payload(found)
    with registered(T):
        assert told(lambda: payload(found)) == told(lambda: reference(found)) != by_reference
    assert payload(found) == by_reference


def told(work: Callable[[], bytes]) -> bytes | str:
    """What a call gives, or its error."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever becomes of PySpark's types by value
        return str(error).partition(": ")[2] or str(error)


def test_value_that_holds_itself_too_deep_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(pickle.PicklingError) as caught:
        payload(deep)
    assert str(caught.value) == "Could not pickle object as excessively deep recursion required."


def test_table_of_reducers_is_read_anew(cell: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone may teach cloudpickle a class at any time."""
    monkeypatch.setitem(
        cloudpickle.Pickler._dispatch_table, io.StringIO, lambda value: (str, (value.getvalue(),))
    )
    assert pickle.loads(payload(io.StringIO("text"))) == "text"
