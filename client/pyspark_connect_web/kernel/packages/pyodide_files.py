"""Files beside the runtime, and the packages of this interpreter, through Pyodide."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from pyspark_connect_web.errors import PackageFileError
from pyspark_connect_web.kernel.packages.files import normalized

__all__ = ["PyodideFiles", "package_of"]

_JSON = "application/vnd.pypi.simple.v1+json"
_STATIC = "this site does not have it"
_LEAN = "this site does not have it: `jupyter pcw build --profile full` makes one that has"
# What that profile adds, as the wheels' names begin.
_FULL = ("numpy", "pandas", "pyarrow")


class PyodideFiles:
    """See `Files`. Blocks the worker: a cell waits for an import anyway."""

    def __init__(self) -> None:
        import js
        import pyodide_js

        self._pyodide = pyodide_js
        self._js = js
        base = str(getattr(pyodide_js, "lockfileBaseUrl", "") or pyodide_js._api.config.indexURL)
        self._base = base if base.endswith("/") else f"{base}/"
        # {base_url}pcw/runtime/{hash}/pyodide/ (docs/architecture.md, 3)
        self._index = urljoin(self._base, "../../../pypi/simple/")
        self._root = ""

    def get(self, name: str) -> str:
        """See `Files.get`."""
        request = self._js.XMLHttpRequest.new()
        request.open("GET", self._base + name, False)
        try:
            request.send()
        except Exception as error:
            raise PackageFileError(f"the server could not be reached for {name}") from error
        text = str(request.responseText) if name.endswith(".json") or request.status != 200 else ""
        if request.status != 200:
            raise PackageFileError(_reason(int(request.status), text, name))
        return text

    def has_index(self) -> bool:
        """Whether there is an index of wheels: on a site of files that was built without one there is none."""
        status, self._root = self._ask(f"{self._index}index.json", _JSON)
        # some hosts answer with a page for people where they have nothing
        return status != 404 and self._root.lstrip().startswith("{")

    def first(self) -> set[str]:
        """Normalized names that a site's index has, and that no other place is asked for; after `has_index`."""
        try:
            root = json.loads(self._root)
            return {str(one["name"]) for one in root["projects"]} if root.get("_first") else set()
        except (ValueError, KeyError, TypeError, AttributeError):
            return set()

    def kept(self) -> set[str]:
        """Normalized names of the distribution's packages whose files the server has; empty where it does not say."""
        status, text = self._ask(urljoin(self._base, "../../../api/packages"), "application/json")
        try:
            packages = json.loads(text)["packages"] if status == 200 else {}
            return {
                normalized(str(name))
                for name, one in packages.items()
                if one["state"] in ("bundled", "cached")
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return set()

    def project(self, name: str) -> dict[str, Any]:
        """See `resolver.Index`."""
        address = f"{self._index}{name}/index.json"
        status, text = self._ask(address, _JSON)
        if status == 404 and not text.lstrip().startswith("{"):
            raise PackageFileError(
                f"this site does not have {name}: `jupyter pcw build --package {name}` makes one that has it"
            )
        if status != 200:
            raise PackageFileError(_reason(status, text, name))
        try:
            page: dict[str, Any] = json.loads(text)
            for file in page["files"]:
                file["url"] = urljoin(address, str(file["url"]))
        except (ValueError, KeyError, TypeError):
            raise PackageFileError(f"the server's page of {name} cannot be read") from None
        return page

    def metadata(self, address: str) -> str:
        """See `resolver.Index`."""
        if address.startswith("emfs:"):
            return _metadata_of(address.removeprefix("emfs:"))
        status, text = self._ask(f"{address}.metadata", "text/plain")
        if status != 200:
            raise PackageFileError(_reason(status, text, address.rpartition("/")[2]))
        return text

    def read(self, address: str) -> str:
        """Fetch a text. Raises PackageFileError with the server's words."""
        status, text = self._ask(address, "application/json")
        if status != 200:
            raise PackageFileError(_reason(status, text, address.rpartition("/")[2]))
        return text

    def wheel(self, address: str) -> None:
        """Let the server fetch a wheel, and the browser keep it. Raises PackageFileError with the server's words."""
        status, text = self._ask(address, "application/zip")
        if status != 200:
            raise PackageFileError(_reason(status, text, address.rpartition("/")[2]))

    def _ask(self, address: str, accept: str) -> tuple[int, str]:
        request = self._js.XMLHttpRequest.new()
        request.open("GET", address, False)
        request.setRequestHeader("Accept", accept)
        try:
            request.send()
        except Exception as error:
            raise PackageFileError(f"the server could not be reached for {address}") from error
        status = int(request.status)
        text = accept != "application/zip" or status != 200
        return status, str(request.responseText) if text else ""

    def loaded(self) -> set[str]:
        """See `Files.loaded`."""
        # Pyodide keeps them as their entries in the lock spell them: jsonschema_specifications.
        return {normalized(str(name)) for name in self._js.Object.keys(self._pyodide.loadedPackages)}

    def install(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """See `Files.install`."""
        from pyodide.ffi import can_run_sync, run_sync

        if not can_run_sync():
            raise PackageFileError(
                "this browser cannot load packages in the middle of a cell; use Chrome or Edge"
            )
        run_sync(self.install_awaiting(entries))

    async def install_awaiting(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """As `install`, where something can be awaited: while the kernel starts."""
        from pyodide.ffi import to_js

        api = self._pyodide._api
        for name, entry in entries.items():
            # As JavaScript has it from the lock: plain objects, no Map.
            setattr(api.lockfile_packages, name, self._js.JSON.parse(json.dumps(entry)))
            for imported in entry.get("imports", ()):
                api._import_name_to_package_name.set(imported, name)
        await self._pyodide.loadPackage(to_js(list(entries)), checkIntegrity=True)
        missing = sorted(set(entries) - self.loaded())
        if missing:
            raise PackageFileError(
                f"{', '.join(missing)} could not be loaded; the browser's console says why"
            )


def _metadata_of(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if re.fullmatch(r"[^/]+\.dist-info/METADATA", name):
                    return archive.read(name).decode("utf-8", "replace")
    except (OSError, zipfile.BadZipFile) as error:
        raise PackageFileError(f"{path} cannot be read as a wheel ({error})") from None
    raise PackageFileError(f"{path} is no wheel: it has no metadata")


def package_of(name: str) -> str | None:
    """The package of Pyodide's distribution that a module of this name comes with, if any."""
    import pyodide_js

    found = pyodide_js._api._import_name_to_package_name.get(name)
    return found if isinstance(found, str) else None


def _reason(status: int, text: str, file: str = "") -> str:
    """The server's own words, where it has some."""
    try:
        message = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        absent = _LEAN if file.partition("-")[0] in _FULL else _STATIC
        message = absent if status == 404 else f"the server answered with HTTP status {status}"
    return str(message).rstrip(".")
