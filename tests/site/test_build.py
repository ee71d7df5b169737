"""Building sites, as a person does: with the command."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pcw_server_ext.site import runtime_files
from pcw_server_ext.site.record import read

DEMO = Path(__file__).parents[2] / "demo"
JUPYTER = Path(sys.executable).with_name("jupyter")

pytestmark = pytest.mark.timeout(400)


def watched_build(*arguments: str | Path) -> str:
    """Build while somebody watches: return what the terminal got."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "pcw_server_ext.cli", "build", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    shown = bytearray()
    # The end of a terminal without a writer is an error on Linux.
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 4096):
            shown += piece
    os.close(terminal)
    assert process.wait(300) == 0, shown.decode()
    return shown.decode()


def pcw_build(*arguments: str | Path, isolated: bool = False) -> subprocess.CompletedProcess[str]:
    # A process in a network namespace of its own reaches nothing at all.
    before = ["unshare", "--net", "--"] if isolated else []
    command = [*before, sys.executable, "-m", "pcw_server_ext.cli", "build", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def make_lite(folder: Path) -> Path:
    lite = folder / "lite"
    (lite / "files" / "nested").mkdir(parents=True)
    shutil.copy2(DEMO / "weather.csv", lite / "files")
    (lite / "files" / "nested" / "b.txt").write_text("b")
    (lite / "files" / "a.txt").write_text("a")
    return lite


def differences(one: Path, other: Path) -> list[str]:
    """Return the paths that are not the same bytes in both folders."""
    paths = {p.relative_to(root) for root in (one, other) for p in root.rglob("*") if p.is_file()}
    return sorted(
        str(path)
        for path in paths
        if not (one / path).is_file()
        or not (other / path).is_file()
        or not filecmp.cmp(one / path, other / path, shallow=False)
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `lite` and the site `one` built from it without any network."""
    folder = tmp_path_factory.mktemp("build")
    lite = make_lite(folder)
    can_unshare = shutil.which("unshare") is not None and os.geteuid() == 0
    done = pcw_build("--lite-dir", lite, "--output-dir", folder / "one", isolated=can_unshare)
    assert done.returncode == 0, done.stderr
    assert "jupyter pcw serve" in done.stdout
    return folder


def test_same_inputs_give_the_same_bytes(built: Path) -> None:
    done = pcw_build("--lite-dir", built / "lite", "--output-dir", built / "two")
    assert done.returncode == 0, done.stderr
    assert differences(built / "one", built / "two") == []


def test_rebuild_changes_what_changed_and_nothing_else(built: Path) -> None:
    copy = built / "changing"
    shutil.copytree(built / "lite", copy / "lite", ignore=shutil.ignore_patterns(".cache"))
    files = copy / "lite" / "files"
    assert pcw_build("--lite-dir", copy / "lite", "--output-dir", copy / "site").returncode == 0
    before = copy / "before"
    shutil.copytree(copy / "site", before)
    assert pcw_build("--lite-dir", copy / "lite", "--output-dir", copy / "site").returncode == 0
    assert differences(before, copy / "site") == []
    (files / "a.txt").write_text("changed")
    (files / "new.txt").write_text("new")
    shutil.rmtree(files / "nested")
    assert pcw_build("--lite-dir", copy / "lite", "--output-dir", copy / "site").returncode == 0
    assert differences(before, copy / "site") == [
        "api/contents/all.json",
        "api/contents/nested/all.json",
        "files/a.txt",
        "files/nested/b.txt",
        "files/new.txt",
    ]
    listed = json.loads((copy / "site" / "api" / "contents" / "all.json").read_text())["content"]
    assert [entry["name"] for entry in listed] == ["a.txt", "new.txt", "weather.csv"]


def test_plain_lite_build_makes_the_same_site(built: Path) -> None:
    folder = built / "plain"
    shutil.copytree(built / "lite", folder / "lite", ignore=shutil.ignore_patterns(".cache"))
    command = [JUPYTER, "lite", "build", "--lite-dir", folder / "lite", "--output-dir", folder / "site"]
    done = subprocess.run(
        [*command, "--no-sourcemaps"], capture_output=True, text=True, timeout=300, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert differences(built / "one", folder / "site") == []


def test_lite_build_takes_our_options_and_refuses_wrong_ones(tmp_path: Path) -> None:
    lite = make_lite(tmp_path)
    command = [JUPYTER, "lite", "build", "--lite-dir", lite, "--output-dir", tmp_path / "site"]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
        )

    done = run("--pcw-host", "nginx", "--pcw-endpoint", "https://spark.example/pcw/grpc/default")
    assert done.returncode == 0, done.stdout + done.stderr
    record = read(tmp_path / "site")
    assert record is not None
    assert (record.host, record.endpoint) == ("nginx", "https://spark.example/pcw/grpc/default")
    refused = run("--pcw-endpoint", "https://u:SECRET@spark.example/")
    assert refused.returncode != 0 or "must not hold a token" in refused.stdout + refused.stderr
    assert "SECRET" not in (tmp_path / "site" / "jupyter-lite.json").read_text()


def test_runtime_is_the_labs_own(built: Path) -> None:
    site = built / "one"
    record = read(site)
    assert record is not None
    runtime = site / "pcw" / "runtime" / record.runtime
    assert [path.name for path in runtime.parent.iterdir()] == [record.runtime]
    bundle = runtime_files.read_manifest(runtime_files.BUNDLE)
    manifest = json.loads((runtime / "manifest.json").read_text())
    assert manifest["kernel"]["packages"] == bundle["kernel"]["packages"]
    common = manifest["files"].keys() & bundle["files"].keys()
    assert len(common) >= len(manifest["files"]) - 1
    assert all(manifest["files"][path] == bundle["files"][path] for path in common)


def test_other_host_replaces_what_the_first_needed(built: Path) -> None:
    lite, site = make_lite(built / "hosts"), built / "hosts" / "site"
    for host in ("github-pages", "netlify", "jupyter"):
        done = pcw_build("--lite-dir", lite, "--output-dir", site, "--host", host)
        assert done.returncode == 0, done.stderr
        page = (site / "lab" / "index.html").read_text()
        assert ("coi-serviceworker.js" in page) is (host == "github-pages")
        assert (site / "coi-serviceworker.js").exists() is (host == "github-pages")
        assert (site / "_headers").exists() is (host == "netlify")


def test_own_header_rules_are_kept(built: Path) -> None:
    lite = make_lite(built / "own")
    (lite / "_headers").write_text("/files/*\n  X-Own: yes\n")
    site = built / "own" / "site"
    assert pcw_build("--lite-dir", lite, "--output-dir", site, "--host", "netlify").returncode == 0
    text = (site / "_headers").read_text()
    assert text.index("Cross-Origin-Embedder-Policy") < text.index("X-Own: yes")


def test_output_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    lite = make_lite(tmp_path)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    for output in (precious, lite, tmp_path):
        done = pcw_build("--lite-dir", lite, "--output-dir", output)
        assert done.returncode == 1
        assert "--output-dir" in done.stderr
        assert "Traceback" not in done.stderr
    assert (precious / "thesis.txt").read_text() == "years of work"
    assert (lite / "files" / "a.txt").exists()


def test_contents_are_put_beside_the_lite_folders_while_progress_is_shown(tmp_path: Path) -> None:
    lite = make_lite(tmp_path)
    (tmp_path / "analysis" / "plots").mkdir(parents=True)
    (tmp_path / "analysis" / "start.txt").write_text("start")
    (tmp_path / "analysis" / "plots" / "a.bin").write_bytes(bytes(range(256)))
    (tmp_path / "single.csv").write_text("n\n1\n")
    shown = watched_build(
        *("--lite-dir", lite, "--output-dir", tmp_path / "site", "--apps", "repl"),
        *("--contents", tmp_path / "analysis", "--contents", tmp_path / "single.csv"),
    )
    # One line that counts the steps, cleared at the end.
    steps = [int(line.split()[0]) for line in shown.split("\r\x1b[K") if line.strip()]
    assert len(steps) > 10
    assert steps == sorted(steps)
    assert shown.endswith("\r\x1b[K")
    files = tmp_path / "site" / "files"
    assert sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()) == [
        *("a.txt", "nested/b.txt", "plots/a.bin", "single.csv", "start.txt", "weather.csv")
    ]
    assert (files / "plots" / "a.bin").read_bytes() == bytes(range(256))


def test_missing_contents_are_named(tmp_path: Path) -> None:
    done = pcw_build(
        "--lite-dir", tmp_path, "--output-dir", tmp_path / "o", "--contents", tmp_path / "absent"
    )
    assert done.returncode == 1
    assert "absent" in done.stderr
