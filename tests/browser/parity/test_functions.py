"""Functions defined in cells of the browser kernel run on servers with another Python: Sail and Apache Spark."""

from __future__ import annotations

import sys

import pytest

from tests.browser.parity.notebook import Notebook
from tests.udf.cells import UdfCell, read_cells

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def python(notebook: Notebook) -> tuple[int, int]:
    """The kernel's Python, which is not the server's; the cells' own setup has run."""
    answer = notebook.page.run("import sys\nprint(*sys.version_info[:2])").expect_ok().text
    major, minor = map(int, answer.split())
    assert (major, minor) != sys.version_info[:2]
    setup = read_cells()[0]
    assert setup.name == "setup"
    notebook.page.run(setup.code).expect_ok()
    return major, minor


@pytest.mark.parametrize("cell", read_cells()[1:], ids=lambda cell: cell.name)
def test_function_of_a_cell_runs_on_the_server(
    notebook: Notebook, python: tuple[int, int], cell: UdfCell
) -> None:
    if not cell.runs_on(python, notebook.rig.engine):
        pytest.skip(f"{notebook.rig.engine} does not support it")
    result = notebook.page.run(cell.checked(), timeout=300)
    cell.verify(result.error, result.all_text)
