"""What a team may have beside its notebooks: files that a site must hand over byte for byte."""

from __future__ import annotations

import json
import random
from pathlib import Path

_noise = random.Random(1)

_NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "source": ["1+1"],
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "id": "a1",
        }
    ],
    "metadata": {
        "kernelspec": {
            "name": "pyspark_browser",
            "display_name": "PySpark (browser)",
            "language": "python",
        }
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}

FILES: dict[str, bytes] = {
    "latin1.csv": "city;temp\nM\xfcnchen;7\n".encode("latin-1") + b"\xe9\xe8\n",
    "bom.csv": b"\xef\xbb\xbfa,b\r\n1,2\r\n",
    "crlf.txt": b"a\r\nb\rc\n",
    "utf16.txt": "hello".encode("utf-16"),
    "nul.txt": b"a\0b\n",
    "spaced.json": b'{ "b" : 1,\n  "a" : 2.0, "10": 1, "9": 2 }\n',
    "bigint.json": b'{"id": 12345678901234567890, "pi": 3.14159265358979323846, "e": 1E5}',
    "dup.json": b'{"a":1,"a":2}',
    "nan.json": b'{"x": NaN}',
    "bom.json": b'\xef\xbb\xbf{"a":1}',
    "empty.json": b"",
    "lines.jsonl": b'{"a":1}\n{"a":2}\n',
    "lines.ndjson": b'{"a":1}\n{"a":2}\n',
    "lines.json": b'{"a":1}\n{"a":2}\n',
    "map.geojson": b'{"type":"FeatureCollection","features":[]}\n',
    "data.json.gz": bytes.fromhex("1f8b08000000000000ff") + _noise.randbytes(64),
    # a server that has compressed siblings must not take the one before for the one of this
    "data.json": b'{"a": 1}\n',
    "conf.yaml": b"a: 1\n",
    "tsv.tsv": b"a\tb\n",
    "empty.txt": b"",
    "README": b"no extension\n",
    "Makefile": b"all:\n\techo\n",
    "module.py": b"VALUE = 42\n",
    "sql/query.sql": b"SELECT 1\n",
    "page.html": b"<!doctype html><title>x</title>\n",
    "report/index.html": b"<!doctype html><title>rep</title>\n",
    "pic.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>\n',
    "rand.bin": bytes(range(256)) * 100,
    "rand.parquet": b"PAR1" + _noise.randbytes(50_000) + b"PAR1",
    "weird.xyz": b"\xff\xfe\x00text",
    "with space.txt": b"space\n",
    "\xfcn\xefc\xf6d\xe9 \u2603.txt": b"snow\n",
    "hash#tag.txt": b"hash\n",
    "per%20cent.txt": b"pc\n",
    "100%.txt": b"all\n",
    "plus+and&amp.txt": b"plus\n",
    "question?mark.txt": b"q\n",
    "quote'dbl\".txt": b"q\n",
    "semi;colon,comma.txt": b"q\n",
    "[brackets]{x}.txt": b"q\n",
    "back\\slash.txt": b"q\n",
    "colon:x.txt": b"q\n",
    "_underscore.txt": b"u\n",
    ".hidden.txt": b"h\n",
    ".config/settings.ini": b"h\n",
    "dir.with.dots/x.txt": b"d\n",
    "dir with space/\xfc.txt": b"d\n",
    "100% sure?/a#b.txt": b"d\n",
    "lib/helpers.py": b"def f(): return 1\n",
    "src/lib2/h.py": b"x=1\n",
    "build/out.txt": b"b\n",
    "dist/out.txt": b"b\n",
    "public/out.txt": b"b\n",
    "untitled.txt": b"b\n",
    "Untitled.ipynb": b'{"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5}',
    "overrides.json": b"{}",
    "x.pyc": b"b\n",
    "draft.txt~": b"b\n",
    "A.txt": b"upper\n",
    "a.txt": b"lower\n",
    "big30.bin": _noise.randbytes(30 << 20),
    "nb.ipynb": json.dumps(_NOTEBOOK, indent=3).encode() + b"\n",
}

#: What a build leaves out, and says so.
LEFT_OUT = {".hidden.txt", ".config/settings.ini", "overrides.json", "x.pyc", "draft.txt~"}

PUBLISHED = {name: data for name, data in FILES.items() if name not in LEFT_OUT}


def write_contents(folder: Path) -> Path:
    """Write all of `FILES` into a folder that is made for them, and return it."""
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
