"""The headers that a page of another origin sends to a grpc-web endpoint and reads from it.

The endpoint's preflight allows them, the Envoy configuration of a build lists them, and the check of a site asks
for those without which no call works.
"""

from __future__ import annotations

from typing import Final

from pyspark_connect_web.wire import DECLARED_METADATA, LONGEST_SILENCE

# Content-Type is not safelisted with grpc-web's values; Authorization is never covered by a wildcard.
REQUEST_HEADERS: Final = (
    "accept",
    "authorization",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "x-grpc-web",
    DECLARED_METADATA,
    "x-user-agent",
    "x-xsrftoken",
)
RESPONSE_HEADERS: Final = ("grpc-status", "grpc-message", "grpc-status-details-bin", LONGEST_SILENCE)
NEEDED: Final = ("authorization", "content-type", "x-grpc-web")
"""What each call of a site's page sends."""
