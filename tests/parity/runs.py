"""Runs the docstrings on an engine through each client, and keeps what they gave in a folder of JSON files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.parity.docstrings import MODULES, find
from tests.support.engines import running_sail
from tests.support.jupyter import JupyterProcess
from tests.support.paths import CLIENT
from tests.support.spark import SharedSpark, SparkServer

HERE = Path(__file__).parent
HIDDEN = HERE.parent / "lean" / "hidden.py"
CLIENTS = ("native", "full", "lean", "browser")
ENGINES = ("spark", "sail")
SETTINGS = {"spark.sql.timeType.enabled": "true"}
"""PySpark's own tests run on a build where the examples of the TIME type work; here a setting switches it on."""

Results = dict[str, dict[str, Any]]
"""Docstring -> {"examples": count, "failed": [{"code", "expected", "got"}], "seconds"}."""


@dataclass
class Rig:
    """One engine, reached directly and through a Jupyter server; `scratch` is a folder that both sides see."""

    engine: str
    remote: str
    jupyter: JupyterProcess
    scratch: Path

    def address(self, client: str) -> str:
        """The connection string of a client on CPython."""
        if client == "native":
            return self.remote
        return f"{self.jupyter.url}pcw/grpc/default;token={self.jupyter.token}"


@contextmanager
def rig(
    engine: str,
    venv: Path,
    spark_venv: Path,
    folder: Path,
    *,
    more: Mapping[str, str] | None = None,
    spark: SharedSpark | None = None,
) -> Iterator[Rig]:
    """Start the engine, and a Jupyter server in front of it; the server works in the engine's folder.

    Args:
        engine: `spark` or `sail`.
        venv: The environment of the Jupyter server.
        spark_venv: The environment with Apache Spark.
        folder: Where all of it keeps its files.
        more: Settings for Spark, beside those of `SETTINGS`.
        spark: A Spark that runs already, to be used in place of one of its own.
    """
    root = spark.folder if spark is not None else folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if spark is not None:
            remote = spark.remote
        elif engine == "spark":
            server = SparkServer(
                spark_venv, root, folder / "engine", 180, cores=4, more={**SETTINGS, **(more or {})}
            )
            remote = stack.enter_context(server).remote
        else:
            remote = f"sc://127.0.0.1:{stack.enter_context(running_sail(root))}"
        jupyter = stack.enter_context(
            JupyterProcess(
                venv,
                root,
                folder / "state",
                arguments=("--LabApp.expose_app_in_browser=True",),
                environment={"SPARK_REMOTE": remote},
                timeout=180,
            )
        )
        yield Rig(engine, remote, jupyter, folder / "scratch")


def on_cpython(rig: Rig, client: str, module: str, out: Path, only: Sequence[str] = ()) -> Results:
    """Run a module's docstrings, or `only` some, in a process of their own, and keep the results in `out`."""
    several_on_cpython(rig, client, {out: (module, *only)})
    return read(out)


def several_on_cpython(
    rig: Rig, client: str, jobs: Mapping[Path, Sequence[str]], seconds: float = 3600
) -> None:
    """Run docstrings in one process, see `client.py`: file of the results -> (module, docstring, ...)."""
    words: list[str] = []
    for out, names in jobs.items():
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        words += [*(["--"] if words else []), str(out), *names]
    hidden = [str(HIDDEN)] if client == "lean" else []
    script = [str(HERE / "client.py"), client, rig.address(client), str(rig.scratch)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    done = subprocess.run(
        [sys.executable, *hidden, *script, *words],
        env=env | {"PYTHONPATH": str(CLIENT), "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if not all(out.is_file() for out in jobs):
        raise RuntimeError(f"the {client} client ended with {done.returncode}:\n{done.stderr[-3000:]}")


def in_browser(page: Any, rig: Rig, module: str, out: Path, only: Sequence[str] = ()) -> Results:
    """Run a module's docstrings in the notebook that `page` shows, forty or so in a cell."""
    root = rig.jupyter.root
    shutil.copy(HERE / "docstrings.py", root)
    results: Results = {}
    parts = 1 + (len(only) or len(find(module))) // 40
    for first in range(parts):
        name = f"{module}-{first}.json"
        rest = f"{str(rig.scratch)!r}, {name!r}, {first}, {parts}, {tuple(only)!r}"
        page.run(
            f"import os, docstrings\ndocstrings.main({module!r}, os.environ['SPARK_REMOTE'], {rest})",
            timeout=1800,
        ).expect_ok()
        results |= read(root / name)
    write(out, results)
    return results


def write(path: Path, results: Results) -> None:
    """Keep results in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results), encoding="utf-8")


def read(path: Path) -> Results:
    """The results in a file."""
    results: Results = json.loads(path.read_text(encoding="utf-8"))
    return results


def passed(results: Results) -> set[str]:
    """The docstrings of which every example gave what it should."""
    return {name for name, result in results.items() if not result["failed"]}


def naming_packages(module: str) -> set[str]:
    """The docstrings of a module whose examples name pandas, numpy or pyarrow, or give their objects."""
    words = re.compile(r"pandas|numpy|pyarrow|toArrow|pyspark\.ml|\b(pd|np|pa)\.", re.IGNORECASE)
    return {
        test.name.removeprefix(f"{MODULES[module]}.")
        for test in find(module)
        if any(words.search(example.source) for example in test.examples)
    }
