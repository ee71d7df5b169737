"""On embedded Sail the native client and ours show the same for every operation, results and errors alike.

A grpc-web server that is not ours (Envoy) stands between. `make test` runs the full client here, `make nightly` the
other one as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.clients import Clients, clients
from tests.client.comparing import compare
from tests.client.operations import OPERATIONS
from tests.support.engines import running_sail


@pytest.fixture(scope="module")
def on_sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    folder = tmp_path_factory.mktemp("sail")
    with running_sail(folder) as port, clients(port, folder) as seen:
        yield seen


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", ["full", pytest.param("lean", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_on_sail_shows_what_the_native_client_shows(on_sail: Clients, mode: str, name: str) -> None:
    compare(on_sail, mode, name)
