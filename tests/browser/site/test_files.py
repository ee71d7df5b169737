"""Everything that a team puts beside its notebooks comes back byte for byte, on each kind of host."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.browser.site.site_page import BuildSite, OpenPage, ServeSite, SitePage
from tests.support.contents import FILES, PUBLISHED, write_contents
from tests.support.jupyter import JupyterProcess
from tests.support.lab_page import LabPage
from tests.support.once import once

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

READ_ALL = """
import hashlib, json, os
found = {}
for folder, _, names in os.walk("/drive"):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            data = file.read()
        assert os.stat(path).st_size == len(data), path
        found[os.path.relpath(path, "/drive")] = hashlib.sha256(data).hexdigest()
print(json.dumps(found))
"""

IMPORT = """
import module
from lib.helpers import f
from src.lib2 import h
print(module.VALUE, f(), h.x)
"""

#: As the file browser's Download does it: from the address that the drive gives.
DOWNLOAD_ALL = """async paths => {
  const found = {};
  for (const path of paths) {
    const address = await window.jupyterapp.serviceManager.contents.getDownloadUrl(path);
    const bytes = await (await fetch(address)).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    found[path] = Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('');
  }
  return found;
}"""

#: What a person does in the text editor: one line more at the end.
EDIT = """async path => {
  const widget = await window.jupyterapp.commands.execute('docmanager:open', { path, factory: 'Editor' });
  await widget.context.ready;
  const model = widget.context.model.sharedModel;
  model.setSource(model.getSource() + '# edited\\n');
  await widget.context.save();
  await widget.close();
}"""

CHANGE = """
import os, shutil
from pathlib import Path

def refused(work):
    try:
        work()
    except OSError as error:
        return type(error).__name__
    return None

# what the site was built with, and what was made here, alike
os.remove("hash#tag.txt")
assert not os.path.exists("hash#tag.txt") and "hash#tag.txt" not in os.listdir()
os.rename("100%.txt", "all of it.txt")
assert not os.path.exists("100%.txt") and Path("all of it.txt").read_bytes() == b"all\\n"
os.rename("dup.json", "nan.json")
assert Path("nan.json").read_bytes() == b'{"a":1,"a":2}' and not os.path.exists("dup.json")
os.rename("dir with space", "moved folder")
assert os.listdir("moved folder") == ["\\xfc.txt"] and not os.path.exists("dir with space")
shutil.rmtree("public")
assert not os.path.exists("public") and refused(lambda: os.listdir("public")) == "FileNotFoundError"
os.mkdir("public")
assert os.listdir("public") == []
assert refused(lambda: os.mkdir("public")) == "FileExistsError"
assert refused(lambda: os.rmdir("sql")) == "OSError"
assert refused(lambda: open("sql")) == "IsADirectoryError"
assert refused(lambda: open("nowhere/x", "w")) == "FileNotFoundError"
assert refused(lambda: os.symlink("README", "link")) == "PermissionError"
with open("latin1.csv", "ab") as file:
    file.write(b"\\xff\\n")
assert Path("latin1.csv").read_bytes() == "city;temp\\nM\\xfcnchen;7\\n".encode("latin-1") + b"\\xe9\\xe8\\n\\xff\\n"
with open("bigint.json", "r+b") as file:
    file.seek(7); file.write(b"9"); file.truncate(20)
assert Path("bigint.json").read_bytes() == b'{"id": 9234567890123'
for number in range(50):
    Path(f"public/50% of #{number}?.txt").write_bytes(bytes([number]))
