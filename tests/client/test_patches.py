"""What the client changes in other packages is in one table, and a version that does not fit is one error."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark_connect_web
import pytest
from pyspark_connect_web.errors import InstallError, PcwError, UnsupportedVersion
from pyspark_connect_web.patches import apply, pyspark_types
from pyspark_connect_web.patches.table import PACKAGES, PATCHES, Patch

from tests.support.paths import CLIENT, REPOSITORY

PACKAGE = Path(pyspark_connect_web.__file__).parent

#: Assignments to what is not the client's own, with the reason why they are no patch of another package.
OTHER_ASSIGNMENTS = {
    "channel/http.py": {"connection.timeout"},
    "channel/xhr.py": {"request.responseType", "request.timeout", "resolved.hash"},
    "kernel/display.py": {"frame.__dict__[_MARK]"},  # a mark of ours on a person's DataFrame
    "kernel/interrupt.py": {"error.__traceback__"},
    # adds to a row: Pyodide's list
    "kernel/packages/pyodide_files.py": {"setattr(api.lockfile_packages, name, self._js.JSON.parse(json.dumps(entry))"},
    # rows; and the standard streams, which every kernel sets
    "kernel/output.py": {"old.publish_stream_callback", "setattr(sys, name, stream"},
    "kernel/progress.py": {"client._session_hooks"},  # adds to a row: the session's hooks
    "kernel/startup.py": {"logger.disabled"},
    "kernel/sql/magic.py": {"sql.__doc__"},
    "lean/__init__.py": {"main.__spec__", "main.__file__"},  # the row of check_dependencies says why
    "lean/entrypoints.py": {"found._table"},  # a row
    "lean/full.py": {"delattr(module, attribute", "sys.meta_path.append(_LoadingFinder()"},  # a stand-in; a finder
    "lean/scope.py": {"spec.loader", "vars(module)['__builtins__']", "sys.meta_path.insert(0, finder"},  # import system
    "lean/standins/missing.py": {
        "spec.submodule_search_locations", "value.__module__", "setattr(module, key, value",
        "sys.meta_path.append(MissingPackageFinder()",
    },
    "lean/standins/_module.py": {"setattr(module, MARK, True", "module.__getattr__"},
    "patches/apply.py": {"setattr(found, name, _replaced[key]"},  # the one place that patches
    "patches/client.py": {"setattr(self, _TARGET, target"},  # a mark of ours on PySpark's builder
    "patches/extensions.py": {"error._message"},  # a row
    "patches/listeners.py": {"command.streaming_query_listener_bus_command.add_listener_bus_listener"},  # a message
    "udf/hooks.py": {"getattr(self._write_proto, field).python_function.python_ver"},  # a message, found by a row
    "udf/ipython.py": {"shell.compile.__class__", "linecache.cache[filename]"},  # a row; a cache that is public
    "worker/wheels.py": {"request.responseType"},
}  # fmt: skip
#: Modules that assign to attributes of syntax trees, functions and classes that they made themselves; what
#: patches/message*.py assign to are the rows of protobuf.
OWN_OBJECTS = ("lean/arrow/", "patches/message", "udf/loader.py", "udf/pickler.py", "udf/source.py")
#: Names that are public in spite of their look.
PUBLIC = {"_repr_html_"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def assignments(tree: ast.Module) -> Iterator[str]:
    """Assignments to attributes of others, and what else changes another object."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            text = ast.unparse(node).rpartition(")")[0]
            if ast.unparse(node.func) in ("setattr", "delattr") or text.startswith(
                (
                    "sys.meta_path.append",
                    "sys.meta_path.insert",
                    "sys.modules.update",
                    "sys.modules.setdefault",
                )
            ):
                yield text
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            owner = ast.unparse(node.value)
            if isinstance(node, ast.Attribute):
                if owner not in ("self", "cls"):
                    yield ast.unparse(node)
            elif owner.startswith(("vars(", "sys.", "linecache.", "builtins.")) or "__dict__" in owner:
                yield ast.unparse(node)


