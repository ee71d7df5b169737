"""What a build must not publish: hidden files, what links lead to, and secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pcw_server_ext.errors import SiteRefused
from pcw_server_ext.site.builder.publish import HIDDEN, check_contents, own_files, secrets_in

HEX = "0123456789abcdef"
JWT = (
    "eyJ"
    + "hbGciOiJIUzI1NiJ9"
    + ".eyJ"
    + "zdWIiOiIxMjM0NTY3ODkwIn0"
    + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)

# Put together here, so that this file does not look like one that holds secrets.
SECRETS = {
    "a private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "a private key ": "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----",
    "an AWS access key": "AK" + "IAQWERTYUIOPASDFGH",
    "a temporary AWS access key": "AS" + "IAQWERTYUIOPASDFGH",
    "an AWS secret key": "aws_secret_access_key" + " = " + "aB3/" * 10,
    "an Azure storage key": "Account" + "Key=" + "a" * 86 + "==",
    "a Google API key": "AI" + "za" + "a1B" * 11 + "-_",
    "a Databricks token": "da" + "pi" + HEX * 2,
    "a GitHub token": "gh" + "p_" + "a1B2" * 9,
    "a GitHub token ": "github" + "_pat_" + "a1_" * 22,
    "a GitLab token": "gl" + "pat-" + "a1-_" * 5,
    "a Hugging Face token": "h" + "f_" + "aB" * 17,
    "an npm token": "np" + "m_" + "aB1x" * 9,
    "a PyPI token": "py" + "pi-AgEIcHlwaS5vcmc" + "a" * 60,
    "a Slack token": "xo" + "xb-123456789-abcdefABCDEF",
    "an API key of a language model": "sk" + "-ant-api03-" + "a" * 40,
    "a signed token (JWT)": JWT,
    "a token of jupyter pcw token": "pc" + "w_" + HEX + "_" + "a" * 43,
    "a Jupyter token in an address": "http://localhost:8888/lab?tok" + "en=" + HEX * 3,
    "a token in an address of Spark": "sc://host:443/;use_ssl=true;tok" + "en=abcdef12345",
    "a password in an address": "postgresql+psycopg2://ann:" + "s3cr3t!x@db.internal:5432/sales",
    "a password in an address ": "https://ann:" + "hunter22@10.0.0.7/x",
}  # fmt: skip

HARMLESS = (
    "-----BEGIN PUBLIC KEY-----\n-----BEGIN CERTIFICATE-----",
    "the PRIVATE KEY of the house",
    "AKIAIOSFODNN7EXAMPLE aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AKIA lowercase AKIAshort",
    "postgresql://user:password@host/db  postgresql://user:<password>@host/db  https://{user}:{password}@host/",
    "redis://user:${PASSWORD}@host  mysql://user:****@host  https://user:hunter22@example.com/x",
    "http://localhost:8888/lab?token=...  https://a.example/?token=abc",
    "sc://host:15002  sc://host:15002/;token=<token>  sc://host:15002/;token=...  sc://host;user_id=ann",
    "https://example.org/a:b@c  mailto:ann@example.org  12:30@noon  git@github.com:owner/name.git",
    "0123456789abcdef0123456789abcdef  da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "data:image/png;base64," + "iVBORw0KGgo" * 500,
    "task_name npm_package_name hf_hub pcw_channel dapi eyJhbGciOiJIUzI1NiJ9 ghp_short sk-learn",
    "xoxb is a prefix; AIzaShort; glpat-x",
)


@pytest.mark.parametrize("kind", SECRETS)
def test_secret_is_found_in_text_and_in_a_notebook_and_is_not_shown(tmp_path: Path, kind: str) -> None:
    secret = SECRETS[kind]
    (tmp_path / "data.txt").write_text(f"first\n{secret}\n")
    source = {"cell_type": "code", "source": [f'key = "{secret}"\n'], "outputs": []}
    output = {"cell_type": "code", "source": [], "outputs": [{"text": [f"{secret}\n"]}]}
    for name, cell in (("source.ipynb", source), ("output.ipynb", output)):
        (tmp_path / name).write_text(json.dumps({"cells": [cell]}))
    with pytest.raises(SiteRefused) as raised:
        check_contents([tmp_path], ())
    text = str(raised.value)
    for name, line in (("data.txt", 2), ("source.ipynb", 1), ("output.ipynb", 1)):
        assert f"{name}, line {line}: {kind.strip()}" in text
    assert secret not in text
    assert "--allow-secrets" in text
    found = check_contents([tmp_path], (), allow_secrets=True)
    assert len(found.secrets) >= 3


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_resembles_a_secret_is_published(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.md").write_text(text)
    assert check_contents([tmp_path], ()).secrets == []


def test_demo_and_documents_of_this_project_hold_no_secret() -> None:
    root = Path(__file__).parents[2]
    for folder in (root / "demo", root / "docs"):
        assert check_contents([folder], ()).secrets == []


def test_secret_on_the_border_of_two_pieces_is_found(tmp_path: Path) -> None:
    secret = SECRETS["a GitHub token"].encode()
    path = tmp_path / "large.csv"
    path.write_bytes(b"x,y\n" * ((1 << 18) - 5) + b" " + secret + b"\n" + b"x,y\n" * 9)
    assert [kind for _, kind in secrets_in(path)] == ["a GitHub token"]
    assert [line for line, _ in secrets_in(path)] == [(1 << 18) - 4]


def test_hidden_files_and_folders_are_left_out_and_named(tmp_path: Path) -> None:
    for name in (".netrc", ".databrickscfg", ".ssh/id", "a/.pypirc", "a/b.txt", "lib/x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(SECRETS["a GitHub token"] if "." in name[0] else "x")
    found = check_contents([tmp_path], ("/lib/",))
    assert ".ssh/ (hidden)" in found.left_out
    assert "a/.pypirc (hidden)" in found.left_out
    assert sum("hidden" in line for line in found.left_out) == 4
    with pytest.raises(SiteRefused, match=r"\.netrc, line 1: a GitHub token"):
        check_contents([tmp_path], (), include_hidden=True)
    with pytest.raises(SiteRefused, match="--include-hidden"):
        check_contents([tmp_path / ".netrc"], ())


@pytest.mark.parametrize(
    ("target", "said"),
    [("../outside.txt", "leads out"), ("absent", "leads nowhere"), ("link", "leads nowhere")],
)
def test_link_that_leads_out_is_refused_by_name(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "outside.txt").write_text("x")
    folder = tmp_path / "contents"
    folder.mkdir()
    (folder / "link").symlink_to(target)
    with pytest.raises(SiteRefused, match=f"^link is a link that {said}"):
        check_contents([folder], ())


def test_link_inside_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").symlink_to("a.txt")
    (line,) = check_contents([tmp_path], ()).left_out
    assert line == "b.txt (a link; what it leads to is in the site under its own name)"


@pytest.mark.parametrize("target", [".env", ".aws", ".aws/credentials", "lib/x.py"])
def test_link_publishes_nothing_that_is_left_out(tmp_path: Path, target: str) -> None:
    for name in (".env", ".aws/credentials", "lib/x.py", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(SECRETS["a GitHub token"] if name != "a.txt" else "x")
    (tmp_path / "public [1]").symlink_to(target)
    found = check_contents([tmp_path], ("/lib/", HIDDEN))
    assert "public [1] (a link; what it leads to is not in the site either)" in found.left_out
    # as JupyterLite compares
    (pattern,) = found.patterns()
    assert re.findall(pattern, "/public [1]")
    assert not re.findall(pattern, "/a/public [1]") + re.findall(pattern, "/public [1]x")


def test_link_that_hides_a_file_of_another_folder_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("one/a.txt", "two/link/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "one" / "link").symlink_to("a.txt")
    with pytest.raises(SiteRefused, match=r"^link is a link in one of the folders and is in another one too"):
        check_contents([tmp_path / "one", tmp_path / "two"], ())


def test_hidden_folder_that_is_named_is_published_only_on_demand(tmp_path: Path) -> None:
    folder = tmp_path / ".drafts"
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    with pytest.raises(SiteRefused, match=r"^\.drafts is hidden.*--include-hidden"):
        check_contents([folder], ())
    assert check_contents([folder], (), include_hidden=True).left_out == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_secret_in_the_encodings_of_windows_is_found(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "keys.csv").write_bytes(f"name,key\nann,{SECRETS['a GitHub token']}\n".encode(encoding))
    with pytest.raises(SiteRefused, match=r"keys\.csv, line 2: a GitHub token"):
        check_contents([tmp_path], ())


@pytest.mark.parametrize(
    "name", ["jupyter-lite.json", "overrides.json", "lab/jupyter-lite.json", "lab/overrides.json"]
)
def test_secret_in_the_configuration_of_a_site_or_of_an_application_is_found(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"key": SECRETS["a GitHub token"]}))
    with pytest.raises(SiteRefused, match=f"{re.escape(name)}, line 1: a GitHub token"):
        check_contents([], (), own=own_files(tmp_path, tmp_path / "_output"))


@pytest.mark.parametrize("name", ["404.html", "_headers", "overrides.json", "lab/overrides.json"])
@pytest.mark.parametrize(
    ("target", "said"), [("../outside.txt", "leads out of the folder"), ("site/.env", "to a hidden file")]
)
def test_link_in_the_place_of_a_file_of_the_site_is_refused_by_name(
    tmp_path: Path, name: str, target: str, said: str
) -> None:
    lite = tmp_path / "site"
    lite.joinpath(name).parent.mkdir(parents=True)
    for secret in (tmp_path.parent / "outside.txt", lite / ".env"):
        secret.write_text("password for the database")
    lite.joinpath(name).symlink_to(tmp_path / target)
    with pytest.raises(SiteRefused, match=rf"^{re.escape(name)} is a link .*?{said}"):
        own_files(lite, lite / "_output")
    # a link that stays among what is published is as good as the file
    lite.joinpath(name).unlink()
    lite.joinpath("shared.json").write_text("{}")
    lite.joinpath(name).symlink_to(lite / "shared.json")
    assert list(own_files(lite, lite / "_output")) == [name]
