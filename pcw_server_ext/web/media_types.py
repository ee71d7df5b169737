"""The table of media types: browsers refuse module scripts and streaming WebAssembly under a wrong one.

The system's own table is not asked: Windows' registry and slim containers give wrong types for `.mjs` and
`.wasm`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

DEFAULT = "application/octet-stream"

TYPES = {
    "bin": "application/octet-stream",
    "css": "text/css; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "eot": "application/vnd.ms-fontobject",
    "gif": "image/gif",
    "gz": "application/gzip",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "ipynb": "application/json; charset=utf-8",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "map": "application/json; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "otf": "font/otf",
    "pack": "application/octet-stream",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "png": "image/png",
    "py": "text/x-python; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
    "tar": "application/x-tar",
    "ttf": "font/ttf",
    "txt": "text/plain; charset=utf-8",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json; charset=utf-8",
    "whl": "application/zip",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "application/xml; charset=utf-8",
    "zip": "application/zip",
}

#: What a browser insists on, by suffix: anything else and the site does not start.
REQUIRED = {
    "html": ("text/html",),
    "js": ("text/javascript", "application/javascript"),
    "mjs": ("text/javascript", "application/javascript"),
    "json": ("application/json",),
    "css": ("text/css",),
    "wasm": ("application/wasm",),
}


def suffix(path: str) -> str:
    """Return the lower-case suffix of `path` without its dot, or an empty string."""
    return PurePosixPath(path).suffix[1:].lower()


def media_type(path: str) -> str:
    """Return the `Content-Type` for the file `path`, by its suffix."""
    return TYPES.get(suffix(path), DEFAULT)
