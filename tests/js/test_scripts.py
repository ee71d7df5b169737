"""The bridge's JavaScript: its own tests, and what Python and JavaScript must agree on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pyspark_connect_web.channel import sab

REPOSITORY = Path(__file__).parents[2]
JS = REPOSITORY / "client" / "js"


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    subprocess.run(["node", "build.mjs"], cwd=JS, check=True, timeout=240)


def test_node_tests_pass() -> None:
    done = subprocess.run(
        ["npm", "run", "--silent", "test"], cwd=JS, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_python_knows_every_error_name_of_the_bridge() -> None:
    source = (JS / "src" / "errors.js").read_text("utf-8")
    names = re.search(r"const NAMES = new Set\(\[(.*?)\]\)", source, re.DOTALL)
    assert names is not None
    assert set(re.findall(r'"(\w+)"', names[1])) == set(sab.ERRORS)


def test_kernel_side_in_the_package_is_the_built_one() -> None:
    built = (JS / "dist" / "kernel_channel.js").read_bytes()
    assert (REPOSITORY / "client/pyspark_connect_web/channel/kernel_channel.js").read_bytes() == built


@pytest.mark.parametrize("name", ["network_worker.js", "pcw_kernel_bridge.js", "kernel_channel.js"])
def test_built_script_stands_alone(name: str) -> None:
    text = (JS / "dist" / name).read_text("utf-8")
    assert not re.search(r"^\s*(import|export)\b", text, re.MULTILINE)
    assert "sourceMappingURL" not in text


def test_only_one_file_fetches() -> None:
    users = [
        path.name for path in (JS / "src").glob("*.js") if re.search(r"\bfetch\(", path.read_text("utf-8"))
    ]
    assert users == ["network_call.js"]
