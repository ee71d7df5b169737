"""From lean to full in a running session, with small stand-ins for packages that no index has for this Python.

The wheels are made here and answered in place of the server's: that the server keeps, fetches and verifies them is
tested in tests/packages.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page
from tests.support.wheels import put, wheel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


WHEELS = {
    "numpy": wheel("numpy", "2.4.6", "__version__ = '2.4.6'"),
    "pyarrow": wheel("pyarrow", "26.0.0", "__version__ = '26.0.0'"),
    "pandas": wheel("pandas", "3.0.2", "import numpy\n__version__ = '3.0.2'\nclass DataFrame: pass"),
    "tqdm": wheel("tqdm", "4.67", "answer = 'of the distribution'"),
}


class Mirror:
    """Answers for packages in the server's place; `kept`: those that are there."""

    def __init__(self, lab: LabPage, server: JupyterProcess) -> None:
        self.kept: set[str] = set()
        self.asked: list[str] = []
        self._server = server
        lab.context.route("**/pcw/runtime/*/pyodide/pyodide-lock.full.json", self._lock)
        lab.context.route("**/pcw/runtime/*/pyodide/*-py3-none-any.test.whl", self._file)

    def _lock(self, route: Route) -> None:
        with urllib.request.urlopen(route.request.url, timeout=30) as response:
            lock: dict[str, Any] = json.load(response)
        for name, content in WHEELS.items():
            lock["packages"][name] |= {
                "file_name": f"{name}-py3-none-any.test.whl",
                "sha256": hashlib.sha256(content).hexdigest(),
                "depends": ["numpy"] if name == "pandas" else [],
                "imports": [name],
                "install_dir": "site",
                "package_type": "package",
            }
        route.fulfill(json=lock)

    def _file(self, route: Route) -> None:
        name = route.request.url.rpartition("/")[2].partition("-")[0]
        self.asked.append(name)
        if name in self.kept:
            route.fulfill(body=WHEELS[name], content_type="application/zip")
        else:
            message = (
                f"{name} is not kept on this server, and PcwExtension.packages_source is empty. "
                f"Run `jupyter pcw runtime fetch {name}` and try again."
            )
            route.fulfill(status=503, json={"message": message, "reason": "no-source"})


@pytest.fixture(scope="module")
def session(browser: Browser, sail_lab: JupyterProcess) -> Iterator[tuple[LabPage, Mirror]]:
    with lab_page(browser, sail_lab) as lab:
        mirror = Mirror(lab, sail_lab)
        lab.open().new_notebook()
        lab.run("spark.range(3).createOrReplaceTempView('kept')", 100).expect_ok()
        yield lab, mirror


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("spark.range(1).toPandas()", "pandas pyarrow"),
        ("spark.range(1).toArrow()", "pyarrow"),
    ],
)
def test_absent_package_is_named_with_the_command(
    session: tuple[LabPage, Mirror], code: str, names: str
) -> None:
    lab, mirror = session
    mirror.kept.clear()
    result = lab.run(code)
    error = result.error or ""
    assert error.startswith("PackageNotLoaded: ")
    # One command, also in the traceback.
    commands = re.findall(r"runtime fetch ([\w ]+)", str(result.outputs))
    assert set(commands) == {names}
    assert f"Run `jupyter pcw runtime fetch {names}` and try again" in error
    assert "is not kept on this server" in error
    assert lab.run("spark.table('kept').count()").expect_ok().text == "3"


def test_import_of_an_absent_package_is_an_import_error(session: tuple[LabPage, Mirror]) -> None:
    lab, mirror = session
    mirror.kept.clear()
    result = lab.run("try:\n    import pandas\nexcept ImportError as error:\n    print(error)")
    assert "Run `jupyter pcw runtime fetch pandas pyarrow`" in result.text


def test_import_of_any_absent_package_gives_the_servers_reason(session: tuple[LabPage, Mirror]) -> None:
    lab, _ = session
    lab.context.route(
        "**/pcw/runtime/*/pyodide/*.whl",
        lambda route: route.fulfill(status=503, json={"message": "Run `jupyter pcw runtime fetch it`."}),
    )
    assert "Run `jupyter pcw runtime fetch it`" in (lab.run("import sklearn").error or "")
    lab.context.unroute("**/pcw/runtime/*/pyodide/*.whl")
    assert lab.run("import nobody_has_it").error == "ModuleNotFoundError: No module named 'nobody_has_it'"


def test_plot_says_what_it_lacks_before_it_asks_spark(
    session: tuple[LabPage, Mirror], sail_lab: JupyterProcess
) -> None:
    lab, mirror = session
    mirror.kept.clear()
    plot = "spark.table('nowhere').plot.bar(x='id', y='id')"
    error = lab.run(plot).error or ""
    assert error.startswith("PackageNotLoaded: DataFrame.plot needs plotly")
    assert "Run `pip download plotly`" in error
    file = sail_lab.root / "plotly-7.1.0-py3-none-any.whl"
    file.write_bytes(wheel("plotly", "7.1.0", "__version__ = '7.1.0'"))
    lab.run(f"%pip install emfs:{file.name}").expect_ok()
    file.unlink()
    error = lab.run(plot).error or ""
    assert error.startswith("PackageNotLoaded: DataFrame.plot needs pandas and pyarrow")
    assert "Run `jupyter pcw runtime fetch pandas pyarrow` and try again" in error


