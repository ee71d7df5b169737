"""Real objects that reach PySpark while it is lean: recognised at once, never taken for something else.

recognise.py REMOTE CASE
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator

import pyspark_connect_web as pcw

warnings.simplefilter("ignore")
pcw.install(lean=True)

from hidden_packages import reveal  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402
from pyspark_connect_web.lean import PackageNotLoaded, full  # noqa: E402
from pyspark_connect_web.lean.full import State  # noqa: E402


def refusal(data: object) -> str:
    """The message with which a DataFrame of this data is refused."""
    try:
        spark.createDataFrame(data)
    except PackageNotLoaded as error:
        return str(error)
    raise SystemExit("not refused")


spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
case = sys.argv[2]
assert len(spark.range(3).collect()) == 3

if case == "pandas":
    reveal()
    import pandas as pd

    class Sub(pd.DataFrame):
        """As geopandas and others have."""

    assert full.state("pandas") is State.LEAN, "importing pandas alone changes nothing yet"
    rows = spark.createDataFrame(Sub({"a": [1, 2], "b": ["x", None]})).collect()
    assert [tuple(r) for r in rows] == [(1, "x"), (2, None)], rows
elif case == "pandas without pyarrow":
    reveal("pandas", "numpy")
    import pandas as pd

    message = refusal(pd.DataFrame({"a": [1]}))
    assert "needs pyarrow" in message, message
    assert "%pip install pyarrow" in message, message
    assert len(spark.range(3).collect()) == 3
elif case == "numpy alone":
    reveal("numpy")
    import numpy as np

    assert spark.range(1).select(F.lit(np.int64(7)), F.lit(np.str_("s"))).collect()[0] == (7, "s")
    assert full.state("numpy") is State.REAL
    assert full.state("pyarrow") is State.LEAN
    assert spark.range(1).select(F.lit(np.array([1.5, 2.5]))).collect()[0] == ([1.5, 2.5],)
    assert "pyarrow" in refusal(np.array([[1, 2]]))
elif case == "values":
    reveal("numpy")
    import numpy as np

    rows = spark.createDataFrame(
        [(np.int64(1), np.float32(1.5), np.bool_(True))], "a long, b float, c boolean"
    )
    assert rows.collect() == [(1, 1.5, True)]
elif case == "arrow table":
    reveal("pyarrow", "numpy")
    import pyarrow as pa

    assert spark.createDataFrame(pa.table({"a": [1, None]})).collect() == [(1,), (None,)]
    assert full.state("pandas") is State.LEAN
elif case == "type hints":
    reveal()
    import pandas as pd
    import pyarrow as pa

    @F.pandas_udf("long")
    def plus_one(values: pd.Series) -> pd.Series:
        return values + 1

    @F.pandas_udf("long")
    def streamed(values: Iterator[pd.Series]) -> Iterator[pd.Series]:
        yield from values

    @F.arrow_udf("long")
    def arrow_plus_one(values: pa.Array) -> pa.Array:
        return pa.compute.add(values, 1)

    from pyspark.util import PythonEvalType

    assert plus_one.evalType == PythonEvalType.SQL_SCALAR_PANDAS_UDF
    assert streamed.evalType == PythonEvalType.SQL_SCALAR_PANDAS_ITER_UDF
    assert arrow_plus_one.evalType == PythonEvalType.SQL_SCALAR_ARROW_UDF
elif case == "beyond the stand-ins":
    from pyspark.sql.connect import plan

    lean_pa = plan.pa
    table = spark.range(3)._to_table()[0]
    for missing in (
        lambda: lean_pa.compute.add,
        lambda: lean_pa.Table.from_pydict,
        lambda: lean_pa.nonsense,
        lambda: table.select,
        lambda: table.column(0).cast,
        lambda: lean_pa.array([1.5, "x"]),
    ):
        try:
            missing()
        except PackageNotLoaded as error:
            message = str(error)
        else:
            raise SystemExit("not refused")
        assert "pyarrow" in message, message
    assert not hasattr(table, "_private")
    assert not hasattr(lean_pa, "__path__")
    reveal("pyarrow", "numpy")
    batch, column = table.to_batches()[0], table.column(0)
    assert table.select(["id"]).num_rows == 3
    assert batch.filter(lean_pa.array([True, False, True])).num_rows == 2
    assert column.chunk(0).cast("string").to_pylist() == ["0", "1", "2"]
    assert column.cast("string").to_pylist() == ["0", "1", "2"]
    assert plan.pa is not lean_pa
    assert lean_pa.compute.add(1, 2).as_py() == 3
    assert not hasattr(lean_pa, "nonsense")
elif case == "commands":
    shown = spark.range(2)._to_table()[0].to_pandas()
    assert full.state("pandas") is State.LEAN
    reveal()
    assert shown["id"].tolist() == [0, 1]
    assert len(shown) == 2
    assert full.state("pandas") is State.REAL
elif case == "hook for user imports":
    asked = []

    def loader(names: tuple[str, ...]) -> None:
        asked.append(names)
        reveal(*names)

    full.set_loader(loader)
    full.install_import_hook()
    try:
        import json.missing  # noqa: F401
    except ImportError:
        assert asked == []
    import pandas as pd

    assert asked == [("numpy", "pandas", "pyarrow")], asked
    assert [tuple(r) for r in spark.createDataFrame(pd.DataFrame({"a": [1]})).collect()] == [(1,)]
else:
    raise SystemExit(f"no case {case}")
spark.stop()
print("recognised")
