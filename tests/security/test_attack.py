"""The program that attacks a server finds rules that are broken, and a share of its attempts of each kind holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.security.attack import __main__ as program

BROKEN = """
from tornado import web
from pcw_server_ext.proxy.http.cors import Cors, RequestOrigin
from pcw_server_ext.web.handlers import PathsInLogs

Cors.origin_of = lambda self, headers: RequestOrigin.OWN
PathsInLogs.log_exception = web.RequestHandler.log_exception
"""
"""A page of any origin passes for one of the server's own, and the log has whole addresses."""


def test_rules_that_are_broken_are_found(tmp_path: Path) -> None:
    results = program.attack(tmp_path / "server", ("origins", "log", "names"), share=4, broken=BROKEN)
    through = {result.kind: {wrong for _, wrong, _ in result.through} for result in results}
    assert "reached Spark" in through["origins"]
    assert "its query is in the log" in through["log"]
    # what is not broken holds
    assert through["names"] == set()
    text = program.table(results)
    assert "origins: 'https://evil.example' calls with a cookie: reached Spark\n    'POST " in text
    assert any(re.fullmatch(r"names +(\d+) +\1 +0", line) for line in text.splitlines())


def test_some_of_each_kind_hold(tmp_path: Path) -> None:
    # uploads of one site follow from each other: a share of them makes no sense
    kinds = [kind for kind in program.KINDS if kind != "staging"]
    results = program.attack(tmp_path / "server", kinds, share=20)
    assert [result.kind for result in results] == [*kinds, "server"]
    assert all(result.tries > 1 for result in results)
    assert [result for result in results if result.through] == []


def test_kind_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["nonsense"])
    assert "there is no kind nonsense; there are authentication" in capsys.readouterr().err
