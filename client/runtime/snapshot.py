"""Makes the memory snapshot of a started kernel, under Node.js."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.runtime import nodejs

_WORD = 0xFFFFFFFF


def make(core: Path, files: Mapping[str, bytes], cache: Path) -> tuple[bytes, dict[str, Any]]:
    """The snapshot and what a restore must know of it."""
    scratch = cache / "scratch" / "snapshot"
    for path in ("kernel/site.json", *(path for path in files if path.endswith(".pack"))):
        file = scratch / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(files[path])
    output = scratch / "snapshot.bin"
    output.unlink(missing_ok=True)
    nodejs.run("snapshot.mjs", {"pyodide": str(core), "bundle": str(scratch), "output": str(output)}, scratch)
    content = output.read_bytes()
    return content, {"path": "kernel/snapshot.bin", "size": len(content), "sample": sample(content)}


def sample(content: bytes) -> int:
    """The checksum of js/sample.js: one little-endian 32-bit word in each 4 KiB."""
    words = len(content) // 4
    state = words & _WORD
    for (word,) in struct.iter_unpack(
        "<I4092x", content[: words * 4].ljust(-(-words * 4 // 4096) * 4096, b"\0")
    ):
        state = ((state ^ word) * 0x01000193 + 0x9E3779B9) & _WORD
    return state
