"""What an operation shows, in a form that two clients can be compared by; runs in the browser kernel too."""

from __future__ import annotations

import contextlib
import io
import json
import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Outcome", "run", "run_one"]

Outcome = dict[str, object]


def run(operations: Mapping[str, Callable[[Any, Path], Any]], spark: Any, folder: Path) -> dict[str, Outcome]:
    """What each operation showed: see `run_one`."""
    return {name: run_one(function, spark, folder) for name, function in operations.items()}


def run_one(function: Callable[[Any, Path], Any], spark: Any, folder: Path) -> Outcome:
    """What an operation printed and returned, or the error with class, condition, SQLSTATE and query context."""
    steady = _Steady(str(folder))
    printed = io.StringIO()
    result: Outcome = {}
    try:
        with contextlib.redirect_stdout(printed):
            result["value"] = steady(repr(function(spark, folder)))
    except Exception as error:  # noqa: BLE001 - whatever is raised is the result
        result["error"] = _facts(error, steady)
        result["trace"] = traceback.format_exc()
    result["printed"] = steady(printed.getvalue())
    return result


class _Steady:
    """A text without what differs from run to run: expression and plan ids, UUIDs, folders, object addresses."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __call__(self, text: str) -> str:
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)
        text = re.sub(r"#\d+L?", "#N", text)
        # The frames of the JVM differ between two runs of one query: what was compiled or cached is not there.
        text = re.sub(r"(JVM stacktrace:\n[\w.$]+).*", r"\1", text, flags=re.DOTALL)
        text = re.sub(r"plan_id=\d+", "plan_id=N", text)
        text = re.sub(r"0x[0-9a-f]+", "0xN", text)
        # PySpark names the file of a call, and in IPython the cell.
        text = re.sub(r"line \d+ in cell \[\d+\]|[\w/.-]*operations\.py:\d+", "CALL", text)
        return text.replace(self._folder, "FOLDER")


def _facts(error: Exception, steady: Callable[[str], str]) -> dict[str, Any]:
    """What a person or a program reads from an exception."""
    facts: dict[str, Any] = {
        "class": f"{type(error).__module__}.{type(error).__qualname__}",
        "text": steady(str(error)),
    }
    for method in ("getCondition", "getSqlState", "getMessage"):
        if hasattr(error, method):
            facts[method] = steady(str(getattr(error, method)()))
    if hasattr(error, "getMessageParameters"):
        # protobuf keeps no order in maps
        facts["parameters"] = steady(repr(sorted((error.getMessageParameters() or {}).items())))
    if hasattr(error, "getStackTrace"):
        facts["trace"] = bool(error.getStackTrace())
    if hasattr(error, "getGrpcStatusCode"):
        facts["code"] = getattr(error.getGrpcStatusCode(), "name", None)
    if hasattr(error, "getQueryContext"):
        facts["context"] = [_context(context, steady) for context in error.getQueryContext()]
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]  # tuples as the other side reads them


_OF_CONTEXT = (
    "contextType",
    "objectType",
    "objectName",
    "startIndex",
    "stopIndex",
    "fragment",
    "callSite",
    "summary",
)


def _context(context: Any, steady: Callable[[str], str]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for method in _OF_CONTEXT:
        try:
            facts[method] = steady(str(getattr(context, method)()))
        except Exception as error:  # noqa: BLE001 - what a kind of context does not have, it refuses
            facts[method] = type(error).__name__
    return facts
