"""What is tested against which versions: the ranges, as the project states them, and the tests of each package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.paths import REPOSITORY

try:
    import tomllib
except ModuleNotFoundError:
    import pip._vendor.tomli as tomllib  # Python 3.10

#: Package to the tests that fail first when it is not what we take it for. In the order of the table.
CORE: Final[Mapping[str, tuple[str, ...]]] = {
    "jupyterlab": (
        # the labextension as this JupyterLab sees it, among others
        "tests/cli/test_doctor.py::test_installation_that_is_well",
        "tests/cli/test_configuration.py",
        "tests/web/test_isolation.py",
    ),
    "jupyter-server": ("tests/cli/test_configuration.py", "tests/web", "tests/proxy/http/test_cors.py"),
    "tornado": (
        "tests/proxy/call/test_relay.py",
        "tests/proxy/upstream/test_upstream.py",
        "tests/web/test_isolation.py",
    ),
    "jupyterlite-core": (
        "tests/site/test_build.py",
        "tests/site/test_pages.py",
        "tests/site/test_settings.py",
    ),
    "protobuf": ("tests/proxy/call", "tests/client/test_messages.py", "tests/client/test_wire_values.py"),
    "pyspark-client": (
        "tests/client/test_patch.py",
        "tests/client/test_listeners.py",
        "tests/client/test_restarts.py",
        "tests/lean/test_lean_scope.py",
        "tests/udf/test_source.py",
    ),
}
#: PySpark is in the wheel; on a server it is optional. The client states its range itself.
CLIENT_PACKAGE: Final = "pyspark-client"


def project() -> dict[str, Any]:
    """`pyproject.toml`."""
    found: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return found


def ranges(packages: Iterable[str] = CORE) -> dict[str, Requirement]:
    """Package to the requirement with its range."""
    stated: dict[str, Requirement] = {
        canonicalize_name(one.name): one for one in map(Requirement, project()["project"]["dependencies"])
    }
    if CLIENT_PACKAGE in packages:
        stated[CLIENT_PACKAGE] = Requirement(CLIENT_PACKAGE + client_range())
    return {name: stated[name] for name in packages}


def client_range() -> str:
    """The versions of PySpark that the client accepts, such as `>=4.2,<4.4`."""
    from pyspark_connect_web.patches.table import PACKAGES

    package = PACKAGES["PySpark"]
    return f">={package.oldest}" + (f",<{package.below}" if package.below else "")


def oldest(requirement: Requirement) -> Version:
    """The version that the range begins with. Raises ValueError for a range without a beginning."""
    found = [Version(one.version) for one in requirement.specifier if one.operator in (">=", "==", "~=")]
    if not found:
        raise ValueError(f"{requirement} does not say which version it begins with")
    return max(found)


@dataclass(frozen=True)
class Row:
    """One environment, and how its tests ended.

    Attributes:
        package: what was set to a version.
        edge: `oldest`, `newest`, or `next`: what is to come, with pre-releases and beyond the range.
        version: which one that was.
        claimed: whether the range holds that version; one beyond it says what awaits us, and fails nothing.
        passed: whether the tests passed; None when the environment could not be made.
        said: pytest's last line, or why there is no environment.
        seconds: how long it took.
    """

    package: str
    edge: str
    version: str
    claimed: bool
    passed: bool | None
    said: str
    seconds: float


def table(rows: list[Row], stated: Mapping[str, Requirement]) -> str:
    """The rows as a Markdown table."""
    words = {True: "passed", False: "FAILED", None: "not installable"}
    lines = ["| package | range | edge | version | tests | |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        version = row.version if row.claimed else f"{row.version} (beyond the range)"
        cells = (row.package, f"`{stated[row.package].specifier}`", row.edge, version, words[row.passed])
        lines.append(f"| {' | '.join(cells)} | {row.said} ({row.seconds:.0f} s) |")
    return "\n".join(lines)


def spans(rows: list[Row]) -> dict[str, dict[str, str]]:
    """Package to the oldest and the newest version whose tests passed, for what the doctor says."""
    found: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(row.package for row in rows):
        passed = sorted(
            (row.version for row in rows if row.package == name and row.passed and row.claimed), key=Version
        )
        if passed:
            found[name] = {"oldest": passed[0], "newest": passed[-1]}
    return found


TESTED_FILE: Final[Path] = REPOSITORY / "pcw_server_ext" / "cli" / "doctor" / "tested_versions.json"
