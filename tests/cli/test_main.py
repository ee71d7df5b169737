"""`jupyter pcw`: dispatch, help, and one line for a wrong command."""

from __future__ import annotations

import pytest

from pcw_server_ext.cli import main as cli
from pcw_server_ext.cli.terminal import in_one_line, visible
from pcw_server_ext.version import __version__

COMMANDS = cli.parser().commands


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "choose a command: doctor, "),
        (["dotcor"], "there is no command 'dotcor'; the nearest is doctor."),
        (["no-such-command"], "there is no command 'no-such-command'."),
        (["--no-such-option"], "COMMAND"),
        (["doctor", "--no-such-option"], "unrecognized arguments: --no-such-option."),
        (["token", "--ttl", "soon"], "write a duration as 90 (seconds), 30m, 8h or 2d."),
        (["runtime"], "ACTION"),
        (["runtime", "fetch"], "PACKAGE"),
        (
            ["serve", "site", "--PcwExtension.engine=sail"],
            "serve does not read the server's settings, so that '--PcwExtension.engine=sail' has no effect.",
        ),
    ],
)
def test_wrong_command_is_answered_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("jupyter pcw")
    assert said in printed.err
    assert "--help` says what it takes." in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    assert f"usage: jupyter pcw {name}" in capsys.readouterr().out


@pytest.mark.parametrize("sign", ["\x1b]0;title\x07", "\x1b[2J", "\r", "\x9b2J", "\x7f", "\u202e", "\udcff"])
def test_name_from_elsewhere_does_not_reach_the_terminal_as_a_command(
    sign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", f"a{sign}b"]) == 1
    printed = capsys.readouterr().err
    assert not set(sign) & set(printed) - set("]0;title[2J")
    assert ascii(sign)[1:-1] in printed
    assert "is no folder" in printed


def test_text_in_a_line_of_a_command_stays_in_its_place() -> None:
    assert in_one_line("a\tb\nno token\x1b[1A\u2028é") == "a\\tb\\nno token\\x1b[1A\\u2028é"
    assert visible("a\n\tb é") == "a\n\tb é"
