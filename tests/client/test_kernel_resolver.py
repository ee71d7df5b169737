"""What `%pip install` would install, and what it says where it cannot."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark_connect_web.errors import NotInstalled, PackageFileError
from pyspark_connect_web.kernel.packages import pip
from pyspark_connect_web.kernel.packages.resolver import resolve

LOCK = {"locked": {"version": "2.0", "depends": []}}


class Index:
    """Projects with their versions and what each needs."""

    def __init__(self, projects: Mapping[str, Mapping[str, list[str]]]) -> None:
        self.projects = {name: dict(versions) for name, versions in projects.items()}
        self.more: dict[str, dict[str, Any]] = {}
        self.unusable: dict[str, list[str]] = {}
        self.asked: list[str] = []

    def project(self, name: str) -> Mapping[str, Any]:
        self.asked.append(name)
        if name not in self.projects:
            raise PackageFileError(f"the server has no {name}")
        files = [
            {"filename": f"{name.replace('-', '_')}-{version}-py3-none-any.whl"}
            for version in self.projects[name]
        ]
        for file in files:
            file |= {"url": f"http://host/{file['filename']}", **self.more.get(file["filename"], {})}
        return {"files": files, "_unusable": self.unusable.get(name, [])}

    def metadata(self, address: str) -> str:
        name, version = address.rpartition("/")[2].removeprefix("emfs:").split("-")[:2]
        needs = self.projects[name.replace("_", "-")][version]
        return "\n".join(["Metadata-Version: 2.1", *(f"Requires-Dist: {need}" for need in needs), "", "text"])


def chosen(index: Index, *requirements: str, **options: bool) -> list[str]:
    plan = resolve(requirements, LOCK, index, **options)
    return [address.rpartition("/")[2].removesuffix("-py3-none-any.whl") for address in plan.wheels.values()]


def test_newest_version_that_is_allowed_is_chosen() -> None:
    index = Index({"a": {"2.0rc1": [], "1.10": [], "1.9": []}})
    assert chosen(index, "A") == ["a-1.10"]
    assert chosen(index, "a<1.10") == ["a-1.9"]
    assert chosen(index, "a==2.0rc1") == ["a-2.0rc1"]
    assert chosen(index, "a", pre=True) == ["a-2.0rc1"]


def test_withdrawn_version_and_one_for_another_python_are_left_out() -> None:
    index = Index({"a": {"3": [], "2": [], "1": []}})
    index.more["a-3-py3-none-any.whl"] = {"requires-python": f"!={platform.python_version()}"}
    index.more["a-2-py3-none-any.whl"] = {"yanked": "broken"}
    assert chosen(index, "a") == ["a-1"]
    assert chosen(index, "a==2") == ["a-2"]


def test_closure_has_extras_markers_any_spelling_and_ends_in_a_circle() -> None:
    index = Index(
        {
            "a": {"1": ["B.C>=1", 'x; extra == "More"', 'never; python_version < "3"', "Locked"]},
            "b-c": {"1": ["a[more]"]},
            "x": {"1": []},
        }
    )
    plan = resolve(["a"], LOCK, index)
    assert (sorted(plan.wheels), plan.distribution) == (["a", "b-c", "x"], ["locked"])
    assert chosen(index, "a", deps=False) == ["a-1"]


def test_what_is_installed_is_enough_unless_it_shall_be_newer() -> None:
    index = Index({"pytest": {"999": []}, "a": {"1": ["pytest"]}})
    assert chosen(index, "a", "pytest") == ["a-1"]
    plan = resolve(["pytest"], LOCK, index, upgrade=True)
    assert (list(plan.wheels), plan.replaced) == (["pytest"], ["pytest"])
    # what was not named is left as it is
    assert chosen(index, "a", upgrade=True) == ["a-1"]


def test_version_that_the_distribution_lacks_comes_from_the_index() -> None:
    index = Index({"locked": {"3.0": []}})
    assert resolve(["locked"], LOCK, index).distribution == ["locked"]
    assert chosen(index, "locked>=3") == ["locked-3.0"]


def test_wheel_of_the_folder_brings_what_it_needs() -> None:
    index = Index({"mine": {"1.0": ["a"]}, "a": {"1": []}})
    plan = resolve(["emfs:mine-1.0-py3-none-any.whl"], LOCK, index)
    assert plan.wheels == {"mine": "emfs:mine-1.0-py3-none-any.whl", "a": "http://host/a-1-py3-none-any.whl"}


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        (["a", "b"], r"b 1 needs c<2, and a 1 needs c in another version \(2 was chosen\)"),
        (["c==7"], "c==7 cannot be installed: the versions with a wheel for this kernel are 2, 1"),
        (
            ["native"],
            r"native has no wheel that this kernel can use: there is cp314-cp314-linux\. It can use pure",
        ),
        (["needs-native"], "native, which needs-native 1 needs, has no wheel"),
        (["no name!"], "is neither the name of a package"),
        (["emfs:short.whl"], "is neither the name of a package"),
        (["a @ http://elsewhere/a-1-py3-none-any.whl"], "names an address: `%pip install a` asks"),
    ],
)
def test_what_cannot_be_installed_is_said(requirements: list[str], said: str) -> None:
    index = Index(
        {
            "a": {"1": ["c"]},
            "b": {"1": ["c<2"]},
            "c": {"2": [], "1": []},
            "native": {},
            "needs-native": {"1": ["native"]},
        }
    )
    index.unusable["native"] = ["there is cp314-cp314-linux"]
    with pytest.raises(NotInstalled, match=said):
        resolve(requirements, LOCK, index)


def test_dependency_that_cannot_be_had_is_the_servers_error() -> None:
    with pytest.raises(PackageFileError, match="the server has no gone"):
        resolve(["a"], LOCK, Index({"a": {"1": ["gone"]}}))


def test_requirements_files_are_read_with_those_that_they_name(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("b[x]>=1\n")
    file = tmp_path / "requirements.txt"
    file.write_text("# packages\na==1  # why\n\n-r more.txt\n")
    assert pip._requirements_of(file) == ["a==1", "b[x]>=1"]
    file.write_text("--index-url https://elsewhere/\n")
    with pytest.raises(NotInstalled, match="line 1: '--index-url https://elsewhere/' cannot be used"):
        pip._requirements_of(file)
    with pytest.raises(NotInstalled, match=r"absent\.txt cannot be read"):
        pip._requirements_of(tmp_path / "absent.txt")
    file.write_text(f"-r {file}\n")
    with pytest.raises(NotInstalled, match="cannot be used"):
        pip._requirements_of(file)
    assert pip._requirements_files(["install", "-r", "x", "a", "--requirement=y"]) == (
        ["install", "a"],
        ["x", "y"],
    )


def test_index_is_asked_for_what_pyodides_distribution_cannot_give() -> None:
    class Server(Index):
        """Has the file of no package of the distribution."""

        def loaded(self) -> set[str]:
            return set()

        def get(self, name: str) -> str:
            raise PackageFileError(f"{name} could not be fetched")

        def wheel(self, address: str) -> None:
            self.asked.append(address)

    lock = {"locked": {"version": "2.0", "depends": [], "file_name": "locked.whl"}}
    server = Server({"locked": {"3.0": []}})
    _, absent = pip._resolved(["locked"], lock, lock, server, {})
    assert str(absent) == "locked.whl could not be fetched"
    plan, absent = pip._resolved(["locked"], lock, {}, server, {})
    assert (plan.distribution, list(plan.wheels), absent) == ([], ["locked"], None)
