"""Kernels start in a real Chromium: from the snapshot, without it, and without it where it does not fit."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.runtime import distribution
from tests.runtime.kernel import StartKernel
from tests.runtime.serving import BundleServer
from tests.support.lab_page import CHROMIUM, CHROMIUM_FLAGS

pytestmark = pytest.mark.browser

_STATE = """
import datetime, os, random, sys, tempfile, time, uuid
{
    "random": random.random(),
    "uuid1": str(uuid.uuid1()),
    "uuid4": str(uuid.uuid4()),
    "temporary": tempfile.mktemp(),
    "urandom": os.urandom(8).hex(),
    "now": datetime.datetime.now().timestamp(),
    "offset": datetime.datetime(2026, 7, 1, 12).astimezone().utcoffset().total_seconds(),
    "zone": [time.timezone, time.altzone, time.daylight],
    "names": [time.tzname[0], datetime.datetime(2026, 1, 1).astimezone().tzname()],
    "environment": dict(os.environ),
    "cwd": os.getcwd(),
    "path": sys.path,
    "executable": sys.executable,
}
"""

# The build's clocks show 2020-01-01. The constants of uuid are the same everywhere.
_REMAINS = """
import gc, random, uuid
constants = {value for value in vars(uuid).values() if type(value) is uuid.UUID}
days = range(18261 * 86400, 18264 * 86400)
found, generators = [], []
for thing in gc.get_objects():
    kind = type(thing)
    if issubclass(kind, random.Random):
        generators.append("random._inst" if thing is random._inst else kind.__name__)
    if issubclass(kind, dict):
        values = list(thing.values())
    elif issubclass(kind, (list, set)):
        values = list(thing)
    else:
        values = list(getattr(thing, "__dict__", {}).values()) if kind.__dictoffset__ else []
    for value in values:
        if type(value) is uuid.UUID and value not in constants:
            found.append([kind.__name__, str(value)])
        elif type(value) in (int, float) and 0 < value < 1e19 and any(
            int(value // unit) in days for unit in (1, 10**3, 10**6, 10**9)
        ):
            found.append([kind.__name__, value])
[found, generators]
"""

_CELLS = """
import pyodide_kernel
kernel, shell = pyodide_kernel.kernel_instance, pyodide_kernel.ipython_shell
kernel._parent_header = {}
shown = []
shell.displayhook.publish_execution_result = lambda count, data, metadata: shown.append([count, data["text/plain"]])
statuses = [(await kernel.run(cell))["status"] for cell in CELLS]
[statuses, shown, sorted(name for name in shell.user_ns if not name.startswith("_"))]
"""


# As labextension/src/kernel/python.ts does it.
_MODULES_OF_THE_START = """
import json, sys
before = set(sys.modules)
import pyspark_connect_web.kernel
from pyspark_connect_web.kernel.output import install_streams
install_streams(lambda name, text: None)
pyspark_connect_web.kernel.start(json.dumps({"remote": "http://127.0.0.1:1/pcw/grpc/default"}), lambda message: None)
sorted(set(sys.modules) - before)
"""


def _run_cells(kernel: Any, *cells: str) -> Any:
    return kernel.run(f"CELLS = {list(cells)!r}\n{_CELLS}")


@pytest.fixture(params=["snapshot", "ordinary"])
def mode(request: pytest.FixtureRequest) -> str:
    """The two ways to start: a kernel behaves the same after both."""
    return str(request.param)


def test_kernel_restores_the_snapshot_with_pyspark_imported(start: StartKernel) -> None:
    kernel = start()
    assert (kernel.mode, kernel.reason) == ("snapshot", None)
    assert list(kernel.marks) == [
        "begin", "manifest", "scripts", "wasm", "snapshot", "restored", "mounted", "refreshed", "ready"
    ]  # fmt: skip
    imported = kernel.run(
        "import sys\n[name in sys.modules for name in ('pyspark.sql.connect.session', 'IPython')]"
    )
    assert imported == [True, True]


def test_kernel_without_snapshot_has_the_same_modules(start: StartKernel) -> None:
    listing = "import sys\nsorted(name for name in sys.modules if name.startswith(('pyspark', 'IPython', 'piplite')))"
    ordinary = start(snapshot=False)
    assert (ordinary.mode, ordinary.reason) == ("ordinary", None)
    # Warm-up cells import a few more; nothing may be missing from the snapshot.
    assert set(ordinary.run(listing)) <= set(start().run(listing))


def test_start_of_the_kernel_reads_no_module(start: StartKernel) -> None:
    """The first module that the snapshot does not hold costs a blocking request for its pack before the first cell."""
    assert start().run(_MODULES_OF_THE_START) == []


def test_kernels_share_no_random_state_and_no_names(start: StartKernel) -> None:
    first, second = start().run(_STATE), start().run(_STATE)
    for key in ("random", "uuid1", "uuid4", "temporary", "urandom"):
        assert first[key] != second[key], key


def test_kernel_knows_time_and_zone_of_the_page(start: StartKernel, mode: str) -> None:
    state = start(snapshot=mode == "snapshot").run(_STATE)
    assert abs(state["now"] - time.time()) < 30
    assert state["zone"] == [-3600, -7200, 1]
    assert state["offset"] == 7200
    assert state["names"] == ["UTC+0100", "UTC+0100"]


def test_kernel_names_the_browser_that_runs_it(start: StartKernel, page: Page, mode: str) -> None:
    info = start(snapshot=mode == "snapshot").run("import sys\nlist(sys._emscripten_info)")
    assert len(info) == 4
    assert info[1] == page.evaluate("() => navigator.userAgent")


def test_restored_memory_holds_no_moment_and_no_made_name(start: StartKernel) -> None:
    found, generators = start().run(_REMAINS)
    assert found == []
    assert generators == ["random._inst"]


def test_environment_is_the_kernels_own(start: StartKernel, mode: str) -> None:
    state = start(snapshot=mode == "snapshot", env={"SPARK_REMOTE": "sc://here"}).run(_STATE)
    assert state["environment"] == {
        "HOME": "/home/pyodide",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": "/usr/lib:/lib/python3.14/site-packages",
        "LOGNAME": "web_user",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "SPARK_REMOTE": "sc://here",
        "USER": "web_user",
    }
    assert state["cwd"] == "/home/pyodide"
    assert state["executable"] == "/usr/bin/python3"
    packages = "/lib/python3.14/site-packages"
    assert state["path"] == ["", "/lib/python314.zip", "/lib/python3.14/lib-dynload", packages]


def test_first_cell_is_number_one_in_an_empty_namespace(start: StartKernel, mode: str) -> None:
    statuses, shown, names = _run_cells(start(snapshot=mode == "snapshot"), "1 + 1", "x = 5", "In[1], _")
    assert statuses == ["ok", "ok", "ok"]
    assert shown == [[1, "2"], [3, "('1 + 1', 2)"]]
    assert set(names) <= {"In", "Out", "exit", "quit", "get_ipython", "open", "x"}


def test_traceback_shows_library_source(start: StartKernel, mode: str) -> None:
    kernel = start(snapshot=mode == "snapshot")
    result = kernel.run(
        "import pyodide_kernel\n"
        "pyodide_kernel.kernel_instance._parent_header = {}\n"
        "cell = 'from pyspark.sql.types import DecimalType, StructType\\nStructType.fromJson({})'\n"
        "result = await pyodide_kernel.kernel_instance.run(cell)\n"
        "'\\n'.join(result['traceback'])"
    )
    assert "KeyError" in result
    assert "fields" in result
    assert "pyspark/sql/types.py" in result


def test_jedi_comes_with_the_first_completion_only(start: StartKernel, server: BundleServer) -> None:
    kernel = start()
    assert not [path for path in server.requests if "jedi" in path]
    matches = kernel.run(
        "import pyodide_kernel\npyodide_kernel.kernel_instance.complete('import os; os.getcw', 19)['matches']"
    )
    assert "getcwd" in matches
    assert [path for path in server.requests if "jedi" in path]


def test_micropip_knows_bundled_packages_and_installs_others(
    start: StartKernel, server: BundleServer, mode: str
) -> None:
    server.overrides["/demo-1.0-py3-none-any.whl"] = _wheel()
    kernel = start(snapshot=mode == "snapshot")
    listed, value = kernel.run(
        "import micropip, importlib\n"
        f"await micropip.install('{server.url}demo-1.0-py3-none-any.whl')\n"
        "importlib.invalidate_caches()\n"
        "import demo\n"
        "packages = micropip.list()\n"
        "[{name: [packages[name].version, packages[name].source] for name in ('pyspark', 'jedi')}, demo.x]"
    )
    assert listed == {"pyspark": ["4.3.0", "pyodide"], "jedi": ["0.20.1", "pyodide"]}
    assert value == 1


def test_imports_of_bundled_packages_load_nothing(
    start: StartKernel, server: BundleServer, mode: str
) -> None:
    kernel = start(snapshot=mode == "snapshot")
    before = len(server.requests)
    statuses, _, _ = _run_cells(kernel, "import pyspark, pyspark_connect_web, IPython, micropip")
    assert statuses == ["ok"]
    assert not [path for path in server.requests[before:] if path.endswith(".whl")]


def test_compiled_package_of_the_whole_lock_loads_by_its_name(
    start: StartKernel, server: BundleServer, bundle: Path, mode: str
) -> None:
    server.overrides[f"/runtime/{distribution.FULL_LOCK}"] = json.dumps(distribution.lock(bundle)).encode()
    server.overrides[f"/runtime/pyodide/{distribution.WHEEL}"] = distribution.wheel().read_bytes()
    kernel = start(snapshot=mode == "snapshot", packages=True)
    before = len(server.requests)
    statuses, shown, _ = _run_cells(
        kernel, "import nanoarrow as na", "na.Array([1, None], na.int32()).to_pylist()"
    )
    assert (statuses, shown) == (["ok", "ok"], [[2, "[1, None]"]])
    assert server.requests[before:] == [f"/runtime/pyodide/{distribution.WHEEL}"]
    listed = kernel.run(
        "import micropip\n[name for name in micropip.list() if name in ('nanoarrow', 'pyspark')]"
    )
    assert sorted(listed) == ["nanoarrow", "pyspark"]


def test_packed_files_can_be_listed_changed_and_removed(start: StartKernel) -> None:
    listing, text, remains = start().run(
        "import os, shutil, pathlib\n"
        "folder = pathlib.Path('/lib/python3.14/site-packages/traitlets')\n"
        "names = sorted(os.listdir(folder))[:3]\n"
        "(folder / 'log.py').write_text('changed')\n"
        "text = (folder / 'log.py').read_text()\n"
        "shutil.rmtree(folder)\n"
        "[names, text, folder.exists()]"
    )
    assert listing == ["__init__.py", "__pycache__", "_version.py"]
    assert (text, remains) == ("changed", False)


def test_second_kernel_and_reloaded_page_of_a_kept_profile_transfer_nothing(
    browser: Browser, server: BundleServer, tmp_path: Path
) -> None:
    with browser.browser_type.launch_persistent_context(
        tmp_path, executable_path=CHROMIUM, args=CHROMIUM_FLAGS
    ) as profile:
        page = profile.pages[0]
        page.goto(f"{server.url}kernel.html")
        page.evaluate("() => start({})")
        # The last bytes of it may still be on their way into the cache.
        page.wait_for_timeout(500)
        server.requests.clear()
        page.evaluate("() => start({})")
        page.reload()
        page.evaluate("() => start({})")
        page.reload()
        assert page.evaluate("() => startShared()")["mode"] == "snapshot"
    assert set(server.requests) == {"/kernel.html", "/kernel.js"}


def test_kernel_uses_what_the_page_has_preloaded(page: Any, server: BundleServer) -> None:
    started = page.evaluate("() => startShared()")
    assert started["mode"] == "snapshot"
    loads = [path for path in server.requests if path.endswith(("snapshot.bin", ".wasm"))]
    assert sorted(loads) == ["/runtime/kernel/snapshot.bin", "/runtime/pyodide/pyodide.asm.wasm"]


def test_kernel_joins_a_download_that_its_page_has_begun(page: Any, server: BundleServer) -> None:
    """In a private window the cache does not keep the snapshot: a kernel that asks itself gets it a second time."""

    def late(route: Any) -> None:
        # The kernel's worker runs, and looks for the snapshot, before its first byte is there.
        page.wait_for_function("() => document.title === 'started'")
        page.wait_for_timeout(1000)
        route.continue_()

    page.route("**/kernel/snapshot.bin", late)
    started = page.evaluate(
        """async () => {
            const started = startShared();
            document.title = "started";
            return started;
        }"""
    )
    assert started["mode"] == "snapshot"
    assert [path for path in server.requests if path.endswith("snapshot.bin")] == [
        "/runtime/kernel/snapshot.bin"
    ]


def test_kernel_gets_itself_what_its_page_could_not(page: Any, server: BundleServer) -> None:
    attempts = []

    def once(route: Any) -> None:
        attempts.append(route.request.url)
        if len(attempts) == 1:
            route.abort()
        else:
            route.continue_()

    page.route("**/kernel/snapshot.bin", once)
    started = page.evaluate("() => startShared()")
    assert (started["mode"], started["reason"]) == ("snapshot", None)
    assert [path for path in server.requests if path.endswith("snapshot.bin")] == [
        "/runtime/kernel/snapshot.bin"
    ]


def _manifest(manifest: dict[str, Any], **kernel: Any) -> bytes:
    return json.dumps({**manifest, "kernel": {**manifest["kernel"], **kernel}}).encode()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("absent", "built without a memory snapshot"),
        ("missing", "could not be downloaded"),
        ("cut", "could not be downloaded"),
        ("other", "is not the one that the manifest describes"),
        ("foreign", "was not restored: Error: Snapshot build id mismatch"),
        ("memory", "the browser refused"),
        ("damaged", "the memory snapshot was not restored|the restored interpreter does not run"),
    ],
)
def test_kernel_boots_the_ordinary_way_when_the_snapshot_does_not_fit(
    fault: str,
    reason: str,
    start: StartKernel,
    server: BundleServer,
    bundle: Any,
    manifest: dict[str, Any],
    page: Any,
) -> None:
    path = "/runtime/kernel/snapshot.bin"
    content = bytearray(distribution.content(bundle, "kernel/snapshot.bin"))
    if fault == "absent":
        server.overrides["/runtime/manifest.json"] = _manifest(manifest, snapshot=None)
    elif fault == "missing":
        server.overrides[path] = None
    elif fault == "cut":
        server.overrides[path] = bytes(content[:-4096])
    elif fault == "other":
        content[1 << 20 : 2 << 20] = bytes(1 << 20)
        server.overrides[path] = bytes(content)
    elif fault == "foreign":
        # Words 4 to 11 of the header are the identity of the Pyodide build.
        content[16:48] = bytes(32)
        server.overrides[path] = bytes(content)
    elif fault == "damaged":
        # Between the words that the checksum looks at, one in each 4 KiB: everything from 4 to 40 MB.
        for at in range(4 << 20, 40 << 20, 4096):
            content[at + 4 : at + 4096] = bytes(4092)
        server.overrides[path] = bytes(content)
    else:
        page.evaluate("() => { startOptions.refuseMemory = true; }")
    kernel = start()
    assert kernel.mode == "ordinary"
    assert kernel.reason is not None
    assert any(text in kernel.reason for text in reason.split("|"))
    assert "\n" not in kernel.reason
    assert _run_cells(kernel, "1 + 1")[1] == [[1, "2"]]


def test_page_of_another_format_says_so(
    start: StartKernel, server: BundleServer, manifest: dict[str, Any]
) -> None:
    server.overrides["/runtime/manifest.json"] = json.dumps({**manifest, "format": 99}).encode()
    with pytest.raises(Exception, match="has format 99; this page understands 1"):
        start()


_PAGE = b"<!doctype html><title>Not here</title>"


@pytest.mark.parametrize("fault", ["absent", "page", "cut"])
@pytest.mark.parametrize(
    "path",
    [
        "manifest.json",
        "pyodide/pyodide.mjs",
        "pyodide/pyodide.asm.mjs",
        "pyodide/pyodide.asm.wasm",
        "pyodide/python_stdlib.zip",
        "pyodide/pyodide-lock.json",
        "kernel/site.json",
        "kernel/pyspark.pack",
    ],
)
def test_missing_or_wrong_file_of_the_runtime_is_named_within_seconds(
    path: str, fault: str, start: StartKernel, server: BundleServer, bundle: Path, page: Page
) -> None:
    content = distribution.content(bundle, path)
    server.overrides[f"/runtime/{path}"] = {
        "absent": None,
        "page": _PAGE,
        "cut": content[: len(content) // 2],
    }[fault]
    # the ordinary way reads all of them
    started = page.evaluate(
        """async () => {
          const begun = performance.now();
          const message = await start({ snapshot: false }).then(() => "started", error => error.message);
          return [message, performance.now() - begun];
        }"""
    )
    message, milliseconds = started
    said = {"absent": "answered 404", "page": "is a web page instead of the file", "cut": "bytes instead of"}
    if path == "manifest.json" and fault == "cut":
        # nothing says how long it is
        assert "JSON" in message
    else:
        assert f"{path} {said[fault]}" in message or f"{path} has" in message, message
        assert "reload the page" in message
        assert "jupyter pcw check" in message
    # some seconds where nothing else runs: Pyodide itself waits for ever for its WebAssembly
    assert milliseconds < 60_000


def test_missing_file_is_named_by_a_kernel_with_the_snapshot_too(
    start: StartKernel, server: BundleServer
) -> None:
    server.overrides["/runtime/pyodide/pyodide.asm.wasm"] = None
    with pytest.raises(Exception, match=r"pyodide/pyodide\.asm\.wasm answered 404.* reload the page"):
        start()


def _wheel() -> bytes:
    from client.runtime import wheels

    return wheels.assemble(
        "demo", "1.0", {"demo.py": b"x = 1\n"}, {}, pack="", licence="MIT", requires=(), summary="A demo"
    ).content
