"""What a person can set is in the documentation."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from pcw_server_ext.cli.site import add_parsers
from pcw_server_ext.site.builder.addon import PcwAddon
from pcw_server_ext.site.hosts import HOSTS
from pcw_server_ext.site.staging.service import SiteService

TEXT = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text(encoding="utf-8")


def test_hosts_settings_and_commands_are_documented() -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    add_parsers(subparsers)
    assert set(subparsers.choices) == {"build", "serve", "stage", "check"}
    for command in subparsers.choices:
        assert f"jupyter pcw {command}" in TEXT
    missing = [name for name in HOSTS if f"`{name}`" not in TEXT]
    missing += [name for name in SiteService.class_own_traits(config=True) if name not in TEXT]
    missing += [f"--{alias}" for alias in PcwAddon.aliases if f"`--{alias}`" not in TEXT]
    assert missing == []


def test_every_option_of_a_command_has_a_help_text_and_is_documented() -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    add_parsers(subparsers)
    documented = set(re.findall(r"--[a-z][a-z-]*", TEXT))
    for name, command in subparsers.choices.items():
        for action in command._actions:
            assert action.help, f"{name} {action.dest}"
            for option in action.option_strings:
                assert option in {"-h", "--help", *documented}, f"{name} {option}"


def test_contents_are_shown_by_example_in_help_and_guide() -> None:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    add_parsers(subparsers)
    shown = " ".join(subparsers.choices["build"].format_help().split())
    (example,) = re.findall(r"Example: (jupyter pcw build .*?) puts", shown)
    options = subparsers.choices["build"].parse_args(shlex.split(example)[3:])
    assert [path.name for path in options.contents] == ["notebooks", "weather.csv"]
    assert "jupyter pcw build --contents" in TEXT


def test_every_trait_states_its_default_or_effect() -> None:
    for owner in (SiteService, PcwAddon):
        for name, trait in owner.class_own_traits(config=True).items():
            assert len(str(trait.help)) > 20, f"{owner.__name__}.{name}"