def test_nothing_is_changed_outside_of_the_table() -> None:
    found: dict[str, set[str]] = {}
    for name, tree in modules():
        if not name.startswith(OWN_OBJECTS) and (changed := set(assignments(tree))):
            found[name] = changed
    assert found == OTHER_ASSIGNMENTS


def test_every_replacement_has_a_row() -> None:
    """`replace` refuses targets without one; those that are made of parts are those of the table."""
    with pytest.raises(LookupError, match="table"):
        apply.replace("json:dumps", lambda original: original)
    replaced = {
        patch.where for patch in PATCHES if patch.kind == "replaced" and not patch.where.startswith("..")
    }
    calling = {name for name, tree in modules() if name != "patches/apply.py" and "replace" in called(tree)}
    assert calling | {"patches/messages.py"} == replaced  # which changes several hundred classes alike


def called(tree: ast.Module) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_private_names_of_others_are_in_the_table() -> None:
    own: set[str] = set()
    used: dict[str, str] = {}
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                own.add(node.target.id)
            elif isinstance(node, ast.Assign):
                own.update(target.id for target in node.targets if isinstance(target, ast.Name))
                own.update(
                    text
                    for text in (getattr(part, "value", None) for part in ast.walk(node.value))
                    if isinstance(text, str) and text.startswith("_")
                )
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
                owner = ast.unparse(node.value)
                if owner in ("self", "cls") and isinstance(node.ctx, ast.Store):
                    own.add(node.attr)
                elif owner not in ("self", "cls"):
                    used[node.attr] = name
    rows = {part for patch in PATCHES for part in patch.target.replace(":", ".").split(".")}
    assert {attr: name for attr, name in used.items() if attr not in own | rows | PUBLIC} == {}


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.target)
def test_row_names_files_and_a_test_that_exist(patch: Patch) -> None:
    last = patch.target.rpartition(".")[2].rpartition(":")[2]
    texts = [(PACKAGE / file).resolve().read_text(encoding="utf-8") for file in patch.where.split()]
    assert any(last in text for text in texts)
    file, _, name = patch.test.partition("::")
    assert f"def {name}(" in (REPOSITORY / file).read_text(encoding="utf-8")
    assert patch.why