assert len(os.listdir("public")) == 50
print("all well")
"""

AFTER_RELOAD = """
import os
from pathlib import Path
assert not os.path.exists("hash#tag.txt") and not os.path.exists("100%.txt")
assert Path("all of it.txt").read_bytes() == b"all\\n"
assert len(os.listdir("public")) == 50
assert Path("public/50% of #7?.txt").read_bytes() == bytes([7])
print("all well")
"""


@pytest.fixture(scope="session")
def contents(run_folder: Path) -> Path:
    """The folder with those files, the same for all workers of a run: sites are told apart by their options."""
    folder = run_folder / "contents"
    with once(folder) as first:
        return write_contents(folder) if first else folder


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def read_all(page: SitePage) -> dict[str, str]:
    """What the kernel finds of those files."""
    found = json.loads(page.run(READ_ALL).expect_ok().text)
    return {
        name: digest
        for name, digest in found.items()
        if not name.startswith(("weather.", "nested/")) and "__pycache__" not in name
    }


@pytest.mark.parametrize(
    ("host", "options", "serving"),
    [
        ("static", (), ()),
        ("static", ("--channel", "xhr", "--isolation", "off"), ("--host", "static")),
        pytest.param(
            "github-pages",
            (),
            ("--host", "github-pages", "--base-path", "/repo/"),
            marks=pytest.mark.nightly,
        ),
        pytest.param("netlify", (), ("--host", "netlify"), marks=pytest.mark.nightly),
        pytest.param("cloudflare", (), ("--host", "cloudflare"), marks=pytest.mark.nightly),
        pytest.param("jupyter", (), ("--host", "jupyter"), marks=pytest.mark.nightly),
        pytest.param("nginx", (), ("--host", "nginx"), marks=pytest.mark.nightly),
        pytest.param("envoy", (), ("--host", "envoy"), marks=pytest.mark.nightly),
    ],
    ids=["static", "xhr", "github-pages", "netlify", "cloudflare", "jupyter", "nginx", "envoy"],
)
def test_files_of_a_site_come_back_byte_for_byte(
    host: str,
    options: tuple[str, ...],
    serving: tuple[str, ...],
    build_site: BuildSite,
    serve_site: ServeSite,
    open_page: OpenPage,
    contents: Path,
) -> None:
    site = build_site(host, "--contents", str(contents), *options)
    with serve_site(site, *serving) as url:
        page = open_page(url).open_notebook()
        if host in ("jupyter", "envoy"):
            # their sites ask for no address: Spark is behind the same server
            pass
        else:
            page.page.get_by_role("button", name="Without Spark").click()
        assert page.run(IMPORT).expect_ok().text.split() == ["42", "1", "1"]
        expected = digests(PUBLISHED)
        assert read_all(page) == expected
        names = [name for name in PUBLISHED if len(PUBLISHED[name]) < 1 << 20]
        assert page.page.evaluate(DOWNLOAD_ALL, names) == {name: expected[name] for name in names}


def test_files_of_a_site_are_changed_and_removed_as_anybodys(
    build_site: BuildSite, serve_site: ServeSite, open_page: OpenPage, contents: Path
) -> None:
    with serve_site(build_site("static", "--contents", str(contents))) as url:
        page = open_page(url).open_without_spark()
        names = ("spaced.json", "lines.jsonl", "with space.txt", "per%20cent.txt", "module.py")
        edited = {name: PUBLISHED[name] + b"# edited\n" for name in names}
        # an editor ends a line as the others of its file are ended
        edited["bom.csv"] = PUBLISHED["bom.csv"] + b"# edited\r\n"
        for name in edited:
            page.page.evaluate(EDIT, name)
        # as text it would come back with U+FFFD
        refusal = page.page.evaluate(
            """() => window.jupyterapp.serviceManager.contents
              .get('latin1.csv', { type: 'file', format: 'text', content: true })
              .then(() => 'opened', error => error.message)"""
        )
        assert "latin1.csv is not UTF-8 encoded" in refusal
        page.page.evaluate(
            "() => window.jupyterapp.commands.execute('docmanager:open', { path: 'weather.ipynb' })"
        )
        page.await_notebook()
        expected = digests({**PUBLISHED, **edited})
        assert read_all(page) == expected
        assert page.page.evaluate(DOWNLOAD_ALL, list(edited)) == digests(edited)
        assert page.run(CHANGE).expect_ok().text.strip() == "all well"
        page.open_notebook()
        assert page.run(AFTER_RELOAD).expect_ok().text.strip() == "all well"


@pytest.mark.nightly
def test_the_same_files_come_back_in_a_regular_lab(lab: LabPage, sail_lab: JupyterProcess) -> None:
    folder = write_contents(sail_lab.root / "contents")
    try:
        lab.open().new_notebook()
        found = json.loads(lab.run(READ_ALL.replace('"/drive"', '"/drive/contents"')).expect_ok().text)
    finally:
        shutil.rmtree(folder)
    # what a Jupyter server hides; a build leaves out more
    hidden = {".hidden.txt", ".config/settings.ini", "x.pyc", "draft.txt~"}
    assert found == digests({name: data for name, data in FILES.items() if name not in hidden})
