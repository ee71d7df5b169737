"""Wheels made by the tests."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path


def wheel(name: str, version: str, code: str, *headers: str, tag: str = "py3-none-any") -> bytes:
    """A wheel with one module; `headers` are lines of its metadata, such as `Requires-Dist: other`."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"{line}\n" for line in headers),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in files.items():
            # The same bytes at any time: tests are named by hashes of them.
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, text)
    return target.getvalue()


def put(state: Path, name: str, version: str, code: str, *headers: str) -> None:
    """Give a wheel to the administrator's folder of the server whose folder of state this is."""
    folder = state / "data" / "pcw" / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{version}-py3-none-any.whl").write_bytes(wheel(name, version, code, *headers))
