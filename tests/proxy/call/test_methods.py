"""The list of methods agrees with Spark's protocol; `tests/client/test_stub.py` compares the client's with it."""

from __future__ import annotations

from typing import Any

from pcw_server_ext.proxy.call.methods import (
    ENDING,
    METHODS,
    QUERIES,
    SESSION_ID,
    SPARK_CONNECT,
    USER_CONTEXT,
    is_method_name,
    is_service_name,
)
from tests.support.plans import base_pb2

SERVICE: Any = base_pb2.DESCRIPTOR.services_by_name["SparkConnectService"]


def test_listed_methods_are_those_of_the_protocol() -> None:
    assert SERVICE.full_name == SPARK_CONNECT
    assert set(METHODS) == set(SERVICE.methods_by_name)
    for name, method in SERVICE.methods_by_name.items():
        assert METHODS[name].client_streams is bool(method.client_streaming)
        assert METHODS[name].server_streams is bool(method.server_streaming)


def test_fields_are_those_of_the_protocol() -> None:
    for name, method in SERVICE.methods_by_name.items():
        fields = method.input_type.fields_by_name
        assert (fields["session_id"].number, fields["user_context"].number) == (SESSION_ID, USER_CONTEXT)
        if METHODS[name].operation_field is not None:
            assert fields["operation_id"].number == METHODS[name].operation_field


def test_queries_are_what_can_be_asked_for_again() -> None:
    # each answers with ExecutePlanResponse, and the client ends them by ReleaseExecute and ReleaseSession
    answers = {name: method.output_type.name for name, method in SERVICE.methods_by_name.items()}
    assert {name for name, answer in answers.items() if answer == "ExecutePlanResponse"} == QUERIES
    assert {name for name in METHODS if name.startswith("Release")} == ENDING


def test_every_listed_name_is_a_name() -> None:
    assert is_service_name(SPARK_CONNECT)
    assert all(map(is_method_name, METHODS))
    assert is_service_name("Service")
    assert not any(map(is_service_name, ("", ".", "a.", ".a", "a..b", "a/b", "a.1", "a\n")))
    assert not any(map(is_method_name, ("", "a.b", "a/b", "1", "a\n", "é")))
