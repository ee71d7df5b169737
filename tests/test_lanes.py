"""The lanes of `make test` and `make nightly`: every test is in one, and what they print says how they ended."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests import lanes
from tests.support import selection
from tests.support.paths import REPOSITORY

MARKERS = ("browser", "offline", "alone", "nightly", "soak")
ALL = lanes.make_lanes()
GUIDE = (REPOSITORY / "docs" / "testing.md").read_text(encoding="utf-8")


def expression(lane: lanes.Lane) -> str | None:
    """What a lane of pytest selects."""
    command = list(lane.command)
    return command[len(command) - 1 - command[::-1].index("-m") + 1] if lane.is_pytest else None


COMBINATIONS = [
    dict(zip(MARKERS, present, strict=True))
    for present in itertools.product([False, True], repeat=len(MARKERS))
]


def fit_together(marks: dict[str, bool]) -> bool:
    """Whether a test may have these markers; the soak has a program of its own, and is in no lane of pytest."""
    if marks["soak"] or (marks["alone"] and marks["nightly"]):
        return False
    return not (marks["offline"] and (marks["alone"] or marks["nightly"]))


@pytest.mark.parametrize("marks", [m for m in COMBINATIONS if fit_together(m)])
def test_every_test_is_in_one_lane(marks: dict[str, bool]) -> None:
    found = [
        lane.name
        for run in ("test", "nightly")
        for lane in ALL[run]
        if (wanted := expression(lane)) is not None and eval(wanted, {}, marks)
    ]
    assert len(found) == 1


def test_what_the_tests_are_marked_with_fits_together(request: pytest.FixtureRequest) -> None:
    """Of the tests that this run collected; a run of all of them sees all."""
    wrong = []
    for item in request.session.items:
        marks = {mark.name for mark in item.iter_markers()}
        if {"alone", "nightly"} <= marks:
            wrong.append(f"{item.nodeid} is alone and nightly")
        if "quick" in marks and marks & {"alone", "nightly", "browser", "spark", "offline"}:
            wrong.append(f"{item.nodeid} is quick, and needs more than that")
        if "offline" in marks and marks & {"alone", "nightly"}:
            wrong.append(f"{item.nodeid} runs offline, where no lane is for what is alone or nightly")
        if "soak" in marks and "nightly" not in marks:
            wrong.append(f"{item.nodeid} is a soak, which is nightly")
    assert wrong == []


def test_one_worker_runs_a_file(tmp_path: Path) -> None:
    """With the versions of pytest and xdist that are installed, as what they agree on between them has changed."""
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler\n"
    )
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(
            "import os, pytest\n"
            "@pytest.mark.parametrize('n', range(20))\n"
            "def test(n, record_property):\n"
            "    record_property('worker', os.environ['PYTEST_XDIST_WORKER'])\n"
        )
    options = (
        "--rootdir",
        str(tmp_path),
        "-c",
        "none.ini",
        "-p",
        "no:cacheprovider",
        "--junitxml=report.xml",
    )
    (tmp_path / "none.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", *lanes.PARALLEL, "-n", "2", *options]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=True)
    report = ElementTree.parse(tmp_path / "report.xml").getroot()
    workers: dict[str, set[str]] = {}
    for case in report.iter("testcase"):
        [seen] = case.iter("property")
        workers.setdefault(case.attrib["classname"], set()).add(seen.attrib["value"])
    assert {len(of_file) for of_file in workers.values()} == {1}
    assert len(workers) == 4
    assert set().union(*workers.values()) == {"gw0", "gw1"}


def test_files_that_start_the_same_spark_are_one_group() -> None:
    """By their text, as no lane of `make test` collects all of them; the offline lane has one worker."""
    using = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if path != Path(__file__) and selection.STARTS_SPARK in path.read_text(encoding="utf-8")
    }
    assert {path for path in using if not selection.lies_in(path, (selection.OFFLINE,))} == set(
        selection.USE_SPARK_LAB
    )
    groups = {selection.group_of(f"{path}::test") for path in selection.USE_SPARK_LAB}
    assert groups == {selection.STARTS_SPARK}


def test_files_that_share_a_hub_are_one_group() -> None:
    files = [
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / selection.SHARE_A_HUB).rglob("test_*.py")
    ]
    assert len(files) > 1
    assert {selection.group_of(f"{path}::test") for path in files} == {selection.SHARE_A_HUB}
    assert selection.group_of(f"{selection.SHARE_A_HUB}_of_others/test_a.py::test") != selection.SHARE_A_HUB


@pytest.mark.parametrize(
    "place",
    [*selection.QUICK, *selection.FIRST, selection.OFFLINE, selection.SHARE_A_HUB, *selection.USE_SPARK_LAB],
)
def test_places_of_the_selection_exist(place: str) -> None:
    assert selection.exists(place)


@pytest.mark.parametrize("name", [lane.name for run in ALL.values() for lane in run])
def test_every_lane_is_explained(name: str) -> None:
    assert f"| `{name}` |" in GUIDE


def test_no_other_lane_is_explained() -> None:
    table = GUIDE.partition("## Which lane proves what")[2]
    explained = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert explained == {lane.name for run in ALL.values() for lane in run}


def run(tmp_path: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> lanes.Result:
    monkeypatch.setattr(lanes, "REPORTS", tmp_path)
    file = tmp_path / f"test_{name.replace('-', '_')}.py"
    file.write_text(code)
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        f"--rootdir={tmp_path}",
        str(file),
    )
    return lanes.run_lane(lanes.Lane(name, command), {"PATH": "", "PYTEST_ADDOPTS": ""})


def test_summary_says_what_ran_passed_and_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = run(tmp_path, "good", "def test_a(): pass\ndef test_b(): pass\n", monkeypatch)
    code = "import pytest\ndef test_a(): assert 0\ndef test_b(): pass\ndef test_c(): pytest.skip('x')\n"
    bad = run(tmp_path, "bad", code, monkeypatch)
    program = lanes.run_lane(lanes.Lane("program", (sys.executable, "-c", "exit(3)")), {})
    assert good.counts() == {"ran": 2, "passed": 2, "failed": 0, "skipped": 0}
    assert bad.counts() == {"ran": 2, "passed": 1, "failed": 1, "skipped": 1}
    text = lanes.summary([good, bad, program])
    lines = text.splitlines()
    assert lines[1].split()[:5] == ["good", "2", "2", "0", "0"]
    assert lines[2].endswith("FAILED (exit status 1)")
    assert lines[3].split()[:5] == ["program", "-", "-", "-", "-"]
    assert lines[-1] == "failed: bad, program"
    assert lanes.summary([good]).splitlines()[-1] == "every lane passed"


def test_lane_that_does_not_exist_is_told_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lanes.main(["test", "nonsense"])
    assert "test has no lane nonsense; it has plain, browser" in capsys.readouterr().err
