"""The start of the kernel, in a real IPython shell on CPython with the stand-ins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.peer import Exchange, Peer
from tests.client.scripted_spark import Spark
from tests.support.paths import CLIENT

# PySpark warns about pandas 3 when it is imported, which is none of our business.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

PRELUDE = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
from IPython.core.interactiveshell import InteractiveShell
import pyspark_connect_web.channel
# What a browser kernel chooses does not exist here.
pyspark_connect_web.channel.default_transport = lambda: "http"
from pyspark_connect_web import kernel
shell = InteractiveShell.instance()
config = json.loads(sys.argv[1])

def run(cell):
    result = shell.run_cell(cell, store_history=True)
    result.raise_error()
    return result.result

"""


def in_shell(code: str, config: dict[str, object], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, json.dumps(config)],
        env={**os.environ, "PYTHONPATH": str(CLIENT), "IPYTHONDIR": str(folder), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def config_for(url: str, **more: object) -> dict[str, object]:
    return {
        "remote": f"{url}/user/x/pcw/grpc/default",
        "channel": "http",
        "isolated": True,
        "env": {},
        **more,
    }


@pytest.fixture
def spark() -> Spark:
    return Spark()


def test_first_cell_has_a_real_session_and_nothing_was_sent(tmp_path: Path, spark: Spark) -> None:
    with Peer(spark) as peer:
        output = in_shell(
            """
kernel.preload()
import logging.config
logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
log = logging.getLogger("pyspark.sql.connect.logging")
assert not log.disabled
kernel.start(json.dumps(config))
assert log.disabled
from pyspark.sql import SparkSession
assert shell.execution_count == 1
assert run("spark is __import__('pyspark').sql.SparkSession.builder.getOrCreate()") is True
run("1 + 1")
from IPython.core.completer import provisionalcompleter
with provisionalcompleter():
    assert "spark" in [found.text for found in shell.Completer.completions("spa", 3)]
assert os.environ["SPARK_REMOTE"] == config["remote"] and os.environ["PCW_TEST"] == "1"
assert shell.execution_count == 3
from pyspark.sql.utils import is_remote
assert is_remote()
for name in ("pandas", "pyarrow", "numpy"):
    assert name not in sys.modules, name
print("good", flush=True)
# PySpark talks to the server when the process exits; a browser kernel never does.
os._exit(0)
""",
            config_for(peer.url, env={"PCW_TEST": 1}),
            tmp_path,
        )
        assert output.endswith("good\n")
        assert peer.requests == []


def test_spark_reaches_the_endpoint_of_its_server(tmp_path: Path, spark: Spark) -> None:
    with Peer(spark) as peer:
        in_shell(
            """
kernel.start(json.dumps(config))
run('spark.range(1).createOrReplaceTempView("v")')
host = config["remote"].split("/")[2]
run(f'''
from pyspark.sql.connect.session import SparkSession as Session
other = Session("sc://{host}/;transport=grpcweb;endpoint=second")
other.range(1).createOrReplaceTempView("v")
''')
""",
            config_for(peer.url, headers={"X-XSRFToken": "x"}),
            tmp_path,
        )
        paths = {request.path for request in peer.requests if request.rpc == "ExecutePlan"}
        root, service = "/user/x/pcw/grpc", "spark.connect.SparkConnectService/ExecutePlan"
        assert paths == {f"{root}/default/{service}", f"{root}/second/{service}"}
        assert {request.headers["x-xsrftoken"] for request in peer.requests} == {"x"}


def test_user_may_assign_spark_and_reset_brings_it_back(tmp_path: Path, spark: Spark) -> None:
    with Peer(spark) as peer:
        in_shell(
            """
kernel.start(json.dumps(config))
kept = shell.user_ns["spark"]
run("spark = 5")
assert run("spark + 1") == 6
run("%reset -f")
assert shell.user_ns["spark"] is kept
run("del spark")
assert "spark" not in shell.user_ns
""",
            config_for(peer.url),
            tmp_path,
        )


def test_stopped_session_can_be_made_again(tmp_path: Path, spark: Spark) -> None:
    with Peer(spark) as peer:
        in_shell(
            """
kernel.start(json.dumps(config))
run("spark.stop()")
run("from pyspark.sql import SparkSession; spark = SparkSession.builder.getOrCreate()")
run('spark.range(1).createOrReplaceTempView("v")')
""",
            config_for(peer.url),
            tmp_path,
        )


def test_interrupt_in_a_cell_is_a_keyboard_interrupt_and_the_next_cell_runs(
    tmp_path: Path, spark: Spark
) -> None:
    executed: list[str] = []

    def handler(exchange: Exchange) -> None:
        if exchange.request.rpc == "ExecutePlan" and not executed:
            executed.append(spark.parse(exchange).operation_id)
            assert exchange.wait_for_close()
        else:
            spark(exchange)

    with Peer(handler) as peer:
        output = in_shell(
            """
import signal
kernel.start(json.dumps(config))
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 1.5)
result = shell.run_cell('spark.range(1).createOrReplaceTempView("v")')
print(type(result.error_in_exec).__name__)
run('spark.range(1).createOrReplaceTempView("v")')
print("next")
""",
            config_for(peer.url),
            tmp_path,
        )
        assert output.splitlines()[-2:] == ["KeyboardInterrupt", "next"]
        [interrupt] = [request for request in spark.seen if hasattr(request, "interrupt_type")]
        assert interrupt.operation_id == executed[0]


@pytest.mark.parametrize("config", ["nonsense", "[]", "{}", '{"remote": "sc://host:1"}', '{"remote": 3}'])
def test_unusable_configuration_says_so(config: str) -> None:
    from pyspark_connect_web import kernel
    from pyspark_connect_web.errors import PcwError

    with pytest.raises(PcwError, match=r"start configuration|started with a remote"):
        kernel.start(config)
