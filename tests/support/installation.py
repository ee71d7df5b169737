"""A Jupyter installation that a test configures, and what the doctor says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pcw_server_ext.site.check.findings import Finding


@dataclass
class Installation:
    """The folders that Jupyter looks into; everything in them is the test's."""

    config: Path
    data: Path
    runtime: Path

    def configure(self, text: str, name: str = "jupyter_server_config.py") -> Path:
        """Write a configuration file and return its path."""
        self.config.mkdir(parents=True, exist_ok=True)
        path = self.config / name
        path.write_text(text)
        return path


@dataclass
class Report:
    """What the doctor said."""

    status: int
    findings: list[Finding]
    text: str

    def __getitem__(self, name: str) -> Finding:
        """The finding of that name."""
        found = [finding for finding in self.findings if finding.name == name]
        assert len(found) == 1, f"{name} in {[finding.name for finding in self.findings]}"
        return found[0]

    @property
    def failed(self) -> list[str]:
        """The names of what is wrong."""
        return [finding.name for finding in self.findings if finding.status == "failed"]


Doctor = Callable[..., Report]
