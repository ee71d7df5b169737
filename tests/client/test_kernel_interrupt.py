"""Stop: what a cell shows, and a server that does not answer cannot hold the cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pyspark_connect_web as pcw
import pytest
from pyspark_connect_web.kernel.interrupt import own_part, render_errors_once, show_interrupts_briefly

from tests.client.peer import Exchange, Peer
from tests.client.scripted_spark import Spark

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


def compiled(source: str, filename: str, name: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(source, filename, "exec"), namespace)
    return namespace


def interrupted(by: Any) -> KeyboardInterrupt:
    """A KeyboardInterrupt in a library, called by `mine`, called by a cell."""
    library = compiled("def wait():\n    check()", "/usr/lib/python3/site-packages/pyspark/x.py", "pyspark.x")
    # As Pyodide shows a frame of JavaScript.
    library |= compiled("def check():\n    raise KeyboardInterrupt", "http://host/kernel.worker.js", "")
    library["wait"].__globals__["check"] = library["check"]
    cell = compiled(by, "/tmp/ipykernel_1/2.py", "__main__")
    cell["wait"] = library["wait"]
    try:
        cell["mine"]()
    except KeyboardInterrupt as error:
        return error
    raise AssertionError("not interrupted")


def frames(trace: Any) -> list[str]:
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return names


def test_interrupt_shows_the_frames_down_to_the_persons_last_one() -> None:
    error = interrupted("def mine():\n    inner()\ndef inner():\n    wait()")
    assert frames(error.__traceback__)[-4:] == ["mine", "inner", "wait", "check"]
    assert frames(own_part(error.__traceback__))[-2:] == ["mine", "inner"]


def test_traceback_without_own_frames_stays_whole() -> None:
    library = compiled("def wait():\n    raise KeyboardInterrupt", "/x/site-packages/a.py", "a")
    try:
        library["wait"]()
    except KeyboardInterrupt as error:
        trace = error.__traceback__
    assert trace is not None
    assert frames(own_part(trace.tb_next)) == ["wait"]
    assert own_part(None) is None


def test_shell_shows_the_short_traceback_of_interrupts_only() -> None:
    handled: list[Any] = []
    hooked: list[type[BaseException]] = []

    class Shell:
        def excepthook(self, kind: type[BaseException], error: Any, trace: Any) -> None:
            hooked.append(kind)

        def set_custom_exc(self, kinds: tuple[type, ...], handler: Any) -> None:
            handled.append((kinds, handler))

        def showtraceback(self, exception: Any, tb_offset: int | None) -> None:
            handled.append((exception, tb_offset))

    shell = Shell()
    show_interrupts_briefly(shell)
    # Who raises the interrupt in JavaScript may still catch it in Python.
    shell.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    shell.excepthook(ValueError, ValueError(), None)
    assert hooked == [ValueError]
    [(kinds, handler)] = handled
    assert kinds == (KeyboardInterrupt,)
    error = interrupted("def mine():\n    wait()")
    assert handler(shell, KeyboardInterrupt, error, error.__traceback__, tb_offset=1) == []
    (kind, value, trace), offset = handled[1]
    assert (kind, value, offset) == (KeyboardInterrupt, error, 1)
    assert "wait" not in frames(trace)
    assert error.__traceback__ is trace


def test_traceback_that_was_shown_is_not_rendered_again() -> None:
    rendered: list[BaseException] = []

    class Shell:
        def __init__(self) -> None:
            self._last_traceback: dict[str, Any] | None = {"evalue": "seen", "traceback": ["lines"]}

        def _format_exception_for_storage(self, error: BaseException) -> dict[str, Any]:
            rendered.append(error)
            return {}

    shell = Shell()
    render_errors_once(shell)
    kept = shell._format_exception_for_storage(ValueError("seen"))
    assert kept == {"ename": "ValueError", "evalue": "seen", "traceback": ["lines"]}
    other = ValueError("other")
    shell._format_exception_for_storage(other)
    shell._last_traceback = None
    shell._format_exception_for_storage(other)
    assert rendered == [other, other]


class DeafSpark(Spark):
    """Never answers an Interrupt."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupts: list[str] = []

    def __call__(self, exchange: Exchange) -> None:
        if exchange.request.rpc == "Interrupt":
            self.interrupts.append(self.parse(exchange).operation_id)
            exchange.wait_for_close()
        else:
            super().__call__(exchange)


@pytest.fixture
def deaf() -> Iterator[tuple[Any, DeafSpark]]:
    from pyspark.sql.connect.session import SparkSession

    pcw.install()
    spark = DeafSpark()
    with Peer(spark) as peer:
        session = SparkSession(f"sc://{peer.url.split('/')[2]}/;transport=grpcweb")
        session.release_session_on_close = False
        yield session.client, spark
        session.client._channel.background._running.clear()
        session.client._channel.close()


def test_stop_does_not_wait_for_a_server_that_is_deaf(deaf: tuple[Any, DeafSpark]) -> None:
    client, spark = deaf
    began = time.monotonic()
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert client.interrupt_operation("an operation") == []
    assert time.monotonic() - began < 15
    end = time.monotonic() + 60
    while not spark.interrupts:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert spark.interrupts == ["an operation"]
    assert sys.exc_info() == (None, None, None)
