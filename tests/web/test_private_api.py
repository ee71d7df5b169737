"""What is used of Tornado and jupyter_server though it is not public: there, or an error, or the ordinary way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pyspark_connect_web.wire import ContentType
from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream

from pcw_server_ext.errors import ConfigurationError
from pcw_server_ext.proxy.http import sink
from pcw_server_ext.web.private_api import PRIVATE_USES, TESTED, check, exists, installed, lacking
from pcw_server_ext.web.routing import route_first
from tests.support.paths import REPOSITORY


def test_this_installation_has_all_of_the_table() -> None:
    assert [use.target for use in PRIVATE_USES if not exists(use.target)] == []
    check()


def test_ranges_are_those_that_pip_is_told() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    for package, versions in TESTED.items():
        assert f'"{package}{versions}"' in project


@pytest.mark.parametrize("use", PRIVATE_USES, ids=lambda use: use.target)
def test_each_row_names_files_that_exist(use: Any) -> None:
    assert use.package in TESTED
    assert (REPOSITORY / "pcw_server_ext" / use.where).is_file()
    assert (REPOSITORY / use.test).is_file()


@pytest.mark.parametrize(
    "target",
    [
        "tornado.web:RequestHandler.gone",
        "tornado.gone:Anything",
        "jupyter_server.base.handlers:JupyterHandler.prepare(gone)",
    ],
)
def test_what_is_gone_is_one_error_with_version_and_command(target: str) -> None:
    use = replace(PRIVATE_USES[0], target=target)
    with pytest.raises(ConfigurationError) as caught:
        check([use])
    text = str(caught.value)
    assert f"jupyter-server {installed('jupyter-server')} does not have {target.partition(':')[2]}" in text
    assert f"pip install 'jupyter-server{TESTED['jupyter-server']}'" in text
    assert lacking([replace(use, needed=False)]) == []


class Ours(web.RequestHandler):
    pass


class Theirs(web.RequestHandler):
    pass


def targets(application: web.Application) -> list[object]:
    return [
        rule.target.rules[0].target
        for rule in application.default_router.rules
        if hasattr(rule.target, "rules")
    ]


def test_our_patterns_come_first_wherever_they_stand() -> None:
    application = web.Application([("/a", Theirs)])
    application.add_handlers(".*$", [("/w", Theirs)])
    application.add_handlers(".*$", [("/x", Ours)])
    application.add_handlers(".*$", [("/y", Theirs)])
    before = targets(application)
    assert before.index(Ours) != 0
    assert route_first(application.default_router, Ours)
    after = targets(application)
    assert after[0] is Ours
    before.remove(Ours)
    assert after[1:] == before


def test_routers_without_our_patterns_stay_as_they_are() -> None:
    application = web.Application([("/a", Theirs)])
    before = list(application.default_router.rules)
    assert not route_first(application.default_router, Ours)
    assert application.default_router.rules == before
    assert not route_first(object(), Ours)


class Connection(HTTP1Connection):
    def __init__(self, stream: object) -> None:
        self.stream = stream  # type: ignore[assignment]


class Stream:
    """A stream of a Tornado that we do not know."""


class Request:
    version = "HTTP/1.1"

    def __init__(self, stream: object) -> None:
        self.connection = Connection(stream)


class Handler:
    def __init__(self, stream: object) -> None:
        self.request = Request(stream)
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    async def flush(self) -> None:
        pass


class Counter:
    response = 0


def test_answer_goes_the_ordinary_way_where_the_stream_does_not_fit() -> None:
    handler: Any = Handler(Stream())
    counter: Any = Counter()
    writer = sink.BrowserSink(handler, ContentType(False, "proto"), counter)

    async def send() -> None:
        for piece in (b"one", b"two"):
            waiting = writer.send([piece], len(piece))
            assert waiting is not None
            await waiting

    asyncio.run(send())
    assert handler.written == [b"one", b"two"]
    assert counter.response == 6


def test_streams_of_this_tornado_fit() -> None:
    assert sink.fits(IOStream)
    assert not sink.fits(Stream)
