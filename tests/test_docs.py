"""What the documents say is so: the tests they name are there, and their examples run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from filmcli.cli import main
from tests.clips import add_sound, pattern

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
FORMATS = DOCS / "formats.md"
PAGES = [*TESTS.parent.glob("*.md"), *TESTS.parent.glob("weights/*.md"), *DOCS.glob("*.md")]


def test_every_test_that_the_table_of_formats_names_exists() -> None:
    named = re.findall(r"`([\w/]*test_\w+\.py)(?:::(\w+))?`", FORMATS.read_text())
    assert len(named) > 50
    for path, function in named:
        text = (TESTS / path).read_text()
        assert not function or f"def {function}(" in text, f"{path}::{function}"


def test_every_row_of_the_table_names_its_proof() -> None:
    rows = [line for line in FORMATS.read_text().splitlines() if line.startswith("| ")]
    unproven = [row for row in rows if "test_" not in row and "the same" not in row]
    heads = [row for row in unproven if row.endswith("| Proven by |")]
    honest = [row for row in unproven if row not in heads]
    assert all("no test:" in row for row in honest) and len(honest) <= 2


def test_every_example_for_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, as a reader types them; what `print` says is what its comment says."""
    silent = pattern(tmp_path / "silent.mp4", 1, size="96x64")
    add_sound(tmp_path / "in.mp4", silent, args=("-map_metadata", "-1"))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    assert len(blocks) > 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
        said = capsys.readouterr().out.splitlines()
        for promised in re.findall(r"print\(.*\)  # (.*)", block):
            assert promised in said


def commands(page: Path) -> Iterator[list[str]]:
    """The words after `filmcli` in lines that a reader is to type, without the shell around."""
    text = page.read_text().replace("\\\n", "")
    for line in re.findall(r"^    (?:.*[ ;|])?filmcli ([a-z].*)$", text, re.MULTILINE):
        split = shlex.shlex(line, posix=True, punctuation_chars=True)
        split.whitespace_split = True
        words = list(split)
        ends = [at for at, word in enumerate(words) if word in (";", "|", ">", "&&", "&")]
        if "..." not in words:
            yield words[: min(ends, default=len(words))]


def test_every_command_that_is_shown_can_be_given() -> None:
    """As far as its words go: the command is there, and it has these options."""
    shown = [(page.name, words) for page in PAGES for words in commands(page)]
    assert len([name for name, _ in shown if name == "README.md"]) > 25
    top = click.Context(main, **main.context_settings)
    for name, (word, *words) in shown:
        command = main.get_command(top, word)
        assert command is not None, f"{name}: {word}"
        command.make_context(word, words, parent=top)


def test_every_file_that_is_linked_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
