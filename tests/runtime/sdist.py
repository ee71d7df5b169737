"""Builds the source distribution, and from it the wheel in a clean environment: `python -m tests.runtime.sdist`.

That wheel must hold what the one in dist/ holds, byte for byte. The environment is pip's own for builds, so that
nothing of the work tree helps; it needs Node.js and a package index, and takes minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.support.paths import REPOSITORY

#: What `build` may use of the caller's environment: where downloads are kept and how they are reached.
KEPT = ("HOME", "LANG", "PATH", "TMPDIR")
KEPT_PREFIXES = ("PIP_", "npm_config_", "SSL_", "http", "HTTP", "no_proxy", "NO_PROXY", "NODE_EXTRA")


def differences(one: Path, other: Path) -> list[str]:
    """What two wheels do not have in common, a line a file."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        mine, theirs = ({entry.filename: entry.CRC for entry in z.infolist()} for z in (first, second))
    return [
        *(f"{name} is only in {one}" for name in sorted(mine.keys() - theirs.keys())),
        *(f"{name} is only in {other}" for name in sorted(theirs.keys() - mine.keys())),
        *(f"{name} differs" for name in sorted(mine.keys() & theirs.keys()) if mine[name] != theirs[name]),
    ]


def build(target: Path) -> Path:
    """Build both into `target`; returns the wheel. Raises subprocess.CalledProcessError."""
    environment = {
        name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)
    }
    # Not a wheel alone: then `build` takes the wheel from the sdist that it has made.
    command = [sys.executable, "-m", "build", "--outdir", str(target), str(REPOSITORY)]
    subprocess.run(command, cwd=target, env=environment, check=True)
    (wheel,) = target.glob("*.whl")
    return wheel


def main() -> int:
    """Build and compare; returns 1 when the wheels differ."""
    built = list((REPOSITORY / "dist").glob("*.whl"))
    if len(built) != 1:
        print("There is no wheel to compare with. Build it: make build")
        return 1
    with tempfile.TemporaryDirectory(prefix="pcw-sdist-") as folder:
        wheel = build(Path(folder))
        found = differences(built[0], wheel)
        print("\n".join(found) or f"The wheel from the source distribution is the same as {built[0]}.")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
