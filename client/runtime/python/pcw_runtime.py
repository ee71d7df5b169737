"""Runs in Pyodide: what a kernel imports before its first cell, and what is made fresh after a restore.

The build calls `preload`, `warm_up` and `settle` and takes the memory snapshot. The browser calls `refresh` after
restoring it, or, without a snapshot, `preload` and then `refresh`: both leave the same kernel behind.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import linecache
import logging
import os
import random
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

#: Modules of the standard library that first cells often use; each costs tens of milliseconds to compile in a browser.
_STANDARD_LIBRARY = (
    "collections",
    "concurrent.futures",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "getpass",
    "glob",
    "heapq",
    "inspect",
    "io",
    "itertools",
    "json",
    "math",
    "operator",
    "pathlib",
    "pickle",
    "pprint",
    "shutil",
    "statistics",
    "string",
    "tempfile",
    "textwrap",
    "traceback",
    "typing",
    "urllib.parse",
    "uuid",
    "zipfile",
    "zoneinfo",
)

_KERNEL = ("micropip", "piplite.piplite", "piplite.cli", "stack_data", "executing", "pyodide_kernel")

#: Cells that touch what a first cell touches: parsing, display, a traceback, a magic.
_CELLS = (
    "1 + 1",
    "def f(x):\n    return x / 0\n\nf(3)",
    "print(1)",
    "%time 1",
    "nonsense(",
)

#: Variables that describe how the interpreter was started, here or where the snapshot was made.
_FOREIGN_VARIABLES = ("_", "PYTHONHASHSEED", "PYTHONINSPECT", "PATH", "PWD", "OLDPWD", "TZ")


def preload() -> None:
    """Import what a kernel needs before its first cell: IPython, the kernel's Python side, PySpark, its client."""
    for name in (*_STANDARD_LIBRARY, *_KERNEL):
        importlib.import_module(name)
    if importlib.util.find_spec("pyspark_connect_web.kernel") is not None:
        kernel = importlib.import_module("pyspark_connect_web.kernel")
        kernel.preload()


async def warm_up() -> None:
    """Run cells through the kernel and forget them: the first real cell then takes 20 ms instead of 200-300."""
    import pyodide_kernel

    kernel, shell = pyodide_kernel.kernel_instance, pyodide_kernel.ipython_shell
    shell.displayhook.publish_execution_result = _discard
    shell.display_pub.display_data_callback = _discard
    stream_callbacks = [(stream, stream.publish_stream_callback) for stream in _streams(pyodide_kernel)]
    for stream, _ in stream_callbacks:
        stream.publish_stream_callback = _discard
    kernel._parent_header = {}
    kernel.is_complete("1 + 1")
    kernel.inspect("print", 2, 0)
    for cell in _CELLS:
        await kernel.run(cell)
    for stream, callback in stream_callbacks:
        stream.publish_stream_callback = callback
    shell.displayhook.publish_execution_result = None
    shell.display_pub.display_data_callback = None
    kernel._parent_header = {}
    shell.reset(new_session=True)
    shell.execution_count = 1
    shell._last_traceback = None
    shell.history_manager.reset()


def settle() -> None:
    """Drop what only this run of the interpreter knows, before its memory is saved."""
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    linecache.clearcache()
    re.purge()
    sys.path_importer_cache.clear()
    for _ in range(3):
        gc.collect()


def refresh(environment: Mapping[str, str]) -> None:
    """Make a started or restored interpreter this kernel's own.

    Random state, unique names, clocks and time zone, the browser's name, the import system's view of the file system
    and the environment are those of a fresh start. The hash seed is the one thing that stays: `hash("x")` is the same
    in every kernel that a snapshot started.

    Args:
        environment: variables to set; others stay, but for those that only describe how the interpreter was started.
    """
    random.seed()
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None
        tempfile.tempdir = None
    uuid: Any = sys.modules.get("uuid")
    if uuid is not None:
        uuid._node = None
        uuid._last_timestamp = None
    logging._startTime = time.time_ns()  # type: ignore[attr-defined]
    _set_time_zone()
    while sys.path.count("") > 1:
        sys.path.remove("")
    importlib.invalidate_caches()
    linecache.clearcache()
    for name in _FOREIGN_VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(environment)
    kernel: Any = sys.modules.get("pyodide_kernel")
    if kernel is not None:
        kernel.ipython_shell.starting_dir = os.getcwd()
    _set_lock()
    _set_browser()
    sys.dont_write_bytecode = False


def _set_lock() -> None:
    """Show micropip this kernel's lock file: it copies the one it finds when it is imported."""
    import micropip._compat
    import pyodide_js
    from js import JSON

    layer: Any = micropip._compat.compatibility_layer
    for mine, current in (
        (layer.lockfile_packages, pyodide_js._api.lockfile_packages),
        (layer.lockfile_info, pyodide_js._api.lockfile_info),
    ):
        mine.clear()
        # Several times as fast as converting value by value: the whole distribution's lock has 365 packages.
        mine.update(json.loads(JSON.stringify(current)))
    layer.lockfile_base_url = pyodide_js.lockfileBaseUrl


def _set_browser() -> None:
    """Name this browser in `sys._emscripten_info`: the saved memory names what ran the interpreter then."""
    from js import navigator

    module: Any = sys
    info = module._emscripten_info
    module._emscripten_info = type(info)((info[0], navigator.userAgent, *info[2:]))


def _set_time_zone() -> None:
    """Set the time module's constants as CPython's `init_timezone` does at its start; Emscripten has no `tzset`."""
    year = time.gmtime().tm_year
    january, july = (time.localtime(time.mktime((year, month, 1, 0, 0, 0, 0, 0, -1))) for month in (1, 7))
    standard, summer = sorted((january, july), key=lambda moment: moment.tm_gmtoff)
    module: Any = time
    module.timezone = -standard.tm_gmtoff
    module.altzone = -summer.tm_gmtoff
    module.daylight = int(standard.tm_gmtoff != summer.tm_gmtoff)
    module.tzname = (standard.tm_zone, summer.tm_zone)


def _streams(kernel: Any) -> tuple[Any, Any]:
    return kernel.stdout_stream, kernel.stderr_stream


def _discard(*_: Any, **__: Any) -> None:
    pass
