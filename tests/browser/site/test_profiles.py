"""The lean and the full profile of a site, on a host that has nothing but files.

numpy, pandas and pyarrow exist for the browser's Python only in Pyodide's own distribution, which test machines may not
reach: small wheels take their place. What their numpy depends on is a real compiled package, built for this Pyodide.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.browser.site.site_page import BuildSite, OpenPage, ServeSite
from tests.runtime import distribution
from tests.support.wheels import wheel as pure_wheel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

FULL = {
    "numpy": ("import nanoarrow as used", [distribution.NAME]),
    "pyarrow": ("", ["numpy"]),
    "pandas": ("import numpy", ["numpy"]),
}

#: The command with another browser runtime than the installed one.
BUILD = """
import sys
from pathlib import Path
from pcw_server_ext.cli.main import main
from pcw_server_ext.site.builder import runtime_files
runtime_files.BUNDLE = Path(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def test_lean_site_says_which_profile_has_pandas(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("static"), "--host", "static") as url:
        page = open_page(url).open_without_spark()
        assert "jupyter pcw build --profile full" in (page.run("import pandas").error or "")
        assert page.foreign() == []


@pytest.fixture
def full_site(venv: Path, build_site: BuildSite, tmp_path: Path) -> Path:
    """A site of the full profile, built from a distribution of stand-ins and one compiled package."""
    (installed,) = venv.glob("lib/python*/site-packages/pcw_server_ext/runtime/bundle")
    bundle = distribution.bundle_with_package(installed, tmp_path / "bundle")
    lock = json.loads((bundle / distribution.FULL_LOCK).read_text())
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    shutil.copy(distribution.wheel(), wheels)
    for name, (code, depends) in FULL.items():
        content = pure_wheel(name, "1.0", f"{code}\n__version__ = '1.0'\n")
        file = f"{name}-1.0-py3-none-any.whl"
        (wheels / file).write_bytes(content)
        lock["packages"][name] |= {
            "version": "1.0",
            "file_name": file,
            "sha256": hashlib.sha256(content).hexdigest(),
            "depends": depends,
            "imports": [name],
        }
    (bundle / distribution.FULL_LOCK).write_text(json.dumps(lock))
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    text = (bundle / distribution.FULL_LOCK).read_bytes()
    manifest["files"][distribution.FULL_LOCK] = {
        "size": len(text),
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    (bundle / "manifest.json").unlink()
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    lite = tmp_path / "lite"
    shutil.copytree(build_site("static").with_name("lite"), lite, ignore=shutil.ignore_patterns(".cache"))
    arguments = ["build", "--lite-dir", lite, "--output-dir", tmp_path / "site", "--profile", "full"]
    done = subprocess.run(
        [venv / "bin" / "python", "-c", BUILD, bundle, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "PCW_PACKAGES_DIR": str(wheels), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "site"


def test_full_site_has_its_packages_without_any_server(
    full_site: Path, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with zipfile.ZipFile(distribution.wheel()) as archive:
        assert any(name.endswith(".so") for name in archive.namelist()), "not a compiled package"
    with serve_site(full_site, "--host", "github-pages", "--base-path", "/repo/") as url:
        page = open_page(url).open_without_spark()
        code = (
            "import pandas; used = pandas.numpy.used\n"
            "print(pandas.__version__, used.Array([1, 2], used.int64()).to_pylist())"
        )
        assert page.run(code).expect_ok().text.strip() == "1.0 [1, 2]"
        assert page.foreign() == []
        loaded = [address for address in page.requests if address.endswith(".whl")]
        assert any(distribution.WHEEL in address for address in loaded)
        assert all(address.startswith(f"{url}pcw/runtime/") for address in loaded)