@pytest.mark.parametrize(
    "patch", [patch for patch in PATCHES if not patch.browser], ids=lambda patch: patch.target
)
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_place_exists(patch: Patch) -> None:
    apply.find(patch.target)


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_types_of_pyspark_name_what_it_has() -> None:
    """Each name of the client's own view of PySpark's objects is public there, or has a row."""
    from pyspark.sql.connect.client import core

    rows = {patch.target.rpartition(".")[2] for patch in PATCHES}
    for ours, theirs in (
        (pyspark_types.ConnectClient, core.SparkConnectClient),
        (pyspark_types.ChannelBuilder, core.ChannelBuilder),
    ):
        names = {name for name in (*vars(ours), *ours.__annotations__) if not name.endswith("__")}
        names -= {"_is_protocol", "_abc_impl", "_is_runtime_protocol"}
        assert {name for name in names if name not in rows and not hasattr(theirs, name)} == set()
        assert {name for name in names if name.startswith("_")} <= rows


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Nothing is known of any version, before and afterwards."""
    caches = (apply.check_version, apply.check_targets)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.target)
def test_place_that_is_gone_is_one_error_with_the_remedy(
    patch: Patch, monkeypatch: pytest.MonkeyPatch, unchecked: None
) -> None:
    module, _, path = patch.target.partition(":")
    owner: Any = types.ModuleType(module)
    parts = [owner]
    for name in path.split(".")[:-1]:
        setattr(parts[-1], name, type(name, (), {}))
        parts.append(getattr(parts[-1], name))
    if path.endswith("__init__"):  # every class has one: it is gone with its class
        delattr(parts[-2], path.split(".")[-2])
    if module not in sys.modules:
        monkeypatch.setitem(sys.modules, module, owner)
    monkeypatch.setattr(apply, "_import", lambda name: owner)
    version = "4.3.7" if patch.package == "PySpark" else patch.since or PACKAGES[patch.package].oldest
    monkeypatch.setattr(apply, "installed_version", lambda package: version)
    monkeypatch.setattr(apply, "PATCHES", (patch,))
    looks = [lambda: apply.find(patch.target), lambda: apply.replace(patch.target, lambda original: original)]
    if not patch.browser:
        looks.append(lambda: apply.check_targets(patch.package))
    for look in looks:
        with pytest.raises(UnsupportedVersion) as caught:
            look()
        text = str(caught.value)
        assert f"{patch.package} {version} has no {patch.target.replace(':', '.')}" in text
        assert (
            f"It supports {patch.package} {patch.since or PACKAGES[patch.package].oldest} and newer" in text
        )
        assert text.endswith(
            ("then start Python (a notebook: its kernel) again.", "Use Python 3.10 or newer.", "page.")
        )


@pytest.mark.parametrize("package", PACKAGES.values(), ids=lambda package: package.name)
def test_edges_of_the_range(package: Any, monkeypatch: pytest.MonkeyPatch, unchecked: None) -> None:
    def check(version: str | None) -> None:
        apply.check_version.cache_clear()
        monkeypatch.setattr(apply, "installed_version", lambda name: version)
        apply.check_version(package.name)

    first, *rest = map(int, package.oldest.split("."))
    older = f"{first}.{rest[0] - 1}.99" if rest and rest[0] else f"{first - 1}.99"
    check(package.oldest)
    check(f"{package.oldest}.1")
    refused: list[str | None] = [older, None, "unknown"]
    if package.below:
        refused += [package.below, f"{package.below}.0.dev1", f"{package.below}rc1"]
    for version in refused:
        with pytest.raises(UnsupportedVersion) as caught:
            check(version)
        text = str(caught.value)
        assert f"{package.name} {version or '(of an unknown version)'} does not fit" in text
        assert f"supports {package.name} {package.oldest} and newer" in text
        assert "Traceback" not in text
    assert issubclass(UnsupportedVersion, InstallError)
    assert issubclass(UnsupportedVersion, PcwError)


@pytest.mark.parametrize("options", ["", "lean=True", "lean=False", "threads=False"])
@pytest.mark.parametrize("version", ["3.5.8", "4.0.4", "4.1.3", "4.2.0", "4.4.0.dev1"])
def test_install_refuses_another_pyspark_before_it_is_imported(
    version: str, options: str, tmp_path: Path
) -> None:
    """Whatever that PySpark is like: here importing it fails."""
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").write_text("raise AttributeError('imported')\n")
    (tmp_path / "pyspark" / "version.py").write_text(f"__version__: str = '{version}'\n")
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(CLIENT)!r}]\n"
        f"import pyspark_connect_web as pcw\npcw.install({options})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("pyspark_connect_web.errors.UnsupportedVersion: PySpark " + version)
    assert "Run `pip install 'pyspark" in last
    assert ">=4.3,<4.4'`" in last


def test_range_of_pyspark_is_the_one_that_pip_is_told() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    package = PACKAGES["PySpark"]
    assert f'spark = ["pyspark=={package.oldest}.' in project


def test_replacement_is_made_once_and_keeps_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Owner:
        @property
        def shown(self) -> str:
            return "plain"

        @staticmethod
        def made(value: int) -> int:
            return value

        @classmethod
        def named(cls, value: int) -> str:
            return f"{cls.__name__} {value}"

    module: Any = types.ModuleType("patched_module")
    module.Owner = Owner
    monkeypatch.setitem(sys.modules, "patched_module", module)
    rows = {
        target: Patch("Python", target, "replaced", "", "", "")
        for target in (
            "patched_module:Owner.shown",
            "patched_module:Owner.made",
            "patched_module:Owner.named",
        )
    }
    monkeypatch.setattr(apply, "_ROWS", rows)
    for _ in range(2):
        apply.replace("patched_module:Owner.shown", lambda original: lambda self: f"new {original(self)}")
        apply.replace("patched_module:Owner.made", lambda original: lambda value: original(value) + 1)
        apply.replace(
            "patched_module:Owner.named", lambda original: lambda cls, value: f"new {original(cls, value)}"
        )
    assert Owner().shown == "new plain"
    assert Owner().made(1) == Owner.made(1) == 2
    assert Owner().named(1) == Owner.named(1) == "new Owner 1"
