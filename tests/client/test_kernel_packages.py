"""From lean to full: which files are asked for, and what a person is told when there are none."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from pyspark_connect_web.errors import PackageFileError, PackageNotLoaded
from pyspark_connect_web.kernel.packages import loader as packages
from pyspark_connect_web.kernel.packages import pip
from pyspark_connect_web.kernel.packages.loader import HINT, closure, load
from pyspark_connect_web.kernel.packages.pip import installable
from pyspark_connect_web.kernel.packages.pyodide_files import PyodideFiles, _reason
from pyspark_connect_web.lean import full

LOCK: dict[str, dict[str, Any]] = {
    "numpy": {"file_name": "numpy.whl", "depends": [], "imports": ["numpy"]},
    "six": {"file_name": "six.whl", "depends": [], "imports": ["six"]},
    "python-dateutil": {"file_name": "dateutil.whl", "depends": ["six"], "imports": ["dateutil"]},
    "pandas": {"file_name": "pandas.whl", "depends": ["numpy", "python-dateutil"], "imports": ["pandas"]},
}


class Server:
    """Holds the files that are not in `absent`."""

    def __init__(self, absent: tuple[str, ...] = (), loaded: tuple[str, ...] = ("six",)) -> None:
        self.absent = absent
        self.has = set(loaded)
        self.asked: list[str] = []
        self.installed: list[str] = []

    def get(self, name: str) -> str:
        self.asked.append(name)
        if name in self.absent:
            raise PackageFileError(f"{name} is absent")
        return json.dumps({"packages": LOCK}) if name == packages.LOCK else ""

    def loaded(self) -> set[str]:
        return self.has

    def install(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self.installed += entries
        self.has |= set(entries)


def test_package_comes_with_what_it_needs_and_not_with_what_is_there() -> None:
    server = Server()
    load(["pandas", "numpy"], server)
    assert server.installed == ["numpy", "python-dateutil", "pandas"]
    assert server.asked == [packages.LOCK, "numpy.whl", "dateutil.whl", "pandas.whl"]
    load(["pandas"], server)
    assert len(server.installed) == 3


def test_nothing_is_installed_when_a_file_is_absent() -> None:
    server = Server(absent=("pandas.whl",))
    with pytest.raises(PackageFileError, match=r"pandas\.whl is absent"):
        load(["pandas"], server)
    assert server.installed == []


def test_package_that_the_distribution_lacks_is_said() -> None:
    with pytest.raises(PackageFileError, match="nonesuch is not part"):
        load(["nonesuch"], Server())


def test_list_that_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setattr(server, "get", lambda name: "<html>")
    with pytest.raises(PackageFileError, match="list of packages"):
        load(["pandas"], server)


def test_pip_install_loads_what_the_distribution_has_and_leaves_the_rest() -> None:
    server = Server()
    assert installable(["Pandas", "nonesuch", "emfs:six-1-py3-none-any.whl", "numpy>=2"], server) == [
        "nonesuch",
        "emfs:six-1-py3-none-any.whl",
        "numpy>=2",
    ]
    assert server.installed == ["numpy", "python-dateutil", "pandas"]


def test_pip_install_of_an_absent_package_says_why() -> None:
    server = Server(absent=("pandas.whl",))
    with pytest.raises(PackageFileError, match=r"pandas\.whl is absent"):
        installable(["pandas"], server)


def test_pip_install_on_a_site_without_packages_is_left_to_piplite() -> None:
    assert installable(["pandas"], Server(absent=(packages.LOCK,))) == ["pandas"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["list"], "pytest "),
        (["freeze"], "pytest=="),
        ([], "%pip install NAME"),
        (["download", "x"], "%pip download is not for this kernel"),
        (["show", "pytest"], "Name: pytest"),
        (["show", "nobody-has-it"], "`%pip install nobody-has-it` asks the Jupyter server"),
        (["uninstall", "-y", "nobody-has-it"], "nobody-has-it is not installed."),
    ],
)
def test_pip_is_a_statement_whatever_it_is_asked(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def parsed(arguments: list[str]) -> tuple[str | None, dict[str, Any]]:
        return "install", {"requirements": []}

    exec(asyncio.run(pip._transformed(arguments, parsed)))
    assert expected in capsys.readouterr().out


def test_pip_install_without_a_package_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    async def parsed(arguments: list[str]) -> tuple[str | None, dict[str, Any]]:
        return "install", {"requirements": arguments[1:], "pre": True}

    exec(asyncio.run(pip._transformed(["install"], parsed)))
    assert "%pip install NAME" in capsys.readouterr().out
    line = asyncio.run(pip._transformed(["install", "six"], parsed))
    assert line.startswith("await ")
    assert "install(**{'requirements': ['six'], 'pre': True})" in line


@pytest.mark.parametrize(
    ("name", "spelled", "key"),
    [
        ("jsonschema", "jsonschema_specifications", "jsonschema-specifications"),
        ("pydantic", "pydantic_core", "pydantic-core"),
        ("scikit-image", "lazy_loader", "lazy-loader"),
        ("demes", "ruamel.yaml", "ruamel-yaml"),
        ("cartopy-tests", "Cartopy", "cartopy"),
    ],
)
def test_dependencies_are_found_however_the_lock_spells_them(
    name: str, spelled: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOCK, name, {"file_name": f"{name}.whl", "depends": [spelled], "imports": []})
    monkeypatch.setitem(LOCK, key, {"file_name": f"{spelled}.whl", "depends": [], "imports": []})
    server = Server()
    assert installable([name], server) == []
    assert server.installed == [key, name]
    again = Server()
    load([spelled, name], again)
    assert again.installed == [key, name]


def test_what_pyodide_has_loaded_is_known_by_its_normalized_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a browser: the names are those of the lock's entries.
    pyodide = SimpleNamespace(
        lockfileBaseUrl="/pyodide/", loadedPackages={"pydantic_core": "default channel", "ruamel.yaml": ""}
    )
    monkeypatch.setitem(
        sys.modules, "js", cast(ModuleType, SimpleNamespace(Object=SimpleNamespace(keys=list)))
    )
    monkeypatch.setitem(sys.modules, "pyodide_js", cast(ModuleType, pyodide))
    assert PyodideFiles().loaded() == {"pydantic-core", "ruamel-yaml"}


def test_closure_survives_a_circle() -> None:
    lock = {"a": {"depends": ["b"]}, "b": {"depends": ["a"]}}
    assert closure(["a"], lock) == ["b", "a"]


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (
            503,
            '{"message": "numpy 2 is not kept on this server. Run `x`.", "reason": "no-source"}',
            "Run `x`",
        ),
        (403, '{"message": "Log in to the Jupyter server to load this package."}', "Log in"),
        (404, "<html>", "this site does not have it"),
        (502, "", "HTTP status 502"),
        (503, "[]", "HTTP status 503"),
    ],
)
def test_servers_own_words_are_the_reason(status: int, text: str, reason: str) -> None:
    assert reason in _reason(status, text)


def test_import_of_an_absent_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(names: tuple[str, ...]) -> None:
        raise PackageFileError("the server has no source")

    monkeypatch.setattr(full, "_loader", absent)
    monkeypatch.setattr(full, "_hint", HINT)
    monkeypatch.setattr(full, "is_available", lambda name: name == "numpy")
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    finder = full._LoadingFinder()
    monkeypatch.setattr(full, "_asked_by_user", lambda: True)
    with pytest.raises(PackageNotLoaded) as raised:
        finder.find_spec("pandas")
    assert "Run `jupyter pcw runtime fetch pandas pyarrow`" in str(raised.value)
    assert "the server has no source" in str(raised.value)
    assert isinstance(raised.value, ImportError)


def test_import_of_another_absent_package_gives_the_servers_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def absent(names: tuple[str, ...]) -> None:
        asked.append(names)
        raise PackageFileError(
            "scikit-learn could not be fetched. Run `jupyter pcw runtime fetch scikit-learn`"
        )

    monkeypatch.setattr(full, "_loader", absent)
    monkeypatch.setattr(full, "_package_of", {"sklearn": "scikit-learn"}.get)
    monkeypatch.setattr(full, "_asked_by_user", lambda: True)
    finder = full._LoadingFinder()
    with pytest.raises(ModuleNotFoundError, match="Run `jupyter pcw runtime fetch scikit-learn`") as raised:
        finder.find_spec("sklearn")
    assert raised.value.name == "sklearn"
    assert finder.find_spec("nobody_has_it") is None
    assert finder.find_spec("sklearn.tree") is None
    assert asked == [("scikit-learn",)]
