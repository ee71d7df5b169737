"""What clients saw of the operations, held against each other."""

from __future__ import annotations

from collections.abc import Mapping

from tests.client.outcomes import Outcome

Seen = dict[str, dict[str, Outcome]]
"""Outcomes of each client (`native`, `full`, `lean`), by operation."""


def compare(seen: Mapping[str, dict[str, Outcome]], mode: str, name: str) -> None:
    """Assert that a client showed of an operation what the native one did, and that neither hung."""
    # The native one last: a query that it leaves on a signal keeps Sail busy.
    for client in (mode, "native"):
        hung = seen[client][name].get("hung")
        assert hung is None, f"the {client} client: {hung}"

    def shown(result: Outcome) -> Outcome:
        return {key: value for key, value in result.items() if key != "trace"}

    assert shown(seen[mode][name]) == shown(seen["native"][name]), seen[mode][name].get("trace")
