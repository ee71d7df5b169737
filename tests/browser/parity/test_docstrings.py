"""PySpark's own examples in the browser kernel: a sample (`make parity` runs all)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.parity.notebook import Notebook
from tests.parity import report, runs
from tests.parity.sample import SAMPLE

pytestmark = [pytest.mark.browser, pytest.mark.nightly, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def native(notebook: Notebook, tmp_path_factory: pytest.TempPathFactory) -> dict[str, runs.Results]:
    """What the ordinary client gives on the same engine."""
    folder = tmp_path_factory.mktemp("native")
    jobs = {folder / f"{module}.json": (module, *names) for module, names in SAMPLE.items()}
    runs.several_on_cpython(notebook.rig, "native", jobs)
    return {names[0]: runs.read(out) for out, names in jobs.items()}


@pytest.mark.parametrize("module", SAMPLE)
def test_what_passes_natively_passes_in_the_browser(
    notebook: Notebook, native: dict[str, runs.Results], module: str, tmp_path: Path
) -> None:
    ours = runs.in_browser(notebook.page, notebook.rig, module, tmp_path / "browser.json", SAMPLE[module])
    assert runs.passed(native[module])
    different = report.differences({"native": {module: native[module]}, "browser": {module: ours}})
    assert not different, "\n".join(f"{d.docstring}: {d.example}\n{d.got}" for d in different)
