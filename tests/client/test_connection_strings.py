"""Connection strings mean the same to PySpark, to the client and to the server: the shared vectors, read by each."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
from pyspark_connect_web.connection import parse_target
from pyspark_connect_web.connection_string import parse_connection_string
from pyspark_connect_web.errors import ConnectionStringError

from tests.client.vectors import load

VECTORS: list[dict[str, Any]] = load("connection_strings")
PARTS = ("host", "port", "use_tls", "token", "user_id", "session_id", "user_agent", "metadata")
SECRET = "s3cret"


def expected(vector: dict[str, Any], reader: str = "") -> dict[str, Any]:
    """The parts that a reader finds; a vector leaves out what is None, and the port and metadata of most."""
    given = {"port": 15002, "use_tls": False, "metadata": {}} | vector | vector.get(reader, {})
    return {part: given.get(part) for part in PARTS}


def ids(vector: dict[str, Any]) -> str:
    return str(vector["string"])[:60]


@pytest.fixture(scope="module")
def pyspark_builder() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from pyspark.sql.connect.client.core import DefaultChannelBuilder
    return DefaultChannelBuilder


def read_by_pyspark(builder: Any) -> dict[str, Any]:
    # PySpark checks the name of the program when it is asked for it.
    assert builder.userAgent
    # `toChannel` needs no encryption for the name localhost, whatever comes with it.
    plain = not builder.secure or (not builder.use_ssl and builder._host == "localhost")
    return {
        "host": builder._host.strip("[]"),
        "port": builder._port,
        "use_tls": not plain,
        "token": builder.token,
        "user_id": builder.userId,
        "session_id": builder.session_id,
        "user_agent": builder.getDefault("user_agent", None),
        "metadata": dict(builder.metadata()),
    }


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_pyspark_reads_a_string_as_the_vectors_say(
    vector: dict[str, Any], pyspark_builder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPARK_CONNECT_AUTHENTICATE_TOKEN", raising=False)
    assert ("pyspark" in vector) <= ("why" in vector)
    own = vector.get("pyspark", {"error": True} if "error" in vector else {})
    if "error" in own:
        from pyspark.errors import PySparkException

        with pytest.raises((PySparkException, ValueError)):
            read_by_pyspark(pyspark_builder(vector["string"]))
    else:
        assert read_by_pyspark(pyspark_builder(vector["string"])) == expected(vector, "pyspark")


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_string_is_read_as_the_vectors_say(vector: dict[str, Any]) -> None:
    if "error" in vector:
        with pytest.raises(ConnectionStringError, match=vector["error"]) as caught:
            parse_connection_string(vector["string"])
        assert SECRET not in str(caught.value)
        return
    found = parse_connection_string(vector["string"])
    parts = {name: found.params.get(name) for name in ("user_id", "session_id", "user_agent")}
    parts |= {"host": found.host, "port": found.port, "use_tls": found.use_tls, "token": found.token}
    assert parts | {"metadata": found.metadata} == expected(vector)
    assert set(re.findall(r"(\w+)=", repr(found))) == {"host", "port"}


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_client_calls_the_server_that_a_string_names(vector: dict[str, Any]) -> None:
    address, _, params = vector["string"].partition(";")
    ours = f"{address};transport=grpcweb{';' if params else ''}{params}"
    if "error" in vector:
        with pytest.raises(ConnectionStringError) as caught:
            parse_target(ours, None)
        assert SECRET not in str(caught.value)
        return
    want = expected(vector)
    target = parse_target(ours, None)
    host = f"[{want['host']}]" if ":" in want["host"] else want["host"]
    assert target.base == f"{'https' if want['use_tls'] else 'http'}://{host}:{want['port']}"
    assert (target.host, target.token) == (want["host"], want["token"])
    # PySpark's builder makes the rest of these, as it does without us.
    for part in ("user_id", "session_id", "user_agent"):
        assert target.params.get(part) == want[part]
    assert want["metadata"].items() <= target.params.items()


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("http://host/;token=s3cret", False),
        ("http://host:8888/user/x/;token=s3cret;endpoint=prod", False),
        ("https://host/;token=s3cret", True),
        ("http://localhost:8888/;token=s3cret", True),
        ("http://127.0.0.1:8888/;token=s3cret", True),
        ("http://[::1]:8888/;token=s3cret", True),
        ("http://host/", True),
    ],
)
def test_token_goes_out_in_the_clear_to_this_machine_only(url: str, goes: bool) -> None:
    if goes:
        assert parse_target(url, None).base
        return
    with pytest.raises(ConnectionStringError, match=r"https://.*tunnel") as caught:
        parse_target(url, None)
    assert SECRET not in str(caught.value)
