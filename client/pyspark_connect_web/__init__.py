"""PySpark over grpc-web: the Spark Connect client for browser kernels, and for CPython.

    import pyspark_connect_web as pcw
    pcw.install()
    spark = SparkSession.builder.remote("sc://host:port/;transport=grpcweb").getOrCreate()

PySpark itself stays as it is; only what carries its calls is replaced. See `install`.
"""

from __future__ import annotations

from pyspark_connect_web.errors import (
    BridgeError,
    ConnectionStringError,
    InstallError,
    NetworkError,
    NotIsolatedError,
    PcwError,
)
from pyspark_connect_web.install import install
from pyspark_connect_web.version import __version__

__all__ = [
    "BridgeError",
    "ConnectionStringError",
    "InstallError",
    "NetworkError",
    "NotIsolatedError",
    "PcwError",
    "__version__",
    "install",
]
