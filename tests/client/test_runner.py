"""The runner of operations: one that hangs, or ends its process, costs its own result and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client import runner
from tests.client.session_operations import OPERATIONS

PROGRAM = """
import faulthandler, json, os, signal, sys, time
faulthandler.register(signal.SIGUSR1, all_threads=True)
for name in sys.argv[4:]:
    print("operation: " + json.dumps({"begins": name}), flush=True)
    if name in HANGS: time.sleep(1000)
    if name in ENDS: sys.exit("it broke")
    outcome = {"value": name, "pid": os.getpid()}
    print("and more\\noperation: " + json.dumps({"ended": name, "outcome": outcome}), flush=True)
os._exit(0)
"""

NAMES = list(OPERATIONS)[:6]


def run(tmp_path: Path, hangs: list[str], ends: list[str]) -> dict[str, dict[str, object]]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("HANGS", repr(hangs)).replace("ENDS", repr(ends)))
    return runner.run_operations(
        "native", "sc://127.0.0.1", tmp_path / "folder", only=NAMES, limit=2, program=program
    )


def test_all_run_in_one_process(tmp_path: Path) -> None:
    results = run(tmp_path, [], [])
    assert [outcome["value"] for outcome in results.values()] == NAMES
    assert len({outcome["pid"] for outcome in results.values()}) == 1


def test_one_that_hangs_costs_one_and_the_rest_goes_on_in_a_fresh_process(tmp_path: Path) -> None:
    results = run(tmp_path, [NAMES[2]], [])
    hung = results.pop(NAMES[2])
    assert str(hung["hung"]).startswith(f"{NAMES[2]} ended: nothing after 2 s\n")
    assert "program.py" in str(hung["hung"]), "no stack of the threads"
    assert [outcome["value"] for outcome in results.values()] == [*NAMES[:2], *NAMES[3:]]
    assert len({outcome["pid"] for outcome in results.values()}) == 2


def test_one_that_ends_the_process_costs_one(tmp_path: Path) -> None:
    results = run(tmp_path, [], [NAMES[0], NAMES[5]])
    for name in (NAMES[0], NAMES[5]):
        assert str(results.pop(name)["hung"]) == f"the process of {name} ended with status 1\nit broke\n"
    assert [outcome["value"] for outcome in results.values()] == NAMES[1:5]


def test_an_engine_that_lets_everything_hang_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MOST_HANGS", 2)
    results = run(tmp_path, NAMES, [])
    assert [str(outcome["hung"]).split(":")[0] for outcome in results.values()] == [
        *(f"{name} ended" for name in NAMES[:2]),
        *["not run"] * 4,
    ]


def test_operation_that_may_leave_a_broken_client_has_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "IN_A_PROCESS_OF_ITS_OWN", {NAMES[1]})
    results = run(tmp_path, [], [])
    assert set(results) == set(NAMES)
    alone = results.pop(NAMES[1])["pid"]
    assert {outcome["pid"] for outcome in results.values()} != {alone}
    assert len({outcome["pid"] for outcome in results.values()}) == 1
