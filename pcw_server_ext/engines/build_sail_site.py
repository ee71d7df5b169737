"""Build the private copy of PySpark that embedded Sail imports: ``sail_site/``, which the wheel holds.

Sail plans and runs Python UDFs with the modules of an importable ``pyspark``, and refuses version 4.3.0. So
it gets a directory of its own, first on its import path, with the Python files of pyspark-client 4.2.0: the
user's own ``pyspark`` is never imported there and never changed. Run as ``python build_sail_site.py``;
standard library only.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

VERSION = "4.2.0"
SDIST = f"pyspark_client-{VERSION}.tar.gz"
SHA256 = "4008fe5e537bf0e57e7243d03abfaac089b7c87316bd07024784d8ea726f5d41"

# Packages that neither importing pyspark.sql nor running a UDF reads.
_LEFT_OUT = ("pyspark/ml/", "pyspark/mllib/", "pyspark/pandas/", "pyspark/streaming/", "pyspark/testing/")

_NOTICE = f"""\
Python files of Apache Spark's pyspark-client {VERSION} (source distribution on PyPI, sha256 {SHA256}),
unchanged; some packages are left out. Copyright The Apache Software Foundation,
Apache License 2.0, see LICENSE.
"""


class BuildError(Exception):
    """The copy could not be built; the message says why and what to do."""


def build(target: Path, cache: Path) -> None:
    """Fill ``target`` with the copy; ``cache`` keeps the download. Does nothing when it is there already.

    Raises BuildError when the download fails or does not match its pinned hash.
    """
    stamp = target / "SHA256"
    recipe = _recipe()
    if stamp.is_file() and stamp.read_text() == recipe:
        return
    archive = _download(cache)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    count = _unpack(archive, fresh)
    if not count:
        raise BuildError(f"{archive} holds no Python files of pyspark: delete it and build again.")
    (fresh / "NOTICE").write_text(_NOTICE)
    shutil.copyfile(Path(__file__).with_name("APACHE-LICENSE-2.0.txt"), fresh / "LICENSE")
    (fresh / "SHA256").write_text(recipe)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _recipe() -> str:
    """What the copy is made of: the download and this file."""
    return f"{SHA256} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}\n"


def _download(cache: Path) -> Path:
    archive = cache / SDIST
    if archive.is_file() and _sha256(archive) == SHA256:
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    pins = cache / "sail-site.txt"
    pins.write_text(f"pyspark-client=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*command, "--dest", str(cache), "--requirement", str(pins)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise BuildError(
            f"pip could not download pyspark-client {VERSION}: {last}. Check the network or the package"
            f" index, or put {SDIST} into {cache}."
        )
    if not archive.is_file() or _sha256(archive) != SHA256:
        raise BuildError(f"{archive} is not the pinned source distribution: delete it and build again.")
    return archive


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _unpack(archive: Path, target: Path) -> int:
    count = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            inner = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            path = str(inner)
            if (
                not member.isfile()
                or inner.suffix not in (".py", ".json")
                or not path.startswith("pyspark/")
                or path.startswith(_LEFT_OUT)
                or ".." in inner.parts
                or "tests" in inner.parts
            ):
                continue
            source = tar.extractfile(member)
            if source is None:
                continue
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source.read())
            count += 1
    return count


def main() -> int:
    """Build beside this file; the cache is ``.cache/sail-site`` in the project."""
    here = Path(__file__).resolve().parent
    try:
        build(here / "sail_site", here.parents[1] / ".cache" / "sail-site")
    except BuildError as error:
        print(f"sail_site: {error}", file=sys.stderr)
        return 1
    print(f"sail_site: pyspark-client {VERSION} is in {here / 'sail_site'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
