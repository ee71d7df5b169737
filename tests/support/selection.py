"""Which tests belong to which lane: markers that follow from where a test is and what it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

QUICK = (
    "tests/client/test_messages.py",
    "tests/client/test_wire_frames.py",
    "tests/client/test_wire_response.py",
    "tests/client/test_wire_values.py",
    "tests/js",
    "tests/lean/test_arrow_corrupt.py",
    "tests/lean/test_arrow_read.py",
    "tests/lean/test_arrow_write.py",
    "tests/proxy/call/test_request_body.py",
    "tests/proxy/call/test_request_fields.py",
    "tests/proxy/upstream/test_connection_string.py",
    "tests/proxy/upstream/test_http2.py",
    "tests/proxy/upstream/test_sans_io.py",
    "tests/site/test_docs.py",
    "tests/site/test_header_rules.py",
    "tests/site/test_pages.py",
    "tests/site/test_settings.py",
    "tests/test_docs.py",
    "tests/test_layout.py",
)
"""Files and folders of rules and encodings: a second or so each, and no server."""

OFFLINE = "tests/browser/main_job"
"""Tests that show that nothing but the server is asked: they run where nothing else can be reached."""

STARTS_SPARK = "spark_lab"
"""A fixture that starts an Apache Spark of its own."""

USE_SPARK_LAB = (
    "tests/browser/lab/test_leaving.py",
    "tests/browser/lab/test_progress.py",
    "tests/browser/lab/test_sql.py",
    "tests/browser/lab/test_stop.py",
)
"""Files with tests that use it: one worker runs them all, so that it starts once."""

SHARE_A_HUB = "tests/browser/hub"
"""A folder whose tests share one JupyterHub and its engine: one worker runs them all."""

FIRST = (
    "tests/client/test_parity_on_spark.py",
    "tests/client/test_parity_on_sail.py",
    "tests/browser/parity",
    *USE_SPARK_LAB,
    "tests/udf",
    "tests/lean/test_lean_queries.py",
    "tests/engines/test_spark.py",
    "tests/browser/site/test_hosts.py",
    "tests/browser/site",
    "tests/runtime/test_start.py",
    "tests/site/test_build.py",
)
"""What takes longest begins first, so that no worker is left with it at the end."""


def path_of(item: pytest.Item) -> str:
    """The file of a test, from the repository."""
    return item.path.relative_to(REPOSITORY).as_posix()


def lies_in(path: str, places: tuple[str, ...]) -> bool:
    """Whether a file is one of the files, or in one of the folders."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


def fixtures_of(item: pytest.Item) -> set[str]:
    """Names of the fixtures that a test uses, those that fixtures use included."""
    return set(getattr(item, "fixturenames", ()))


def mark(item: pytest.Item) -> None:
    """Add the markers that follow from a test's place and fixtures."""
    path, fixtures = path_of(item), fixtures_of(item)
    if "browser" in fixtures:
        item.add_marker(pytest.mark.browser)
    if "run_spark" in fixtures or STARTS_SPARK in fixtures:
        item.add_marker(pytest.mark.spark)
    if lies_in(path, QUICK):
        item.add_marker(pytest.mark.quick)
    if lies_in(path, (OFFLINE,)):
        item.add_marker(pytest.mark.offline)
    if item.get_closest_marker("browser") or item.get_closest_marker("spark"):
        item.add_marker(pytest.mark.real)


def group_of(nodeid: str) -> str:
    """What one worker runs, one after the other: the tests of a file, as they share what it starts.

    Some files share more than that with others, and are one group.
    """
    path = nodeid.split("::", 1)[0]
    if path in USE_SPARK_LAB:
        return STARTS_SPARK
    return SHARE_A_HUB if lies_in(path, (SHARE_A_HUB,)) else path


def rank(item: pytest.Item) -> int:
    """A test's place in the order of a run: those of one file stay together."""
    path = path_of(item)
    return next((number for number, place in enumerate(FIRST) if lies_in(path, (place,))), len(FIRST))


def exists(place: str) -> bool:
    """Whether a place of the lists above is there."""
    return Path(REPOSITORY, place).exists()
