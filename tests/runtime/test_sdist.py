"""The source distribution holds what a build needs, and nothing that a build makes.

Whether a wheel can be built from it is `make sdist-check`, which takes minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.runtime.sdist import differences
from tests.support.paths import REPOSITORY


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The paths in the source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        return {member.name.partition("/")[2] for member in opened if member.isfile()}


def _tracked(*places: str) -> set[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *places]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return {path for path in listed.splitlines() if (REPOSITORY / path).is_file()}


def test_it_holds_every_source_of_the_wheel_and_what_people_read(names: set[str]) -> None:
    folders = ["client", "demo", "docs", "jupyter-config", "labextension", "pcw_server_ext"]
    files = ["LICENSE", "NOTICE", "README.md", "hatch_build.py", "pyproject.toml"]
    assert _tracked(*folders, *files) - names == set()


def test_it_holds_nothing_that_is_built_or_only_tests_or_measures(names: set[str]) -> None:
    everything = _tracked(".")
    assert {name for name in names - everything if name != "PKG-INFO"} == set()
    # The tests need a browser, Apache Spark and several environments: they run from a clone.
    assert {name.partition("/")[0] for name in names} & {"tests", "bench", ".ci", ".venv", "build"} == set()


def test_wheels_are_compared_by_names_and_contents(tmp_path: Path) -> None:
    one, other = tmp_path / "one.whl", tmp_path / "other.whl"
    for path, files in ((one, {"a": "1", "b": "1", "c": "1"}), (other, {"a": "1", "b": "2", "d": "1"})):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    assert differences(one, other) == [f"c is only in {one}", f"d is only in {other}", "b differs"]
    assert differences(one, one) == []
