"""Where the files of packages come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Files", "normalized"]


def normalized(name: str) -> str:
    """The name under which Pyodide's lock has a package: what a lock calls its dependencies may be spelled otherwise.

    PEP 503, without `packaging`, which no kernel imports to start.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


class Files(Protocol):
    """Where packages come from, and where they go."""

    def get(self, name: str) -> str:
        """Fetch a file beside the runtime's lock; its text if it is JSON. Raises PackageFileError."""

    def loaded(self) -> set[str]:
        """Normalized names of the packages that this interpreter has."""

    def install(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Make packages importable, whose files were fetched. Raises ImportError."""
