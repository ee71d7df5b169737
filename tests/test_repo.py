"""What is stated in more than one place is the same everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pyspark_connect_web
import pytest

import pcw_server_ext
from client.runtime import client
from pcw_server_ext import version
from pcw_server_ext.site.builder import lite_config
from tests.support.paths import REPOSITORY


def _json(path: str, *keys: str) -> Callable[[], str]:
    def read() -> str:
        found = json.loads((REPOSITORY / path).read_text(encoding="utf-8"))
        for key in keys:
            found = found[key]
        return str(found)

    return read


def _text(path: str, pattern: str) -> Callable[[], str]:
    def read() -> str:
        (found,) = re.findall(pattern, (REPOSITORY / path).read_text(encoding="utf-8"), re.MULTILINE)
        return str(found)

    return read


#: Where the version is read or written besides client/pyspark_connect_web/version.py.
VERSIONS = {
    "server": lambda: pcw_server_ext.__version__,
    "server's module": lambda: version.__version__,
    "sites": lambda: lite_config.__version__,
    "wheels in the browser": lambda: client.version(REPOSITORY),
    "labextension": _json("labextension/package.json", "version"),
    "labextension's lock": _json("labextension/package-lock.json", "version"),
    "labextension's lock of itself": _json("labextension/package-lock.json", "packages", "", "version"),
    "kernel information": _text("labextension/src/kernel/page.ts", r"implementation_version: '([^']+)'"),
    "client/js": _json("client/js/package.json", "version"),
    "client/js's lock": _json("client/js/package-lock.json", "version"),
    "client/js's lock of itself": _json("client/js/package-lock.json", "packages", "", "version"),
    "example in docs/architecture.md": _text("docs/architecture.md", r'^  "version": "([^"]+)",$'),
}


@pytest.mark.parametrize("place", VERSIONS)
def test_version_is_the_same_everywhere(place: str) -> None:
    assert VERSIONS[place]() == pyspark_connect_web.__version__


def test_build_reads_the_version_from_its_one_place() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^dynamic = \["version"\]$', text, re.MULTILINE)
    assert 'path = "client/pyspark_connect_web/version.py"' in text
