"""Files from /drive that functions use on Spark, and results whose connection is cut, by PySpark's own ways."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.cutter import COUNT_REATTACHES, Cutter
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage, lab_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

ROWS = 400_000
# eight bytes a row
HALF = ROWS * 4


@dataclass
class Chain:
    """A notebook's page, a cutter, its Jupyter server, a cutter, Spark."""

    lab: LabPage
    root: Path
    browser: Cutter
    upstream: Cutter


@pytest.fixture(scope="module")
def chain(
    browser: Browser, venv: Path, shared_spark: JupyterProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    (folder / "root").mkdir()
    upstream = Cutter(int(shared_spark.environment["SPARK_REMOTE"].rpartition(":")[2]))
    with JupyterProcess(
        venv,
        folder / "root",
        folder / "state",
        arguments=("--LabApp.expose_app_in_browser=True",),
        environment={"SPARK_REMOTE": f"sc://127.0.0.1:{upstream.port}"},
    ) as server:
        before = Cutter(server.port)
        seen: Any = SimpleNamespace(
            url=server.url.replace(str(server.port), str(before.port)), token=server.token, port=before.port
        )
        with lab_page(browser, seen) as lab:
            lab.open().new_notebook()
            lab.run(f"spark.range(3).createOrReplaceTempView('kept'){COUNT_REATTACHES}", 200).expect_ok()
            yield Chain(lab, folder / "root", before, upstream)
        before.close()
    upstream.close()


def test_module_of_the_drive_is_imported_by_functions_on_spark(chain: Chain) -> None:
    (chain.root / "shipped.py").write_text("def double(x):\n    return 2 * x\n")
    chain.lab.run("spark.addArtifact('/drive/shipped.py', pyfile=True)").expect_ok()
    result = chain.lab.run(
        "from pyspark.sql.functions import udf\n"
        "@udf('long')\n"
        "def twice(x):\n"
        "    import shipped\n"
        "    return shipped.double(x)\n"
        "[row[0] for row in spark.range(3).select(twice('id')).collect()]",
        120,
    )
    assert result.expect_ok().text == "[0, 2, 4]"


def test_archive_and_file_of_the_drive_are_read_by_functions_on_spark(chain: Chain) -> None:
    with zipfile.ZipFile(chain.root / "words.zip", "w") as archive:
        archive.writestr("deep/word.txt", "packed")
    # Any bytes, in several messages of the upload.
    (chain.root / "bytes.bin").write_bytes(bytes(range(256)) * 1000)
    chain.lab.run("spark.addArtifacts('/drive/words.zip#words', archive=True)").expect_ok()
    chain.lab.run("import os; os.chdir('/drive'); spark.addArtifacts('bytes.bin', file=True)").expect_ok()
    result = chain.lab.run(
        "@udf('string')\n"
        "def read(x):\n"
        "    import hashlib, os\n"
        "    from pyspark.core.files import SparkFiles\n"
        "    root = SparkFiles.getRootDirectory()\n"
        "    with open(os.path.join(root, 'words', 'deep', 'word.txt')) as file:\n"
        "        word = file.read()\n"
        "    with open(os.path.join(root, 'bytes.bin'), 'rb') as file:\n"
        "        return word + ' ' + hashlib.sha256(file.read()).hexdigest()\n"
        "import hashlib\n"
        "mine = hashlib.sha256(open('bytes.bin', 'rb').read()).hexdigest()\n"
        "spark.range(1).select(read('id')).collect()[0][0] == f'packed {mine}'",
        120,
    )
    assert result.expect_ok().text == "True"


@pytest.mark.parametrize("where", ["upstream", "browser"])
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_result_that_is_cut_is_reattached_and_arrives_once(chain: Chain, where: str, reset: bool) -> None:
    cutter: Cutter = getattr(chain, where)
    before = cutter.cuts
    # of all requests, only the ExecutePlan carries the tags
    tag = f"cut-{where}-{reset}"
    cutter.arm(tag.encode(), HALF, reset=reset)
    result = chain.lab.run(
        f"reattached.clear()\nspark.addTag('{tag}')\nids = [row.id for row in spark.range({ROWS}).collect()]\n"
        f"spark.clearTags()\nlen(ids), len(set(ids)), sum(ids) == sum(range({ROWS})), len(reattached) > 0",
        120,
    )
    cutter.disarm()
    assert result.expect_ok().text == f"({ROWS}, {ROWS}, True, True)"
    assert cutter.cuts == before + 1


def test_call_whose_answer_is_cut_is_tried_again(chain: Chain) -> None:
    before = chain.upstream.cuts
    for mark, code in (
        (b"kept", "spark.table('kept').count() + 2"),
        (b"kept", "len(spark.table('kept').columns) + 4"),
        (b"pcw.cut", "spark.conf.set('pcw.cut', '5'); 5"),
    ):
        chain.upstream.arm(mark, 1, reset=True)
        assert chain.lab.run(code).expect_ok().text == "5"
        chain.upstream.disarm()
    assert chain.upstream.cuts == before + 3
    assert chain.lab.run("spark.range(5).count()").expect_ok().text == "5"
