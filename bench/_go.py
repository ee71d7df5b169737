"""The Go programs beside this file, built from their pinned sources into ``build/``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "bench"


def environment() -> dict[str, str]:
    """Return an environment whose Go caches lie inside the project folder."""
    caches = ROOT / ".cache" / "go"
    return os.environ | {
        "GOMODCACHE": str(caches / "mod"),
        "GOCACHE": str(caches / "build"),
        "GOFLAGS": "-modcacherw -buildvcs=false",
    }


def find_go() -> str:
    """Return the path of the go command; raises RuntimeError with the remedy."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise RuntimeError("no go on PATH: install Go 1.26 or newer (apt-get install golang, or go.dev/dl)")
    return go


def build() -> tuple[Path, Path]:
    """Build the synthetic upstream and the load client; returns both programs."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [find_go(), "build", "-trimpath", "-o", f"{OUTPUT}{os.sep}", "./server", "./load"],
        cwd=Path(__file__).parent / "upstream",
        env=environment(),
        check=True,
        timeout=300,
    )
    return OUTPUT / "server", OUTPUT / "load"
