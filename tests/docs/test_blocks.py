"""Every block of code in the documentation is run, or it is said why not."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pcw_server_ext.cli import main as cli
from pcw_server_ext.cli.options import OVERRIDE
from pcw_server_ext.cli.server_configuration import ServerConfiguration
from tests.docs.blocks import BLOCKS, COMMANDS, NOT_RUN, PAGES, Block
from tests.support.engines import running_sail
from tests.support.paths import REPOSITORY

TARGETS = set(
    re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)
TESTS = [block for block in BLOCKS if block.first not in NOT_RUN]


def of(language: str) -> list[Block]:
    """The blocks of a language that are run."""
    return [block for block in TESTS if block.language == language]


SETTINGS = [block for block in of("python") if re.search(r"^c\.", block.text, re.MULTILINE)]
NOTEBOOK = [block for block in of("python") if block not in SETTINGS]


def test_every_block_has_a_language_and_is_run_or_accounted_for() -> None:
    handled = [*SETTINGS, *NOTEBOOK, *of("sh"), *of("json"), *of("yaml")]
    assert [str(block) for block in TESTS if block not in handled] == []
    assert set(NOT_RUN) <= {block.first for block in BLOCKS}, "a reason whose block is gone"
    fences = sum(page.read_text(encoding="utf-8").count("```") for page in PAGES)
    assert fences == 2 * len(BLOCKS)


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_workflow_runs_commands_that_are_there(block: Block) -> None:
    workflow = yaml.safe_load(block.text)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert {needed for job in workflow["jobs"].values() if (needed := job.get("needs"))} <= set(
        workflow["jobs"]
    )
    ours = [shlex.split(step["run"]) for step in steps if step.get("run", "").startswith("jupyter pcw ")]
    for words in ours:
        understood(words[2:])
    # it publishes the folder that is built and checked
    (published,) = [step["with"]["path"] for step in steps if "upload-pages-artifact" in step.get("uses", "")]
    assert [words[2:4] for words in ours] == [["build", "--contents"], ["check", published]]
    assert published == cli_default_output()


def cli_default_output() -> str:
    """Where `jupyter pcw build` writes to when nothing is said."""
    options = cli.parser().parse_args(["build"])
    assert options.output_dir is None
    return f"{options.lite_dir / '_output'}"


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_are_accepted_by_the_server(block: Block, tmp_path: Path) -> None:
    text = block.text.replace("/var/log/jupyter", str(tmp_path))
    file = tmp_path / "jupyter_server_config.py"
    file.write_text(text)
    configuration = ServerConfiguration(config_file=str(file))
    configuration.extension().make_endpoints()
    assert [problem.text for problem in configuration.problems] == []
    assert configuration.files == [str(file)]
    for handler in configuration.server.config.get("EventLogger", {}).get("handlers", []):
        handler.close()


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The names of a notebook: `spark` on Sail, in a folder with the demo's files."""
    from pyspark.sql.connect.session import SparkSession

    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(REPOSITORY / "demo" / "weather.csv", folder)
    with running_sail(folder) as port:
        spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
        yield {"spark": spark}
        spark.stop()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("block", NOTEBOOK, ids=str)
def test_cell_runs_as_in_a_notebook(block: Block, notebook: dict[str, Any]) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.text, str(block), "exec"), notebook)
    if ".show()" in block.text or "print(" in block.text:
        assert printed.getvalue().strip()


def commands(block: Block) -> list[str]:
    """The commands of a block: lines that `\\` joins are one, remarks are left out, `&&` makes two."""
    joined = re.sub(r"\\\n\s*", " ", block.text)
    lines = [re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if part.strip()]


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_commands_are_there_and_understand_their_options(block: Block) -> None:
    for command in commands(block):
        assert any(command.startswith(known) for known in COMMANDS), (
            f"{block}: nothing says whether {command!r} runs"
        )
        words = shlex.split(command)
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= TARGETS, command
        elif words[:2] == ["jupyter", "pcw"]:
            understood(words[2:])
        elif words[:2] == ["jupyter", "lab"]:
            for word in words[2:]:
                assert OVERRIDE.match(word), command
                ServerConfiguration([word]).extension()


def understood(words: list[str]) -> None:
    """The parser takes the options; `[--ttl 30m|8h|2d]` is read as `--ttl 30m`, `ID ...` as `ID`."""
    bare = [re.sub(r"\|.*$", "", word.strip("[]")) for word in words if word.strip("[]") != "..."]
    bare = [word for word in bare if not OVERRIDE.match(word)]
    assert cli.parser().parse_args(bare).run
