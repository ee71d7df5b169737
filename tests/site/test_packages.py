"""The full profile.

The real wheels exist only in Pyodide's distribution, which test machines may not reach: small stand-ins with their
own lock file take their place here.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import pytest

from pcw_server_ext.runtime.bundle import Bundle
from pcw_server_ext.runtime.lock import PackageLock
from pcw_server_ext.runtime.mirror import PackageMirror, default_folder
from pcw_server_ext.runtime.sources import make_source
from pcw_server_ext.site import packages, runtime_files
from pcw_server_ext.site.errors import SiteError
from pcw_server_ext.site.hosts import HOSTS


def entry(name: str, content: bytes, *depends: str) -> dict[str, object]:
    return {
        "name": name,
        "version": "1.0",
        "file_name": f"{name}-1.0-cp314-wasm32.whl",
        "sha256": hashlib.sha256(content).hexdigest(),
        "depends": list(depends),
    }


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle"
    (bundle / "pyodide").mkdir(parents=True)
    (bundle / "kernel").mkdir()
    (bundle / "kernel" / "snapshot.bin").write_bytes(b"snapshot")
    (bundle / "kernel" / "snapshot.bin.gz").write_bytes(b"packed")
    have = {"six": entry("six", b"six")}
    every = {
        **have,
        "numpy": entry("numpy", b"numpy"),
        "pandas": entry("pandas", b"pandas", "numpy", "six"),
        "pyarrow": entry("pyarrow", b"pyarrow", "numpy"),
        "other": entry("other", b"other"),
    }
    (bundle / "pyodide" / "pyodide-lock.json").write_text(json.dumps({"info": {}, "packages": have}))
    (bundle / "pyodide" / "pyodide-lock.full.json").write_text(json.dumps({"info": {}, "packages": every}))
    (bundle / "pyodide" / "six-1.0-cp314-wasm32.whl").write_bytes(b"six")
    names = ["pyodide/pyodide-lock.json", "pyodide/pyodide-lock.full.json", "kernel/snapshot.bin"]
    names.append("pyodide/six-1.0-cp314-wasm32.whl")
    files = {
        name: {
            "size": (bundle / name).stat().st_size,
            "sha256": hashlib.sha256((bundle / name).read_bytes()).hexdigest(),
        }
        for name in names
    }
    kernel = {"snapshot": {"path": "kernel/snapshot.bin", "size": 8, "sample": 1}, "packages": {}}
    manifest = {"format": 1, "hash": "0" * 16, "kernel": kernel, "files": files}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    return bundle


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("numpy", "pandas", "pyarrow"):
        (folder / f"{name}-1.0-cp314-wasm32.whl").write_bytes(name.encode())
    monkeypatch.setenv(packages.FOLDER_VARIABLE, str(folder))
    return folder


def test_packages_and_what_they_need_are_in_the_site_and_its_lock(
    bundle: Path, wheels: Path, tmp_path: Path
) -> None:
    plan = runtime_files.plan_runtime(bundle, HOSTS["nginx"], "full")
    runtime_files.copy_runtime(plan, tmp_path / "site", HOSTS["nginx"])
    runtime = tmp_path / "site" / plan.path
    lock = json.loads((runtime / "pyodide" / "pyodide-lock.json").read_text())
    assert sorted(lock["packages"]) == ["numpy", "pandas", "pyarrow", "six"]
    manifest = json.loads((runtime / "manifest.json").read_text())
    for path, described in manifest["files"].items():
        assert hashlib.sha256((runtime / path).read_bytes()).hexdigest() == described["sha256"], path
    assert manifest["hash"] != "0" * 16
    assert plan.path.endswith(manifest["hash"])


def test_lean_site_is_the_bundle_itself_where_the_host_compresses(bundle: Path) -> None:
    assert runtime_files.plan_runtime(bundle, HOSTS["nginx"], "lean").manifest["hash"] == "0" * 16


def test_host_that_compresses_nothing_gets_the_snapshot_packed(bundle: Path, tmp_path: Path) -> None:
    plan = runtime_files.plan_runtime(bundle, HOSTS["github-pages"], "lean")
    runtime_files.copy_runtime(plan, tmp_path, HOSTS["github-pages"])
    assert plan.manifest["kernel"]["snapshot"] == {"path": "kernel/snapshot.bin.gz", "size": 8, "sample": 1}
    assert (tmp_path / plan.path / "kernel" / "snapshot.bin.gz").read_bytes() == b"packed"
    assert not (tmp_path / plan.path / "kernel" / "snapshot.bin").exists()


def test_missing_and_foreign_wheels_are_all_named(bundle: Path, wheels: Path) -> None:
    (wheels / "numpy-1.0-cp314-wasm32.whl").unlink()
    (wheels / "pandas-1.0-cp314-wasm32.whl").write_bytes(b"another build")
    with pytest.raises(SiteError) as raised:
        runtime_files.plan_runtime(bundle, HOSTS["nginx"], "full")
    assert "numpy-1.0-cp314-wasm32.whl not found" in str(raised.value)
    assert "pandas-1.0-cp314-wasm32.whl have another content" in str(raised.value)
    assert f"jupyter pcw runtime fetch numpy pandas pyarrow --folder {wheels} " in str(raised.value)


def test_absent_wheels_are_told_with_the_command_that_brings_them(
    bundle: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(packages.FOLDER_VARIABLE)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "shared"))
    with pytest.raises(SiteError, match="jupyter pcw runtime fetch numpy pandas pyarrow ") as raised:
        runtime_files.plan_runtime(bundle, HOSTS["nginx"], "full")
    assert "Traceback" not in str(raised.value)
    # What that command does with a folder as its source, and then the build finds them without any setting.
    lock = PackageLock.load(Bundle.load(bundle))
    assert lock is not None
    source = make_source(str(wheels), "1")
    mirror = PackageMirror(lock, source, [default_folder()], logging.getLogger(__name__))
    for package in lock.closure(packages.FULL):
        if not package.bundled:
            mirror.fetch(package)
    plan = runtime_files.plan_runtime(bundle, HOSTS["nginx"], "full")
    found = {
        path: source for path, source in plan.sources.items() if "six" not in path and path.endswith(".whl")
    }
    assert sorted(path.partition("-")[0] for path in found) == [
        *("pyodide/numpy", "pyodide/pandas", "pyodide/pyarrow")
    ]
    assert all(source.is_relative_to(tmp_path / "data") for source in found.values())


def test_setting_that_names_no_folder_is_told(bundle: Path, tmp_path: Path, wheels: Path) -> None:
    wheels.rename(tmp_path / "elsewhere")
    with pytest.raises(SiteError, match=f"{packages.FOLDER_VARIABLE} names .* no folder"):
        runtime_files.plan_runtime(bundle, HOSTS["nginx"], "full")


def test_bundle_that_is_missing_or_broken_says_how_to_get_one(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="make build"):
        runtime_files.plan_runtime(tmp_path / "absent", HOSTS["nginx"], "lean")
    (bundle / "kernel" / "snapshot.bin").unlink()
    plan = runtime_files.plan_runtime(bundle, HOSTS["nginx"], "lean")
    with pytest.raises(SiteError, match="incomplete"):
        runtime_files.copy_runtime(plan, tmp_path / "site", HOSTS["nginx"])
