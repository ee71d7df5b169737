"""A site's files in its kernels: isolated or not, in several tabs, our kernel and the stock one."""

from __future__ import annotations

import pytest

from tests.browser.site.site_page import (
    PATIENCE,
    BuildSite,
    OpenPage,
    ServeSite,
    SitePage,
    new_stock_notebook,
)
from tests.support.jupyter import JupyterProcess
from tests.support.stock_kernel import with_stock_kernel

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

WORK = """
import os, shutil
from pathlib import Path
assert os.getcwd() == "/drive", os.getcwd()
assert "weather.csv" in os.listdir("/drive")
assert Path("nested/deeper/text.txt").read_text() == "deep text\\n"
assert len(Path("weather.csv").read_bytes()) > 40000
# Text, also beyond ASCII, and every byte value, below a new nested folder.
os.makedirs("made/inner")
Path("made/inner/text.txt").write_text("z\\u00fcrich \\u6771\\u4eac\\n", encoding="utf-8")
Path("made/inner/data.bin").write_bytes(bytes(range(256)) * 100)
assert Path("made/inner/text.txt").read_text(encoding="utf-8") == "z\\u00fcrich \\u6771\\u4eac\\n"
assert Path("made/inner/data.bin").read_bytes() == bytes(range(256)) * 100
assert Path("made/inner/data.bin").stat().st_size == 25600
with open("made/inner/data.bin", "r+b") as file:
    file.seek(1000); file.write(b"changed")
assert Path("made/inner/data.bin").read_bytes()[999:1008] == bytes([231]) + b"changed" + bytes([239])
with open("made/inner/text.txt", "a", encoding="utf-8") as file: file.write("more\\n")
assert Path("made/inner/text.txt").read_text(encoding="utf-8").endswith("more\\n")
os.rename("made/inner/data.bin", "made/moved.bin")
assert sorted(os.listdir("made")) == ["inner", "moved.bin"], os.listdir("made")
os.remove("made/inner/text.txt")
os.rmdir("made/inner")
try:
    open("made/inner/text.txt")
except FileNotFoundError as error:
    print("gone:", error.errno)
Path("made/empty").write_bytes(b"")
assert Path("made/empty").read_bytes() == b""
shutil.rmtree("made")
assert not os.path.exists("made")
print("all well")
"""

#: What JupyterLite's own file system for kernels can do: it follows renames and removals less closely.
STOCK_WORK = """
import os
from pathlib import Path
assert "weather.csv" in os.listdir("/drive")
Path("/drive/stock.bin").write_bytes(bytes(range(256)))
assert Path("/drive/stock.bin").read_bytes() == bytes(range(256))
os.rename("/drive/stock.bin", "/drive/stock2.bin")
os.remove("/drive/stock2.bin")
print("all well")
"""


def test_kernel_works_with_the_sites_files(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    with serve_site(build_site("static")) as url:
        page = open_page(url).open_without_spark()
        assert page.is_isolated()
        assert page.run(WORK).expect_ok().text.strip() == "gone: 44\nall well"


def test_kernel_without_isolation_works_with_files_and_spark(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage, hub: JupyterProcess
) -> None:
    site = build_site("static", "--channel", "xhr", "--isolation", "off")
    with serve_site(site, "--host", "static") as url:
        page = open_page(url).open_notebook()
        page.connect(f"{hub.url}pcw/grpc/default", hub.token)
        assert not page.is_isolated()
        # It was chosen: nothing is said.
        assert page.problem() == ""
        assert page.run(WORK).expect_ok().text.strip() == "gone: 44\nall well"
        rows = page.run("rows = spark.range(5000).collect(); print(len(rows), sum(r.id for r in rows))")
        assert rows.expect_ok().text.strip() == "5000 12497500"


def test_two_tabs_work_with_the_same_files_at_once(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage
) -> None:
    site = build_site("static", "--channel", "xhr", "--isolation", "off")
    with serve_site(site, "--host", "static") as url:
        first = open_page(url).open_without_spark()
        second = SitePage(first.context, url)
        second.open_without_spark()
        write = "for n in range(20): open(f'/drive/{who}-{n}.bin', 'wb').write(bytes([n]) * 1000)"
        one = first.submit(f"who = 'first'\n{write}")
        two = second.submit(f"who = 'second'\n{write}")
        first.result(one, PATIENCE).expect_ok()
        second.result(two, PATIENCE).expect_ok()
        check = (
            "print(all(open(f'/drive/{who}-{n}.bin', 'rb').read() == bytes([n]) * 1000 "
            "for who in ('first', 'second') for n in range(20)))"
        )
        assert first.run(check).expect_ok().text.strip() == "True"
        assert second.run(check).expect_ok().text.strip() == "True"


@pytest.mark.parametrize(
    ("host", "serving"),
    [("static", ()), ("github-pages", ("--host", "github-pages", "--base-path", "/repo/"))],
    ids=["headers", "service worker"],
)
def test_stock_kernel_reaches_files_and_spark_with_one_call(
    host: str,
    serving: tuple[str, ...],
    build_site: BuildSite,
    serve_site: ServeSite,
    open_page: OpenPage,
    hub: JupyterProcess,
) -> None:
    def work(page: SitePage) -> None:
        new_stock_notebook(page.open())
        assert page.is_isolated()
        assert page.run(STOCK_WORK, 120).expect_ok().text.strip() == "all well"
        page.run("import pyspark_connect_web as pcw; pcw.install()", 120).expect_ok()
        address = f"{hub.url}pcw/grpc/default;token={hub.token}"
        code = (
            "from pyspark.sql import SparkSession\n"
            f"spark = SparkSession.builder.remote('{address}').getOrCreate()\n"
            "print(len(spark.range(1000).collect()))"
        )
        assert page.run(code, 120).expect_ok().text.strip() == "1000"
        assert page.foreign(hub.url) == []

    with serve_site(build_site(host), *serving) as url:
        with_stock_kernel(lambda: open_page(url), work)
