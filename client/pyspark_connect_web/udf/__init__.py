"""Functions of the notebook run on a server whose Python is another one.

PySpark ships functions with cloudpickle, which sends bytecode; a worker accepts bytecode of its own Python minor
version only, and the browser's Python is rarely the server's. Here code objects travel as *source*, compiled on the
server, while everything else (closures, globals, recursion, classes, `super()`) stays cloudpickle's work. Nothing has
to be installed on the server.

    source    finds the source of a code object
    loader    runs on the server: compiles it there
    classes   rebuilds classes whose generated methods have no source (dataclass, namedtuple, enum)
    pickler   cloudpickle with these reducers
    server    asks a server once which Python it runs
    hooks     where PySpark pickles; `install()`
    ipython   keeps the source of `%%time` cells
"""

from pyspark_connect_web.errors import SourceUnavailable
from pyspark_connect_web.udf.hooks import install

__all__ = ["SourceUnavailable", "install"]
