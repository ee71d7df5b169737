"""Jupyter servers of the source tree, and a small browser runtime for them to serve."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import brotli

from tests.support.jupyter import JupyterProcess
from tests.support.paths import REPOSITORY
from tests.support.web import Site

StartServer = Callable[..., Site]


# A plain server starts in a fraction of the time without JupyterLab.
ONLY_OURS = {
    "pcw_server_ext": True,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "jupyterlab": False,
    "notebook_shim": False,
}


def start(folder: Path, *arguments: str, **options: object) -> JupyterProcess:
    """A Jupyter server that runs this source tree's extension."""
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    environment = {
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'client'}",
        "JUPYTER_CONFIG_PATH": str(REPOSITORY / "jupyter-config"),
        **options.pop("environment", {}),  # type: ignore[dict-item]
    }
    options = {"app": "server", **options}
    if options["app"] == "server":
        arguments = (f"--ServerApp.jpserver_extensions={ONLY_OURS}", *arguments)
    return JupyterProcess(
        Path(sys.prefix),
        root,
        folder / "state",
        arguments=("--PcwExtension.spark_driver_memory=1g", *arguments),
        environment=environment,
        **options,  # type: ignore[arg-type]
    )


#: The files of the small runtime that are stored compressed, as most of the real one are.
COMPRESSED = ("pyodide/pyodide.mjs", "kernel/site.pack", "kernel/snapshot.bin")


def make_bundle(folder: Path) -> Path:
    """A small browser runtime with the real one's layout."""
    files = {
        "pyodide/pyodide.mjs": b"export const loadPyodide = 1;\n" * 50,
        "pyodide/pyodide.asm.wasm": b"\0asm" + bytes(range(256)) * 40,
        "pyodide/pyodide-lock.json": b'{"packages": {}}',
        "pyodide/some_package-1.0-py3-none-any.whl": b"PK" + bytes(1000),
        "kernel/site.pack": bytes(range(256)) * 2000,
        "kernel/snapshot.bin": bytes(3_000_000),
        "js/network_worker.js": b"self.onmessage = () => {};\n",
    }
    entries = {}
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if path in COMPRESSED:
            (folder / f"{path}.br").write_bytes(brotli.compress(content))
        else:
            (folder / path).write_bytes(content)
        entries[path] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = {"format": 1, "hash": "0123abcd", "pyodide": "314.0.6", "python": "3.14", "files": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
