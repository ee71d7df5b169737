"""What an HTTP answer without a gRPC status says: a proxy's error page, a JSON error, a login page.

Source: gRPC "HTTP to gRPC Status Code Mapping", which counts only for responses without grpc-status.
"""

from __future__ import annotations

import html
import json
import re
from http import HTTPStatus

from pyspark_connect_web.wire.status import Status, StatusCode, code_from_http

__all__ = ["MAX_ERROR_BODY", "status_from_page"]

MAX_ERROR_BODY = 64 * 1024

_MAX_TEXT = 300
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HEADING = re.compile(r"<h1[^>]*>(.*?)</h1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")

# Not "reload the page": that would end the kernel, and a login in another tab is the browser's, so this page's too.
_LOG_IN = "Log in again in another tab and run the cell again: this notebook keeps its variables"
_NOT_THERE = (
    "The login has ended, or your Jupyter server is not running. Log in, or start it (File > Hub Control Panel), in "
    "another tab and run the cell again: this notebook keeps its variables, but temporary views of a local engine that "
    "was stopped are gone."
)
_NEXT_STEP = {
    401: f"{_LOG_IN}, or pass a valid token.",
    403: f"The login may have ended, or this user may not use Spark. {_LOG_IN}, or pass a valid token.",
    404: "Check the address and the endpoint's name.",
    405: "Check that the address is a Spark Connect endpoint that speaks grpc-web.",
    413: "The request is larger than the server's limit: send less at once, or have the limit raised.",
    415: "Check that the address is a Spark Connect endpoint that speaks grpc-web.",
    424: _NOT_THERE,
    429: "The server is busy: try again in a moment.",
    502: "Spark behind the server is not reachable: see the server's log.",
    503: "Spark behind the server is not available: see the server's log.",
    504: "Spark behind the server did not answer in time: see the server's log.",
}


def status_from_page(http_status: int, content_type: str, body: bytes) -> Status:
    """The status of an HTTP response that is no grpc-web.

    The code comes from the HTTP status, except that 200 and redirects, which are a page in place of
    an answer, are UNKNOWN. The message names the HTTP status, what the page says and the next step.

    Args:
        http_status: the HTTP status code.
        content_type: the Content-Type header, or "".
        body: the first `MAX_ERROR_BODY` bytes of the body.
    """
    said = _message_of(content_type, body)
    if http_status in (401, 403) and "xsrf" in said.lower():
        # how a login that has ended is noticed, which tells nobody what to do
        said = ""
    in_between = http_status in (401, 403) and _is_html(content_type, body)
    try:
        phrase = HTTPStatus(http_status).phrase
    except ValueError:
        phrase = ""
    name = f"HTTP {http_status} {phrase}".strip()
    if 200 <= http_status < 300:
        kind = content_type.partition(";")[0].strip() or "no content type"
        what = f"The address answers with {kind} in place of grpc-web"
        code = StatusCode.UNKNOWN
        step = "Check that it is a Spark Connect endpoint that speaks grpc-web, and that you are logged in."
    elif 300 <= http_status < 400:
        what = f"The server answered {name}: it wants to redirect the call, which usually means a login page"
        code = StatusCode.UNKNOWN
        step = f"{_LOG_IN}, or check the address."
    elif in_between:
        # The Jupyter server refuses in JSON. A hub, or a login in front of it, answers while that does not run.
        return Status(code_from_http(http_status), f"The way to Spark ended at {name}. {_NOT_THERE}")
    else:
        what = f"The server answered {name}"
        code = code_from_http(http_status)
        step = _NEXT_STEP.get(http_status, "See the server's log.")
    text = f"{what}: {said}" if said else what
    if text[-1] not in ".!?":
        text += "."
    return Status(code, f"{text} {step}")


def _is_html(content_type: str, body: bytes) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "text/html" or body.lstrip()[:1] == b"<"


def _message_of(content_type: str, body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    media = content_type.partition(";")[0].strip().lower()
    if media.endswith("json") or text.startswith("{"):
        return _shorten(_from_json(text))
    if media == "text/html" or text[:1] == "<":
        match = _TITLE.search(text) or _HEADING.search(text)
        return _shorten(html.unescape(_TAG.sub(" ", match[1]))) if match else ""
    if media in ("text/plain", ""):
        return _shorten(text)
    return ""


def _from_json(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    for key in ("message", "error", "detail"):
        found = value.get(key)
        if isinstance(found, dict):
            found = found.get("message")
        if isinstance(found, str) and found.strip():
            return found
    return ""


def _shorten(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 3] + "..."
