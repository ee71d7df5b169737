"""Stand-ins inside of functions that travel to the server arrive there as the real thing.

PySpark ships nested functions of its own by value, with their annotations and globals (``foreachPartition`` has an
``Iterator[pa.RecordBatch]``). cloudpickle would take a stand-in, which no module in ``sys.modules`` holds, for a class
of the notebook and send its insides; the server has the real package and needs no more than the name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pyspark_connect_web.lean import full, scope
from pyspark_connect_web.lean.standin_types import StandInType, is_standin
from pyspark_connect_web.patches.apply import find, replace

_CLOUDPICKLE = "pyspark.cloudpickle.cloudpickle"


def install() -> None:
    """Teach PySpark's cloudpickle the stand-ins, as soon as it is loaded."""
    scope.after_import(_CLOUDPICKLE, _patch)


def _patch(cloudpickle: ModuleType) -> None:
    dispatch = find(f"{_CLOUDPICKLE}:Pickler._dispatch_table")
    module_reduce = dispatch[ModuleType]

    def class_reducer(class_reduce: Callable[[type], Any]) -> Callable[[type], Any]:
        def reduce_class(obj: type) -> Any:
            where = real_name(obj)
            # a builtin: the server needs nothing of ours
            return class_reduce(obj) if where is None else (getattr, where)

        return reduce_class

    @functools.wraps(module_reduce)
    def reduce_module(obj: ModuleType) -> Any:
        return (importlib.import_module, (obj.__name__,)) if is_standin(obj) else module_reduce(obj)

    replace(f"{_CLOUDPICKLE}:_class_reduce", class_reducer)
    dispatch[ModuleType] = reduce_module


def real_name(obj: type) -> tuple[ModuleType, str] | None:
    """The stand-in module of a stand-in class's package and the class's name there; None for other classes."""
    if not isinstance(obj, StandInType):
        return None
    where = vars(obj).get("__real__")
    if where is None:
        return None
    package = full.standin(where[0])
    return None if package is None else (package, where[1])
