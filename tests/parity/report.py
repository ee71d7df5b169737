"""Compares what the clients gave, and writes docs/parity.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.parity.docstrings import MODULES
from tests.parity.runs import Results, passed

PACKAGES = re.compile(
    r"No module named '(pandas|numpy|pyarrow)'|needs? (pandas|numpy|pyarrow)\b|(pandas|numpy|pyarrow) .{0,80}not loaded"
)
PACKAGES_REASON = "needs pandas, numpy or pyarrow in the kernel; passes with them, over the same channel"

_MAXSIZE = "uses `sys.maxsize`, which is 2147483647 in a browser's 32-bit Python"
_DISK = "makes, removes or names files on the client's disk and expects the server to see that"
REASONS = {
    "functions.builtin.try_add": _MAXSIZE,
    "functions.builtin.try_multiply": _MAXSIZE,
    "functions.builtin.try_subtract": _MAXSIZE,
    "functions.builtin.input_file_name": _DISK,
    "catalog.Catalog.refreshByPath": _DISK,
    "catalog.Catalog.refreshTable": _DISK,
    "readwriter.DataFrameReader.schema": _DISK,
    "streaming.readwriter.DataStreamReader.schema": _DISK,
}
"""`module.docstring` -> why it fails in a browser kernel though it passes natively; all else is a regression."""

LISTED = 20
"""More docstrings than these that fail natively are only counted."""

HEAD = """# PySpark's own examples

PySpark documents its API with examples, and tests itself with them. `make parity` runs the examples of these modules
with the ordinary client (grpcio, pyarrow, pandas) on CPython, with this project's client on CPython without those
packages (through a Jupyter server), and in the browser kernel in Chromium, on the same server, with the options of
PySpark's own tests (`ELLIPSIS`, `NORMALIZE_WHITESPACE`, `IGNORE_EXCEPTION_DETAIL`). A docstring passes when each
of its examples does; one that fails runs once more, with every client alike, because some race with a stream.
"""


@dataclass(frozen=True)
class Difference:
    """A docstring that passes natively and not through us; `reason` is None for a regression."""

    client: str
    docstring: str
    reason: str | None
    example: str
    got: str


Runs = Mapping[str, Mapping[str, Results]]
"""Client -> module -> results, on one engine."""


def differences(runs: Runs) -> list[Difference]:
    """What passes with the ordinary client and fails in `lean` or `browser`.

    What needs real packages is no regression if it passes in `full`, our client with them.
    """
    found: list[Difference] = []
    for client in ("lean", "browser"):
        for module, results in runs.get(client, {}).items():
            natively = passed(runs["native"][module])
            for name in sorted(natively - passed(results)):
                full = passed(runs.get("full", {}).get(module, {}))
                failed = results[name]["failed"][0] if name in results else {"code": "", "got": "was not run"}
                found.append(
                    Difference(
                        client,
                        f"{module}.{name}",
                        reason_for(f"{module}.{name}", failed["got"], passes_in_full=name in full),
                        failed["code"].strip(),
                        failed["got"].strip(),
                    )
                )
    return found


def reason_for(docstring: str, got: str, *, passes_in_full: bool) -> str | None:
    """Why a docstring may differ, or None."""
    if PACKAGES.search(got) and passes_in_full:
        return PACKAGES_REASON
    return REASONS.get(docstring)


def worth_again(result: Mapping[str, Any]) -> bool:
    """Whether a docstring failed, and for another reason than a package that is not there."""
    return bool(result["failed"]) and not any(PACKAGES.search(failed["got"]) for failed in result["failed"])


def write(path: Path, engines: Mapping[str, Runs], versions: Mapping[str, str]) -> None:
    """Write the page: a table and the differences for each engine."""
    parts = [HEAD]
    for engine, runs in engines.items():
        parts.append(f"## {versions.get(engine, engine)}\n\n{table(runs)}\n")
        found = differences(runs)
        if found:
            parts.append(f"### Differences\n\n{listing(found)}\n")
        rest = natively_failing(runs)
        if rest:
            names = f": {', '.join(f'`{name}`' for name in rest)}" if len(rest) <= LISTED else ""
            parts.append(f"Docstrings that fail with the ordinary client: {len(rest)}{names}.\n")
    path.write_text("\n".join(parts), encoding="utf-8")


COLUMNS = {"native": "ordinary client", "lean": "ours, CPython", "browser": "browser kernel"}


def table(runs: Runs) -> str:
    """Module by module: docstrings, examples, and how many docstrings pass with each client."""
    clients = [client for client in COLUMNS if runs.get(client)]
    lines = [
        f"| module | docstrings | examples | {' | '.join(COLUMNS[client] for client in clients)} |",
        f"|---|---|---|{'---|' * len(clients)}",
    ]
    totals = dict.fromkeys(("docstrings", "examples", *clients), 0)
    for module in MODULES:
        native = runs["native"].get(module)
        if native is None:
            continue
        counts = {
            "docstrings": len(native),
            "examples": sum(result["examples"] for result in native.values()),
            # The doctest of newer Pythons finds more (cached properties): a row counts the same docstrings throughout.
            **{client: len(passed(runs[client].get(module, {})) & set(native)) for client in clients},
        }
        for key, count in counts.items():
            totals[key] += count
        lines.append(f"| {module} | {' | '.join(map(str, counts.values()))} |")
    lines.append(f"| **all** | {' | '.join(f'**{count}**' for count in totals.values())} |")
    return "\n".join(lines)


def listing(found: list[Difference]) -> str:
    """The differences, one line a reason."""
    by_reason: dict[str, dict[str, set[str]]] = {}
    for difference in found:
        reason = difference.reason or f"not explained: `{first_line(difference.got)}`"
        by_reason.setdefault(reason, {}).setdefault(difference.docstring, set()).add(difference.client)
    lines = []
    for reason, names in by_reason.items():
        shown = [
            f"`{name}`" if len(clients) > 1 else f"`{name}` ({COLUMNS[next(iter(clients))]} only)"
            for name, clients in names.items()
        ]
        lines.append(f"- {reason}: {', '.join(shown)}.")
    return "\n".join(lines)


def natively_failing(runs: Runs) -> list[str]:
    """Docstrings that fail with the ordinary client."""
    return [
        f"{module}.{name}"
        for module, results in runs["native"].items()
        for name in results
        if results[name]["failed"]
    ]


def first_line(text: str) -> str:
    """The first line, cut to 120 characters."""
    return text.partition("\n")[0][:120]
