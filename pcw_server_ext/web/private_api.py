"""What the server uses of Tornado and jupyter_server though it is not public, in one table that is checked at start.

A version in which something of it is gone is one error that names the version and the command that mends it; the doctor
shows the same. What can be done without (`needed` is false) is done the ordinary way instead, which is slower.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from pcw_server_ext.errors import ConfigurationError

TESTED: Final = {"tornado": ">=6.5,<6.7", "jupyter-server": ">=2.19,<3"}
"""The versions of each package that the tests run against, as pip and `pyproject.toml` write them."""


@dataclass(frozen=True)
class PrivateUse:
    """One place of another package.

    Attributes:
        package: its name for pip, of `TESTED`.
        target: `module:name.name`; a last part in parentheses is a parameter of the function before it.
        where: our file, from `pcw_server_ext` on.
        why: what for.
        test: the test that fails when it no longer does what it is used for.
        needed: whether the server cannot do without.
    """

    package: str
    target: str
    where: str
    why: str
    test: str
    needed: bool = True


PRIVATE_USES: Final = (
    PrivateUse(
        "jupyter-server",
        "jupyter_server.base.handlers:JupyterHandler.prepare(_redirect_to_login)",
        "proxy/http/grpc_web.py",
        "authenticate a program without a redirect to the login page",
        "tests/web/test_auth.py",
    ),
    PrivateUse(
        "tornado",
        "tornado.http1connection:HTTP1Connection.set_max_body_size",
        "proxy/http/grpc_web.py",
        "a limit of the endpoint's own for large uploads",
        "tests/proxy/test_security.py",
    ),
    PrivateUse(
        "tornado",
        "tornado.routing:RuleRouter.add_rules",
        "web/routing.py",
        "the order of a router's rules: calls are looked up first",
        "tests/web/test_private_api.py",
        needed=False,
    ),
    PrivateUse(
        "tornado",
        "tornado.iostream:IOStream.writing",
        "proxy/http/sink.py",
        "whether the connection's socket may be written to directly, without a copy",
        "tests/web/test_private_api.py",
        needed=False,
    ),
)


def exists(target: str) -> bool:
    """Whether the installed package has a place; see `PrivateUse.target`."""
    module, _, names = target.partition(":")
    path, _, parameter = names.rstrip(")").partition("(")
    try:
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        return not parameter or parameter in inspect.signature(found).parameters
    except (ImportError, AttributeError):
        return False


def installed(package: str) -> str:
    """The installed version of a package; `unknown` when its metadata is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def lacking(uses: Sequence[PrivateUse] = PRIVATE_USES) -> list[PrivateUse]:
    """What of the table the server needs and this installation lacks."""
    return [use for use in uses if use.needed and not exists(use.target)]


def problem(use: PrivateUse) -> str:
    """What is gone of a package, in a sentence without its end."""
    name = use.target.partition(":")[2]
    return f"{installed(use.package)} does not have {name}, which pcw-server-ext needs to {use.why}"


def remedy(use: PrivateUse) -> str:
    """The command that brings a version which was tested."""
    return f"pip install '{use.package}{TESTED[use.package]}'"


def check(uses: Sequence[PrivateUse] = PRIVATE_USES) -> None:
    """Refuse to start with packages that do not fit.

    Raises:
        ConfigurationError: something that is needed is gone; the text names the version and the command.
    """
    found = lacking(uses)
    if found:
        raise ConfigurationError(
            " ".join(
                f"{use.package} {problem(use)}. Install a version that was tested: {remedy(use)}."
                for use in found
            )
        )
