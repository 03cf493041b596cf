"""Studies that go on where they were stopped."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.run import ROOT


def run_twice(words: Sequence[str], results: Path) -> tuple[list[list[str]], list[str]]:
    """Run a command twice: the lines that each run printed, and what `results` then held."""
    told, files = [], []
    for _ in range(2):
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.splitlines())
        files.append(results.read_text())
    return told, files
