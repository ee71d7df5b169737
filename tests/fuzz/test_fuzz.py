"""A short run of every target but the one that needs a server; `make fuzz` runs 100,000 cases of all."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz import codec, http2, request, site

CASES = {
    "codec": (codec.case, 1500),
    "http2": (http2.case, 800),
    "request": (request.case, 800),
    "site": (site.case, 400),
}


@pytest.mark.parametrize("name", CASES)
def test_random_input_ends_in_documented_errors(name: str) -> None:
    case, count = CASES[name]
    for seed in range(count):
        case(Random(f"{name}:{seed}"))
