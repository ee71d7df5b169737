"""Compresses the files of a bundle that are worth it, kept by content so that a rebuild is quick."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli

#: What the name of a compressed file ends with.
SUFFIX = ".br"

#: Suffixes whose content is not compressed by itself.
COMPRESSIBLE = frozenset({".js", ".mjs", ".wasm", ".json", ".pack", ".bin", ".py", ".txt", ".map"})

#: The way into a bundle is read as it is.
_PLAIN = frozenset({"manifest.json"})

#: Bytes; smaller files do not gain a round trip.
_SMALLEST = 1024

#: Bytes; above this the best levels cost minutes for a few per cent, at every change: the snapshot takes 3 s for
#: 12.5 MB at brotli's level 6, 70 s for 12.0 MB at level 9.
_LARGE = 2 << 20


#: What changes only with its pin is worth the best level at any size.
_PINNED = frozenset({".wasm"})


def stored(files: Mapping[str, bytes], cache: Path) -> dict[str, bytes]:
    """The files as a bundle stores them: each once, as a brotli stream named `.br` where that is smaller.

    Brotli is the smallest form that browsers take, and is unpacked at 150 MB/s or more; other forms are made from it
    when they are asked for.

    Args:
        files: path -> content.
        cache: keeps the compressed files of earlier builds.
    """
    folder = cache / "compressed"
    folder.mkdir(parents=True, exist_ok=True)
    # Large files first: the last job decides when the pool is done.
    jobs = sorted((path for path in files if _worth(path, files[path])), key=lambda path: -len(files[path]))

    def run(path: str) -> tuple[str, bytes]:
        content = files[path]
        best = len(content) <= _LARGE or Path(path).suffix in _PINNED
        level = "best" if best else "quick"
        kept = folder / f"{hashlib.sha256(content).hexdigest()[:32]}-{level}{SUFFIX}"
        if not kept.is_file():
            part = kept.with_name(f"{kept.name}.{abs(hash(path))}.part")
            part.write_bytes(brotli.compress(content, quality=11 if best else 6, lgwin=24))
            part.rename(kept)
        return path, kept.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        coded = dict(pool.map(run, jobs))
    smaller = {path: content for path, content in coded.items() if len(content) < len(files[path])}
    return {
        path + SUFFIX if path in smaller else path: smaller.get(path, content)
        for path, content in sorted(files.items())
    }


def _worth(path: str, content: bytes) -> bool:
    return path not in _PLAIN and Path(path).suffix in COMPRESSIBLE and len(content) >= _SMALLEST
