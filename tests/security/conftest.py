"""What the attacks share: a Spark that takes everything and remembers what reached it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.recording_upstream import RecordingUpstream


@pytest.fixture(scope="session")
def recorder() -> Iterator[RecordingUpstream]:
    """A gRPC server that serves every name and remembers what reached it."""
    server = RecordingUpstream()
    yield server
    server.stop()
