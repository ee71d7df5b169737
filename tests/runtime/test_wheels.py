"""Wheels are rebuilt deterministically and only from what their pins keep."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from client.runtime import lockfile, wheels
from client.runtime.errors import HashMismatch, PinError, SourceError
from client.runtime.pins import Sdist, Wheel, WheelHolder

PIN = Wheel(
    "demo", "1.0", "demo-1.0-py3-none-any.whl", "0" * 64, "MIT", "https://example.org/demo", pack="demo"
)


def _demo(requires: tuple[str, ...] = ()) -> wheels.BuiltWheel:
    files = {"demo/__init__.py": b"x = 1\n", "demo/b.py": b"y = 2\n", "demo/tests/t.py": b"z = 3\n"}
    return wheels.assemble(
        "demo",
        "1.0",
        files,
        {"LICENSE": b"free"},
        pack="demo",
        licence="MIT",
        requires=requires,
        summary="A demo",
    )


def test_same_files_in_another_order_give_the_same_bytes() -> None:
    files = {"b": b"2", "a": b"1"}
    assert wheels.write(files) == wheels.write(dict(reversed(files.items())))


def test_assembled_wheel_has_metadata_licence_and_a_true_record() -> None:
    files = _demo(("other",)).files()
    assert files["demo-1.0.dist-info/licenses/LICENSE"] == b"free"
    assert b"Requires-Dist: other\n" in files["demo-1.0.dist-info/METADATA"]
    record = files["demo-1.0.dist-info/RECORD"].decode().splitlines()
    assert sorted(line.split(",")[0] for line in record) == sorted(files)
    assert zipfile.ZipFile(io.BytesIO(_demo().content)).testzip() is None


def test_trimmed_wheel_records_only_what_it_keeps() -> None:
    pin = replace(PIN, keep=("demo/*.py", "*.dist-info/*"), drop=("demo/tests/*",))
    files = wheels.published(pin, _demo().content).files()
    assert "demo/tests/t.py" not in files
    assert b"demo/tests" not in files["demo-1.0.dist-info/RECORD"]
    assert "demo/b.py" in files


def test_untrimmed_wheel_is_left_untouched() -> None:
    assert wheels.published(PIN, _demo().content).content == _demo().content


def _sdist(tmp_path: Path, files: dict[str, bytes]) -> Path:
    path = tmp_path / "demo-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_sdist_becomes_a_wheel_of_its_kept_files_and_licences(tmp_path: Path) -> None:
    path = _sdist(
        tmp_path, {"demo-1.0/demo/a.py": b"", "demo-1.0/deps/big.jar": b"", "demo-1.0/LICENSE": b"free"}
    )
    pin = Sdist(**{**vars(PIN), "keep": ("demo/*.py",)}, depends=("other",))
    built = wheels.from_sdist(pin, path)
    assert [name for name in built.files() if not name.startswith("demo-1.0.dist-info/")] == ["demo/a.py"]
    assert built.files()["demo-1.0.dist-info/licenses/LICENSE"] == b"free"
    assert lockfile.requirements(built, "3.14.2") == ["other"]


def test_sdist_without_kept_files_is_refused(tmp_path: Path) -> None:
    path = _sdist(tmp_path, {"demo-1.0/other.txt": b""})
    with pytest.raises(SourceError, match="holds no file"):
        wheels.from_sdist(Sdist(**{**vars(PIN), "keep": ("demo/*.py",)}), path)


def _holder(pin: Wheel) -> WheelHolder:
    return WheelHolder("holder", "1.0", "holder.whl", "0" * 64, "MIT", "https://example.org", wheels=(pin,))


def test_carried_wheel_with_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "holder.whl"
    path.write_bytes(wheels.write({f"share/{PIN.file}": _demo().content}))
    with pytest.raises(HashMismatch):
        wheels.carried(_holder(PIN), path)
    right = replace(PIN, sha256=_demo().sha256)
    assert [wheel.content for wheel in wheels.carried(_holder(right), path)] == [_demo().content]


def test_absent_carried_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "holder.whl"
    path.write_bytes(wheels.write({"share/readme": b""}))
    with pytest.raises(SourceError, match=r"carries no demo-1\.0"):
        wheels.carried(_holder(PIN), path)


def test_lock_refuses_a_requirement_that_is_not_pinned() -> None:
    with pytest.raises(PinError, match="demo needs other"):
        lockfile.trimmed({"info": {}}, [_demo(("other>=2",))], "3.14.2")


def test_lock_ignores_requirements_of_other_platforms() -> None:
    wheel = _demo(
        ('colorama; sys_platform == "win32"', 'typing_extensions; python_version < "3.12"', 'x; extra == "y"')
    )
    assert lockfile.trimmed({"info": {}}, [wheel], "3.14.2")["packages"]["demo"]["depends"] == []
