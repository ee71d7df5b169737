"""Puts PySpark into a kernel that has none, from ``self.PCW_PYSPARK_WHEEL_URL``: same origin only."""

from __future__ import annotations

import importlib
import io
import sysconfig
import zipfile
from urllib.parse import urljoin, urlsplit

from pyspark_connect_web.errors import InstallError

__all__ = ["check_same_origin", "ensure_pyspark"]


def ensure_pyspark() -> bool:
    """Unpack the wheel that ``self.PCW_PYSPARK_WHEEL_URL`` names, if it names one; True when it did.

    Raises:
        InstallError: the URL is of another origin, or its file cannot be had.
    """
    import js

    given = getattr(js.self, "PCW_PYSPARK_WHEEL_URL", None)
    if not isinstance(given, str) or not given:
        return False
    url = check_same_origin("PCW_PYSPARK_WHEEL_URL", given, str(js.self.origin))
    request = js.XMLHttpRequest.new()
    request.open("GET", url, False)
    request.responseType = "arraybuffer"
    request.send()
    if request.status != 200:
        raise InstallError(
            f"PCW_PYSPARK_WHEEL_URL could not be loaded (HTTP {request.status}); check that the site holds"
            " the wheel under this name."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(request.response.to_bytes())) as wheel:
            wheel.extractall(sysconfig.get_paths()["purelib"])
    except zipfile.BadZipFile:
        raise InstallError("The file at PCW_PYSPARK_WHEEL_URL is no wheel; check the name.") from None
    importlib.invalidate_caches()
    return True


def check_same_origin(name: str, url: str, origin: str) -> str:
    """The absolute URL.

    Raises:
        InstallError: it is of another origin, which an isolated page cannot load scripts and wheels from.
    """
    absolute = urljoin(f"{origin}/", url)
    own, other = urlsplit(origin), urlsplit(absolute)
    if (own.scheme, own.netloc) != (other.scheme, other.netloc):
        raise InstallError(
            f"{name} points to {other.scheme}://{other.hostname}, another origin than the page's. Put the"
            " file on the page's own host and give its path."
        )
    return absolute
