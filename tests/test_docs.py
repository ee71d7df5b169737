"""Settings, commands and documentation agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from traitlets import Undefined

from pcw_server_ext.app import PcwExtension
from pcw_server_ext.cli import main as cli

REPOSITORY = Path(__file__).parents[1]
GUIDE = (REPOSITORY / "docs" / "user-guide.md").read_text(encoding="utf-8")
SETTINGS = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| `(.+?)` \|", GUIDE, flags=re.MULTILINE)}
TRAITS = PcwExtension.class_own_traits(config=True)


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(SETTINGS) == set(TRAITS)


@pytest.mark.parametrize("name", sorted(TRAITS))
def test_the_documented_default_is_the_default(name: str) -> None:
    value = TRAITS[name].default_value
    if value is Undefined:
        value = getattr(PcwExtension(), name)
    assert SETTINGS[name] == repr(value).replace("'", '"')


@pytest.mark.parametrize("name", sorted(TRAITS))
def test_every_setting_has_help_with_its_default(name: str) -> None:
    assert "Default" in TRAITS[name].help


def test_every_command_is_documented() -> None:
    shown = set(re.findall(r"^\| `jupyter pcw (\w+)` \|", GUIDE, flags=re.MULTILINE))
    commands = set(re.findall(r"^    (\w+) ", cli.parser().format_help(), flags=re.MULTILINE))
    assert shown == commands


@pytest.mark.parametrize(
    "page", [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/**/*.md"))], ids=lambda p: p.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
