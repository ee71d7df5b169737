"""What all handlers of the extension share: authorization, JSON errors, declared lengths."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection
from http.client import responses
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.log import app_log, gen_log

AUTH_RESOURCE: Final = "pcw"
_LONGEST_LENGTH: Final = 20
_VALUE: Final = re.compile(r":|\bb?['\"]|['\"]")
"""Where Tornado's description of a malformed request ends, and a piece of the request begins."""

Method = TypeVar("Method", bound=Callable[..., Any])


def may(action: str) -> Callable[[Method], Method]:
    """``authorized(action)``, which has no usable type of its own."""

    def decorate(method: Method) -> Method:
        return cast("Method", authorized(action)(method))

    return decorate


def declared_length(headers: HTTPHeaders) -> int:
    """Return the body's length in bytes that a request declares; 0 when it declares none.

    Raises:
        HTTPError: 400, it is no number (RFC 9110 section 8.6).
    """
    length = headers.get("Content-Length", "0")
    if not length.isdecimal() or len(length) > _LONGEST_LENGTH:
        raise web.HTTPError(400, "Content-Length must be one number.")
    return int(length)


def json_object(body: bytes, names: Collection[str]) -> dict[str, Any]:
    """Return the JSON object of a request's body, empty for an empty body.

    Args:
        body: the body as it came.
        names: the members that it may have.

    Raises:
        HTTPError: 400, it is not such an object; also for bytes that are no text and for endless nesting.
    """
    try:
        found = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found.keys() <= set(names):
        raise web.HTTPError(400, f"Send a JSON object with any of {', '.join(names)}.")
    return found


def shown_path(path: str) -> str:
    """Return a request's path for the log: a terminal acts on some of the letters that a client may send in it."""
    return "".join(sign if "!" <= sign <= "~" else quote(sign, encoding="latin-1") for sign in path)


class PathsInLogs(web.RequestHandler):
    """Logs the path of an address and never its query, in which Jupyter takes tokens.

    All handlers of the extension are of this class, and `log_paths_only` makes it hold for the line that Jupyter logs
    of each request.
    """

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """As Tornado does, but for the query."""
        log = getattr(self, "log", app_log)
        where = f"{self.request.method} {shown_path(self.request.path)} ({self.request.remote_ip})"
        if isinstance(value, web.HTTPError):
            if value.log_message:
                log.warning("%d %s: %s", value.status_code, where, value.log_message % value.args)
        else:
            log.error("Uncaught exception in %s", where, exc_info=(typ, value, tb))

    def wants_log_line(self) -> bool:
        """Whether the request gets the server's own line in the log, now that its answer is out."""
        return True


def log_paths_only(settings: dict[str, Any]) -> None:
    """Let the server's own line about a request of ours show its path; `settings` are the application's."""
    log = settings["log_function"]

    def log_request(handler: web.RequestHandler) -> None:
        if isinstance(handler, PathsInLogs):
            if not handler.wants_log_line():
                return
            # the answer is out: nobody reads it any more
            handler.request.uri = shown_path(handler.request.path)
        log(handler)

    settings["log_function"] = log_request


class _MalformedRequests(logging.Filter):
    """Takes out of Tornado's line about a malformed request what it cites: a header's value may be a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the line; every line is logged."""
        text = str(record.msg)
        if text.startswith("Malformed HTTP message") and isinstance(record.args, tuple):
            # before these come peers and names of Tornado's own
            *before, error = record.args
            record.args = (*before, _VALUE.split(str(error), maxsplit=1)[0].rstrip())
        return True


_MALFORMED: Final = _MalformedRequests()


def log_no_values() -> None:
    """Keep values of malformed requests out of this process's log, in which Tornado cites them at level INFO.

    They are refused before any handler, and with it any user or route, is known: there is no smaller place to do this.
    """
    gen_log.addFilter(_MALFORMED)


class ParsedOrigin(PathsInLogs, JupyterHandler):
    """Takes an origin that cannot be parsed for a foreign one, where Jupyter would answer 500."""

    def __init__(self, application: web.Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        super().__init__(application, request, **kwargs)
        # Until `prepare` has looked, there is no user: Jupyter's page for a request that is refused before that (an
        # unknown method, a path that is no UTF-8) would else fail, with a traceback in the log.
        self.current_user = None

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """As Jupyter does; `http://[::1` is no address."""
        try:
            return super().check_origin(origin_to_satisfy_tornado)
        except ValueError:
            return False


class JsonErrors(ParsedOrigin):
    """Writes errors as the boundary says, and never redirects to a login page."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """``{"message", "reason"}``; an unexpected exception says no more than its status."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = responses.get(status_code, "Error")
        reason = None
        if isinstance(error, web.HTTPError):
            # it is a format, in which Tornado has doubled every %
            message = error.log_message % error.args if error.log_message else message
            reason = error.reason
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(json.dumps({"message": message, "reason": reason}))

    def get_login_url(self) -> str:
        """A program asks: tell it, do not show it a page."""
        raise web.HTTPError(403, "Log in to the Jupyter server, or send a valid token.")
