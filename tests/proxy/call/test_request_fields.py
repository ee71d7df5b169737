"""The names in requests, read while they pass in pieces of any size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcw_server_ext.proxy.call.request_fields import RequestFields
from tests.support.plans import base_pb2


def read(method: str, data: bytes, step: int = 1 << 20) -> RequestFields:
    fields = RequestFields(method)
    for at in range(0, len(data), step):
        fields.feed(data, at, min(at + step, len(data)))
    return fields


def request(method: str, **names: Any) -> Any:
    made = getattr(base_pb2, f"{method}Request")(**names)
    made.user_context.user_id = "ann"
    if method == "Config":
        made.operation.get.keys.append("k")
    if method == "ExecutePlan":
        made.plan.root.sql.query = "SELECT " + "1, " * 1000
        made.tags.append("tag")
        made.request_options.add().reattach_options.reattachable = True
    return made


@pytest.mark.parametrize("step", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    "method", ["ExecutePlan", "ReattachExecute", "ReleaseExecute", "ReleaseSession", "Config"]
)
def test_names_are_read_in_pieces_of_any_size(method: str, step: int) -> None:
    named = {"operation_id": "op"} if "Execute" in method else {}
    made = request(method, session_id="session", **named)
    found = read(method, made.SerializeToString(), step)
    assert found.readable
    assert found.session_id == "session"
    assert found.operation_id == named.get("operation_id", "")
    assert base_pb2.UserContext.FromString(found.user_context).user_id == "ann"
    assert found.reattachable == (method in ("ExecutePlan", "ReattachExecute"))


def test_release_of_everything_is_told_from_release_of_a_part() -> None:
    part = base_pb2.ReleaseExecuteRequest(release_until={"response_id": "r"})
    whole = base_pb2.ReleaseExecuteRequest(release_all={})
    assert not read("ReleaseExecute", part.SerializeToString()).releases_all
    assert read("ReleaseExecute", whole.SerializeToString()).releases_all


def test_last_of_equal_fields_counts_and_users_are_merged() -> None:
    first, second = request("ExecutePlan", session_id="a"), base_pb2.ExecutePlanRequest(session_id="b")
    second.user_context.user_name = "Ann"
    found = read("ExecutePlan", first.SerializeToString() + second.SerializeToString(), 3)
    assert found.session_id == "b"
    user = base_pb2.UserContext.FromString(found.user_context)
    assert (user.user_id, user.user_name) == ("ann", "Ann")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 30,
        b"\x0b",
        b"\x0a" + b"\xff" * 19,
        base_pb2.ExecutePlanRequest(session_id="x" * 5000).SerializeToString(),
    ],
    ids=["endless-tag", "group", "endless-length", "long-name"],
)
def test_what_is_no_request_of_a_client_has_no_names(data: bytes) -> None:
    assert not read("ExecutePlan", data).readable


def test_end_is_known_behind_names_that_are_too_long_too() -> None:
    data = base_pb2.ExecutePlanRequest(session_id="x" * 5000, client_type="c").SerializeToString()
    assert read("ExecutePlan", data, 7).between
    assert not read("ExecutePlan", data[:-1], 7).between


@given(st.binary(max_size=300), st.integers(1, 30))
def test_any_bytes_are_read_the_same_in_any_pieces(data: bytes, step: int) -> None:
    whole, parts = read("ExecutePlan", data), read("ExecutePlan", data, step)
    if whole.readable and parts.readable:
        assert (whole.session_id, whole.operation_id) == (parts.session_id, parts.operation_id)
    try:
        parsed = base_pb2.ExecutePlanRequest.FromString(data)
    except Exception:  # noqa: BLE001 - whatever protobuf raises: it is no request
        return
    if parts.readable:
        assert parts.session_id == parsed.session_id
        assert parts.operation_id == parsed.operation_id


def options(*made: Any) -> Any:
    """A request with these options."""
    plan = base_pb2.ExecutePlanRequest(session_id="a", operation_id="op")
    for option in made:
        plan.request_options.add().CopyFrom(option)
    return plan


REATTACH = base_pb2.ExecutePlanRequest.RequestOption(reattach_options={"reattachable": True})
NO_REATTACH = base_pb2.ExecutePlanRequest.RequestOption(reattach_options={"reattachable": False})
CHUNKS = base_pb2.ExecutePlanRequest.RequestOption(
    result_chunking_options={"allow_arrow_batch_chunking": True}
)


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("made", "asks"),
    [
        ((), False),
        ((CHUNKS,), False),
        ((NO_REATTACH,), False),
        ((REATTACH,), True),
        ((REATTACH, CHUNKS), True),
        ((CHUNKS, REATTACH), True),
    ],
    ids=["none", "chunks", "no", "yes", "yes and chunks", "chunks and yes"],
)
def test_clients_that_can_come_back_say_so(made: Any, asks: bool, step: int) -> None:
    assert read("ExecutePlan", options(*made).SerializeToString(), step).asks_to_reattach is asks


def test_one_who_comes_back_can_do_so_again() -> None:
    again = base_pb2.ReattachExecuteRequest(session_id="a", operation_id="op")
    assert read("ReattachExecute", again.SerializeToString()).asks_to_reattach
    assert not read("Config", again.SerializeToString()).asks_to_reattach


@given(st.binary(max_size=60))
def test_options_that_are_no_protobuf_ask_for_nothing_or_something_but_never_fail(data: bytes) -> None:
    plan = base_pb2.ExecutePlanRequest(session_id="a").SerializeToString()
    assert read("ExecutePlan", plan + b"\x2a" + bytes([len(data)]) + data).asks_to_reattach in (True, False)
