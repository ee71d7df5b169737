"""`jupyter pcw check --browser` on a real site with a real endpoint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.site.site_page import BuildSite
from tests.support.jupyter import JupyterProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def check(
    site: Path | str, token: str, *arguments: str, jupyter_token: str = ""
) -> tuple[int, dict[str, dict[str, str]], str]:
    looked = () if "--notebooks" in arguments else ("--browser",)
    # a browser needs Playwright, which the tests' own environment has and an installed wheel does not bring
    done = subprocess.run(
        [sys.executable, "-m", "pcw_server_ext.cli.main", "check", site, "--json", *looked, *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "PCW_TOKEN": token, "JUPYTER_TOKEN": jupyter_token},
    )
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    return done.returncode, found, done.stdout + done.stderr


def test_kernel_is_started_and_a_query_run(build_site: BuildSite, hub: JupyterProcess) -> None:
    code, found, printed = check(
        build_site("github-pages"), hub.token, "--endpoint", f"{hub.url}pcw/grpc/default"
    )
    assert code == 0, printed
    for name in ("page isolation", "kernel", "files", "query"):
        assert found[name]["status"] == "ok", found[name]
    assert hub.token not in printed


def test_staged_site_is_checked_where_it_is(
    build_site: BuildSite, pcw: Callable[..., str], hub: JupyterProcess
) -> None:
    pcw(
        *("stage", build_site("jupyter"), "--trust", "--server", hub.url, "--name", "checked"),
        environment={"JUPYTER_TOKEN": hub.token},
    )
    code, found, printed = check(f"{hub.url}pcw/sites/checked/", "", jupyter_token=hub.token)
    assert code == 0, printed
    for name in ("page isolation", "kernel", "files", "query"):
        assert found[name]["status"] == "ok", found[name]
    assert hub.token not in printed


def write_notebook(folder: Path, name: str, *cells: tuple[str, list[dict[str, object]]]) -> None:
    """A notebook of code cells with their outputs, for the kernel of the sites."""
    content = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell{number}",
                "metadata": {},
                "outputs": outputs,
                "source": source,
            }
            for number, (source, outputs) in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "pyspark_browser", "display_name": "PySpark (browser)"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_notebooks_are_run_and_a_broken_one_is_named(tmp_path: Path, hub: JupyterProcess) -> None:
    printed = [{"output_type": "stream", "name": "stdout", "text": ["45\n"]}]
    files = tmp_path / "lite" / "files"
    write_notebook(
        *(files, "first.ipynb"),
        ("print(spark.range(10).groupBy().sum().collect()[0][0])", printed),
        ("open('made.txt', 'w').write('x')", []),
    )
    write_notebook(
        *(files, "second/broken.ipynb"),
        ("total = 45", []),
        ("print(total / 0)", printed),
        ("print('never')", []),
    )
    endpoint = f"{hub.url}pcw/grpc/default"
    build = [sys.executable, "-m", "pcw_server_ext.cli.main", "build", "--lite-dir", tmp_path / "lite"]
    built = subprocess.run(
        [*build, "--host", "netlify", "--apps", "lab", "--check-notebooks", "--check-endpoint", endpoint],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**os.environ, "PCW_TOKEN": hub.token},
    )
    assert built.returncode == 1, built.stdout + built.stderr
    assert "notebook first.ipynb: 2 cells ran in" in built.stdout
    assert "FAILED  notebook second/broken.ipynb: cell 2 (print(total / 0)) after" in built.stdout
    assert "ZeroDivisionError: division by zero" in built.stdout
    assert "Do not deploy" in built.stderr
    assert "Try it" not in built.stdout
    assert hub.token not in built.stdout + built.stderr

    site = tmp_path / "lite" / "_output"
    code, found, text = check(
        *(site, hub.token, "--endpoint", endpoint, "--notebooks", "--compare-outputs"),
        *("--junit", str(tmp_path / "report.xml"), "--screenshots", str(tmp_path / "pictures")),
    )
    assert code == 1
    assert found["notebook first.ipynb"]["status"] == "failed"
    assert "cell 2" in found["notebook first.ipynb"]["text"]
    assert "has 1 lines now, and was saved with 0; new: '1'" in found["notebook first.ipynb"]["text"]
    assert "cell 2" in found["notebook second/broken.ipynb"]["text"]
    cells = json.loads(text)["notebooks"][1]["cells"]
    assert [cell["status"] for cell in cells] == ["passed", "failed", "not run"]
    assert "total / 0" in cells[1]["details"]
    assert (tmp_path / "report.xml").read_text().count("<failure") == 2
    for picture in ("first.png", "second_broken.png"):
        assert (tmp_path / "pictures" / picture).read_bytes().startswith(b"\x89PNG")
    assert hub.token not in text

    # as CI checks one notebook of a folder
    code, found, text = check(site, hub.token, "--endpoint", endpoint, "--notebooks", "--only", "fir*")
    assert code == 0, text
    assert found["notebook first.ipynb"]["status"] == "ok"


def test_query_that_fails_is_told_without_the_token(build_site: BuildSite, hub: JupyterProcess) -> None:
    wrong = "WRONG" + hub.token[5:]
    code, found, printed = check(
        build_site("github-pages"), wrong, "--endpoint", f"{hub.url}pcw/grpc/default"
    )
    assert code == 1
    assert found["token"]["status"] == "failed"
    assert found["query"]["status"] == "failed"
    assert wrong not in printed


def test_host_without_headers_is_seen_by_the_browser_too(build_site: BuildSite) -> None:
    code, found, _ = check(build_site("netlify"), "", "--host", "static")
    assert code == 1
    assert found["page isolation"]["status"] == "failed"
    assert "jupyter pcw check" in found["page isolation"]["text"]


@pytest.mark.parametrize("apps", ["notebooks,tree", pytest.param("repl,edit", marks=pytest.mark.nightly)])
def test_site_without_the_lab_is_opened_where_it_can_be(build_site: BuildSite, apps: str) -> None:
    code, found, printed = check(build_site("netlify", "--apps", apps), "")
    assert code == 0, printed
    for name in ("page isolation", "kernel", "files"):
        assert found[name]["status"] == "ok", found[name]


def test_site_whose_application_is_not_there_is_told_in_seconds(
    build_site: BuildSite, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    source = build_site("netlify", "--apps", "notebooks,tree")
    shutil.copytree(source, site, copy_function=lambda one, two: Path(two).hardlink_to(one))
    shutil.rmtree(site / "build")
    begun = time.monotonic()
    code, found, _ = check(site, "")
    assert time.monotonic() - begun < 60
    assert code == 1
    assert "all of build/ is missing" in found["deployed files"]["text"]
    assert "/build/" in found["browser"]["text"]
    assert "Deploy the whole folder" in found["browser"]["fix"]
