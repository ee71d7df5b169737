"""The page says what the runs gave, and calls a regression by its name."""

from __future__ import annotations

from pathlib import Path

from tests.parity import report
from tests.parity.runs import Results


def outcome(got: str | None = None) -> dict[str, object]:
    failed = [] if got is None else [{"code": "f()\n", "expected": "1\n", "got": got}]
    return {"examples": 2, "failed": failed, "seconds": 0.1}


NATIVE: Results = {"A.a": outcome(), "A.b": outcome(), "A.c": outcome("2\n")}


def runs(lean: Results, full: Results | None = None) -> report.Runs:
    return {"native": {"column": NATIVE}, "lean": {"column": lean}, "full": {"column": full or {}}}


def test_a_docstring_that_fails_only_through_us_is_a_regression() -> None:
    found = report.differences(runs({"A.a": outcome("2\n"), "A.b": outcome(), "A.c": outcome("3\n")}))
    assert [(difference.docstring, difference.reason) for difference in found] == [("column.A.a", None)]


def test_a_docstring_that_was_not_run_is_a_regression() -> None:
    assert [found.docstring for found in report.differences(runs({"A.a": outcome()}))] == ["column.A.b"]


def test_a_missing_package_is_a_reason_only_if_it_passes_with_the_package() -> None:
    lean = {"A.a": outcome("ModuleNotFoundError: No module named 'pandas'\n"), "A.b": outcome()}
    (without,) = report.differences(runs(lean))
    (proven,) = report.differences(runs(lean, {"A.a": outcome()}))
    assert without.reason is None
    assert proven.reason == report.PACKAGES_REASON


def test_the_page_counts_and_lists(tmp_path: Path) -> None:
    lean = {"A.a": outcome("No module named 'pandas'\n"), "A.b": outcome(), "A.c": outcome("2\n")}
    lean["A.only_here"] = outcome()  # not one of those that are counted
    report.write(
        tmp_path / "page.md", {"spark": runs(lean, {"A.a": outcome()})}, {"spark": "Apache Spark 4.3.0"}
    )
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "## Apache Spark 4.3.0" in page
    assert "| column | 3 | 6 | 2 | 1 |" in page
    assert f"- {report.PACKAGES_REASON}: `column.A.a` (ours, CPython only)." in page
    assert "Docstrings that fail with the ordinary client: 1: `column.A.c`." in page
