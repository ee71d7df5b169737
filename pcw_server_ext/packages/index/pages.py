"""Pages of a wheel index: PEP 503 (HTML) and PEP 691 (JSON), read and written.

Read by hand: the library that reads both, pypi-simple, brings pydantic and Beautiful Soup along
(docs/decisions/package-index.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urljoin, urlsplit, urlunsplit

from pcw_server_ext.packages.index.wheel_files import WheelFile

JSON: Final = "application/vnd.pypi.simple.v1+json"
HTML: Final = "application/vnd.pypi.simple.v1+html"
ACCEPT: Final = f"{JSON}, {HTML};q=0.2, text/html;q=0.1"
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")


class UnreadablePage(Exception):
    """An answer is no page of a wheel index."""


def read(content: bytes, address: str) -> list[WheelFile]:
    """The files of a project's page. What has no SHA-256 has an empty one: nothing could be compared with it.

    Args:
        content: the page, JSON or HTML.
        address: of the page; links are relative to it.

    Raises:
        UnreadablePage: it is neither.
    """
    text = content.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        try:
            return [_from_json(file, address) for file in json.loads(text)["files"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UnreadablePage("its page is no JSON of a wheel index (PEP 691)") from None
    parser = _Anchors(address)
    parser.feed(text)
    if not parser.seen:
        raise UnreadablePage("its page is neither HTML nor JSON of a wheel index")
    try:
        return [_from_anchor(attributes, parser.base) for attributes in parser.anchors]
    except ValueError:
        raise UnreadablePage("its page has a link that is no address") from None


def project_json(
    name: str, wheels: Sequence[WheelFile], links: Mapping[str, str], private: Mapping[str, object]
) -> str:
    """A project's page as PEP 691 has it, with the hashes of PEP 658 and the sizes of PEP 700.

    Args:
        name: normalized.
        wheels: its files.
        links: of each file's SHA-256, its address.
        private: more members; their names begin with an underscore, which the PEP leaves to servers.
    """
    files = []
    for wheel in wheels:
        file: dict[str, object] = {
            "filename": wheel.file,
            "url": links[wheel.sha256],
            "hashes": {"sha256": wheel.sha256},
            "core-metadata": True,
            "yanked": wheel.yanked or False,
        }
        if wheel.requires_python:
            file["requires-python"] = wheel.requires_python
        if wheel.size is not None:
            file["size"] = wheel.size
        files.append(file)
    versions = list(dict.fromkeys(str(wheel.version) for wheel in wheels))
    return json.dumps(
        {"meta": {"api-version": "1.1"}, "name": name, "versions": versions, "files": files, **private}
    )


def project_html(name: str, wheels: Sequence[WheelFile], links: Mapping[str, str]) -> str:
    """A project's page as PEP 503 has it."""
    rows = []
    for wheel in wheels:
        attributes = {"href": f"{links[wheel.sha256]}#sha256={wheel.sha256}", "data-core-metadata": "true"}
        if wheel.requires_python:
            attributes["data-requires-python"] = wheel.requires_python
        if wheel.yanked:
            attributes["data-yanked"] = wheel.yanked
        rows.append(_anchor(attributes, wheel.file))
    return _html(f"Links for {name}", rows)


def root_json(names: Iterable[str], private: Mapping[str, object]) -> str:
    """The list of projects as PEP 691 has it."""
    projects = [{"name": name} for name in names]
    return json.dumps({"meta": {"api-version": "1.1"}, "projects": projects, **private})


def root_html(names: Iterable[str]) -> str:
    """The list of projects as PEP 503 has it."""
    return _html("Simple index", [_anchor({"href": f"{name}/"}, name) for name in names])


def _anchor(attributes: Mapping[str, str], text: str) -> str:
    shown = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a{shown}>{escape(text)}</a><br>"


def _html(title: str, rows: Sequence[str]) -> str:
    body = "\n".join(rows)
    return (
        '<!DOCTYPE html>\n<html><head><meta name="pypi:repository-version" content="1.1">'
        f"<title>{escape(title)}</title></head>\n<body>\n{body}\n</body></html>\n"
    )


def _from_json(file: Mapping[str, Any], address: str) -> WheelFile:
    metadata = file.get("core-metadata", file.get("data-dist-info-metadata", file.get("dist-info-metadata")))
    yanked = file.get("yanked") or ""
    size = file.get("size")
    return WheelFile(
        file=str(file["filename"]),
        sha256=_sha256(file["hashes"].get("sha256")),
        size=size if isinstance(size, int) else None,
        requires_python=str(file.get("requires-python") or ""),
        yanked=yanked if isinstance(yanked, str) else "withdrawn",
        url=urljoin(address, str(file["url"])),
        metadata=_metadata(metadata),
    )


def _metadata(value: Any) -> str | None:
    if isinstance(value, dict):
        return _sha256(value.get("sha256"))
    return "" if value else None


def _from_anchor(attributes: Mapping[str, str | None], base: str) -> WheelFile:
    link = urlsplit(urljoin(base, attributes.get("href") or ""))
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    yanked = attributes["data-yanked"] or "withdrawn" if "data-yanked" in attributes else ""
    return WheelFile(
        file=unquote(link.path).rpartition("/")[2],
        sha256=_sha256(parse_qs(link.fragment).get("sha256", [""])[0]),
        requires_python=attributes.get("data-requires-python") or "",
        yanked=yanked,
        url=urlunsplit(link._replace(fragment="")),
        metadata=None if metadata is None else _sha256(metadata.removeprefix("sha256=")),
    )


def _sha256(value: Any) -> str:
    return value.lower() if isinstance(value, str) and _SHA256.fullmatch(value) else ""


class _Anchors(HTMLParser):
    """The links of a page. `seen`: whether it is HTML at all."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.base = address
        self.seen = False
        self.anchors: list[dict[str, str | None]] = []

    def handle_decl(self, decl: str) -> None:
        self.seen = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen = True
        attributes = dict(attrs)
        if tag == "base" and attributes.get("href"):
            self.base = urljoin(self.base, attributes["href"] or "")
        if tag == "a" and attributes.get("href"):
            self.anchors.append(attributes)
