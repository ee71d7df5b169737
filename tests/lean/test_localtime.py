"""Old timestamps keep their seconds, in CPython as the platform does it and in Pyodide with our help."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import types
import zoneinfo
from pathlib import Path

import pytest
from pyspark_connect_web.lean import localtime

from tests.lean.running import HERE
from tests.support.paths import CLIENT

KOLKATA = zoneinfo.ZoneInfo("Asia/Kolkata")


def test_pyodide_in_a_zone_with_seconds(pyodide_core: Path) -> None:
    run = subprocess.run(
        [
            "node",
            HERE / "scripts" / "pyodide.mjs",
            pyodide_core,
            HERE / "scripts" / "localtime_in_pyodide.py",
            CLIENT,
        ],
        env={**os.environ, "TZ": "Asia/Kolkata"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    wrong_without = 0
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == 8
    for year, local, utc, platform in lines:
        moment = dt.datetime(year, 3, 2, 12, 0, 0, 999999)
        expected = moment.replace(tzinfo=dt.timezone.utc).astimezone(KOLKATA).replace(tzinfo=None)
        assert local == str(expected), year
        assert utc == str(moment.replace(tzinfo=KOLKATA).astimezone(dt.timezone.utc)), year
        wrong_without += platform != str(expected)
    assert wrong_without, "the platform has become right: the correction can go"


@pytest.mark.parametrize("year", [1900, 1950, 1972])
@pytest.mark.parametrize("fold", [0, 1])
def test_same_as_astimezone_where_that_is_right(year: int, fold: int) -> None:
    naive = dt.datetime(year, 11, 3, 1, 30, 0, 123456, fold=fold)
    aware = naive.replace(tzinfo=dt.timezone.utc)
    assert localtime.local_from_aware(aware) == aware.astimezone().replace(tzinfo=None)
    assert localtime.utc_from_naive(naive) == naive.astimezone(dt.timezone.utc)


def test_converters_are_wrapped_nested_ones_too() -> None:
    """Only timestamps with an instant, only old ones, and nulls pass through."""
    from pyspark.sql import conversion
    from pyspark.sql.types import ArrayType, LongType, TimestampNTZType, TimestampType

    rows = type("ArrowTableToRowsConversion", (conversion.ArrowTableToRowsConversion,), {})
    local = type("LocalDataToArrowConversion", (conversion.LocalDataToArrowConversion,), {})
    module = types.SimpleNamespace(
        ArrowTableToRowsConversion=rows, LocalDataToArrowConversion=local, TimestampType=TimestampType
    )
    localtime.patch(module)  # type: ignore[arg-type]
    old = dt.datetime(1850, 1, 1, 0, 0, 0, 7)
    aware = old.replace(tzinfo=dt.timezone.utc)
    to_rows = rows._create_converter(TimestampType())
    assert to_rows(aware) == localtime.local_from_aware(aware)
    assert to_rows(None) is None
    to_arrow = local._create_converter(TimestampType(), True)
    assert to_arrow(old) == localtime.utc_from_naive(old)
    assert to_arrow(aware) == aware
    assert to_arrow(None) is None
    assert rows._create_converter(LongType(), none_on_identity=True) is None
    assert rows._create_converter(TimestampNTZType())(old) is old
    assert rows._create_converter(ArrayType(TimestampType()))([None]) == [None]


def test_nothing_is_changed_outside_of_the_browser() -> None:
    assert sys.platform != "emscripten"
    localtime.install()
    from pyspark.sql import conversion

    assert not hasattr(conversion.ArrowTableToRowsConversion._create_converter, "__wrapped__")
