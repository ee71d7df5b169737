"""Runs the build's Node.js scripts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.runtime.errors import ToolError

SCRIPTS = Path(__file__).with_name("node")

_OLDEST = 20
_SECONDS = 900


def run(script: str, job: Mapping[str, Any], scratch: Path) -> None:
    """Run `node/{script}` with `job` as JSON in a file in `scratch`.

    Raises:
        ToolError: Node.js is missing or too old, or the script failed; its output is in the message.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    description = scratch / f"{Path(script).stem}.json"
    description.write_text(json.dumps(job), encoding="utf-8")
    # An environment of our own: what Python sees under Node is what a snapshot would keep.
    environment = {"PATH": os.environ.get("PATH", ""), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["node", str(SCRIPTS / script), str(description)],
            env=environment,
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolError(
            f"Node.js was not found. Install Node.js {_OLDEST} or newer and build again."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{script} did not end within {_SECONDS} s. Its input is {description}.") from error
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        raise ToolError(f"{script} failed with exit code {done.returncode}:\n{output[-4000:]}")
