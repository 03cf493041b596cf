"""What the documents say is proven by a test is: the test is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
FORMATS = TESTS.parent / "docs" / "formats.md"


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
