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
from typing import Any

import pytest

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.builder import runtime_files
from pcw_server_ext.site.builder.lite_config import check_configuration
from pcw_server_ext.site.record import read

DEMO = Path(__file__).parents[2] / "demo"
JUPYTER = Path(sys.executable).with_name("jupyter")

pytestmark = pytest.mark.timeout(400)


def watched_build(*arguments: str | Path) -> str:
    """Build while somebody watches: return what the terminal got."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "pcw_server_ext.cli.main", "build", *map(str, arguments)]
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
    command = [*before, sys.executable, "-m", "pcw_server_ext.cli.main", "build", *map(str, arguments)]
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
    assert "no such page or file" in (folder / "one" / "404.html").read_text()
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
        "pcw-files.json",
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
    bundle = runtime_files.load_bundle(runtime_files.BUNDLE).manifest
    manifest = json.loads((runtime / "manifest.json").read_text())
    assert manifest["kernel"]["packages"] == bundle["kernel"]["packages"]
    common = manifest["files"].keys() & bundle["files"].keys()
    assert len(common) >= len(manifest["files"]) - 1
    assert all(manifest["files"][path] == bundle["files"][path] for path in common)


def test_other_host_replaces_what_the_first_needed(built: Path) -> None:
    lite, site = make_lite(built / "hosts"), built / "hosts" / "site"
    (lite / "404.html").write_text("my own page")
    for host in ("github-pages", "static", "netlify", "jupyter"):
        done = pcw_build("--lite-dir", lite, "--output-dir", site, "--host", host)
        assert done.returncode == 0, done.stderr
        page = (site / "lab" / "index.html").read_text()
        assert ("coi-serviceworker.js" in page) is (host in ("github-pages", "static"))
        assert (site / "coi-serviceworker.js").exists() is (host in ("github-pages", "static"))
        assert (site / ".nojekyll").exists() is (host in ("github-pages", "static"))
        assert (site / "_headers").exists() is (host in ("static", "netlify"))
        assert (site / "404.html").read_text() == "my own page"


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
    # JupyterLite publishes what a link leads to, under that file's own name
    (tmp_path / "analysis" / ".aws").mkdir()
    (tmp_path / "analysis" / ".aws" / "credentials").write_text("KEY=x")
    (tmp_path / "analysis" / ".env").write_text("PASSWORD=x")
    for name, target in (("settings.txt", ".env"), ("cloud", ".aws"), ("plots/circle", "..")):
        (tmp_path / "analysis" / name).symlink_to(target)
    shown = watched_build(
        *("--lite-dir", lite, "--output-dir", tmp_path / "site", "--apps", "repl"),
        *("--contents", tmp_path / "analysis", "--contents", tmp_path / "single.csv"),
    )
    # One line that counts the steps, cleared at the end.
    progress, _, left_out = shown.rpartition("\r\x1b[K")
    steps = [int(line.split()[0]) for line in progress.split("\r\x1b[K") if line.strip()]
    assert len(steps) > 10
    assert steps == sorted(steps)
    assert [line.split(" ")[4] for line in left_out.splitlines()] == [
        *(".aws/", ".env", "cloud", "settings.txt", "plots/circle")
    ]
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


def test_options_of_jupyterlites_own_build_are_obeyed(tmp_path: Path) -> None:
    lite = make_lite(tmp_path)
    (lite / "files" / "secret.key").write_text("not for the public")
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "more.txt").write_text("more")
    options = {
        "LiteBuildConfig": {
            "contents": ["files", "../extra"],
            "apps": ["lab"],
            "extra_ignore_contents": [r"\.key$"],
        },
        "PcwAddon": {"host": "netlify", "endpoint": "https://hub.example/pcw/grpc/default"},
    }
    (lite / "jupyter_lite_config.json").write_text(json.dumps(options))
    site = tmp_path / "site"
    done = pcw_build("--lite-dir", lite, "--output-dir", site)
    assert done.returncode == 0, done.stderr
    record = read(site)
    assert record is not None
    assert (record.host, record.endpoint) == ("netlify", "https://hub.example/pcw/grpc/default")
    assert sorted(path.name for path in (site / "files").iterdir()) == [
        *("a.txt", "more.txt", "nested", "weather.csv")
    ]
    assert (site / "lab").is_dir()
    assert not (site / "repl").exists()
    # What the command line says goes first.
    done = pcw_build("--lite-dir", lite, "--output-dir", site, "--host", "nginx", "--apps", "repl")
    assert done.returncode == 0, done.stderr
    record = read(site)
    assert record is not None
    assert (record.host, record.endpoint) == ("nginx", "https://hub.example/pcw/grpc/default")
    assert (site / "repl").is_dir()
    assert not (site / "lab").exists()
    assert not (site / "files" / "secret.key").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ('{"LiteBuildConfig": {"contents": ["absent"]}}', "absent to put into the site"),
        ('{"LiteBuildConfig": {"contents": 7}}', "does not take its options"),
        ('{"PcwAddon": {"host": "nowhere"}}', "There is no host kind 'nowhere'"),
    ],
)
def test_options_that_cannot_be_taken_are_named(tmp_path: Path, text: str, reason: str) -> None:
    lite = make_lite(tmp_path)
    (lite / "jupyter_lite_config.json").write_text(text)
    done = pcw_build("--lite-dir", lite, "--output-dir", tmp_path / "site")
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "site").exists()


def test_configuration_that_is_taken_away_leaves_the_site(tmp_path: Path) -> None:
    lite, site = make_lite(tmp_path), tmp_path / "site"
    overrides, configuration = lite / "overrides.json", lite / "jupyter-lite.json"

    def build_again() -> dict[str, Any]:
        done = pcw_build("--lite-dir", lite, "--output-dir", site, "--apps", "repl")
        assert done.returncode == 0, done.stderr
        config = json.loads((site / "jupyter-lite.json").read_text())["jupyter-config-data"]
        assert isinstance(config, dict)
        return config

    theme = {"@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"}}
    extension = "@jupyterlite/iframe-extension:plugin"
    overrides.write_text(json.dumps(theme))
    own = {"appName": "Weather", "disabledExtensions": [extension]}
    configuration.write_text(json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": own}))
    config = build_again()
    assert (config["appName"], config["settingsOverrides"]) == ("Weather", theme)
    shutil.copytree(site, tmp_path / "first")
    overrides.unlink()
    configuration.unlink()
    config = build_again()
    assert config["appName"] != "Weather"
    assert extension not in config.get("disabledExtensions", [])
    assert not config.get("settingsOverrides")
    fresh = tmp_path / "fresh"
    assert pcw_build("--lite-dir", lite, "--output-dir", fresh, "--apps", "repl").returncode == 0
    assert differences(site, fresh) == []
    # And back again.
    overrides.write_text(json.dumps(theme))
    configuration.write_text(json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": own}))
    build_again()
    assert differences(site, tmp_path / "first") == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "jupyter-lite.json",
            '{\n  "jupyter-config-data": {\n    "appName": "x",\n  }\n}',
            "line 4, column 3",
        ),
        ("jupyter-lite.json", "", "line 1, column 1"),
        ("jupyter-lite.json", "[1]", "there must be an object, {...}, not list"),
        ("jupyter-lite.json", '{"jupyter-config-data": 3}', "jupyter-config-data must be an object"),
        ("overrides.json", '{"a": 1,\n "b" 2}', "line 2, column 6"),
        ("overrides.json", "null", "there must be an object, {...}, not NoneType"),
        ("lab/jupyter-lite.json", "{\n", "line 2, column 1"),
        ("overrides.json", b'{"a":\n"\xfc"}', "line 2: this is not UTF-8"),
    ],
)
def test_broken_configuration_is_named_with_its_line(
    name: str, text: str | bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "lite" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SiteRefused, match=r"Correct the file|Save the file") as raised:
        check_configuration(tmp_path / "lite", tmp_path / "out")
    assert str(raised.value).startswith(str(path))
    assert said in str(raised.value)


def test_build_ends_with_the_broken_line_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "lite" / "overrides.json"
    path.parent.mkdir()
    path.write_text('{"a": 1,\n "b" 2}')
    folders = ("--lite-dir", str(tmp_path / "lite"), "--output-dir", str(tmp_path / "out"))
    done = pcw_build(*folders)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{path}, line 2, column 6: this is not JSON")
    assert len(done.stderr.splitlines()) == 1
    command = [JUPYTER, "lite", "build", *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert f"{path}, line 2, column 6: this is not JSON" in done.stderr + done.stdout
