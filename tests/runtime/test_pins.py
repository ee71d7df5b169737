"""Pins that contradict themselves and downloads that differ are refused with a message that says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.runtime import pins, sources
from client.runtime.errors import HashMismatch, PinError, SourceError, ToolError
from client.runtime.pins import PINS_FILE


def _written(tmp_path: Path, **changes: object) -> Path:
    document = {**json.loads(PINS_FILE.read_text()), **changes}
    path = tmp_path / "pins.json"
    path.write_text(json.dumps(document))
    return path


def test_every_pin_has_a_full_hash_and_a_licence() -> None:
    for source in (*pins.load().redistributed, pins.load().bundled):
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.licence
        assert source.source.startswith("https://")


def test_repeated_name_is_refused(tmp_path: Path) -> None:
    wheels = json.loads(PINS_FILE.read_text())["wheels"]
    with pytest.raises(PinError, match="more than once: asttokens"):
        pins.load(_written(tmp_path, wheels=[*wheels, wheels[0]]))


def test_unknown_field_is_refused(tmp_path: Path) -> None:
    wheels = json.loads(PINS_FILE.read_text())["wheels"]
    with pytest.raises(PinError, match="colour"):
        pins.load(_written(tmp_path, wheels=[{**wheels[0], "colour": "red"}]))


def _downloads(tmp_path: Path, content: bytes) -> pins.Pins:
    """Pins of one wheel, core and holder that lie in the cache with `content`."""
    pinned = pins.load()
    folder = tmp_path / "cache" / "downloads"
    folder.mkdir(parents=True)
    for source in (*pinned.wheels, pinned.bundled, *pinned.sdists, pinned.pyodide):
        (folder / source.file).write_bytes(content)
    return pinned


def test_other_bytes_than_pinned_are_refused_with_both_hashes(tmp_path: Path) -> None:
    pinned = _downloads(tmp_path, b"something else")
    with pytest.raises(HashMismatch) as caught:
        sources.ensure(pinned, tmp_path / "cache")
    assert isinstance(caught.value, SourceError)
    assert pinned.wheels[0].sha256 in str(caught.value)
    assert caught.value.found in str(caught.value)
    assert "has changed" in str(caught.value)


def test_missing_npm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = _downloads(tmp_path, b"")
    (tmp_path / "cache" / "downloads" / pinned.pyodide.file).unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="npm was not found"):
        sources.ensure(pinned, tmp_path / "cache")
