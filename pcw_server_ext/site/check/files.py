"""Checks of a site's files: headers, media types, scripts, service worker, limits of the host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pcw_server_ext.site import pages, record
from pcw_server_ext.site.check.findings import Finding, failed, note, ok
from pcw_server_ext.site.check.source import FolderSource, Reply, Source
from pcw_server_ext.site.hosts import RUNTIME_FOLDER, Host, find_host
from pcw_server_ext.site.serving.folder import NOT_FOUND
from pcw_server_ext.web import media_types
from pcw_server_ext.web.addresses import is_loopback, same_origin

COOP, COEP = "cross-origin-opener-policy", "cross-origin-embedder-policy"


@dataclass(frozen=True)
class Site:
    """A site as far as its own files describe it.

    Attributes:
        source: where it is read from.
        record: what was chosen when it was built.
        config: the page configuration of `jupyter-lite.json`.
        kinds: one path for each kind of file, `page`, `script`, `worker`, `wasm`, `data`, ...
    """

    source: Source
    record: record.SiteRecord
    config: dict[str, Any]
    kinds: dict[str, str]

    @property
    def host(self) -> Host:
        """The host it is checked for: a folder's chosen one, else the one it was built for."""
        if isinstance(self.source, FolderSource):
            return self.source.site.host
        return find_host(self.record.host)


def describe(source: Source) -> tuple[Site | None, list[Finding]]:
    """Read what the site says of itself; no `Site` when there is none to check."""
    reply = source.get("jupyter-lite.json")
    if reply.status in (301, 302, 303, 307, 308, 401, 403):
        fix = (
            "Give the token of the Jupyter server in the environment: JUPYTER_TOKEN=... jupyter pcw check URL"
        )
        return None, [failed("site", f"the host answers {reply.status} instead of the site", fix)]
    config = _json(reply)
    if config is None:
        fix = "Give the folder or URL of the site's root, where index.html is; build one with: jupyter pcw build"
        return None, [failed("site", f"there is no jupyter-lite.json (status {reply.status})", fix)]
    reply = source.get(record.NAME)
    if reply.status != 200:
        fix = "Build it with pcw-server-ext in the environment: jupyter pcw build"
        return None, [failed("site", "it is a JupyterLite site without the browser kernel for Spark", fix)]
    built = record.loads(reply.body)
    data = config.get("jupyter-config-data", {})
    extensions = data.get("federated_extensions", []) if isinstance(data, dict) else None
    if not isinstance(extensions, list) or not all(isinstance(one, dict) for one in extensions):
        fix = "Build the site again, and deploy all of it."
        return None, [failed("site", "jupyter-lite.json is not as JupyterLite writes it", fix)]
    site = Site(source, built, data, _kinds(data, built))
    text = f"built for {find_host(built.host).title} by version {built.version}, {len(built.apps)} pages"
    return site, [ok("site", text)]


def check_headers(site: Site) -> Iterator[Finding]:
    """Isolation headers on every kind of file."""
    name = "isolation headers"
    if site.record.isolation == "off":
        yield note(name, "switched off for this site; it uses the XMLHttpRequest channel")
        return
    if site.host.worker_isolates:
        yield from _check_worker_isolation(site)
        return
    wrong: dict[str, list[str]] = {}
    for kind, path in site.kinds.items():
        headers = site.source.get(path, body=False).headers
        problem = _isolation_problem(headers)
        if problem:
            wrong.setdefault(problem, []).append(f"{kind} ({path})")
    for problem, where in wrong.items():
        yield failed(name, f"{problem} on {_some(where)}", _isolation_fix(site.host, problem))
    if not wrong:
        yield ok(name, f"on every kind of file: {', '.join(site.kinds)}")


def _isolation_problem(headers: dict[str, str]) -> str:
    opener, embedder = headers.get(COOP, ""), headers.get(COEP, "")
    if "," in opener or "," in embedder:
        return "a value is sent twice, which isolates nothing"
    if opener != "same-origin":
        return f"Cross-Origin-Opener-Policy is {opener or 'missing'}"
    if embedder not in ("credentialless", "require-corp"):
        return f"Cross-Origin-Embedder-Policy is {embedder or 'missing'}"
    return ""


def _isolation_fix(host: Host, problem: str) -> str:
    if "twice" in problem:
        return "Set each header in one rule only (_headers), and not in the host's own settings as well."
    if host.dialect is not None:
        return "Deploy the _headers file that the build wrote, at the root of what is published."
    if host.recipe is not None:
        return f"Use the configuration that the build wrote for {host.title}; add_header and routes must not drop them."
    return (
        "Let the host send 'Cross-Origin-Opener-Policy: same-origin' and 'Cross-Origin-Embedder-Policy: "
        "credentialless' with every file, or build with --host static, which isolates by service worker."
    )


