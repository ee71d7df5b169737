"""Which content codings a browser takes (RFC 9110 section 12.5.3)."""

from __future__ import annotations

from collections.abc import Mapping


def parse_accept_encoding(value: str) -> dict[str, float]:
    """Codings and their weights (RFC 9110 section 12.5.3); what cannot be read does not count."""
    weights: dict[str, float] = {}
    for item in value.split(","):
        coding, *params = (part.strip() for part in item.split(";"))
        if not coding:
            continue
        weight = 1.0
        for param in params:
            name, _, number = param.partition("=")
            if name.strip().lower() == "q":
                try:
                    weight = float(number)
                except ValueError:
                    weight = 0.0
        weights[coding.lower()] = weight
    return weights


def accepts(weights: Mapping[str, float], coding: str) -> bool:
    """Whether a coding other than `identity` may be sent, by what `parse_accept_encoding` read."""
    return weights.get(coding, weights.get("*", 0.0)) > 0
