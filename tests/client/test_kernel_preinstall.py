"""What every kernel has from its start: what is installed, and what a person is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark_connect_web.errors import PackageFileError
from pyspark_connect_web.kernel.packages.loader import LOCK
from pyspark_connect_web.kernel.packages.preinstall import installed, tell_at_first_cell

ADDRESS = "http://host/user/x/pcw/api/preinstalled"
SAID = "Not in this kernel, though every kernel here should have it: "


class Server:
    """Answers with a list; `absent`: files that it does not have."""

    def __init__(self, listed: str, absent: tuple[str, ...] = ()) -> None:
        self.listed, self.absent = listed, absent
        self.loaded_names: list[str] = []
        self.wheels: list[str] = []

    def read(self, address: str) -> str:
        if address in self.absent:
            raise PackageFileError("the disk is full")
        return self.listed

    def get(self, name: str) -> str:
        if name in self.absent:
            raise PackageFileError(f"{name} is absent")
        packages = {"numpy": {"file_name": "numpy.whl", "depends": []}}
        return json.dumps({"packages": packages}) if name == LOCK else ""

    def loaded(self) -> set[str]:
        return set()

    def install(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        raise AssertionError("nothing can be suspended while a kernel starts")

    async def install_awaiting(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self.loaded_names += entries

    async def piplite(self, wheels: list[str], *, deps: bool) -> None:
        assert not deps
        if "damaged" in wheels[0]:
            raise ValueError("File is not a zip file")
        self.wheels += wheels


def told(server: Server) -> list[str]:
    return asyncio.run(installed(ADDRESS, server, server.piplite))


def listing(**parts: Any) -> str:
    return json.dumps({"wheels": [], "distribution": [], "faults": [], **parts})


def test_wheels_and_pyodides_packages_are_installed() -> None:
    server = Server(listing(wheels=["../pypi/files/12/a-1-py3-none-any.whl"], distribution=["numpy"]))
    assert told(server) == []
    assert server.wheels == ["http://host/user/x/pcw/pypi/files/12/a-1-py3-none-any.whl"]
    assert server.loaded_names == ["numpy"]


@pytest.mark.parametrize(
    ("listed", "absent", "said"),
    [
        (
            listing(faults=[{"requirement": "gone>1", "reason": "No index has it."}]),
            (),
            "gone>1. No index has it.",
        ),
        (
            listing(wheels=["f/damaged-1-py3-none-any.whl"]),
            (),
            "damaged-1-py3-none-any.whl. File is not a zip file",
        ),
        (listing(distribution=["numpy"]), ("numpy.whl",), "numpy. numpy.whl is absent"),
        (listing(), (ADDRESS,), "a package or more. the disk is full"),
        ("<html>", (), "a package or more. the list of them cannot be read"),
        ('{"wheels": 1}', (), "a package or more. the list of them cannot be read"),
    ],
)
def test_what_cannot_be_had_is_told_and_nothing_is_raised(
    listed: str, absent: tuple[str, ...], said: str
) -> None:
    assert told(Server(listed, absent)) == [f"{SAID}{said}"]


def test_one_package_that_cannot_be_had_takes_no_other_away() -> None:
    server = Server(listing(wheels=["f/damaged-1-py3-none-any.whl"], distribution=["numpy"]))
    assert len(told(server)) == 1
    assert server.loaded_names == ["numpy"]


def test_it_is_told_once_with_the_first_cell(capsys: pytest.CaptureFixture[str]) -> None:
    callbacks: list[Any] = []
    events = SimpleNamespace(
        register=lambda name, function: callbacks.append(function),
        unregister=lambda name, function: callbacks.remove(function),
    )
    tell_at_first_cell(SimpleNamespace(events=events), ["one", "two"])
    assert capsys.readouterr() == ("", "")
    callbacks[0](SimpleNamespace())
    assert (capsys.readouterr().err, callbacks) == ("one\ntwo\n", [])
