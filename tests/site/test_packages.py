"""The full profile.

The real wheels exist only in Pyodide's distribution, which test machines may not reach: small stand-ins with their
own lock file take their place here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from pathlib import Path

import brotli
import pytest

from pcw_server_ext.errors import SiteError
from pcw_server_ext.packages.lock import PackageLock
from pcw_server_ext.packages.mirror import PackageMirror, default_folder
from pcw_server_ext.packages.sources import make_source
from pcw_server_ext.runtime.bundle import Bundle
from pcw_server_ext.runtime.forms import Forms
from pcw_server_ext.site.builder import full_profile as packages
from pcw_server_ext.site.builder import runtime_files
from pcw_server_ext.site.hosts import HOSTS

SNAPSHOT = b"".join(number.to_bytes(4, "little") for number in range(50_000))


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
    (bundle / "kernel" / "snapshot.bin.br").write_bytes(brotli.compress(SNAPSHOT))
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
    contents = {name: SNAPSHOT if name.endswith(".bin") else (bundle / name).read_bytes() for name in names}
    files = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    kernel = {"snapshot": {"path": "kernel/snapshot.bin", "size": len(SNAPSHOT), "sample": 1}, "packages": {}}
    manifest = {"format": 1, "hash": "0" * 16, "kernel": kernel, "files": files}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    return bundle


@pytest.fixture
def forms(tmp_path: Path) -> Forms:
    return Forms(tmp_path / "forms")


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


def test_host_that_compresses_nothing_gets_the_snapshot_packed(
    bundle: Path, forms: Forms, tmp_path: Path
) -> None:
    host, site = HOSTS["github-pages"], tmp_path / "site"
    plan = runtime_files.plan_runtime(bundle, host, "lean", forms)
    runtime_files.copy_runtime(plan, site, host, forms)
    described = {"path": "kernel/snapshot.bin.gz", "size": len(SNAPSHOT), "sample": 1}
    assert plan.manifest["kernel"]["snapshot"] == described
    packed = (site / plan.path / "kernel" / "snapshot.bin.gz").read_bytes()
    assert gzip.decompress(packed) == SNAPSHOT
    entry = {"size": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    assert plan.manifest["files"]["kernel/snapshot.bin.gz"] == entry
    assert not (site / plan.path / "kernel" / "snapshot.bin").exists()
    assert [file.read_bytes() for file in forms.folder.iterdir()] == [packed]


def test_host_that_serves_compressed_files_gets_them_beside_the_plain_one(
    bundle: Path, forms: Forms, tmp_path: Path
) -> None:
    host, site = HOSTS["nginx"], tmp_path / "site"
    plan = runtime_files.plan_runtime(bundle, host, "lean", forms)
    runtime_files.copy_runtime(plan, site, host, forms)
    kernel = site / plan.path / "kernel"
    assert sorted(path.name for path in kernel.iterdir()) == [
        *("snapshot.bin", "snapshot.bin.br", "snapshot.bin.gz")
    ]
    assert (kernel / "snapshot.bin").read_bytes() == SNAPSHOT
    assert brotli.decompress((kernel / "snapshot.bin.br").read_bytes()) == SNAPSHOT
    assert gzip.decompress((kernel / "snapshot.bin.gz").read_bytes()) == SNAPSHOT


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
    found = plan.wheels
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
    stored = bundle / "kernel" / "snapshot.bin.br"
    plan = runtime_files.plan_runtime(bundle, HOSTS["nginx"], "lean")
    stored.write_bytes(stored.read_bytes()[:20] + b"damage")
    with pytest.raises(SiteError, match=r"incomplete or damaged: .*snapshot\.bin\.br .* Install"):
        runtime_files.copy_runtime(plan, tmp_path / "site", HOSTS["nginx"])
    stored.unlink()
    with pytest.raises(SiteError, match=r"incomplete or damaged: .*snapshot\.bin\.br .* Install"):
        runtime_files.copy_runtime(plan, tmp_path / "site", HOSTS["nginx"])
    with pytest.raises(SiteError, match=r"incomplete: .*snapshot\.bin is missing"):
        runtime_files.plan_runtime(bundle, HOSTS["nginx"], "lean")
