"""The full profile.

The real wheels exist only in Pyodide's distribution, which test machines may not reach: small stand-ins with their
own lock file take their place here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pcw_server_ext.site import packages, runtime_files
from pcw_server_ext.site.errors import SiteError
from pcw_server_ext.site.hosts import HOSTS


def entry(name: str, content: bytes, *depends: str) -> dict[str, object]:
    return {
        "name": name,
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
    names = ["pyodide/pyodide-lock.json", "pyodide/pyodide-lock.full.json", "kernel/snapshot.bin"]
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
    assert "lacks numpy-1.0" in str(raised.value)
    assert "pandas-1.0-cp314-wasm32.whl have another content" in str(raised.value)


def test_full_profile_without_a_folder_says_what_to_do(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(packages.FOLDER_VARIABLE, raising=False)
    with pytest.raises(SiteError, match=packages.FOLDER_VARIABLE):
        runtime_files.plan_runtime(bundle, HOSTS["nginx"], "full")


def test_bundle_that_is_missing_or_broken_says_how_to_get_one(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="make build"):
        runtime_files.plan_runtime(tmp_path / "absent", HOSTS["nginx"], "lean")
    (bundle / "kernel" / "snapshot.bin").unlink()
    plan = runtime_files.plan_runtime(bundle, HOSTS["nginx"], "lean")
    with pytest.raises(SiteError, match="incomplete"):
        runtime_files.copy_runtime(plan, tmp_path / "site", HOSTS["nginx"])
