"""Libraries beside PySpark work without pandas, numpy and pyarrow; `tests/browser/lab` tries the same in the kernel."""

from __future__ import annotations

import json

import pytest

from tests.lean.running import Server, run_script
from tests.support.libraries import LIBRARIES, Library, wheels
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.timeout(500)

Seen = tuple[str, dict[str, object]]


@pytest.fixture(scope="module", params=["sail", pytest.param("spark", marks=pytest.mark.spark)])
def seen(request: pytest.FixtureRequest) -> Seen:
    """The engine, and what each library printed there."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    lines = run_script("libraries.py", server.web, *map(str, wheels()), hidden=True)
    return request.param, dict(map(json.loads, lines))


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_library_works_lean(seen: Seen, library: Library) -> None:
    engine, printed = seen
    assert str(printed[library.name]).strip() == library.shown[engine]


def test_no_library_brings_pandas(seen: Seen) -> None:
    assert seen[1]["loaded"] == []


def test_answer_takes_the_place_of_a_pandas_frame(sail_server: Server) -> None:
    assert run_script("answers.py", sail_server.web, hidden=True) == ["answered"]


def test_table_of_the_documents_has_a_row_for_each() -> None:
    text = (REPOSITORY / "docs" / "notebooks.md").read_text(encoding="utf-8")
    table = text.partition("## Libraries")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]
    assert rows[2:] == [library.name for library in LIBRARIES]
