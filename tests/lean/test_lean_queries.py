"""The lean client gives what the ordinary client gives, operation by operation, on real servers."""

from __future__ import annotations

import pytest

from tests.lean.running import Server, finish, start_script

pytestmark = pytest.mark.timeout(900)  # two clients run 140 operations each on a server that may be busy


def compare(server: Server, zone: str) -> None:
    native = start_script("queries.py", server.native, "native", hidden=False, zone=zone)
    lean = start_script("queries.py", server.web, "lean", hidden=True, zone=zone)
    got, expected = finish(lean), finish(native)
    different = [f"{g}\n    instead of\n{e}" for g, e in zip(got, expected, strict=False) if g != e]
    assert not different, "\n" + "\n".join(different)
    assert len(got) == len(expected) > 100


def test_queries_on_sail(sail_server: Server) -> None:
    compare(sail_server, "UTC")


@pytest.mark.spark
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_queries_on_spark(spark_server: Server, zone: str) -> None:
    compare(spark_server, zone)
