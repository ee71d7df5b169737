"""What a check says: it is well, or what is wrong and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pcw_server_ext.site.check.runs import NotebookRun

Status = Literal["ok", "note", "failed"]


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        name: what was looked at.
        status: `ok`; `note`, worth knowing; `failed`, the site does not work as it should.
        text: what was found.
        fix: the next step; never empty for what failed.
    """

    name: str
    status: Status
    text: str
    fix: str = ""


def ok(name: str, text: str) -> Finding:
    """It is well."""
    return Finding(name, "ok", text)


def note(name: str, text: str, fix: str = "") -> Finding:
    """It is worth knowing."""
    return Finding(name, "note", text, fix)


def failed(name: str, text: str, fix: str) -> Finding:
    """It is wrong, and this is the next step."""
    return Finding(name, "failed", text, fix)


def passed(findings: Iterable[Finding]) -> bool:
    """Whether nothing failed."""
    return all(finding.status != "failed" for finding in findings)


def as_json(target: str, findings: list[Finding], runs: Sequence[NotebookRun] | None = None) -> str:
    """Return the report as JSON text: `{"target", "ok", "findings": [{"name", "status", "text", "fix"}]}`.

    With notebooks that were run, each of them with its cells under `notebooks`, as `NotebookRun` describes them.
    """
    report: dict[str, Any] = {
        "target": target,
        "ok": passed(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    if runs is not None:
        report["notebooks"] = [{**asdict(run), "passed": run.passed} for run in runs]
    return json.dumps(report, indent=1)


def as_text(target: str, findings: list[Finding]) -> str:
    """Return the report for a person."""
    marks = {"ok": "ok    ", "note": "note  ", "failed": "FAILED"}
    lines = [f"Site: {target}"]
    for finding in findings:
        lines.append(f"{marks[finding.status]}  {finding.name}: {finding.text}")
        if finding.fix:
            lines.append(f"        -> {finding.fix}")
    count = sum(finding.status == "failed" for finding in findings)
    lines.append("Everything is in place." if count == 0 else f"{count} failed.")
    return "\n".join(lines)
