"""What is installed or redistributed is pinned by hash, names no address, and has a licence that is listed."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from client.runtime import pins
from tests.support.paths import REPOSITORY

LOCKS = ("client/js/package-lock.json", "labextension/package-lock.json")
LICENCES = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "EPL-2.0", "ISC", "MIT",
        "MPL-2.0", "Python-2.0", "Unlicense", "(MPL-2.0 OR Apache-2.0)",
        "(CC-BY-4.0 AND OFL-1.1 AND MIT)",
    }
)  # fmt: skip
"""What packages of the lock files may say of themselves; a new one is looked at before it is added."""
UNSAID = frozenset(
    {
        "compute-gcd", "compute-lcm", "khroma", "localforage-memoryStorageDriver", "validate.io-function",
        "validate.io-integer", "validate.io-integer-array", "validate.io-number",
    }
)  # fmt: skip
"""Packages below JupyterLab that say none in the lock file; nothing of them is in the wheel."""
RUN_ON_INSTALL = frozenset({"@fortawesome/fontawesome-free", "esbuild"})
"""Packages that may run a program when they are installed."""
ALGORITHM = re.compile(r"sha512-[A-Za-z0-9+/]{86}==")


def packages(lock: str) -> dict[str, dict[str, Any]]:
    """The third-party packages of a lock file by their place."""
    found = json.loads((REPOSITORY / lock).read_text(encoding="utf-8"))
    assert found["lockfileVersion"] == 3
    places: dict[str, dict[str, Any]] = found["packages"]
    return {
        place: package
        for place, package in places.items()
        if "node_modules/" in place and not package.get("link")
    }


def name(place: str) -> str:
    """The package that a place in `node_modules` holds."""
    return place.rpartition("node_modules/")[2]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_npm_package_has_a_hash_and_comes_from_the_registry(lock: str) -> None:
    listed = packages(lock)
    assert len(listed) > 100
    for place, package in listed.items():
        assert ALGORITHM.fullmatch(package["integrity"]), place
        assert len(base64.b64decode(package["integrity"].removeprefix("sha512-"))) == 64
        assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?", package["version"]), place
        # an address here would win over the registry that the person who installs has chosen
        assert "resolved" not in package, place


@pytest.mark.parametrize("lock", LOCKS)
def test_only_this_repository_is_linked(lock: str) -> None:
    found = json.loads((REPOSITORY / lock).read_text(encoding="utf-8"))["packages"]
    links = {package["resolved"] for package in found.values() if package.get("link")}
    assert links <= {"../client/js"}


@pytest.mark.parametrize("lock", LOCKS)
def test_no_dependency_names_an_address(lock: str) -> None:
    for place, package in json.loads((REPOSITORY / lock).read_text(encoding="utf-8"))["packages"].items():
        for kind in ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies"):
            for wanted, versions in package.get(kind, {}).items():
                assert "://" not in versions, (place, wanted)
                assert not versions.startswith(("git", "github:")), (place, wanted)
                assert not versions.startswith("file:") or versions == "file:../client/js", (place, wanted)


@pytest.mark.parametrize("lock", LOCKS)
def test_licences_of_npm_packages_are_known_ones(lock: str) -> None:
    listed = packages(lock)
    assert {package["license"] for package in listed.values() if "license" in package} <= LICENCES
    assert {name(place) for place, package in listed.items() if "license" not in package} <= UNSAID


@pytest.mark.parametrize("lock", LOCKS)
def test_few_packages_run_a_program_when_they_are_installed(lock: str) -> None:
    runs = {name(place) for place, package in packages(lock).items() if package.get("hasInstallScript")}
    assert runs <= RUN_ON_INSTALL


def test_pins_of_the_runtime_are_files_of_an_index_and_not_addresses() -> None:
    pinned = pins.load()
    for source in (*pinned.redistributed, pinned.bundled):
        assert re.fullmatch(r"[\w.+-]+\.(whl|tgz|tar\.gz)", source.file), source.file
        assert source.version in source.file
        assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)


def test_names_of_projects_dependencies_name_no_address() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert not re.search(r'^\s*"[\w.-]+(\[[\w,]+\])?\s*@', text, re.MULTILINE)
    assert "git+" not in text
    for index in ("index-url", "find-links", "trusted-host"):
        assert index not in text
