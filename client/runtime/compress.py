"""Precompressed siblings of the files that are worth it, kept by content so that a rebuild is quick."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli

#: Suffixes whose content is not compressed by itself.
COMPRESSIBLE = frozenset({".js", ".mjs", ".wasm", ".json", ".pack", ".bin", ".py", ".txt", ".map"})

#: Bytes; smaller files do not gain a round trip.
_SMALLEST = 1024

#: Bytes; above this the best levels cost minutes for a few per cent, at every change: the snapshot takes 2 s for
#: 12.3 MB at brotli's level 6, 24 s for 11.8 MB at level 9.
_LARGE = 2 << 20


#: What changes only with its pin is worth the best level at any size.
_PINNED = frozenset({".wasm"})


def _brotli(content: bytes, best: bool) -> bytes:
    coded: bytes = brotli.compress(content, quality=11 if best else 6, lgwin=24)
    return coded


def _gzip(content: bytes, best: bool) -> bytes:
    return gzip.compress(content, compresslevel=9 if best else 6, mtime=0)


#: Only brotli for these: they are large, read late, and every browser accepts it on https and on localhost.
_NO_GZIP = frozenset({".pack"})

_CODERS: dict[str, Callable[[bytes, bool], bytes]] = {".br": _brotli, ".gz": _gzip}


def siblings(files: Mapping[str, bytes], cache: Path) -> dict[str, bytes]:
    """Path -> content of the `.br` and `.gz` siblings of `files`; a sibling that saves nothing is left out."""
    folder = cache / "compressed"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        (path, suffix)
        for path, content in files.items()
        if Path(path).suffix in COMPRESSIBLE and len(content) >= _SMALLEST
        for suffix in _CODERS
        if not (suffix == ".gz" and Path(path).suffix in _NO_GZIP)
    ]
    # Large files first: the last job decides when the pool is done.
    jobs.sort(key=lambda job: -len(files[job[0]]))

    def run(job: tuple[str, str]) -> tuple[str, bytes]:
        path, suffix = job
        content = files[path]
        best = len(content) <= _LARGE or Path(path).suffix in _PINNED
        level = "best" if best else "quick"
        kept = folder / f"{hashlib.sha256(content).hexdigest()[:32]}-{level}{suffix}"
        if not kept.is_file():
            part = kept.with_name(f"{kept.name}.{abs(hash(job))}.part")
            part.write_bytes(_CODERS[suffix](content, best))
            part.rename(kept)
        return path + suffix, kept.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        coded = dict(pool.map(run, jobs))
    return {
        path: content
        for path, content in sorted(coded.items())
        if len(content) < len(files[path.rpartition(".")[0]])
    }
