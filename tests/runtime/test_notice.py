"""NOTICE names everything that the wheel redistributes, as pinned; the extension's list names every npm package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import cast

import pytest

from client.runtime import notice, pins
from client.runtime.build import ROOT

STATIC = ROOT / "pcw_server_ext" / "labextension" / "static"
SCRIPTS = ROOT / "labextension"
PACKAGE = re.compile(r"node_modules/((?:@[^/\"']+/)?[^@/\"'][^/\"']*)(?=/)")


def test_notice_is_what_the_pins_say() -> None:
    written = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert written == notice.text(pins.load()), "Write it again: python -m client.runtime.notice"


def test_notice_names_every_source_with_version_licence_and_address() -> None:
    written = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for source in pins.load().redistributed:
        assert (
            f"{source.name} {source.version}\n    licence  {source.licence}\n    source   {source.source}\n"
            in written
        )


def test_notice_names_the_pyspark_of_embedded_sail() -> None:
    recipe = (ROOT / "pcw_server_ext" / "engines" / "build_sail_site.py").read_text(encoding="utf-8")
    assert 'VERSION = "4.2.0"' in recipe
    assert "pyspark-client 4.2.0" in notice.text(pins.load())


def test_the_extensions_list_has_a_text_of_every_bundled_package() -> None:
    # What the bundlers read, as they say; and the names of files that stay in the bundles.
    worker = cast(dict[str, object], json.loads(_built("lib/kernel/kernel.worker.meta.json"))["inputs"])
    application = cast(list[str], json.loads(_built("lib/application.files.json")))
    bundled = _packages([*worker, *application])
    assert {"@jupyterlite/pyodide-kernel", "@jupyterlite/services", "@lumino/coreutils"} <= _packages(worker)
    assert {"@jupyterlab/services", "mime", "mock-socket"} <= _packages(application)
    for script in STATIC.glob("*.js"):
        bundled |= set(PACKAGE.findall(script.read_text(encoding="utf-8")))

    listed = _list()
    names = [package["name"] for package in listed]
    assert bundled <= set(names), f"not listed: {sorted(bundled - set(names))}"
    assert set(names) - bundled == {"@rspack/core", "esbuild"}
    assert names == sorted(names)
    for package in listed:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["versionInfo"]), package["name"]
        assert package["licenseId"] in {"BSD-3-Clause", "MIT"}, package["name"]
        assert "copyright" in package["extractedText"].lower(), f"{package['name']} has no licence text"
        assert "warranties of merchantability" in " ".join(package["extractedText"].lower().split()), package


def test_the_extensions_list_names_no_folder_of_the_machine_that_built_it() -> None:
    written = (STATIC / "third-party-licenses.json").read_text(encoding="utf-8")
    assert "node_modules" not in written
    assert str(ROOT) not in written


@pytest.mark.parametrize(
    ("name", "contained", "author"),
    [("json5", "core-js", "Denis Pushkarev"), ("mock-socket", "url-parse", "Arnout Kazemier")],
)
def test_the_list_covers_packages_inside_a_packages_own_files(name: str, contained: str, author: str) -> None:
    (text,) = (package["extractedText"] for package in _list() if package["name"] == name)
    assert f"Contains {contained}" in text
    assert author in text


def _built(name: str) -> str:
    path = SCRIPTS / name
    assert path.is_file(), f"labextension/{name} is missing; the build of the extension makes it: make build"
    return path.read_text(encoding="utf-8")


def _packages(files: Iterable[str]) -> set[str]:
    """The innermost npm package of each file that has one."""
    return {found[-1] for file in files if (found := PACKAGE.findall(file))}


def _list() -> list[dict[str, str]]:
    listed = json.loads((STATIC / "third-party-licenses.json").read_text(encoding="utf-8"))
    return cast(list[dict[str, str]], listed["packages"])
