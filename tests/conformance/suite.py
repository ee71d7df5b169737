"""The pinned runner, and the Python code of its protocol buffers, both made on demand below ``build/``."""

from __future__ import annotations

import importlib
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import IO

from bench._go import ROOT, environment, find_go

HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "conformance"
PROTO = BUILD / "proto"
RUNNER = BUILD / "connectconformance"
MODULE = "connectrpc.com/conformance"

_FILES = ("config", "service", "client_compat", "server_compat")
_PREFIX = struct.Struct(">I")


def go(*words: str) -> str:
    """Run the go command in this folder, whose go.mod and go.sum pin the suite; returns what it printed."""
    return subprocess.run(
        [find_go(), *words],
        cwd=HERE,
        env=environment(),
        check=True,
        timeout=600,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout.strip()


def build() -> Path:
    """Build the runner and generate the Python code; returns the runner's path. Quick when done before."""
    BUILD.mkdir(parents=True, exist_ok=True)
    go("build", "-o", f"{BUILD}{os.sep}", f"{MODULE}/cmd/connectconformance")
    source = Path(go("list", "-m", "-f", "{{.Dir}}", MODULE)) / "proto"
    stamp = PROTO / "source.txt"
    if not stamp.exists() or stamp.read_text() != str(source):
        PROTO.mkdir(exist_ok=True)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                f"--proto_path={source}",
                f"--python_out={PROTO}",
                f"--grpc_python_out={PROTO}",
                *(f"connectrpc/conformance/v1/{name}.proto" for name in _FILES),
            ],
            check=True,
            timeout=60,
        )
        stamp.write_text(str(source))
    return RUNNER


def load(name: str) -> ModuleType:
    """Import a generated module, for example ``service_pb2``; `build` must have run."""
    if str(PROTO) not in sys.path:
        sys.path.insert(0, str(PROTO))
    return importlib.import_module(f"connectrpc.conformance.v1.{name}")


def read_message(stream: IO[bytes]) -> bytes | None:
    """Read one size-prefixed message of the runner; None at the end of the stream."""
    prefix = stream.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    (size,) = _PREFIX.unpack(prefix)
    return stream.read(size)


def write_message(stream: IO[bytes], payload: bytes) -> None:
    """Write one size-prefixed message to the runner."""
    stream.write(_PREFIX.pack(len(payload)) + payload)
    stream.flush()
