"""PySpark's methods that hand real pandas or pyarrow objects to the user: they load the packages before
they run.

Loading first means that a missing package is reported at once and not after a long query.
"""

from __future__ import annotations

import functools
import gc
import importlib.util
import sys
from types import ModuleType
from typing import Any

from pyspark_connect_web.errors import PackageNotLoaded
from pyspark_connect_web.lean import full, scope
from pyspark_connect_web.lean.answers import answer_of, is_asked_for_an_answer
from pyspark_connect_web.lean.columns import by_column
from pyspark_connect_web.lean.standin_types import StandInObject, real_object
from pyspark_connect_web.patches.apply import find, replace

#: module -> ((class, method, package), ...)
ENTRY_POINTS = {
    "pyspark.sql.connect.dataframe": (
        ("DataFrame", "toPandas", "pandas"),
        ("DataFrame", "_to_pandas", "pandas"),
        ("DataFrame", "pandas_api", "pandas"),
        ("DataFrame", "toArrow", "pyarrow"),
    ),
}

_PLOT = "pyspark.sql.plot.core"
_NO_PLOTLY = (
    "DataFrame.plot needs plotly, which is not loaded in this kernel. Run `pip download plotly` in a terminal in the "
    "notebook's folder, then `%pip install emfs:FILE.whl` here with the files of narwhals and of plotly, and try "
    "again; your session stays as it is."
)

_BULK = "pyspark.sql.conversion"


def install() -> None:
    """Arrange for the entry points to be wrapped as soon as their modules are loaded."""
    for module, methods in ENTRY_POINTS.items():
        scope.after_import(module, functools.partial(_wrap_all, methods))
    scope.after_import(_BULK, _wrap_conversions)
    scope.after_import(_PLOT, _wrap_plot)
    full.after_switch(_after_switch)


def _wrap_all(methods: tuple[tuple[str, str, str], ...], module: ModuleType) -> None:
    for class_name, method, package in methods:
        needs = functools.partial(_loading, package=package, what=f"{class_name}.{method}()")
        replace(f"{module.__name__}:{class_name}.{method}", needs)


def _loading(method: Any, package: str, what: str) -> Any:
    def loading(*args: Any, **kwargs: Any) -> Any:
        if method.__name__ == "toPandas" and is_asked_for_an_answer(sys._getframe(1)):
            return answer_of(args[0])
        full.require(package, what)
        return method(*args, **kwargs)

    return loading


def _wrap_plot(module: ModuleType) -> None:
    """Say at once what a plot lacks: plotly, and pandas, which PySpark would miss only behind its query."""

    def check(require: Any) -> Any:
        def require_plotly_and_pandas() -> None:
            if importlib.util.find_spec("plotly") is None:
                raise PackageNotLoaded(_NO_PLOTLY, name="plotly")
            full.require("pandas", "DataFrame.plot")
            require()

        return require_plotly_and_pandas

    replace(f"{_PLOT}:require_minimum_plotly_version", check)


def _wrap_conversions(module: ModuleType) -> None:
    columns = by_column(module)
    replace(f"{_BULK}:ArrowTableToRowsConversion.convert", _without_gc)
    replace(f"{_BULK}:LocalDataToArrowConversion.convert", lambda original: _without_gc(columns(original)))


def _without_gc(function: Any) -> Any:
    def paused(*args: Any, **kwargs: Any) -> Any:
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            gc.enable()

    return paused


def _after_switch(package: str) -> None:
    if package != "pyarrow":
        return
    _convert_local_relations()
    if _BULK in sys.modules:  # it remembers which pyarrow version it met first
        find(f"{_BULK}:ArrowTableToRowsConversion._should_manual_bulk").cache_clear()


def _convert_local_relations() -> None:
    """Data frames made from local data hold a table; the real writer needs it to be a real one."""
    plan = sys.modules.get("pyspark.sql.connect.plan")
    if plan is None:
        return

    for found in gc.get_objects():
        if type(found) is plan.LocalRelation and isinstance(found._table, StandInObject):
            found._table = real_object(found._table)
