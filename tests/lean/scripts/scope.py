"""Where stand-ins are seen and where not, without any server.

scope.py CASE
"""

from __future__ import annotations

import importlib
import importlib.util
import pathlib
import sys
import types
import warnings

warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning)
case = sys.argv[1]


def install() -> None:
    from pyspark_connect_web import lean

    assert lean.install() is True
    assert lean.install() is True
    assert lean.is_installed()


def load_client() -> types.ModuleType:
    import pyspark.sql.connect.session as session

    return session


def missing(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return True
    return False


if case == "only PySpark sees them":
    install()
    session = load_client()
    assert session.pd.__version__ == "2.2.3"
    assert all(map(missing, ("pandas", "pyarrow", "numpy")))
    assert not {"pandas", "pyarrow", "numpy"} & set(sys.modules)
    assert all(importlib.util.find_spec(name) is None for name in ("pandas", "pyarrow", "numpy"))
    late = importlib.import_module("pyspark.sql.connect.observation")
    assert late.__builtins__["__import__"] is session.__builtins__["__import__"]
    import json

    assert vars(json)["__builtins__"]["__import__"] is __import__
elif case == "a package of the user's own":
    folder = pathlib.Path(sys.argv[2])
    (folder / "pandas.py").write_text("mine = True\n")
    sys.path.insert(0, str(folder))
    import hidden_packages

    hidden_packages.reveal("pandas")
    install()
    load_client()
    import pandas

    assert pandas.mine is True
elif case == "missing packages":
    install()
    for name in ("grpc", "grpc_status", "grpc_status.rpc_status", "zstandard"):
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        module = importlib.import_module(name)
        assert importlib.util.find_spec(name) is module.__spec__
    import grpc
    import zstandard

    assert grpc.StatusCode.UNAVAILABLE.value == (14, "unavailable")
    assert issubclass(grpc.RpcError, Exception)
    assert grpc.RpcError.__module__ == "grpc"
    try:
        grpc.insecure_channel("localhost:1")
    except RuntimeError as error:
        assert "pyspark_connect_web.install()" in str(error)  # noqa: PT017 - a script, not a test
    print(zstandard.compress(b"abc" * 100_000).hex())
    sys.exit()
elif case == "bare main":
    main = sys.modules["__main__"] = types.ModuleType("__main__")  # as Pyodide's: no spec, no file
    del main.__spec__
    install()
    load_client()
    assert main.__spec__ is None
elif case == "PySpark imported before":
    import pyspark.sql.types as before

    install()
    load_client()
    import pyspark.sql.types as after

    assert before is after
    assert before._from_numpy_type.__globals__ is vars(before)
    # its functions were born with the ordinary builtins and see the stand-ins all the same
    try:
        before._from_numpy_type("int8")
    except ImportError as error:
        assert type(error).__name__ == "PackageNotLoaded", error  # noqa: PT017 - a script, not a test
    assert missing("numpy")
elif case == "compiled without source":
    install()
    session = load_client()
    assert session.__file__.endswith(".pyc")
    assert session.pd.__version__ == "2.2.3"
    assert missing("pandas")
elif case == "without py4j":
    sys.modules["py4j"] = None  # type: ignore[assignment]  # makes the import fail, as if not installed
    install()
    load_client()
    from pyspark.util import is_remote_only

    assert is_remote_only()
elif case == "dependency check and doctests":
    install()
    from pyspark.sql.connect.utils import check_dependencies

    check_dependencies()
    from pyspark.testing.utils import should_test_connect

    assert should_test_connect
elif case == "sources and tracebacks":
    install()
    session = load_client()
    import inspect
    import linecache
    import traceback

    assert "def createDataFrame" in inspect.getsource(session.SparkSession)
    try:
        session.SparkSession.builder.remote("nonsense://").getOrCreate()
    except Exception:  # noqa: BLE001 - any error with lines of PySpark in its traceback
        text = traceback.format_exc()
    assert "raise " in text
    assert linecache.getline(session.__file__, 18)
    loader = session.__loader__
    assert loader.get_source(session.__name__).startswith("#")
    assert importlib.resources.files("pyspark").joinpath("version.py").is_file()
elif case == "parts that need pandas":
    install()
    load_client()
    for name in ("pyspark.pandas", "pyspark.mllib.linalg"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            assert type(error).__name__ == "PackageNotLoaded", (name, error)  # noqa: PT017 - a script
        else:
            raise SystemExit(f"{name} was imported")
elif case == "pickles":
    install()
    session = load_client()
    from collections.abc import Iterator

    from pyspark import cloudpickle

    pa, pd, np = session.pa, session.pd, session.np

    def annotated(batches):  # type: ignore[no-untyped-def]
        return pa.Table.from_batches(list(batches))

    # evaluated annotations, as PySpark's own nested functions have them
    annotated.__annotations__ = {"batches": Iterator[pa.RecordBatch], "return": pa.Table}

    held = (pa, pa.types, pa.RecordBatch, pa.StructType, pd.DataFrame, np.ndarray, annotated)
    print(cloudpickle.dumps(held).hex())
elif case == "nothing to do":
    import hidden_packages

    hidden_packages.reveal()
    warnings.simplefilter("ignore")
    session = load_client()
    from pyspark_connect_web import lean

    assert lean.install() is False
    import pandas

    assert session.pd is pandas
else:
    raise SystemExit(f"no case {case}")
print("fine")
