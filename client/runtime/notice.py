"""Writes NOTICE from the pins: what the wheel redistributes of others, with versions, licences and sources."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from client.runtime import pins

ROOT = Path(__file__).resolve().parents[2]

_HEAD = """\
pcw-server-ext
Copyright the pcw-server-ext authors
Licensed under the Apache License, Version 2.0; see LICENSE.

The wheel redistributes the software below. Each part is under its own licence. Unless stated otherwise it is
unchanged, and its licence text is inside the part itself (a wheel's `*.dist-info` folder, also in `kernel/*.pack`).

1. The browser runtime, pcw_server_ext/runtime/bundle/
"""

#: What is more to say of a part than its licence.
_REMARKS = {
    "pyodide": (
        "JavaScript and WebAssembly, unchanged. Contains CPython {python} (PSF-2.0), its standard library, and the "
        "libraries that CPython needs, under the licences that Pyodide's documentation lists. The full text of the "
        "Mozilla Public License 2.0 is at https://www.mozilla.org/MPL/2.0/; the source of the version used is at "
        "the address above."
    ),
    "googleapis-common-protos": "Only the modules of google/rpc that errors need.",
    "pyspark": "Python files of the source distribution, unchanged; without core, examples, streaming and jars.",
    "jedi": "Contains type stubs of typeshed (Apache-2.0), those of the standard library only; without django-stubs.",
    "micropip": "Contains a copy of packaging (Apache-2.0 OR BSD-2-Clause).",
}

_FURTHER = """\
The memory snapshot (kernel/snapshot.bin) is the memory of Pyodide with parts of the above imported; the same licences
apply.

2. Embedded Sail's private copy of PySpark, pcw_server_ext/engines/sail_site/

pyspark-client 4.2.0
    licence  Apache-2.0
    source   https://github.com/apache/spark
    Python files of the source distribution, unchanged; some packages are left out. LICENSE and NOTICE are beside them.

3. The JupyterLab extension, pcw_server_ext/labextension/

Contains code of JupyterLab, JupyterLite, its Pyodide kernel and Lumino (all BSD-3-Clause) and of smaller packages
(MIT), bundled by its build, which writes every bundled package with its licence text to
static/third-party-licenses.json. That list covers the kernel worker (kernel.worker.*.js) too.

Apache Spark
Copyright The Apache Software Foundation. This product includes software developed at
The Apache Software Foundation (https://www.apache.org/).
"""


def text(pinned: pins.Pins) -> str:
    """The content of NOTICE."""
    return "\n".join([_HEAD, *_entries(pinned), _FURTHER])


def _entries(pinned: pins.Pins) -> Iterable[str]:
    for source in pinned.redistributed:
        lines = [
            f"{source.name} {source.version}",
            f"    licence  {source.licence}",
            f"    source   {source.source}",
        ]
        lines.append(f"    sha256   {source.sha256} ({source.file})")
        if remark := _REMARKS.get(source.name):
            lines += _wrapped(remark.format(python=pinned.pyodide.python))
        yield "\n".join(lines) + "\n"


def _wrapped(remark: str) -> list[str]:
    lines = [""]
    for word in remark.split():
        if len(lines[-1]) + len(word) > 110:
            lines.append("")
        lines[-1] += f" {word}"
    return [f"   {line}" for line in lines]


def main() -> int:
    """Write NOTICE at the repository's root."""
    (ROOT / "NOTICE").write_text(text(pins.load()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