def _check_worker_isolation(site: Site) -> Iterator[Finding]:
    name = "isolation by service worker"
    secure = not site.source.origin or _is_secure(site.source.origin)
    if not secure:
        yield failed(
            name,
            f"{site.source.origin} is plain http, where browsers offer no service workers",
            "Serve the site through https:// (GitHub Pages: Settings, Pages, Enforce HTTPS).",
        )
        return
    yield ok(name, "the host sends no headers; the pages reload once and are isolated then")


def check_transport(site: Site) -> Iterator[Finding]:
    """TLS of the site's own address."""
    origin = site.source.origin
    if not origin:
        return
    if _is_secure(origin):
        yield ok("secure context", origin)
        return
    yield failed(
        "secure context",
        f"{origin} is plain http: browsers give such pages no shared memory and no service worker",
        "Serve the site through https://, or on localhost.",
    )


def check_media_types(site: Site) -> Iterator[Finding]:
    """Media types that browsers insist on."""
    wrong = []
    for kind, path in site.kinds.items():
        allowed = media_types.REQUIRED.get(media_types.suffix(path))
        reply = site.source.get(path, body=False)
        if reply.status != 200:
            # Said by the check of deployed files; an error page has a type of its own.
            continue
        sent = reply.headers.get("content-type", "")
        if allowed and sent.partition(";")[0].strip().lower() not in allowed:
            wrong.append(f"{kind} ({path}) comes as {sent or 'nothing'}, not {allowed[0]}")
    if wrong:
        yield failed("media types", _some(wrong), "Add the type to the host's table (nginx: types { ... }).")
    else:
        yield ok("media types", "as browsers demand")


def check_pages(site: Site) -> Iterator[Finding]:
    """The scripts in the head of every page, and in their order."""
    wrong = []
    for path in site.record.apps:
        reply = _follow(site.source, path)
        text = reply.body.decode("utf-8", "replace")
        wanted = (
            pages.scripts_of(
                pages.with_scripts(text, find_host(site.record.host), channel=site.record.channel, version="")
            )
            if pages.lite_root(text) is not None
            else None
        )
        found = re.findall(r'<script[^>]*\bsrc="([^"]+)"', text)
        if reply.status != 200:
            wrong.append(f"{path} answers {reply.status}")
        elif wanted is None or found[: len(wanted)] != wanted:
            wrong.append(f"{path} lacks our scripts before all others")
    if wrong:
        yield failed("page scripts", _some(wrong), "Build the site again, and deploy all of it.")
    else:
        yield ok("page scripts", f"first in the head of {len(site.record.apps)} pages")


def check_absent(site: Site) -> Iterator[Finding]:
    """What is not there must not be answered with a page: browsers would keep it as a part of the browser runtime."""
    name = "absent files"
    reply = site.source.get(f"{RUNTIME_FOLDER}/absent/manifest.json")
    if reply.status == 200:
        yield failed(
            name,
            "the host answers an address that is not there with a page and status 200, so that a browser may keep a "
            "page in the place of a file of the browser runtime, and the kernel never starts there again",
            f"Deploy the {NOT_FOUND} that the build wrote, at the root of what is published, and switch off any rule "
            "that sends every address to index.html.",
        )
    else:
        yield ok(name, f"answered with status {reply.status}")


def check_service_worker(site: Site) -> Iterator[Finding]:
    """The worker that serves /drive, and isolates where the host cannot."""
    name = "service worker"
    reply = site.source.get("service-worker.js")
    inner = site.source.get("service-worker-jupyterlite.js")
    if reply.status != 200 or inner.status != 200:
        yield failed(
            name,
            f"service-worker.js answers {reply.status}, service-worker-jupyterlite.js {inner.status}",
            "Deploy both at the site's root, without redirects: browsers refuse a redirected worker.",
        )
        return
    if b"service-worker-jupyterlite.js" not in reply.body:
        yield failed(
            name,
            "another service worker took the place of ours: one scope has one owner",
            "Do not copy coi-serviceworker's or JupyterLite's own file over service-worker.js; build again.",
        )
        return
    age = re.search(r"max-age=(\d+)", reply.headers.get("cache-control", ""))
    if age and int(age.group(1)) > 86400:
        yield note(name, "may be cached for more than a day", "Exclude service-worker.js from long caching.")
        return
    yield ok(name, "at the site's root, so its scope is the whole site")


