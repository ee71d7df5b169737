"""Old local times in Pyodide: prints them as the platform and as the lean layer see them."""

import datetime as dt
import json
import sys

(client,) = folders  # type: ignore[name-defined]  # noqa: F821 - set by pyodide.mjs
sys.path.insert(0, client)

from pyspark_connect_web.lean.localtime import local_from_aware, utc_from_naive  # noqa: E402

for year in (1, 1700, 1850, 1883, 1905, 1920, 1950, 1971):
    aware = dt.datetime(year, 3, 2, 12, 0, 0, 999999, tzinfo=dt.timezone.utc)
    naive = aware.replace(tzinfo=None)
    platform = aware.astimezone().replace(tzinfo=None)
    print(json.dumps([year, str(local_from_aware(aware)), str(utc_from_naive(naive)), str(platform)]))
