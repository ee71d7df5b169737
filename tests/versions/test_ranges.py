"""What the ranges claim is what was tested."""

from __future__ import annotations

import json

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.paths import REPOSITORY
from tests.versions.ranges import CORE, TESTED_FILE, Row, oldest, ranges, spans, table

RANGES = ranges()
TESTED = json.loads(TESTED_FILE.read_text(encoding="utf-8"))


def test_ranges_begin_with_a_version_that_was_tested_and_hold_the_newest_one() -> None:
    """Of the packages for which `make versions VERSIONS_OPTIONS=--record` has written down what passed."""
    assert set(TESTED) <= set(CORE)
    for package, span in TESTED.items():
        assert Version(span["oldest"]) == oldest(RANGES[package]), package
        assert RANGES[package].specifier.contains(span["newest"]), package


@pytest.mark.parametrize("package", CORE)
def test_range_ends_before_the_next_version_that_may_break(package: str) -> None:
    assert any(one.operator in ("<", "==", "~=") for one in RANGES[package].specifier)


@pytest.mark.parametrize("path", sorted({path for paths in CORE.values() for path in paths}))
def test_core_names_tests_that_exist(path: str) -> None:
    assert (REPOSITORY / path.partition("::")[0]).exists()


def row(version: str, passed: bool | None, edge: str = "oldest") -> Row:
    """The end of a run."""
    return Row("tornado", edge, version, version != "9.0", passed, "3 passed", 1.0)


def test_what_passed_is_what_is_written_down() -> None:
    rows = [
        row("6.10", True),
        row("6.5", True),
        row("6.4", False),
        row("7.0", None),
        row("9.0", True, "next"),
    ]
    assert spans(rows) == {"tornado": {"oldest": "6.5", "newest": "6.10"}}
    assert spans([row("6.5", False)]) == {}


def test_table_says_what_failed_and_what_cannot_be_installed() -> None:
    printed = table(
        [row("6.5", False), row("6.6", None), row("9.0", False, "next")],
        {"tornado": Requirement("tornado>=6.5,<7")},
    )
    assert "| tornado | `<7,>=6.5` | oldest | 6.5 | FAILED | 3 passed (1 s) |" in printed
    assert "| 6.6 | not installable |" in printed
    assert "| 9.0 (beyond the range) | FAILED |" in printed
