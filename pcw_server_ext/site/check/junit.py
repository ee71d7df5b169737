"""Notebooks that were run, as JUnit XML: a suite for each notebook, a case for each code cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree

from pcw_server_ext.site.check.runs import CellRun, NotebookRun

#: What XML 1.0 (2.2) has no way to write.
_UNWRITABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(runs: Sequence[NotebookRun]) -> str:
    """Return the report as text. A notebook that could not be opened is a suite with one case, an error."""
    root = ElementTree.Element("testsuites")
    for run in runs:
        suite = ElementTree.SubElement(root, "testsuite")
        if run.problem:
            case = _case(suite, run.path, "open the notebook", 0.0)
            error = ElementTree.SubElement(case, "error", message=_written(run.problem))
            error.text = _written(run.fix)
        for cell in run.cells:
            _add_cell(suite, run, cell)
        states = [cell.status for cell in run.cells]
        counts = {
            "tests": len(suite),
            "failures": states.count("failed"),
            "errors": int(bool(run.problem)),
            "skipped": states.count("skipped") + states.count("not run"),
        }
        for name, value in {"name": _written(run.path), "time": f"{run.seconds:.3f}", **counts}.items():
            suite.set(name, str(value))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_cell(suite: ElementTree.Element, run: NotebookRun, cell: CellRun) -> None:
    case = _case(suite, run.path, f"cell {cell.number}: {cell.source}", cell.seconds)
    if cell.status == "failed":
        failure = ElementTree.SubElement(case, "failure", message=_written(cell.problem))
        failure.text = _written(cell.details)
    elif cell.status != "passed":
        ElementTree.SubElement(case, "skipped", message=cell.status)


def _case(suite: ElementTree.Element, path: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=_written(path), name=_written(name), time=f"{seconds:.3f}"
    )


def _written(text: str) -> str:
    return _UNWRITABLE.sub("�", text)
