"""What can go wrong while the browser runtime is assembled: `RuntimeBuildError` and below it

- `PinError`: pins.json is not what it should be
- `SourceError`: a pinned source could not be had; `HashMismatch`: it is there, with other bytes than the pinned ones
- `ToolError`: node, npm or pip failed, or is missing
"""

from __future__ import annotations

from pathlib import Path


class RuntimeBuildError(Exception):
    """Base of everything that this package raises on purpose."""


class PinError(RuntimeBuildError):
    """pins.json contradicts itself or the sources it names."""


class SourceError(RuntimeBuildError):
    """A pinned source could not be downloaded or does not hold what it should."""


class HashMismatch(SourceError):
    """A source's SHA-256 differs from the pinned one."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(
            f"{path.name} has SHA-256 {found}, but {expected} is pinned. Nothing was built from it. "
            f"Delete {path} and build again; if it differs again, the published file has changed: "
            "do not update the pin before you know why."
        )
        self.path = path
        self.expected = expected
        self.found = found


class ToolError(RuntimeBuildError):
    """An external command is missing or failed."""
