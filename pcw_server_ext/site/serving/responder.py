"""Sends a `SiteFolder`'s answer through a Tornado handler: conditional, in ranges, with back-pressure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote_plus

from tornado import iostream, web

from pcw_server_ext.site.serving.folder import Answer, SiteFolder

CHUNK = 256 * 1024


Filter = Callable[[Mapping[str, str]], Mapping[str, str]]


def on_the_wire(value: str) -> str:
    """Return a header's value for Tornado, which writes latin-1: the letters become UTF-8, as hosts send them.

    HTTP calls such bytes opaque (RFC 9110, 5.5). A rule's value, or the part of a path that a rule puts into one, may
    have any letters.
    """
    return value if value.isascii() else value.encode("utf-8", "replace").decode("latin-1")


async def respond(
    handler: web.RequestHandler,
    site: SiteFolder,
    path: str,
    prefix: str,
    allowed: Filter = lambda headers: headers,
) -> None:
    """Answer the handler's GET or HEAD request for `path` of `site`.

    Args:
        handler: its `set_default_headers` must not set what the site's host would not send.
        path: relative to the site's root, percent-decoded, no leading `/`.
        prefix: the URL path of the site's root on this server, ending with `/`.
        allowed: returns those of the site's headers (names in lower case) that are sent here.
    """
    request = handler.request
    answer = site.answer(
        path,
        accept_encoding=request.headers.get("Accept-Encoding", ""),
        hostname=request.host_name,
        query=without_token(request.query),
    )
    for name, value in allowed(answer.headers).items():
        handler.set_header(name, on_the_wire(value))
    if "location" in answer.headers:
        handler.set_header("Location", prefix + on_the_wire(answer.headers["location"]))
    handler.set_status(answer.status)
    if answer.file is None:
        await handler.finish("Not found.\n" if answer.status == 404 else None)
        return
    handler.set_header("Etag", answer.etag)
    handler.set_header("Accept-Ranges", "bytes")
    if _unchanged(request.headers.get("If-None-Match", ""), answer.etag):
        handler.set_status(304)
        handler.clear_header("Content-Type")
        await handler.finish()
        return
    begin, end = 0, answer.size
    asked = request.headers.get("Range")
    if (
        asked
        and "content-encoding" not in answer.headers
        and request.headers.get("If-Range", answer.etag) == answer.etag
    ):
        try:
            begin, end = _range(asked, answer.size) or (0, answer.size)
        except ValueError:
            handler.set_status(416)
            handler.set_header("Content-Range", f"bytes */{answer.size}")
            await handler.finish()
            return
        if (begin, end) != (0, answer.size):
            handler.set_status(206)
            handler.set_header("Content-Range", f"bytes {begin}-{end - 1}/{answer.size}")
    handler.set_header("Content-Length", str(end - begin))
    if request.method == "HEAD":
        await handler.finish()
        return
    await _send(handler, answer, answer.file, begin, end)


def without_token(query: str) -> str:
    """Return a query without Jupyter's token: a redirect's address is kept by browsers and proxies."""
    return "&".join(part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != "token")


async def _send(handler: web.RequestHandler, answer: Answer, file: Path, begin: int, end: int) -> None:
    with file.open("rb") as stream:
        stream.seek(begin)
        left = end - begin
        while left > 0:
            piece = stream.read(min(CHUNK, left))
            if not piece:
                # The file became shorter meanwhile; Content-Length is out, only closing tells the reader.
                raise web.HTTPError(500, "the file changed while it was sent")
            left -= len(piece)
            handler.write(piece)
            try:
                await handler.flush()
            except iostream.StreamClosedError:
                return
    await handler.finish()


def _unchanged(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Return (begin, end) of a single byte range; None to send all; ValueError when it lies outside."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1 if last else size)
    if begin >= size or begin >= end:
        raise ValueError("range outside the file")
    return begin, end
