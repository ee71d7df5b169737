"""The workflows: they can be read, and name what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import REPOSITORY
from tests.versions.ranges import project

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
TARGETS = set(
    re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)


def read(path: Path) -> dict[str, Any]:
    """A workflow; YAML takes its key `on` for a truth value."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    found["on"] = found.pop(True)
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of all jobs."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_workflows_for_tests_documentation_releases_and_what_is_to_come() -> None:
    assert [path.stem for path in WORKFLOWS] == ["docs", "next", "publish", "tests"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_may_do_as_little_as_it_can_and_names_versions(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        if needed := job.get("needs"):
            assert needed in workflow["jobs"]
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step), step
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@(v\d+|release/v\d+)", step["uses"]), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_runs_targets_of_the_makefile(path: Path) -> None:
    commands = "\n".join(step["run"] for step in steps(read(path)) if "run" in step)
    named = re.findall(r"\bmake ([a-z-]+)", commands)
    assert set(named) <= TARGETS
    assert named or path.stem == "publish"


def test_tests_run_on_every_python_that_the_package_claims() -> None:
    matrix = read(REPOSITORY / ".github/workflows/tests.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: "
    claimed = [
        one.removeprefix(prefix)
        for one in project()["project"]["classifiers"]
        if re.fullmatch(rf"{prefix}3\.\d+", one)
    ]
    assert matrix == claimed
    assert project()["project"]["requires-python"] == f">={claimed[0]}"


def test_only_the_job_that_publishes_may_identify_itself_to_pypi() -> None:
    jobs = read(REPOSITORY / ".github/workflows/publish.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"]["name"] == "pypi"
    assert "permissions" not in jobs["build"]
    # it runs nothing of the repository
    assert all("uses" in step for step in jobs["publish"]["steps"])
