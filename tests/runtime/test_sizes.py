"""The wheel is within its limits, and what says so sees every byte of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from client.runtime import sizes
from tests.support.paths import REPOSITORY


def _wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_wheel_is_within_its_limits() -> None:
    wheels = list((REPOSITORY / "dist").glob("*.whl"))
    assert len(wheels) == 1, "There is no wheel to measure. Build it: make build"
    assert sizes.problems(wheels[0]) == [], sizes.table(wheels[0])


@pytest.mark.parametrize(
    ("limit", "says"),
    [("PACKED_LIMIT", "MB packed, more than"), ("INSTALLED_LIMIT", "MB installed, more than")],
)
def test_wheel_over_a_limit_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    limit: str,
    says: str,
) -> None:
    wheel = _wheel(tmp_path / "x.whl", {"a.py": bytes(1000)})
    assert sizes.main([str(wheel)]) == 0
    monkeypatch.setattr(sizes, limit, 999)
    assert sizes.main([str(wheel)]) == 1
    printed = capsys.readouterr().out
    assert says in printed
    assert "client/runtime/pins.json" in printed


def test_every_file_belongs_to_one_part(tmp_path: Path) -> None:
    bundle = "pcw_server_ext/runtime/bundle"
    files = {
        f"{bundle}/kernel/snapshot.bin.br": "memory snapshot",
        f"{bundle}/kernel/ipython.pack.br": "packs of packages",
        f"{bundle}/pyodide/jedi-1.whl": "wheels for the stock kernel",
        f"{bundle}/pyodide/pyodide.asm.wasm.br": "Pyodide",
        f"{bundle}/manifest.json": "scripts and manifest of the runtime",
        "pcw_server_ext/engines/sail_site/pyspark/a.py": "Sail's PySpark",
        "pcw_server_ext/labextension/static/a.js": "labextension",
        "x-1.data/data/share/jupyter/labextensions/x/static/a.js": "labextension",
        "x-1.data/data/etc/jupyter/x.json": "Python and the rest",
        "pyspark_connect_web/a.py": "Python and the rest",
    }
    found = sizes.measure(_wheel(tmp_path / "x.whl", {name: bytes(10) for name in files}))
    for part in sizes.PARTS:
        assert found[part].files == list(files.values()).count(part), part
        assert found[part].installed == 10 * found[part].files


def test_missing_wheel_is_told_with_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert sizes.main([str(tmp_path / "none.whl")]) == 1
    assert "make build" in capsys.readouterr().out
