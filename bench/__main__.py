"""``python -m bench NAME [--json] [options]``: run ``bench.NAME.main`` and print its result.

The last line on stdout is one JSON object; with ``--json`` it is the only line there and progress goes to
stderr. Without a name, the benches are listed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
import sys
from pathlib import Path


def names() -> list[str]:
    """Return the names of the benches: the modules of this package that define ``main``."""
    folder = Path(__file__).parent
    found = (module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_"))
    return sorted(name for name in found if "def main(" in (folder / f"{name}.py").read_text("utf-8"))


def run(argv: list[str]) -> int:
    """Run one bench; returns the exit status."""
    if not argv or argv[0] not in names():
        print(f"usage: python -m bench {{{','.join(names())}}} [--json] [options]", file=sys.stderr)
        return 2
    bench = importlib.import_module(f"bench.{argv[0]}")
    arguments = [word for word in argv[1:] if word != "--json"]
    with contextlib.redirect_stdout(sys.stderr if "--json" in argv else sys.stdout):
        result = bench.main(arguments)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
