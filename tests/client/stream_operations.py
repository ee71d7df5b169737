"""Operations that take their time: streams, their listeners, progress, interrupts; see `operations.py`."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.client.session_operations import (
    operation,
    operation_in_a_process_of_its_own,
    operation_with_threads,
)


@operation
def stream_into_memory(spark: Any, _: Path) -> Any:
    source = rate(spark)
    name = "pcw_memory_" + spark.session_id.replace("-", "")
    query = (
        source.writeStream.format("memory").queryName(name).trigger(processingTime="200 milliseconds").start()
    )
    try:
        for _ in range(400):
            if query.lastProgress is not None and query.lastProgress["batchId"] >= 1:
                break
            query.awaitTermination(0.2)
        progress = query.lastProgress
        active = query.isActive, [found.name == name for found in spark.streams.active]
    finally:
        query.stop()
    rows = spark.table(name).count()
    return active, sorted(progress), rows >= 8, rows % 4, query.isActive, query.exception()


@operation
def stream_that_fails(spark: Any, _: Path) -> Any:
    source = rate(spark)
    failing = source.selectExpr("assert_true(value < 0)")
    query = failing.writeStream.format("memory").queryName("pcw_failing").start()
    try:
        query.awaitTermination(60)
    except Exception as error:  # noqa: BLE001 - its class is the result
        return type(error).__name__, query.isActive, type(query.exception()).__name__
    finally:
        query.stop()
    return "did not fail"


def rate(spark: Any) -> Any:
    return spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 4).load()


def await_progress(query: Any) -> None:
    """Wait for the first report. The source always has more rows, so `processAllAvailable` would never end."""
    end = time.monotonic() + 40
    while query.lastProgress is None and time.monotonic() < end:
        query.awaitTermination(0.2)


@contextlib.contextmanager
def started(writer: Any) -> Iterator[Any]:
    query = writer.start()
    try:
        yield query
    finally:
        query.stop()


@operation
def stream_of_files(spark: Any, folder: Path) -> Any:
    source, target, kept = (str(folder / name) for name in ("stream-in", "stream-out", "stream-kept"))
    spark.range(5).write.parquet(source)
    frame = spark.readStream.schema("id long").parquet(source)
    writer = frame.writeStream.format("parquet").option("checkpointLocation", kept).trigger(availableNow=True)
    with started(writer.option("path", target)) as query:
        ended = query.awaitTermination(60)
    rows = spark.read.parquet(target).orderBy("id").collect()
    return frame.isStreaming, ended, query.isActive, query.exception(), query.name, rows


@operation
def what_a_stream_tells(spark: Any, _: Path) -> Any:
    with started(rate(spark).writeStream.format("memory").queryName("pcw_telling")) as query:
        await_progress(query)
        found = spark.streams.get(query.id)
        facts = found.id == query.id, found.runId == query.runId, query.name, sorted(query.status)
        progress = query.recentProgress
        sources = [source["description"].split("[")[0] for source in progress[0]["sources"]]
        return facts, len(progress) > 0, sources, type(progress[0]).__name__, progress[0].numInputRows >= 0


def listener_of(seen: list[tuple[str, Any]]) -> Any:
    from pyspark.sql.streaming.listener import StreamingQueryListener

    class Listener(StreamingQueryListener):
        def onQueryStarted(self, event: Any) -> None:
            seen.append(("started", event.name))

        def onQueryProgress(self, event: Any) -> None:
            seen.append(("progress", event.progress.name))

        def onQueryIdle(self, event: Any) -> None: ...

        def onQueryTerminated(self, event: Any) -> None:
            seen.append(("terminated", event.exception))

    return Listener()


@operation_in_a_process_of_its_own
def listener_hears_while_a_query_runs(spark: Any, _: Path) -> Any:
    """The listener is removed after its last event.

    PySpark's own `removeListener` waits for its thread with the lock held that the thread takes for each event:
    an event that comes meanwhile is a deadlock. What is still to come when a listener is removed is the business of
    `test_listeners.py`.
    """
    seen: list[tuple[str, Any]] = []
    listener = listener_of(seen)
    spark.streams.addListener(listener)
    try:
        with started(rate(spark).writeStream.format("memory").queryName("pcw_heard")) as query:
            end = time.monotonic() + 40
            while ("progress", "pcw_heard") not in seen and time.monotonic() < end:
                query.awaitTermination(0.2)
            early = ("progress", "pcw_heard") in seen
        end = time.monotonic() + 40
        while ("terminated", None) not in seen and time.monotonic() < end:
            # a call, in which a client without threads hands out what it has heard
            spark.conf.get("spark.sql.session.timeZone")
            time.sleep(0.05)
    finally:
        spark.streams.removeListener(listener)
    return early, seen[0], sorted(map(str, set(seen))), seen[-1]


def reports_progress(spark: Any) -> bool:
    """Whether this is Apache Spark, which tells every two seconds what runs; Sail tells nothing but the end."""
    from pyspark.errors import PySparkException

    try:
        spark.range(1).selectExpr("java_method('java.lang.Math', 'abs', -1)").collect()
    except PySparkException:
        return False
    return True


@contextlib.contextmanager
def tasks_of_next_query(spark: Any) -> Iterator[threading.Event]:
    """An event that is set when tasks of the next query run.

    An interrupt that comes while Spark still plans ends the query, and Spark 4.3 begins its job all the same, with
    every client: it would hold all task slots for the tests that share this Spark. Of Sail the event is set at once.
    """
    begun = threading.Event()

    def handler(stages: Any, inflight_tasks: int, operation_id: str, done: bool) -> None:
        if inflight_tasks:
            begun.set()

    if not reports_progress(spark):
        begun.set()
    spark.registerProgressHandler(handler)
    try:
        yield begun
    finally:
        spark.removeProgressHandler(handler)


@operation
def progress_of_a_query(spark: Any, _: Path) -> Any:
    waits = "java_method('java.lang.Thread', 'sleep', 5000L)" if reports_progress(spark) else "id"
    seen: list[Any] = []

    def handler(stages: Any, inflight_tasks: int, operation_id: str, done: bool) -> None:
        seen.append((list(stages or []), inflight_tasks, operation_id, done))

    spark.registerProgressHandler(handler)
    try:
        waited = (
            spark.range(0, 4, 1, 4).selectExpr(f"{waits} AS waited").selectExpr("count(waited)").collect()
        )
    finally:
        spark.removeProgressHandler(handler)
    count = len(seen)
    spark.range(1).collect()
    reported = [stages for stages, _, _, done in seen if not done and stages]
    kinds = sorted({type(value).__name__ for stages in reported for value in vars(stages[0]).values()})
    tasks = {stages[0].num_tasks for stages in reported}
    return waited, len(reported) > 0, kinds, tasks, seen[-1][3], len({s[2] for s in seen}), count == len(seen)


ENDLESS = "SELECT a, count(*) FROM (SELECT id % 7 AS a FROM range(0, 10000000000000, 1, 4)) GROUP BY a"


@operation
def interrupts_that_meet_nothing(spark: Any, folder: Path) -> Any:
    # The operation before may be known until it has been released, which nobody waits for.
    for _ in range(50):
        if not spark.interruptAll():
            break
        time.sleep(0.1)
    return spark.interruptAll(), spark.interruptTag("nothing"), spark.interruptOperation("not-there")


@operation_with_threads
def interrupted_by_a_signal(spark: Any, _: Path) -> Any:
    spark.range(4).createOrReplaceTempView("kept_over_interrupts")
    sent: list[float] = []

    def send() -> None:
        begun.wait(40)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(3, send)
    try:
        with tasks_of_next_query(spark) as begun:
            timer.start()
            spark.sql(ENDLESS).collect()
        error = "none"
    except KeyboardInterrupt:
        error = "KeyboardInterrupt"
    # the query would take days
    soon = time.monotonic() - sent[0] < 30
    left = spark.interruptAll()
    return error, soon, left, spark.table("kept_over_interrupts").count(), spark.range(3).count()


def interrupted(spark: Any, call: Any) -> Any:
    """What the interrupted query raises, what the interrupt says, and that the session goes on."""
    given: list[Any] = []

    def interrupt() -> None:
        begun.wait(40)
        # until the server knows the query
        end = time.monotonic() + 40
        while not (ids := call()) and time.monotonic() < end:
            time.sleep(0.3)
        given.append(ids)

    timer = threading.Timer(1, interrupt)
    try:
        with tasks_of_next_query(spark) as begun:
            timer.start()
            spark.sql(ENDLESS).collect()
        error = "none"
    except Exception as raised:  # noqa: BLE001 - its class is the result
        error = type(raised).__name__
    timer.join(30)
    return error, [len(ids) for ids in given], spark.range(3).count()


@operation_with_threads
def interrupted_all(spark: Any, _: Path) -> Any:
    return interrupted(spark, spark.interruptAll)


@operation_with_threads
def interrupted_by_tag(spark: Any, _: Path) -> Any:
    spark.addTag("nightly")
    try:
        return interrupted(spark, lambda: spark.interruptTag("nightly"))
    finally:
        spark.clearTags()


class LastOperation:
    """A session's hook that keeps the id of the newest operation, on servers that report no progress too."""

    id = ""

    def on_execute_plan(self, request: Any) -> Any:
        self.id = request.operation_id
        return request


@operation_with_threads
def interrupted_by_operation(spark: Any, _: Path) -> Any:
    hook, before = LastOperation(), spark.client._session_hooks
    spark.client._session_hooks = [*before, hook]
    try:
        return interrupted(spark, lambda: spark.interruptOperation(hook.id))
    finally:
        spark.client._session_hooks = before
