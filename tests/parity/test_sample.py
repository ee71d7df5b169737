"""What passes with the ordinary client passes through ours without pandas and pyarrow: a sample, on Sail.

`make parity` runs all docstrings, on Apache Spark too and in Chromium; `tests/browser/parity` this sample there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.parity import report, runs
from tests.parity.sample import SAMPLE

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, runs.Results]]:
    """Client -> module -> results."""
    folder = tmp_path_factory.mktemp("parity")
    venv = Path(os.environ.get("PCW_TEST_VENV", sys.prefix)).absolute()
    files = {
        client: {module: folder / client / f"{module}.json" for module in SAMPLE}
        for client in ("native", "lean")
    }
    with runs.rig("sail", venv, Path(sys.prefix), folder / "rig") as rig:
        for client, outs in files.items():
            runs.several_on_cpython(
                rig, client, {outs[module]: (module, *SAMPLE[module]) for module in SAMPLE}
            )
    return {
        client: {module: runs.read(out) for module, out in outs.items()} for client, outs in files.items()
    }


@pytest.mark.parametrize("module", SAMPLE)
def test_what_passes_natively_passes_lean(seen: dict[str, dict[str, runs.Results]], module: str) -> None:
    natively, lean = seen["native"][module], seen["lean"][module]
    assert set(natively) == set(lean) == set(SAMPLE[module])
    assert runs.passed(natively)
    different = report.differences({client: {module: results[module]} for client, results in seen.items()})
    assert not different, "\n".join(f"{d.docstring}: {d.example}\n{d.got}" for d in different)
