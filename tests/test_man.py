"""The manual pages: one for each command, which man reads without complaint."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from filmcli.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man") / "new"
    words = [sys.executable, str(ROOT / "docs" / "man.py"), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert [Path(line) for line in done.stdout.splitlines()] == [
        folder / f"{name}.1"
        for name in ("filmcli", *(f"filmcli-{command}" for command in COMMANDS))
    ]
    return folder


def read(page: Path) -> str:
    """The page as a terminal of 100 columns shows it, without its bold letters."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not here")
    words = ["groff", "-ww", "-man", "-Tascii", "-P-c", "-rLL=100n", str(page)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return re.sub(r".\x08", "", done.stdout)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_tells_all_options_and_keeps_examples_in_lines(pages: Path, name: str) -> None:
    words = read(pages / f"filmcli-{name}.1")
    assert f"filmcli-{name} - " in words and f"filmcli {name} [OPTIONS]" in words
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for option in command.params:
        for spelling in option.opts if isinstance(option, click.Option) else ():
            assert re.search(rf"^       (-.*, )?{spelling}\b", words, re.MULTILINE), spelling
    examples = re.findall(r"^ *(filmcli .*?)(?: {2,}.*)?$", command.help or "", re.MULTILINE)
    for example in examples:
        assert re.search(rf"^ +{re.escape(example)}( |$)", words, re.MULTILINE), example


def test_the_first_page_names_the_others(pages: Path) -> None:
    words = read(pages / "filmcli.1")
    for name in COMMANDS:
        assert f"filmcli-{name}(1)" in words


def test_man_shows_it(pages: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not here")
    words = ["man", "--warnings", "-l", str(pages / "filmcli-upsample.1")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == "" and "WHAT TO MAKE" in done.stdout
