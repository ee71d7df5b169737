"""The rows of answers, counted while they pass in pieces of any size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark_connect_web.wire import encode_frame

from pcw_server_ext.proxy.call.result_rows import ResultRows, ResultSize
from tests.support.plans import base_pb2

RESPONSE = base_pb2.ExecutePlanResponse
SESSION = "5c3b1f0e-6f3b-4a3a-9a57-0f4f1f6d0c11"


def batch(rows: int, size: int = 1000, *, session: str = SESSION, **more: Any) -> bytes:
    """A message with rows as Spark sends it, in its frame."""
    message = RESPONSE(session_id=session, operation_id=SESSION, response_id=SESSION)
    message.arrow_batch.row_count = rows
    message.arrow_batch.data = bytes(size)
    for name, value in more.items():
        setattr(message.arrow_batch, name, value)
    message.metrics.metrics.add(name="scan", plan_id=1)
    return encode_frame(message.SerializeToString())


def other(**fields: Any) -> bytes:
    """A message without rows."""
    message = RESPONSE(session_id=SESSION, operation_id=SESSION, response_id=SESSION, **fields)
    return encode_frame(message.SerializeToString())


DONE = other(result_complete=RESPONSE.ResultComplete())
PROGRESS = other(execution_progress=RESPONSE.ExecutionProgress(num_inflight_tasks=3))


def count(data: bytes, step: int = 1 << 20) -> int:
    total = ResultSize()
    rows = ResultRows(total)
    for at in range(0, len(data), step):
        rows.follow(memoryview(data)[at : at + step])
    return total.rows


@pytest.mark.parametrize("step", [1, 2, 7, 100, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, 20, 127, 128, 129, 300, 70_000])
def test_rows_are_counted_in_pieces_of_any_size(step: int, size: int) -> None:
    answer = PROGRESS + batch(1000, size) + PROGRESS + batch(7, size) + batch(0, size) + DONE
    assert count(answer, step) == 1007


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_rows_that_are_sent_again_count_once_where_the_batch_says_which_they_are(step: int) -> None:
    answer = batch(10, start_offset=0) + batch(10, start_offset=10)
    assert count(answer + answer, step) == 20


def test_rows_that_are_sent_again_count_again_elsewhere() -> None:
    assert count((batch(10) + batch(10)) * 2) == 40


@pytest.mark.parametrize("offset", [{}, {"start_offset": 5}], ids=["unknown", "known"])
def test_batch_in_chunks_counts_once(offset: dict[str, int]) -> None:
    chunks = [batch(10, chunk_index=index, num_chunks_in_batch=3, **offset) for index in range(3)]
    assert count(b"".join(chunks)) == 10 + offset.get("start_offset", 0)


def test_long_names_before_the_rows_hide_nothing() -> None:
    assert count(batch(12, session="s" * 100_000) * 2) == 24


def test_message_that_ends_with_its_rows_is_counted() -> None:
    message = RESPONSE()
    message.arrow_batch.row_count = 5
    message.arrow_batch.data = bytes(500)
    whole = encode_frame(message.SerializeToString())
    assert [count(whole * 2, step) for step in (1, 3, 1000)] == [10, 10, 10]


def test_answers_to_one_query_count_together() -> None:
    total = ResultSize()
    broken, rest = ResultRows(total), ResultRows(total)
    broken.follow(batch(10)[:300])
    rest.follow(batch(10) + batch(3))
    broken.follow(batch(10)[300:])
    assert total.rows == 23


def test_compressed_messages_are_skipped() -> None:
    squeezed = b"\1" + batch(1000)[1:]
    assert count(squeezed + batch(5) + squeezed, 3) == 5


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 400))
def test_messages_that_are_none_of_sparks_lose_no_later_one(others: list[bytes], step: int) -> None:
    total = ResultSize()
    rows = ResultRows(total)
    for message in others:
        rows.follow(encode_frame(message))
    before = total.rows
    data = batch(9)
    for at in range(0, len(data), step):
        rows.follow(data[at : at + step])
    assert total.rows == before + 9
