"""Reads the shared vectors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "vectors"


def load(name: str) -> Any:
    """The content of ``tests/vectors/{name}.json``."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def unhex(text: str) -> bytes:
    """Hex to bytes; ``{n}`` stands for n bytes of 0x55."""
    return bytes.fromhex(re.sub(r"\{(\d+)\}", lambda match: "55" * int(match[1]), text))


def pieces(data: bytes, size: int) -> list[bytes]:
    """The data in pieces of ``size`` bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]
