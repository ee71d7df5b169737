"""The order in which Tornado compares a request with the patterns of all extensions."""

from __future__ import annotations

from typing import Any

from tornado import web


def route_first(router: Any, handler: type[web.RequestHandler]) -> bool:
    """Let a router look at the patterns that were added together with `handler` before all others.

    Tornado adds an extension's patterns behind everybody else's, and compares each call with every pattern of
    JupyterLab before. The group is found by the handler class in it, wherever it stands; without it nothing is changed.

    Returns:
        whether the group was found.
    """
    rules = getattr(router, "rules", None)
    if not isinstance(rules, list):
        return False
    for rule in rules:
        inner = getattr(getattr(rule, "target", None), "rules", ())
        if any(getattr(one, "target", None) is handler for one in inner):
            rules.remove(rule)
            rules.insert(0, rule)
            return True
    return False
