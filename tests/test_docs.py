"""What the documents say is so: the tests they name are there, and their examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clips import add_sound, pattern

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
FORMATS = DOCS / "formats.md"


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
