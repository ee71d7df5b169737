"""What the kernel imports before its first cell, so that the memory snapshot holds it."""

from __future__ import annotations

import importlib

from pyspark_connect_web.install import install_stand_ins, prepare_pyspark

__all__ = ["MODULES", "preload"]

MODULES = (
    "pyspark.sql",
    "pyspark.sql.functions",
    "pyspark.sql.types",
    "pyspark.sql.window",
    "pyspark.sql.connect.session",
    "pyspark.sql.connect.dataframe",
    "pyspark.sql.connect.column",
    "pyspark.sql.connect.catalog",
    "pyspark.sql.connect.conf",
    "pyspark.sql.connect.group",
    "pyspark.sql.connect.readwriter",
    "pyspark.sql.connect.window",
    "pyspark.sql.connect.udf",
    "pyspark.sql.connect.functions",
    "pyspark.sql.connect.functions.builtin",
    "pyspark.sql.connect.streaming",
    "pyspark.sql.connect.shell.progress",
    "pyspark.errors.exceptions.connect",
    "google.rpc.error_details_pb2",
    "google.rpc.status_pb2",
    "pyspark_connect_web.rpc.stub",
    "pyspark_connect_web.channel.sab",
    "pyspark_connect_web.kernel.output",
    "pyspark_connect_web.kernel.packages.pyodide_files",
    "pyspark_connect_web.kernel.startup",
    "pyspark_connect_web.udf.ipython",
    "code",
    "concurrent.futures.thread",
    "IPython.core.magics.script",
)
"""Modules that a start and a first query need, and nothing that touches the page."""


def preload() -> None:
    """Import PySpark and its browser client, stand-ins first. Needs no page, so it runs under Node too."""
    install_stand_ins()
    prepare_pyspark()
    for name in MODULES:
        importlib.import_module(name)
