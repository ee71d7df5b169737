"""cloudpickle with code objects as source."""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Iterator
from importlib import import_module, resources
from operator import getitem
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

from pyspark_connect_web.udf.classes import reduce_class
from pyspark_connect_web.udf.source import LOCAL, Version, find_source


class _LoaderNamespace:
    """Stands for the loader's namespace on the server; pickled once a payload, then only referred to.

    Its globals are given explicitly, because Sail's worker evaluates pickles where there is no Python frame.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (_loader_expression(), {})


@functools.cache
def _loader_expression() -> str:
    text = resources.files("pyspark_connect_web.udf").joinpath("loader.py").read_text(encoding="utf-8")
    return (
        "(lambda names: (exec(compile(names['source'], '<pyspark_connect_web>', 'exec'), names), names)[1])"
        f"({{'source': {text!r}}})"
    )


class _LoaderFunction:
    """Stands for one function of the loader."""

    def __init__(self, namespace: _LoaderNamespace, name: str) -> None:
        self._namespace = namespace
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return getitem, (self._namespace, self._name)

    def __call__(self, *arguments: Any) -> Any:  # pickle wants its constructors callable
        raise TypeError(f"{self._name} runs on the server only")


_namespace = _LoaderNamespace()


@functools.cache
def _on_server(name: str) -> _LoaderFunction:
    return _LoaderFunction(_namespace, name)


def _reduce_cached_property(value: Any) -> tuple[Any, ...]:
    return _on_server("make_cached_property"), (value.func, value.attrname)


#: Objects of these types are no functions of Python and no classes, so pickle does with them what it does.
_LEFT_TO_PICKLE = frozenset((BuiltinFunctionType, CellType, CodeType, _LoaderFunction, _LoaderNamespace))


def _importable(module: ModuleType, kind: Any) -> Iterator[Any]:
    """The functions or classes that a module makes, and that are found there by their names."""
    for name, value in vars(module).items():
        if isinstance(value, kind) and (value.__module__, value.__qualname__) == (module.__name__, name):
            yield value


@functools.cache
def _pickler_class() -> Any:
    cloudpickle: Any = import_module("pyspark.cloudpickle.cloudpickle")
    types = import_module("pyspark.sql.types")
    # What cloudpickle's own reductions call, and the type that is returned, are in every payload.
    in_every_payload = frozenset((*_importable(cloudpickle, FunctionType), *_importable(types, type)))
    kinds = frozenset(map(type, in_every_payload))

    class SourcePickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Pickles for a worker whose Python is `target`."""

        def __init__(self, file: io.BytesIO, protocol: int, target: Version) -> None:
            # The C pickler reads the table once, in its own __init__; it asks a dict faster than a chain of them.
            table: dict[type, Any] = {}
            for added in reversed(cloudpickle.Pickler.dispatch_table.maps):
                table.update(added)
            table[CodeType] = functools.partial(_reduce_code, target=target)
            table[functools.cached_property] = _reduce_cached_property
            self.dispatch_table = table
            self._by_reference = (
                frozenset() if cloudpickle.list_registry_pickle_by_value() else in_every_payload
            )
            super().__init__(file, protocol)

        def dump(self, obj: Any) -> None:
            # As cloudpickle's, but what pickle imports is not asked of PySpark's own `__import__` (lean.scope).
            try:
                pickle.Pickler.dump(self, obj)
            except RecursionError as error:
                raise pickle.PicklingError(
                    "Could not pickle object as excessively deep recursion required."
                ) from error

        def reducer_override(self, obj: Any) -> Any:
            kind = type(obj)
            if kind in kinds and obj in self._by_reference:
                return NotImplemented
            if kind is FunctionType:
                if _is_singledispatch(obj) and not cloudpickle._should_pickle_by_reference(obj):
                    implementations = dict(obj.registry)
                    function = implementations.pop(object)
                    return _on_server("make_singledispatch"), (function, list(implementations.items()))
                return self._function_reduce(obj)
            if kind in _LEFT_TO_PICKLE:
                return NotImplemented
            if isinstance(obj, functools._lru_cache_wrapper) and not cloudpickle._should_pickle_by_reference(
                obj.__wrapped__
            ):
                return _on_server("make_lru_cache"), (obj.__wrapped__, obj.cache_parameters())
            if (
                isinstance(obj, type)
                and obj.__module__ != "builtins"
                and not cloudpickle._should_pickle_by_reference(obj)
            ):
                return reduce_class(obj, _on_server)
            return super().reducer_override(obj) if isinstance(obj, type) else NotImplemented

        def _dynamic_function_reduce(self, func: FunctionType) -> Any:
            return (
                cloudpickle._make_function,
                self._function_getnewargs(func),
                cloudpickle._function_getstate(_without_annotations(func)),
                None,
                None,
                cloudpickle._function_setstate,
            )

    return SourcePickler


def _is_singledispatch(obj: Any) -> bool:
    """Whether an object is a function that functools.singledispatch made; it keeps a cache of weak references."""
    return (
        isinstance(obj, FunctionType)
        and obj.__code__.co_filename == functools.singledispatch.__code__.co_filename
        and hasattr(obj, "registry")
        and hasattr(obj, "dispatch")
    )


def _without_annotations(func: FunctionType) -> FunctionType:
    """A copy of `func` with no annotations; `func` itself if it has none.

    Workers never read them; Python 3.14 evaluates them only now, and what they give does not load on older Pythons.
    """
    if getattr(func, "__annotate__", None) is None and not func.__annotations__:
        return func
    bare = FunctionType(func.__code__, func.__globals__, func.__name__, func.__defaults__, func.__closure__)
    bare.__qualname__ = func.__qualname__
    bare.__module__ = func.__module__
    bare.__doc__ = func.__doc__
    bare.__kwdefaults__ = func.__kwdefaults__
    bare.__dict__.update(func.__dict__)
    bare.__annotations__ = {}
    return bare


def _reduce_code(code: CodeType, target: Version) -> tuple[Any, ...]:
    found = find_source(code, target)
    version = f"{LOCAL[0]}.{LOCAL[1]}"
    return _on_server("load_code"), (
        found.source,
        found.index,
        found.dump,
        found.dump_index,
        found.name,
        found.filename,
        found.flags,
        found.freevars,
        version,
    )


def dumps(obj: Any, protocol: int, target: Version) -> bytes:
    """Pickle `obj` for Python `target`; raises PicklingError naming the object and the reason."""
    buffer = io.BytesIO()
    try:
        _pickler_class()(buffer, protocol, target).dump(obj)
    except pickle.PickleError:
        raise
    except Exception as error:
        # User objects can raise anything from __reduce__; PySpark's own serializer reports them the same way.
        raise pickle.PicklingError(f"Could not serialize object: {type(error).__name__}: {error}") from error
    return buffer.getvalue()
