"""Files beside the runtime, and the packages of this interpreter, through Pyodide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyspark_connect_web.errors import PackageFileError
from pyspark_connect_web.kernel.packages.files import normalized

__all__ = ["PyodideFiles", "package_of"]

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

    def loaded(self) -> set[str]:
        """See `Files.loaded`."""
        # Pyodide keeps them as their entries in the lock spell them: jsonschema_specifications.
        return {normalized(str(name)) for name in self._js.Object.keys(self._pyodide.loadedPackages)}

    def install(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """See `Files.install`."""
        from pyodide.ffi import can_run_sync, run_sync, to_js

        if not can_run_sync():
            raise PackageFileError(
                "this browser cannot load packages in the middle of a cell; use Chrome or Edge"
            )
        api = self._pyodide._api
        for name, entry in entries.items():
            # As JavaScript has it from the lock: plain objects, no Map.
            setattr(api.lockfile_packages, name, self._js.JSON.parse(json.dumps(entry)))
            for imported in entry.get("imports", ()):
                api._import_name_to_package_name.set(imported, name)
        run_sync(self._pyodide.loadPackage(to_js(list(entries)), checkIntegrity=True))
        missing = sorted(set(entries) - self.loaded())
        if missing:
            raise PackageFileError(
                f"{', '.join(missing)} could not be loaded; the browser's console says why"
            )


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
