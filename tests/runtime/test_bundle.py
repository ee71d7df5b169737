"""The bundle is complete, says what it is, and holds nothing of the machine that built it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from client.runtime import lockfile, packs, pins
from client.runtime.build import ROOT
from client.runtime.snapshot import sample
from tests.runtime.distribution import FULL_LOCK, content

_CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")


def _lock(bundle: Path) -> dict[str, Any]:
    lock: dict[str, Any] = json.loads(content(bundle, "pyodide/pyodide-lock.json"))
    return lock


def _files(tree: dict[str, Any], prefix: str = "") -> dict[str, list[int]]:
    found = {}
    for name, entry in tree.items():
        if isinstance(entry, dict):
            found.update(_files(entry, f"{prefix}{name}/"))
        else:
            found[prefix + name] = entry
    return found


def test_manifest_lists_every_file_with_size_and_hash(bundle: Path, manifest: dict[str, Any]) -> None:
    present = {
        path.relative_to(bundle).as_posix().removesuffix(".br")
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert manifest["files"].keys() == present
    for name in present:
        found = content(bundle, name)
        assert manifest["files"][name] == {"size": len(found), "sha256": hashlib.sha256(found).hexdigest()}


def test_manifest_hash_is_the_hash_of_what_it_describes(manifest: dict[str, Any]) -> None:
    described = {key: value for key, value in manifest.items() if key != "hash"}
    assert manifest["hash"] == hashlib.sha256(lockfile.dumps(described)).hexdigest()[:16]


def test_core_is_the_pinned_one(bundle: Path, manifest: dict[str, Any]) -> None:
    pinned = pins.load()
    assert manifest["pyodide"] == pinned.pyodide.version
    assert _lock(bundle)["info"]["python"] == manifest["python"] == pinned.pyodide.python
    assert _lock(bundle)["info"]["abi_version"] == manifest["abi"]
    for name in _CORE:
        assert f"pyodide/{name}" in manifest["files"]


def test_lock_names_only_what_is_there(bundle: Path, manifest: dict[str, Any]) -> None:
    packages = _lock(bundle)["packages"]
    for package in packages.values():
        assert manifest["files"][f"pyodide/{package['file_name']}"]["sha256"] == package["sha256"]
        assert set(package["depends"]) <= packages.keys()
    wheels = {name for name in manifest["files"] if name.endswith(".whl")}
    assert wheels == {f"pyodide/{package['file_name']}" for package in packages.values()}


def test_lock_makes_a_stock_kernel_load_pyspark_and_its_client(bundle: Path) -> None:
    packages = _lock(bundle)["packages"]
    assert packages["pyspark-connect-web"]["imports"] == ["pyspark_connect_web"]
    assert packages["pyspark-connect-web"]["depends"] == ["googleapis-common-protos", "protobuf", "pyspark"]
    assert packages["pyspark"]["imports"] == ["pyspark"]
    assert packages["protobuf"]["imports"] == ["google.protobuf"]
    assert packages["googleapis-common-protos"]["imports"] == ["google.rpc"]


def test_full_lock_adds_the_distribution_and_keeps_the_bundled_versions(bundle: Path) -> None:
    full = json.loads(content(bundle, FULL_LOCK))["packages"]
    bundled = _lock(bundle)["packages"]
    assert {"numpy", "pandas", "pyarrow"} <= full.keys()
    assert {name: full[name] for name in bundled} == bundled


def test_packages_are_the_pinned_versions(manifest: dict[str, Any]) -> None:
    own = {"pyspark-connect-web", "pcw-runtime"}
    packages = {name: version for name, version in manifest["kernel"]["packages"].items() if name not in own}
    assert packages == {wheel.name: wheel.version for wheel in pins.load().packages}


def test_every_pinned_wheel_is_served_as_published_unless_its_pin_trims_it(manifest: dict[str, Any]) -> None:
    pinned = pins.load()
    for wheel in (*pinned.wheels, *pinned.bundled.wheels):
        same = manifest["files"][f"pyodide/{wheel.file}"]["sha256"] == wheel.sha256
        assert same is not bool(wheel.keep or wheel.drop), wheel.name


def test_index_places_every_file_inside_its_pack(bundle: Path, manifest: dict[str, Any]) -> None:
    index = json.loads(content(bundle, "kernel/site.json"))
    assert index["format"] == packs.INDEX_FORMAT
    assert sorted(index["packs"]) == sorted(pack["path"] for pack in manifest["kernel"]["packs"].values())
    ends = dict.fromkeys(index["packs"], 0)
    for number, offset, size in _files(index["tree"]).values():
        path = index["packs"][number]
        ends[path] = max(ends[path], offset + size)
    assert ends == {path: manifest["files"][path]["size"] for path in index["packs"]}


def test_index_has_source_and_bytecode_of_pyspark_but_not_its_core(bundle: Path) -> None:
    files = _files(json.loads(content(bundle, "kernel/site.json"))["tree"])
    assert "pyspark/sql/connect/session.py" in files
    assert "pyspark/sql/connect/__pycache__/session.cpython-314.pyc" in files
    assert "pyspark/errors/error-conditions.json" in files
    assert not [path for path in files if path.startswith(("pyspark/core/", "pyspark/jars/"))]


def test_packed_modules_carry_unchecked_hash_bytecode(bundle: Path) -> None:
    index = json.loads(content(bundle, "kernel/site.json"))
    number, offset, size = _files(index["tree"])["pyspark/sql/connect/__pycache__/session.cpython-314.pyc"]
    compiled = content(bundle, index["packs"][number])[offset : offset + size]
    # PEP 552: bit 0 says that a hash follows, bit 1 that it is to be checked.
    assert int.from_bytes(compiled[4:8], "little") == 0b01


def test_snapshot_is_the_one_that_the_manifest_describes(bundle: Path, manifest: dict[str, Any]) -> None:
    described = manifest["kernel"]["snapshot"]
    memory = content(bundle, described["path"])
    assert described == {"path": "kernel/snapshot.bin", "size": len(memory), "sample": sample(memory)}


@pytest.mark.parametrize("name", ["snapshot.bin", "client.pack", "ipython.pack", "pyspark.pack", "site.json"])
def test_bundle_names_no_folder_of_the_machine_that_built_it(bundle: Path, name: str) -> None:
    found = content(bundle, f"kernel/{name}")
    for folder in {str(ROOT), str(Path.home() / "."), "/node_modules/"} - {"/", "/root"}:
        assert folder.encode() not in found


def test_snapshot_names_no_version_of_the_node_that_made_it(bundle: Path) -> None:
    memory = content(bundle, "kernel/snapshot.bin")
    assert re.findall(rb"Node\.js[ /]v?\d[\d.]*|\bv\d\d\.\d+\.\d+\b", memory) == []


def test_every_file_is_stored_once_and_in_its_smallest_form(bundle: Path, manifest: dict[str, Any]) -> None:
    stored = {path.relative_to(bundle).as_posix(): path for path in bundle.rglob("*") if path.is_file()}
    assert len(stored) == len(manifest["files"]) + 1
    compressed = {name.removesuffix(".br") for name in stored if name.endswith(".br")}
    assert {"kernel/snapshot.bin", "pyodide/pyodide.asm.wasm", "kernel/site.json"} <= compressed
    sizes = {name: file["size"] for name, file in manifest["files"].items() if name.endswith(".pack")}
    # a shorter one gains no round trip
    assert {name for name, size in sizes.items() if size >= 1024} <= compressed
    for name in compressed:
        assert stored[f"{name}.br"].stat().st_size < manifest["files"][name]["size"]
    assert not [name for name in manifest["files"] if name.endswith((".whl", ".zip")) and name in compressed]
