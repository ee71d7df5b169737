"""Starts the kernel's session: environment, page, and ``spark`` in the user's namespace."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from pyspark_connect_web.errors import InstallError
from pyspark_connect_web.install import install_stand_ins, keep_cell_sources, prepare_pyspark
from pyspark_connect_web.kernel.completion.completer import register_completer
from pyspark_connect_web.kernel.console import let_consoles_end
from pyspark_connect_web.kernel.display import show_tables
from pyspark_connect_web.kernel.exception_groups import hand_over_groups
from pyspark_connect_web.kernel.hidden_files import explain_hidden_files
from pyspark_connect_web.kernel.interrupt import render_errors_once, show_interrupts_briefly
from pyspark_connect_web.kernel.one_process import explain_processes, explain_sockets, refuse_programs
from pyspark_connect_web.kernel.one_thread import run_pools_inline
from pyspark_connect_web.kernel.packages.loader import install_loader
from pyspark_connect_web.kernel.packages.pip import replace_pip
from pyspark_connect_web.kernel.progress import QueryProgress
from pyspark_connect_web.kernel.sql.magic import register_magics
from pyspark_connect_web.kernel.statement_sources import show_parts_of_statements
from pyspark_connect_web.kernel.timing import time_awaiting_cells
from pyspark_connect_web.page import Page, set_page
from pyspark_connect_web.patches.apply import check_targets, replace
from pyspark_connect_web.patches.client import on_client

__all__ = ["start"]


def start(config_json: str, report_query: Callable[[str], object] | None = None) -> None:
    """Make ``spark`` and plain ``SparkSession.builder.getOrCreate()`` work in the first cell.

    No request is sent: PySpark makes its session on the server with the first call that needs it.

    Args:
        config_json: ``{"remote": "http://host/base/pcw/grpc/default", "channel": "sab" | "xhr",
            "isolated": bool, "env": {name: value}, "headers": {name: value}}``; ``remote`` is required, and is
            what ``SPARK_REMOTE`` means unless ``"connect"`` holds a connection string of another server.
        report_query: takes what `progress` says of running queries to the page.

    Raises:
        InstallError: the configuration cannot be read.
        ConnectionStringError: ``remote`` is no address of an endpoint.
    """
    try:
        config = json.loads(config_json)
        remote = str(config["remote"])
    except (ValueError, KeyError, TypeError):
        raise InstallError("The kernel's start configuration is no JSON object with a 'remote'.") from None
    set_page(Page.from_remote(remote, config.get("channel"), config.get("headers")))
    os.environ.update({str(name): str(value) for name, value in (config.get("env") or {}).items()})
    os.environ["SPARK_REMOTE"] = str(config.get("connect") or remote)
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    install_stand_ins()
    prepare_pyspark()
    configure_log(os.environ.get("SPARK_CONNECT_LOG_LEVEL"))
    progress = QueryProgress(report_query or (lambda message: None))
    if report_query is not None:
        on_client(progress.watch)
    if sys.platform == "emscripten":
        install_loader(progress.label)
        replace_pip()
        run_pools_inline()
        explain_processes()
        explain_sockets()
    shell = keep_cell_sources()
    if shell is not None:
        check_targets("IPython")
        provide_spark(shell)
        show_interrupts_briefly(shell)
        render_errors_once(shell)
        hand_over_groups(shell)
        show_parts_of_statements()
        show_tables(shell)
        register_magics(shell)
        register_completer(shell)
        time_awaiting_cells(shell)
        if sys.platform == "emscripten":
            refuse_programs(shell)
            let_consoles_end()
            explain_hidden_files()


def configure_log(level: str | None) -> None:
    """Set PySpark's client log again: it was set up when PySpark was imported, before this kernel's environment.

    Without a level it is off. Configuring the log of an application (``logging.config.dictConfig``) turns
    every log on that existed before; then each error would be told twice in the cell, once as JSON.
    """
    logger = logging.getLogger("pyspark.sql.connect.logging")
    logger.disabled = level is None
    if level is not None:
        logger.setLevel(level.upper())


def provide_spark(shell: Any) -> None:
    """Put ``spark`` into the user's namespace, and again after ``%reset``.

    Making a Spark Connect session sends nothing, so the name holds a real ``SparkSession``: it completes,
    it is an instance, and the user may assign another value.
    """
    from pyspark.sql import SparkSession

    def add_spark() -> None:
        shell.user_ns["spark"] = SparkSession.builder.getOrCreate()

    def adding(init_user_ns: Callable[[], None]) -> Callable[[], None]:
        def init_and_add() -> None:
            init_user_ns()
            add_spark()

        return init_and_add

    # %reset empties the namespace and then calls this method of the shell.
    replace("IPython.core.interactiveshell:InteractiveShell.init_user_ns", adding, owner=shell)
    add_spark()
