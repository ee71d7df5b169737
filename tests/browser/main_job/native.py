"""Run cells in an ordinary ipykernel with the ordinary PySpark client, for comparison."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.manager import start_new_kernel


@dataclass
class NativeResult:
    """Standard output with plain-text results, and `Name: value` of the error, of one cell."""

    text: str
    error: str | None


def run_native(remote: str, folder: Path, cells: Iterable[tuple[str, float]]) -> list[NativeResult]:
    """Execute (code, timeout in seconds) pairs in a fresh ipykernel in `folder`, its `spark` at `remote`."""
    # what a kernel writes for a person stays in the test's folder
    own = {name: str(folder.parent / "native") for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder), env={**os.environ, **own})
    try:
        builder = f"SparkSession.builder.remote({remote!r})"
        first = f"from pyspark.sql import SparkSession\nspark = {builder}.getOrCreate()"
        results = [_execute(client, code, timeout) for code, timeout in [(first, 60.0), *cells]]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if results[0].error:
        raise AssertionError(f"the ordinary client could not connect: {results[0].error}")
    return results[1:]


def _execute(client: object, code: str, timeout: float) -> NativeResult:
    pieces: list[str] = []
    error: str | None = None

    def on_output(message: dict[str, object]) -> None:
        nonlocal error
        content = message["content"]
        assert isinstance(content, dict)
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            pieces.append(content["text"])
        elif message["msg_type"] in ("execute_result", "display_data"):
            pieces.append(content["data"].get("text/plain", ""))
        elif message["msg_type"] == "error":
            error = f"{content['ename']}: {content['evalue']}"

    client.execute_interactive(code, timeout=timeout, output_hook=on_output)  # type: ignore[attr-defined]
    return NativeResult("".join(pieces), error)
