"""The response state machine: every fault of the peer is a status, never an exception."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark_connect_web import wire
from pyspark_connect_web.wire import Response, State, StateError, Status, StatusCode

from tests.client.vectors import load, pieces, unhex

OK_HEAD = [("content-type", "application/grpc-web+proto")]
WIRE = Path(wire.__file__).parent


def run(
    body: bytes,
    size: int,
    *,
    http: int = 200,
    headers: list[tuple[str, str]] | None = None,
    streaming: bool = True,
) -> tuple[list[bytes], Status]:
    response = Response(streaming=streaming, max_message=1 << 20)
    response.receive_head(http, OK_HEAD if headers is None else headers)
    messages = [message for piece in pieces(body, size) for message in response.receive_data(piece)]
    status = response.receive_end()
    assert response.state is State.DONE
    assert response.status == status
    return messages, status


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize("case", load("responses"), ids=lambda case: str(case["name"]))
def test_response_means(case: dict[str, Any], size: int) -> None:
    body = case["bodyText"].encode() if "bodyText" in case else unhex(case["body"])
    messages, status = run(
        body,
        size,
        http=case["http"],
        headers=[(name, value) for name, value in case["headers"]],
        streaming=case["streaming"],
    )
    assert [message.hex() for message in messages] == case["messages"]
    assert status.code.name == case["code"]
    assert "message" not in case or status.message == case["message"]
    assert status.code is StatusCode.OK or case["name"].startswith("grpc-status beats") or status.message


def test_metadata_of_head_and_trailers_is_kept_apart() -> None:
    response = Response(streaming=True)
    response.receive_head(200, [*OK_HEAD, ("X-Head", "1"), ("date", "now")])
    response.receive_data(wire.encode_trailers([("x-tail", "2"), ("x-b-bin", "AAE"), ("grpc-status", "0")]))
    response.receive_end()
    assert response.initial_metadata == [("x-head", "1")]
    assert response.trailing_metadata == [("x-tail", "2"), ("x-b-bin", b"\0\1")]


def test_details_of_a_status_are_decoded() -> None:
    status = Status(StatusCode.INTERNAL, "50 % of\nit", b"\0\1\2")
    messages, found = run(wire.encode_trailers(status.to_pairs()), 1)
    assert (messages, found) == ([], status)
    assert Status.from_pairs([("grpc-status", "2"), ("grpc-status-details-bin", "*")]) == Status(
        StatusCode.UNKNOWN
    )


def test_trailers_only_metadata_are_trailers() -> None:
    response = Response(streaming=True)
    response.receive_head(200, [*OK_HEAD, ("grpc-status", "5"), ("x-a", "1")])
    assert response.receive_end() == Status(StatusCode.NOT_FOUND)
    assert (response.initial_metadata, response.trailing_metadata) == ([], [("x-a", "1")])


def test_data_after_the_status_is_dropped() -> None:
    response = Response(streaming=False)
    response.receive_head(200, OK_HEAD)
    assert response.receive_data(wire.encode_frame(b"a") * 2) == [b"a"]
    assert response.done
    assert response.receive_data(wire.encode_frame(b"b")) == []
    assert response.receive_end().code is StatusCode.UNIMPLEMENTED


def test_page_of_any_size_costs_bounded_memory() -> None:
    response = Response(streaming=True)
    response.receive_head(500, [("content-type", "text/plain")])
    for _ in range(100):
        response.receive_data(b"word " * 20_000)
    status = response.receive_end()
    assert status.code is StatusCode.UNKNOWN
    assert len(status.message) < 500


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        ("application/json", b'{"message": "no such endpoint"}', "no such endpoint"),
        ("application/json", b'{"error": {"message": "quota"}}', "quota"),
        ("application/problem+json", b'{"detail": "gone"}', "gone"),
        ("", b'{"message": "untyped"}', "untyped"),
        ("text/html", b"<h1>Only &lt;a&gt; heading</h1>", "Only <a> heading"),
        ("text/plain", b"upstream connect error\r\n", "upstream connect error"),
        ("application/json", b"{broken", None),
        ("application/json", b'["list"]', None),
        ("application/octet-stream", b"\xff\xfe", None),
        ("text/plain", b"bell\x07 and \x1b[31mcolour", "bell and [31mcolour"),
    ],
)
def test_error_page_says_what_it_says(content_type: str, body: bytes, said: str | None) -> None:
    _, status = run(body, 7, http=500, headers=[("content-type", content_type)])
    head = "The server answered HTTP 500 Internal Server Error"
    assert status.message == f"{head}{f': {said}' if said else ''}. See the server's log."


@pytest.mark.parametrize(
    "events",
    [
        [lambda r: r.receive_data(b"")],
        [lambda r: r.receive_end()],
        [lambda r: r.receive_head(200, OK_HEAD), lambda r: r.receive_head(200, OK_HEAD)],
    ],
)
def test_events_out_of_order_are_our_own_fault(events: list[Any]) -> None:
    response = Response(streaming=True)
    for event in events[:-1]:
        event(response)
    with pytest.raises(StateError):
        events[-1](response)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=120),
        st.lists(
            st.one_of(
                st.binary(max_size=8).map(wire.encode_frame),
                st.sampled_from([b"\x80\0\0\0\x0fgrpc-status:0\r\n", b"\x20\0\0\0\0", b"\x01\0\0\0\x01x"]),
            ),
            max_size=5,
        ).map(b"".join),
    ),
    st.booleans(),
    st.integers(1, 30),
)
def test_any_body_ends_in_one_status_however_it_is_cut(body: bytes, streaming: bool, size: int) -> None:
    outcomes = [run(body, step, streaming=streaming) for step in (1, size, len(body) + 1)]
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_wire_imports_no_io() -> None:
    allowed = {
        "__future__",
        "binascii",
        "collections",
        "dataclasses",
        "enum",
        "html",
        "json",
        "math",
        "re",
        "struct",
    }
    allowed |= {"types", "typing", "urllib", "http"}
    imported: set[str] = set()
    for file in WIRE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{file.name}: imports are absolute"
                module = str(node.module)
                if module != "pyspark_connect_web.wire" and not module.startswith(
                    "pyspark_connect_web.wire."
                ):
                    imported.add(module)
    assert {name.partition(".")[0] for name in imported} <= allowed
    # Of these two packages only the parts without I/O.
    assert {name for name in imported if name.startswith(("urllib", "http"))} <= {"urllib.parse", "http"}
    assert allowed <= sys.stdlib_module_names
