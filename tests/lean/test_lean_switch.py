"""Real packages take over in the same session; real objects are never mistaken."""

from __future__ import annotations

import pytest

from tests.lean.running import Server, run_script


def test_switch_in_one_session(sail_server: Server) -> None:
    assert run_script("switch.py", sail_server.web, hidden=True) == ["switched"]


@pytest.mark.parametrize(
    "case",
    [
        "pandas",
        "pandas without pyarrow",
        "numpy alone",
        "values",
        "arrow table",
        "type hints",
        "beyond the stand-ins",
        "commands",
        "hook for user imports",
    ],
)
def test_real_objects_are_recognised(sail_server: Server, case: str) -> None:
    assert run_script("recognise.py", sail_server.web, case, hidden=True) == ["recognised"]
