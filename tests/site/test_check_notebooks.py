"""Notebooks of a site that are run: what counts as a difference, what is told, and the forms of the report.

The browser itself is in tests/browser/site/test_check.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pcw_server_ext.cli import site as site_commands
from pcw_server_ext.cli.main import main
from pcw_server_ext.errors import SiteError
from pcw_server_ext.site.builder.build import BuildRequest, build
from pcw_server_ext.site.check import browser, notebooks
from pcw_server_ext.site.check.findings import Finding, as_json
from pcw_server_ext.site.check.junit import as_junit
from pcw_server_ext.site.check.notebooks import RunOptions, check_notebooks
from pcw_server_ext.site.check.outputs import difference, error_in
from pcw_server_ext.site.check.runs import CellRun, NotebookRun
from pcw_server_ext.site.check.source import Reply, open_source
from pcw_server_ext.site.settings import SiteSettings
from tests.support.jupyter import free_port


def stream(text: str | list[str], name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def result(text: str | list[str], **more: str) -> dict[str, Any]:
    return {"output_type": "execute_result", "data": {"text/plain": text, **more}, "metadata": {}}


def error(name: str, value: str, *traceback: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": list(traceback)}


@pytest.mark.parametrize(
    ("saved", "now"),
    [
        ([], []),
        ([stream("a\nb\n")], [stream("a\n"), stream("b\n")]),
        ([stream(["a\n", "b\n"])], [stream("a\nb\n")]),
        ([stream("a\n"), result("1")], [stream("a\n"), stream("took 3 s\n", "stderr"), result("1")]),
        ([result("<object at 0x7f3b2c001d90>")], [result("<object at 0x55aa01020304>")]),
        ([result("1", **{"text/html": "<b>1</b>"})], [result("1")]),
        ([stream("\x1b[31mred\x1b[0m  \n")], [stream("red\n")]),
        ([error("ValueError", "one", "here")], [error("ValueError", "two", "there")]),
    ],
)
def test_outputs_that_read_the_same_do_not_differ(saved: list[Any], now: list[Any]) -> None:
    assert difference(saved, now) == ""


@pytest.mark.parametrize(
    ("saved", "now", "said"),
    [
        (
            [stream("a\nb\n")],
            [stream("a\nc\n")],
            "line 2 of its output was saved as 'b' and is 'c' now",
        ),
        (
            [result("1")],
            [result("1"), stream("more\n")],
            "its output has 2 lines now, and was saved with 1; new: 'more'",
        ),
        ([result("1")], [], "its output has 0 lines now, and was saved with 1; gone: '1'"),
        (
            [result("1")],
            [error("ValueError", "no")],
            "line 1 of its output was saved as '1' and is 'ValueError' now",
        ),
        (
            [result("x" * 300)],
            [result("y")],
            f"line 1 of its output was saved as '{'x' * 99}…' and is 'y' now",
        ),
    ],
)
def test_difference_shows_the_first_line_that_differs(saved: list[Any], now: list[Any], said: str) -> None:
    assert difference(saved, now) == said


def test_error_is_told_without_colours() -> None:
    outputs = [
        stream("before\n"),
        error("ZeroDivisionError", "division by zero\nmore", "\x1b[31mTrace\x1b[0m", "end"),
    ]
    assert error_in(outputs) == ("ZeroDivisionError: division by zero", "Trace\nend")
    assert error_in([error("KeyboardInterrupt", "")]) == ("KeyboardInterrupt", "KeyboardInterrupt: ")
    assert error_in(outputs[:1]) is None


RUNS = [
    NotebookRun("sound.ipynb", 1.5, (CellRun(2, "1 + 1", "passed", 1.5), CellRun(3, "later()", "skipped"))),
    NotebookRun(
        "sub/broken.ipynb",
        0.25,
        (
            CellRun(1, "bad <b>", "failed", 0.25, "ValueError: \x00\x1b no", "Traceback\x08"),
            CellRun(2, "next", "not run"),
        ),
    ),
    NotebookRun("shut.ipynb", problem="its kernel did not start", fix="Start it."),
]


def test_junit_has_a_suite_for_each_notebook_and_a_case_for_each_cell() -> None:
    root = ElementTree.fromstring(as_junit(RUNS))
    told = [
        (
            suite.get("name"),
            suite.get("tests"),
            suite.get("failures"),
            suite.get("errors"),
            suite.get("skipped"),
        )
        for suite in root
    ]
    assert told == [
        ("sound.ipynb", "2", "0", "0", "1"),
        ("sub/broken.ipynb", "2", "1", "0", "1"),
        ("shut.ipynb", "1", "0", "1", "0"),
    ]
    (failure,) = root.iter("failure")
    # control characters have no form in XML
    assert (failure.get("message"), failure.text) == ("ValueError: \ufffd\ufffd no", "Traceback\ufffd")
    assert [case.get("name") for case in root.iter("testcase")][2] == "cell 1: bad <b>"


def test_json_has_every_cell() -> None:
    report = json.loads(as_json("site", [], RUNS))
    assert [run["passed"] for run in report["notebooks"]] == [True, False, False]
    assert report["notebooks"][0]["cells"][0] == {
        "number": 2,
        "source": "1 + 1",
        "status": "passed",
        "seconds": 1.5,
        "problem": "",
        "details": "",
    }
    assert "notebooks" not in json.loads(as_json("site", []))


class Files:
    """A site of a few files."""

    origin = ""

    def __init__(self, **files: dict[str, Any]) -> None:
        self.files = {f"pcw-{name}.json": json.dumps(content).encode() for name, content in files.items()}

    def get(self, path: str, *, body: bool = True) -> Reply:
        content = self.files.get(path)
        return Reply(404, {}) if content is None else Reply(200, {}, content)


LISTED = {
    "format": 1,
    "files": {"files/a.ipynb": [1, "x"], "files/b/c.ipynb": [1, "x"], "files/d.txt": [1, "x"]},
}


@pytest.mark.parametrize(
    ("site", "only", "status", "said"),
    [
        (Files(), [], "failed", "there is no pcw-files.json"),
        (Files(files={"format": 1, "files": {}}), [], "note", "the site has none"),
        (
            Files(files=LISTED),
            ["x*"],
            "failed",
            "none of the site's 2 notebooks is meant by --only x* | Name some of: a.ipynb, b/c.ipynb",
        ),
        (
            Files(files=LISTED, site={"format": 1, "apps": ["repl/index.html"]}),
            [],
            "failed",
            "no application that opens notebooks | Build it with --apps lab",
        ),
    ],
)
def test_what_cannot_be_run_is_told_before_a_browser_starts(
    site: Files, only: list[str], status: str, said: str
) -> None:
    (found,) = check_notebooks(site, RunOptions(only=only)).findings
    assert found.status == status
    for part in said.split(" | "):
        assert part in f"{found.text}\n{found.fix}"


@pytest.mark.parametrize("option", ["--compare-outputs", "--only=a", "--junit=x.xml", "--screenshots=x"])
def test_options_of_notebooks_want_notebooks(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path), option]) == 2
    assert (
        f"{option.partition('=')[0]} is about notebooks that run: add --notebooks." in capsys.readouterr().err
    )


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "soon"])
def test_time_of_a_cell_is_a_number_of_seconds(
    value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path), "--notebooks", f"--cell-timeout={value}"])
    assert ended.value.code == 2
    assert "--cell-timeout" in capsys.readouterr().err


def saved(**cells: Any) -> Files:
    site = Files()
    site.files["files/a.ipynb"] = json.dumps(cells).encode()
    return site


@pytest.mark.parametrize(
    ("site", "said"),
    [
        (Files(), "its saved outputs cannot be read: files/a.ipynb answers 404"),
        (saved(worksheets=[]), "no notebook of nbformat 4"),
        (saved(cells=[{"cell_type": "code"}]), "no notebook of nbformat 4"),
        (saved(cells=[{"cell_type": "code", "outputs": ["text"]}]), "no notebook of nbformat 4"),
        (saved(cells=3), "no notebook of nbformat 4"),
    ],
)
def test_notebook_that_cannot_be_compared_is_told(site: Files, said: str) -> None:
    with pytest.raises(SiteError, match=said):
        notebooks._saved_outputs(site, "a.ipynb")


def test_list_of_files_that_no_build_wrote_is_a_finding() -> None:
    (found,) = check_notebooks(Files(files={"format": 99}), RunOptions()).findings
    assert (found.status, found.name) == ("failed", "notebooks")
    assert "pcw-files.json is not what a build writes" in found.text


def test_folder_for_pictures_that_cannot_be_made_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = RunOptions(screenshots=tmp_path / "file" / "pictures")
    (found,) = check_notebooks(Files(files=LISTED), options).findings
    assert found.status == "failed"
    assert "cannot be made for pictures" in found.text
    assert "--screenshots" in found.fix


def test_report_that_cannot_be_written_loses_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    ran = notebooks.NotebookCheck([Finding("notebook a.ipynb", "ok", "1 cells ran")], RUNS)
    monkeypatch.setattr(notebooks, "check_notebooks", lambda source, options: ran)
    findings, runs = site_commands._run_notebooks(Files(), RunOptions(), tmp_path / "file" / "x.xml")
    assert [finding.name for finding in findings] == ["notebook a.ipynb", "report"]
    assert "x.xml cannot be written" in findings[1].text
    assert runs == RUNS


def test_pictures_of_two_notebooks_are_two_files(tmp_path: Path) -> None:
    paths = ["a b.ipynb", "a/b.ipynb", "a_b.ipynb", "../../x.ipynb", "n" * 300 + ".ipynb"]
    files = notebooks._pictures(paths, tmp_path)
    assert len(set(files.values())) == len(paths)
    assert {file.parent for file in files.values()} == {tmp_path}
    assert max(len(file.name) for file in files.values()) < 120


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "Page.goto: net::ERR_FAILED at http://h:1/pcw/sites/x/lab/index.html?token=SECRET&path=a",
            "Page.goto: net::ERR_FAILED at http://h:1/pcw/sites/x/lab/index.html",
        ),
        ('"http://h/a?token=SECRET" and https://h/b', '"http://h/a" and https://h/b'),
        ("is it so? yes", "is it so? yes"),
    ],
)
def test_addresses_are_told_without_their_query(text: str, shown: str) -> None:
    assert browser.without_query(text) == shown


def test_folder_is_served_at_the_port_that_is_asked_for(tmp_path: Path) -> None:
    build(BuildRequest(tmp_path / "lite", tmp_path / "site", SiteSettings(host="netlify"), apps=["repl"]))
    port = free_port()
    source = open_source(str(tmp_path / "site"), port=port)
    with browser._served(source) as url:
        assert url == f"http://127.0.0.1:{port}/"
        taken = f"Port {port} is in use by another program. Choose another one, --port 0 takes any free one"
        with pytest.raises(SiteError, match=taken), browser._served(source):
            pass