def test_pip_install_of_an_absent_package_says_why(session: tuple[LabPage, Mirror]) -> None:
    lab, mirror = session
    mirror.kept.clear()
    error = lab.run("%pip install pandas").error or ""
    assert "numpy is not kept on this server" in error
    assert "Run `jupyter pcw runtime fetch numpy`" in error
    error = lab.run("%pip install nobody-has-it").error or ""
    assert error.startswith(
        "PackageFileError: This server has no wheel of nobody-has-it, and asks no other index"
    )
    assert "`%pip install emfs:FILE.whl`" in error


def test_every_pip_command_is_counted_as_a_cell(session: tuple[LabPage, Mirror]) -> None:
    lab, _ = session
    for command, shown in (
        ("list", "pyspark "),
        ("", "%pip install NAME"),
        ("uninstall nobody-has-it", "is not installed"),
    ):
        assert shown in lab.run(f"%pip {command}").expect_ok().text
    [output] = (result := lab.run("'counted'")).outputs
    assert output["execution_count"] == result.count


def test_wheel_in_the_notebooks_folder_is_installed(
    session: tuple[LabPage, Mirror], sail_lab: JupyterProcess
) -> None:
    lab, _ = session
    file = sail_lab.root / "carried-1.0-py3-none-any.whl"
    file.write_bytes(wheel("carried", "1.0", "answer = 42"))
    lab.run(f"%pip install emfs:{file.name}").expect_ok()
    assert lab.run("import carried; carried.answer").expect_ok().text == "42"
    file.unlink()


def test_pandas_frame_without_pyarrow_is_told_with_the_command(session: tuple[LabPage, Mirror]) -> None:
    lab, mirror = session
    mirror.kept.update(["numpy", "pandas"])
    lab.run("import pandas").expect_ok()
    result = lab.run("spark.createDataFrame(pandas.DataFrame())")
    error = result.error or ""
    assert error.startswith("PackageNotLoaded: "), result
    assert "Run `jupyter pcw runtime fetch pyarrow` and try again" in error
    assert lab.run("spark.table('kept').count()").expect_ok().text == "3"


def test_package_that_has_come_loads_in_the_same_session(session: tuple[LabPage, Mirror]) -> None:
    lab, mirror = session
    mirror.kept.update(WHEELS)
    loaded = lab.run("import pandas, numpy\npandas.__version__, numpy.__version__").expect_ok()
    assert loaded.text == "('3.0.2', '2.4.6')"
    assert lab.run("spark.table('kept').count()").expect_ok().text == "3"
    assert lab.run("spark.createDataFrame([(1,)], ['a']).collect()").expect_ok().text == "[Row(a=1)]"


def test_pip_install_takes_a_package_and_what_it_needs_from_the_servers_index(
    session: tuple[LabPage, Mirror], sail_lab: JupyterProcess
) -> None:
    lab, _ = session
    put(
        sail_lab.state,
        "shared_lib",
        "1.0",
        "import helper_lib\nanswer = helper_lib.answer",
        "Requires-Dist: Helper_Lib>=1",
    )
    put(sail_lab.state, "helper_lib", "1.5", "answer = 42", "Requires-Dist: shared-lib")
    lab.run("%pip install shared-lib").expect_ok()
    assert lab.run("import shared_lib; shared_lib.answer").expect_ok().text == "42"
    assert "Version: 1.0" in lab.run("%pip show shared-lib").expect_ok().text
    put(sail_lab.state, "shared_lib", "2.0", "answer = 43")
    lab.run("%pip install --upgrade shared-lib").expect_ok()
    assert "Version: 2.0" in lab.run("%pip show shared-lib").expect_ok().text
    assert "Removed shared-lib" in lab.run("%pip uninstall -y shared-lib").expect_ok().text
    assert "is not installed" in lab.run("%pip show shared-lib").expect_ok().text


def test_nothing_is_installed_when_a_dependency_cannot_be_had(
    session: tuple[LabPage, Mirror], sail_lab: JupyterProcess
) -> None:
    lab, _ = session
    put(sail_lab.state, "half_lib", "1.0", "", "Requires-Dist: nobody-has-that")
    error = lab.run("%pip install half-lib").error or ""
    assert "no wheel of nobody-has-that" in error
    assert "is not installed" in lab.run("%pip show half-lib").expect_ok().text
    file = sail_lab.root / "requirements.txt"
    file.write_text("half-lib==3.0  # none\n")
    error = lab.run("%pip install -r requirements.txt").error or ""
    assert "half-lib==3.0 cannot be installed: the versions with a wheel for this kernel are 1.0" in error
    file.unlink()


def test_index_gives_what_the_distribution_cannot(
    session: tuple[LabPage, Mirror], sail_lab: JupyterProcess
) -> None:
    lab, mirror = session
    mirror.kept.clear()
    assert "tqdm is not kept on this server" in (lab.run("%pip install tqdm").error or "")
    put(sail_lab.state, "tqdm", "99.0", "answer = 'of the index'")
    lab.run("%pip install tqdm").expect_ok()
    assert lab.run("import tqdm; tqdm.answer").expect_ok().text == "'of the index'"


def test_micropip_asks_the_servers_index_too(
    session: tuple[LabPage, Mirror], sail_lab: JupyterProcess
) -> None:
    lab, _ = session
    put(sail_lab.state, "micro_lib", "1.0", "answer = 44")
    lab.run("import micropip\nawait micropip.install('micro-lib')").expect_ok()
    assert lab.run("import micro_lib; micro_lib.answer").expect_ok().text == "44"