def check_host(site: Site) -> Iterator[Finding]:
    """Limits and rules of the host, for a folder."""
    source = site.source
    if not isinstance(source, FolderSource):
        return
    host, folder = site.host, source.site
    sizes = {path: (folder.root / path).stat().st_size for path in folder.files()}
    if host.max_files is not None and len(sizes) > host.max_files:
        yield failed(
            "host limits",
            f"{len(sizes)} files, {host.title} takes {host.max_files}",
            "Build with fewer applications: jupyter pcw build --apps lab",
        )
    for path, size in sizes.items():
        if host.max_file is not None and size > host.max_file:
            yield failed(
                "host limits",
                f"{path} has {size / 1e6:.1f} MB, {host.title} takes {host.max_file / 1e6:.1f} MB a file",
                "Remove it from the contents, or host it elsewhere.",
            )
    total = sum(sizes.values())
    if host.max_total is not None and total > host.max_total:
        yield failed(
            "host limits",
            f"the site has {total / 1e6:.1f} MB, {host.title} takes {host.max_total / 1e6:.0f} MB",
            "Remove what is large from the contents, or choose another host; data can stay where Spark reads it.",
        )
    if host.dialect is not None:
        for problem in folder.rules.problems_for(host.dialect):
            yield failed(
                "_headers", f"line {problem.line}: {problem.message}", "Correct the line in _headers."
            )
    yield ok("size", f"{len(sizes)} files, {total / 1e6:.1f} MB")


def check_offline(site: Site) -> Iterator[Finding]:
    """Addresses of third parties in the configuration."""
    foreign = []
    for where, value in _strings(site.config):
        if _is_address(value) and where.lower().endswith(("url", "urls")):
            mine = same_origin(value, site.source.origin)
            if not mine and ".pcw." not in f".{where}":
                foreign.append(f"{where} = {value}")
    if foreign:
        yield failed(
            "same origin",
            "; ".join(foreign),
            "Use paths of the site itself: an isolated worker loads scripts and wheels from nowhere else.",
        )
    else:
        yield ok("same origin", "no third party is named in the configuration")


def _kinds(config: dict[str, Any], built: record.SiteRecord) -> dict[str, str]:
    runtime = f"pcw/runtime/{built.runtime}"
    kinds = {
        "page": next((app.removesuffix("index.html") for app in built.apps if "/" in app), ""),
        "script": "pcw-site.js",
        "bridge": "pcw_kernel_bridge.js",
        "service worker": "service-worker.js",
        "network worker": f"{runtime}/js/network_worker.js",
        "module": f"{runtime}/pyodide/pyodide.mjs",
        "wasm": f"{runtime}/pyodide/pyodide.asm.wasm",
        "json": f"{runtime}/manifest.json",
        "configuration": "jupyter-lite.json",
    }
    for extension in config.get("federated_extensions", []):
        if extension.get("name") == "pcw-server-ext":
            kinds["extension"] = f"extensions/pcw-server-ext/{extension.get('load', '')}"
    return kinds


def page_reply(site: Site, path: str) -> Reply:
    """Return the answer to a page's address; Cloudflare redirects `x/index.html` to `x/`."""
    return _follow(site.source, path)


def _some(found: list[str]) -> str:
    """Return the first few, and how many more there are."""
    more = f", and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def _follow(source: Source, path: str) -> Reply:
    """Cloudflare redirects `x/index.html` to `x/`."""
    reply = source.get(path)
    if reply.status in (301, 302, 307, 308) and path.endswith("index.html"):
        return source.get(path.removesuffix("index.html"))
    return reply


def _is_secure(origin: str) -> bool:
    split = urlsplit(origin)
    return split.scheme == "https" or is_loopback(origin)


def _json(reply: Reply) -> dict[str, Any] | None:
    if reply.status != 200:
        return None
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _is_address(value: str) -> bool:
    """Whether a text names a host; without a scheme it is the page's."""
    try:
        split = urlsplit(value)
    except ValueError:
        # a bracket that begins no address: no browser loads from there
        return False
    return split.scheme in ("http", "https") or bool(not split.scheme and split.netloc)


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yield each text in a configuration, with the names on the way to it; as deep as it may be."""
    waiting = [("", value)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{where}.{key}" if where else str(key), item) for key, item in value.items()][::-1]
        elif isinstance(value, list):
            waiting += [(where, item) for item in value[::-1]]
        elif isinstance(value, str):
            yield where, value
