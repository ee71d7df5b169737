"""Messages that share their parts in pure Python, against copies that protobuf makes and compiled protobuf."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from pyspark_connect_web.patches import apply
from pyspark_connect_web.patches.messages import share_messages
from pyspark_connect_web.patches.table import PACKAGES

from tests.support.paths import CLIENT, REPOSITORY

needs_tested_version = pytest.mark.skipif(
    not apply._fits(
        apply.installed_version("protobuf"), PACKAGES["protobuf"].oldest, PACKAGES["protobuf"].below
    ),
    reason="messages are shared with the versions of protobuf only that the table of patches names",
)


def in_python(*arguments: str, implementation: str = "python") -> str:
    """What a fresh process prints whose protobuf is pure Python, or another one."""
    env = os.environ | {
        "PYTHONPATH": f"{CLIENT}{os.pathsep}{REPOSITORY}",
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation,
        "PYTHONHASHSEED": "0",
    }
    run = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@needs_tested_version
def test_random_changes_give_what_protobuf_copies() -> None:
    assert in_python("-m", "tests.client.plan_messages", "0", "25") == "25\n"


@needs_tested_version
@pytest.mark.nightly
def test_many_random_changes_give_what_protobuf_copies() -> None:
    assert in_python("-m", "tests.client.plan_messages", "1000", "1000") == "1000\n"


@needs_tested_version
def test_expressions_have_the_messages_of_pyspark_s_own_code() -> None:
    assert in_python("-m", "tests.client.plan_expressions", "0", "3000") == "3000\n"


@needs_tested_version
@pytest.mark.nightly
def test_many_expressions_have_the_messages_of_pyspark_s_own_code() -> None:
    assert in_python("-m", "tests.client.plan_expressions", "5000", "20000") == "20000\n"


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_compiled_protobuf_is_left_alone() -> None:
    from pyspark.sql.connect.proto import Plan

    before = Plan.MergeFrom
    assert not share_messages()
    assert Plan.MergeFrom is before


PLANS = "tests.client.plans_of_many_steps"


@needs_tested_version
def test_plans_have_the_bytes_of_compiled_protobuf() -> None:
    """Without the patch pure Python ends in a RecursionError at these depths."""
    shared, compiled = (
        json.loads(in_python("-m", PLANS, how, implementation=implementation))
        for how, implementation in (("shared", "python"), ("compiled", "upb"))
    )
    assert shared == compiled
    assert set(shared) >= {
        "withColumn",
        "withColumnRenamed",
        "drop",
        "alias",
        "filter",
        "union",
        "join",
        "isin",
    }
