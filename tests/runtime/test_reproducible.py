"""Equal inputs give equal bytes, the memory snapshot included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.runtime import lockfile, packs, pins, snapshot
from client.runtime.build import CACHE
from client.runtime.wheels import assemble
from tests.runtime.distribution import content


def _core() -> Path:
    folder = CACHE / f"pyodide-{pins.load().pyodide.sha256[:16]}"
    if not folder.is_dir():
        pytest.fail("Pyodide is not unpacked. Build the browser runtime: python -m client.runtime.build")
    return folder


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_snapshot_made_elsewhere_is_the_same(bundle: Path, manifest: dict[str, Any], tmp_path: Path) -> None:
    names = ["kernel/site.json", *(pack["path"] for pack in manifest["kernel"]["packs"].values())]
    files = {name: content(bundle, name) for name in names}
    made, described = snapshot.make(_core(), files, tmp_path / "some" / "other" / "folder")
    assert described == manifest["kernel"]["snapshot"]
    assert made == content(bundle, "kernel/snapshot.bin")


def test_bytecode_compiled_twice_is_the_same(tmp_path: Path) -> None:
    source = b"'Doc.'\nNAMES = frozenset({'a', 'b'})\n\n\ndef f(x: int = 1) -> dict[str, int]:\n    return {'x': x}\n"
    wheel = assemble(
        "demo",
        "1.0",
        {"demo/__init__.py": source},
        {},
        pack="demo",
        licence="MIT",
        requires=(),
        summary="A demo",
    )
    first, second = (
        packs.compiled([wheel], _core(), pins.load().pyodide.python, tmp_path / name)
        for name in ("one", "two")
    )
    assert first == second
    assert list(first["demo"]) == ["demo/__pycache__/__init__.cpython-314.pyc"]


def test_index_and_packs_do_not_depend_on_the_order_of_wheels() -> None:
    wheels = [
        assemble(
            name,
            "1.0",
            {f"{name}.py": name.encode()},
            {},
            pack="demo",
            licence="MIT",
            requires=(),
            summary="",
        )
        for name in ("a", "b")
    ]
    bytecode: dict[str, dict[str, bytes]] = {"a": {}, "b": {}}
    index, blobs = packs.build(wheels, bytecode, "3.14.2")
    again, same = packs.build(wheels[::-1], bytecode, "3.14.2")
    assert json.dumps(index) == json.dumps(again)
    assert (blobs, lockfile.dumps(index)) == (same, lockfile.dumps(again))
