"""`filmcli upsample --help`: examples first, and every option under a heading."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from filmcli.cli import COMMANDS, main
from filmcli.cli.upsample import TOPICS, upsample
from tests.clips import pattern
from tests.forked import run


def told(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--help"], prog_name="filmcli")
    assert done.exit_code == 0
    return done.output


def test_examples_come_before_options_and_every_option_comes_once() -> None:
    words = told("upsample")
    headings = re.findall(r"^(\S.*):$", words, re.MULTILINE)
    assert headings == list(TOPICS)
    assert words.index("filmcli upsample in.mp4 --fps 60") < words.index(f"{headings[0]}:")
    names = [option for one in upsample.params for option in one.opts if option.startswith("-")]
    listed = re.findall(r"^  (-.*?)(?:  |$)", words, re.MULTILINE)
    assert sorted(re.findall(r"-[-\w]+", " ".join(listed))) == sorted([*names, "-h", "--help"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_ss_and_to_are_start_and_end(tmp_path: Path) -> None:
    pattern(tmp_path / "in.mp4", 1, size="64x48")
    ours = run(["upsample", "in.mp4", "--start", "0.25", "--end", "0.5", "--dry-run"], tmp_path)
    theirs = run(["upsample", "-ss", "0.25", "-to", "0.5", "in.mp4", "--dry-run"], tmp_path)
    assert theirs.code == 0 and "12 frames" in theirs.stderr
    assert theirs == ours


@pytest.mark.parametrize("seconds", ["0", "-1", "ten", "1e9"])
def test_a_preview_has_a_length(tmp_path: Path, seconds: str) -> None:
    done = run(["upsample", "in.mp4", "--preview", seconds], tmp_path)
    assert done.code == 2 and "--preview" in done.stderr
