"""The parts that keep others away from a local engine: its folder, its environment, its settings, its guard."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from traitlets import TraitError

from pcw_server_ext.app import PcwExtension
from pcw_server_ext.engines import Choice, choose, environment, lock, sail, sail_guard, spark
from pcw_server_ext.engines.choose import OFF
from pcw_server_ext.engines.java import Java
from pcw_server_ext.engines.private_folder import PREFIX, PrivateFolder, sweep
from pcw_server_ext.errors import EngineError, UpstreamError
from pcw_server_ext.proxy.upstream.connections import Address, Upstream
from tests.engines.watching import FAILED_PRECONDITION, engine_of, gone, state
from tests.support.h2peer import HELLO, REQUEST
from tests.support.paths import CLIENT, REPOSITORY
from tests.support.plans import Session
from tests.support.server import StartServer
from tests.support.stranger import stranger

LOG = logging.getLogger(__name__)
ENVIRONMENT = {
    "PATH": "/bin",
    "HOME": "/home/ann",
    "LANG": "de_DE.UTF-8",
    "LC_ALL": "C",
    "TZ": "UTC",
    "JAVA_HOME": "/java",
    "SPARK_CONF_DIR": "/conf",
    "PYTHONPATH": "/mine",
    "https_proxy": "http://proxy:3128",
    "JUPYTER_TOKEN": "SECRET",
    "JUPYTERHUB_API_TOKEN": "SECRET",
    "JPY_API_TOKEN": "SECRET",
    "AWS_SECRET_ACCESS_KEY": "SECRET",
    "AWS_SESSION_TOKEN": "SECRET",
    "AZURE_CLIENT_SECRET": "SECRET",
    "GOOGLE_APPLICATION_CREDENTIALS": "SECRET",
    "GITHUB_TOKEN": "SECRET",
    "DATABASE_URL": "SECRET",
}


def test_engine_gets_what_it_needs_and_no_secret() -> None:
    given = environment.for_engine(ENVIRONMENT)
    assert "SECRET" not in given.values()
    assert set(given) == set(list(ENVIRONMENT)[:9])


def test_engine_gets_what_is_named() -> None:
    given = environment.for_engine(ENVIRONMENT, ["AWS_*", "JUPYTER_TOKEN"])
    assert {name for name in given if given[name] == "SECRET"} == {
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "JUPYTER_TOKEN",
    }
    assert environment.withheld(ENVIRONMENT, ["AWS_*"]) == [
        "AZURE_CLIENT_SECRET",
        "GOOGLE_APPLICATION_CREDENTIALS",
    ]


@pytest.mark.parametrize("names", [["AWS_SECRET_ACCESS_KEY=SECRET"], ["A", "B C"], [""]])
def test_values_are_no_names_of_variables(names: list[str]) -> None:
    with pytest.raises(TraitError) as caught:
        PcwExtension(engine_environment=names)
    assert f"entry {len(names)}" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_private_folder_is_its_owners_alone_and_goes_with_its_engine(tmp_path: Path) -> None:
    folder = PrivateFolder.create(tmp_path)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.write("spark.conf", "secret").stat().st_mode & 0o777 == 0o600
    sweep(tmp_path)
    assert folder.path.is_dir()
    folder.remove()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_dead_server_is_removed_at_the_next_start(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from pcw_server_ext.engines.private_folder import PrivateFolder;"
        " f = PrivateFolder.create(pathlib.Path(sys.argv[1])); f.write('rdd_0_0', 'rows'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=240)
    (left,) = tmp_path.iterdir()
    assert left.joinpath("rdd_0_0").is_file()
    folder = PrivateFolder.create(tmp_path)
    assert list(tmp_path.iterdir()) == [folder.path]
    folder.remove()


def test_sweep_leaves_what_may_be_in_use_and_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.joinpath("lock").touch()
    parent = tmp_path / "tmp"
    parent.mkdir()
    parent.joinpath(f"{PREFIX}link").symlink_to(outside)
    young, old, linked = (parent / f"{PREFIX}{name}" for name in ("young", "old", "linked"))
    for folder in (young, old, linked):
        folder.mkdir()
    linked.joinpath("lock").symlink_to(outside / "lock")
    os.utime(old, (time.time() - 7200,) * 2)
    sweep(parent)
    assert {path.name.removeprefix(PREFIX) for path in parent.iterdir()} == {"link", "young", "linked"}
    assert outside.joinpath("lock").exists()


def test_sweep_leaves_folders_of_other_accounts(tmp_path: Path) -> None:
    with stranger() as other:
        theirs = tmp_path / f"{PREFIX}theirs"
        theirs.mkdir()
        theirs.joinpath("lock").touch()
        os.chown(theirs, other.uid, other.gid)
        sweep(tmp_path)
        assert theirs.is_dir()


def test_folder_that_cannot_be_made_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"cannot be made in .*none.*TMPDIR"):
        PrivateFolder.create(tmp_path / "none")


def made(
    tmp_path: Path, configuration: dict[str, str], variables: dict[str, str] | None = None
) -> tuple[str, ...]:
    """Command line and settings file of a Spark with this configuration."""
    home = tmp_path / "home"
    if not home.exists():
        home.joinpath("bin").mkdir(parents=True)
        home.joinpath("bin", "spark-submit").touch()
    found = spark.launch(
        spark.SparkHome(home, Java(Path("/usr/bin/java"))),
        driver_memory="1g",
        configuration=configuration,
        environment=variables or {},
    )
    file = Path(found.command[found.command.index("--properties-file") + 1])
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    found.clean()
    assert not any(folder.path.exists() for folder in found.folders)
    return " ".join(found.command), text


def test_settings_of_spark_are_not_on_its_command_line(tmp_path: Path) -> None:
    command, text = made(tmp_path, {"spark.hadoop.fs.s3a.secret.key": "S3SECRET"})
    assert "S3SECRET" not in command
    assert "spark.hadoop.fs.s3a.secret.key=S3SECRET\n" in text
    assert "spark.authenticate=true\n" in text
    assert "--load-spark-defaults" in command


def test_disk_that_the_administrator_chose_is_used_privately(tmp_path: Path) -> None:
    big, other = tmp_path / "big", tmp_path / "other"
    conf = tmp_path / "conf"
    for folder in (big, other, conf):
        folder.mkdir()
    conf.joinpath("spark-defaults.conf").write_text(f"# a comment\nspark.local.dir   {other}\n")
    _, text = made(tmp_path, {}, {"SPARK_LOCAL_DIRS": f"{big},{other}", "SPARK_CONF_DIR": str(conf)})
    assert f"spark.local.dir={big}/{PREFIX}" in text
    assert f",{other}/{PREFIX}" in text
    _, text = made(tmp_path, {"spark.local.dir": str(big)}, {"SPARK_CONF_DIR": str(conf)})
    assert f"spark.local.dir={big}/{PREFIX}" in text
    _, text = made(tmp_path, {}, {"SPARK_CONF_DIR": str(conf)})
    assert f"spark.local.dir={other}/{PREFIX}" in text


def test_hadoops_temporary_folder_is_private_unless_the_administrator_has_one(tmp_path: Path) -> None:
    name = "spark.hadoop.hadoop.tmp.dir"
    _, text = made(tmp_path, {})
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name}=")]
    assert PREFIX in line
    _, text = made(tmp_path, {name: "/srv/tmp"})
    assert f"{name}=/srv/tmp\n" in text
    _, text = made(tmp_path, {}, {"HADOOP_CONF_DIR": "/etc/hadoop"})
    assert name not in text


def test_failed_launch_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "work").mkdir()
    with pytest.raises(EngineError):
        made(tmp_path / "work", {"spark.local.dir": str(tmp_path / "none")})
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


@pytest.mark.skipif(
    shutil.which("jshell") is None, reason="needs a JDK, whose jshell reads the file as Spark does"
)
def test_settings_file_is_read_back_by_java(tmp_path: Path) -> None:
    settings = {
        "spark.a": "plain",
        "spark.b": "a=b:c #d !e \\n \\\\server\\share",
        "spark.c": "line\nline\ttab\rreturn",
        "spark.d": "größer als 100 €, 😀",
        "spark.e": " leading",
        "a key:with=all #of !it": "x",
        "spark.empty": "",
    }
    file = tmp_path / "spark.conf"
    file.write_text(spark.properties(settings))
    script = tmp_path / "read.jsh"
    script.write_text(
        "var p = new java.util.Properties();"
        f'p.load(new java.io.InputStreamReader(new java.io.FileInputStream("{file}"), "UTF-8"));\n'
        "p.stringPropertyNames().stream().sorted().forEach(k -> System.out.println(java.util.HexFormat.of()"
        '.formatHex(k.getBytes(java.nio.charset.StandardCharsets.UTF_8)) + "="'
        " + java.util.HexFormat.of().formatHex(p.getProperty(k).getBytes(java.nio.charset.StandardCharsets.UTF_8))));\n"
        "/exit\n"
    )
    done = subprocess.run(
        ["jshell", "-s", str(script)], capture_output=True, text=True, timeout=120, check=True
    )
    read = dict(line.split("=") for line in done.stdout.splitlines() if "=" in line)
    assert {bytes.fromhex(k).decode(): bytes.fromhex(v).decode() for k, v in read.items()} == settings


@pytest.mark.parametrize(
    ("configuration", "variables", "closed", "text"),
    [
        ({}, {}, True, "wants a token"),
        ({"spark.authenticate": "false"}, {}, False, "PcwExtension.spark_config sets spark.authenticate"),
        ({"spark.ui.enabled": "true"}, {}, False, "spark.ui.enabled"),
        ({}, {"MASTER": "spark://cluster:7077"}, False, "left to the cluster spark://cluster:7077"),
        ({"spark.authenticate": "true"}, {"MASTER": "spark://cluster:7077"}, True, "wants a token"),
        ({}, {"MASTER": "local[2]"}, True, "wants a token"),
    ],
)
def test_lock_of_spark_is_what_its_settings_say(
    configuration: dict[str, str], variables: dict[str, str], closed: bool, text: str
) -> None:
    found = spark.lock(configuration, variables)
    assert found.closed is closed
    assert text in found.text


def test_other_people_are_accounts_to_log_in_to_and_users_with_processes() -> None:
    own = os.geteuid()
    accounts = [
        ("root", 0, "/bin/bash"),
        ("daemon", 2, "/usr/sbin/nologin"),
        ("ann", 1001, "/bin/bash"),
        ("me", own, "/bin/zsh"),
        ("ftp", 1002, "/usr/sbin/nologin"),
        ("nobody", 65534, "/bin/sh"),
    ]
    assert lock.other_people(accounts, []) == ["ann"]
    assert lock.other_people(accounts, [0, 1001, 2000123, 65534, 61200, own]) == ["ann", "user 2000123"]
    assert lock.other_people([("me", own, "/bin/sh")], [own, 0]) == []


def choose_sail(wanted: str) -> Choice:
    return choose(
        wanted,
        driver_memory="1g",
        configuration={},
        log=LOG,
        environment={"JAVA_HOME": "/none", "PATH": "/bin"},
    )


@pytest.fixture
def no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sail_guard, "impossible", lambda: "only Linux tells who it is")


@pytest.mark.usefixtures("no_lock")
def test_sail_without_its_lock_is_not_started_by_itself_among_other_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lock, "other_people", lambda: ["ann", "bob", "eve", "joe"])
    with pytest.raises(EngineError) as caught:
        choose_sail("auto")
    assert caught.value.permanent
    for part in ("ann, bob, eve and 1 more", "only Linux tells", 'PcwExtension.engine = "sail"', "endpoints"):
        assert part in str(caught.value)
    # who says so gets it, and is told
    found = choose_sail("sail")
    assert not found.lock.closed
    assert "open to every account" in found.lock.text


@pytest.mark.usefixtures("no_lock")
def test_sail_without_its_lock_is_started_where_nobody_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "other_people", list)
    assert not choose_sail("auto").lock.closed


def test_lock_that_fails_at_the_start_stops_sail_among_other_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "other_people", lambda: ["ann"])
    made = choose_sail("auto").make()
    assert made.command[-1] == "required"
    made.clean()
    monkeypatch.setattr(lock, "other_people", list)
    made = choose_sail("auto").make()
    assert made.command[-1] == "wanted"
    made.clean()


def test_passing_over_spark_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "other_people", list)
    assert "Apache Spark: JAVA_HOME is /none" in choose_sail("auto").reason


@pytest.mark.skipif(sys.platform != "linux", reason="the guard is for Linux")
def test_owner_of_a_connection_is_found_for_both_kinds_of_sockets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as client, server.accept()[0] as accepted:
            assert sail_guard.owner_of_peer(accepted.fileno()) == os.geteuid()
            client.close()
            assert sail_guard.owner_of_peer(accepted.fileno()) is None
        with socket.socket(socket.AF_INET6) as client:
            client.connect((f"::ffff:{address[0]}", address[1]))
            with server.accept()[0] as accepted:
                assert sail_guard.owner_of_peer(accepted.fileno()) == os.geteuid()


def test_library_without_accept_is_no_silent_success() -> None:
    with pytest.raises(sail_guard.GuardError, match="is not loaded"):
        sail_guard.install("/no-such-library.so")


def test_sail_that_cannot_be_locked_says_so_and_ends_when_it_must(tmp_path: Path) -> None:
    # the library's name is not the one that is asked for
    text = sail._MAIN.read_text().replace("/pysail/_native.abi3.so", "/pysail/another.so")
    shutil.copy(sail._MAIN.with_name("sail_guard.py"), tmp_path)
    (tmp_path / "sail_main.py").write_text(text)
    launch = sail.launch(must_lock=True)
    try:
        done = subprocess.run(
            [sys.executable, str(tmp_path / "sail_main.py"), "required"],
            env=dict(launch.environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        launch.clean()
    assert done.returncode == 1
    assert "every account of this machine could use it" in done.stderr
    assert 'PcwExtension.engine = "sail"' in done.stderr


def test_unlocked_sail_is_told_in_the_log_and_the_description(
    start_server: StartServer, tmp_path: Path
) -> None:
    tmp_path.joinpath("sitecustomize.py").write_text(
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'sail_guard':\n"
        "            import importlib.util\n"
        "            return importlib.util.spec_from_file_location(name, __file__.replace('sitecustomize', 'broken'))\n"
        "sys.meta_path.insert(0, Broken())\n"
    )
    tmp_path.joinpath("broken.py").write_text(
        "class GuardError(Exception): pass\n"
        "def install(library): raise GuardError('its import table cannot be written')\n"
    )
    path = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    path += [str(REPOSITORY), str(CLIENT)]
    site = start_server("--PcwExtension.engine=sail", environment={"PYTHONPATH": os.pathsep.join(path)})
    answer = site.grpc("AnalyzePlan", Session().version(), endpoint="default")
    assert answer.status == 0, answer.message
    (found,) = site.request("GET", "pcw/api/endpoints").json()["endpoints"]
    assert found["locked"] is False
    assert "open to every account of this machine: its import table" in found["lock"]
    assert f"sail: {found['lock']}" in site.process.printed()


def test_no_engine_is_started_when_it_is_off(start_server: StartServer) -> None:
    site = start_server("--PcwExtension.engine=off")
    assert state(site) == ("local", "off")
    answer = site.grpc("AnalyzePlan", Session().version(), endpoint="default")
    assert answer.status == FAILED_PRECONDITION
    assert "PcwExtension.engine is off" in answer.message
    assert "PcwExtension.endpoints" in answer.message
    assert "SPARK_REMOTE" in answer.message
    looked = site.request("GET", "pcw/api/endpoints/default").json()
    assert (looked["healthy"], looked["message"]) == (False, OFF)
    assert site.process.children() == []


@pytest.mark.parametrize("how", ["engine", "server", "stop"])
def test_temporary_folder_goes_with_the_engine(start_server: StartServer, tmp_path: Path, how: str) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    arguments = ["--PcwExtension.engine=sail"]
    site = start_server(*arguments, environment={"TMPDIR": str(temporary)})
    assert site.grpc("AnalyzePlan", Session().version(), endpoint="default").status == 0
    (folder,) = temporary.glob(f"{PREFIX}*")
    engine = engine_of(site)
    if how == "engine":
        engine.kill()
        assert gone(engine)
        # the next query finds that out and starts another one
        assert site.grpc("AnalyzePlan", Session().version(), endpoint="default").status == 0
    elif how == "stop":
        site.process.stop()
    else:
        site.process.process.kill()
        assert gone(engine)
        assert folder.exists()
        later = start_server(*arguments, environment={"TMPDIR": str(temporary)})
        assert later.grpc("AnalyzePlan", Session().version(), endpoint="default").status == 0
    assert not folder.exists()


class Listener:
    """Listens in place of an engine, as the account of a number; `said` is what came until the connection's end."""

    def __init__(self, uid: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.said = b""
        self._uid = uid
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        # of this thread alone (setfsuid(2)); a connection is its who accepts it
        ctypes.CDLL(None).setfsuid(self._uid)
        with self._socket, self._socket.accept()[0] as one:
            one.sendall(HELLO)
            while piece := one.recv(65536):
                self.said += piece

    def heard(self) -> bytes:
        """Wait for the end."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.said


@pytest.mark.parametrize("own", [True, False])
def test_other_account_that_listens_on_the_port_of_an_engine_gets_no_call(own: bool) -> None:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root can listen as somebody else")
    listener = Listener(os.geteuid() if own else 12_345)

    async def call() -> None:
        address = Address("127.0.0.1", listener.port, f"127.0.0.1:{listener.port}")
        upstream = Upstream(address, LOG, known=lock.is_of_this_account)
        try:
            running = await upstream.open([*REQUEST, (b"authorization", b"Bearer OF-THE-ENGINE")])
            await running.send(b"SELECT secret", end=True)
        finally:
            upstream.close("the test is over")
            await upstream.wait_closed()

    if own:
        asyncio.run(call())
        assert b"OF-THE-ENGINE" in listener.heard()
        return
    with pytest.raises(UpstreamError, match="a process of another account listens in its place"):
        asyncio.run(call())
    heard = listener.heard()
    assert b"OF-THE-ENGINE" not in heard
    assert b"secret" not in heard
    # nothing but the beginning of HTTP/2, which tells nothing
    assert len(heard) < 200
