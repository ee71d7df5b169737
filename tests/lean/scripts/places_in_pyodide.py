"""Tells which places of the table of patches are gone in a browser kernel's Python, once the kernel has started."""

import json
import sys

# Before the client's folder is in the path, which has a folder of that name.
from js import console

client, site = folders  # noqa: F821  set by pyodide.mjs
sys.path[:0] = [client, site]

import pyspark_connect_web.kernel as kernel  # noqa: E402

kernel.preload()
# What it imports stands in for the shell's own streams: what is told goes to Node's console.
import pyodide_kernel  # noqa: E402, F401
from IPython import get_ipython  # noqa: E402
from pyspark_connect_web.errors import UnsupportedVersion  # noqa: E402
from pyspark_connect_web.patches import apply  # noqa: E402
from pyspark_connect_web.patches.table import PACKAGES, PATCHES  # noqa: E402

kernel.start(json.dumps({"remote": "http://host/pcw/grpc/default", "channel": "xhr"}))
gone = []
for patch in PATCHES:
    try:
        apply.find(patch.target)
    except UnsupportedVersion as error:
        gone.append(str(error))
versions = {}
for name in PACKAGES:
    apply.check_version(name)
    versions[name] = apply.installed_version(name)
session = type(get_ipython().user_ns["spark"]).__name__
console.log(json.dumps({"gone": gone, "rows": len(PATCHES), "versions": versions, "spark": session}))
