"""Names and consoles of other systems: a drive is no protocol, a missing letter no crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from filmcli.cli.evaluate import _as_benchmark
from filmcli.pipeline.job import is_folder_name, output_path
from filmcli.video.process import FileName, ask
from tests.clips import pattern

NAMES = [r"C:\films\in.mp4", "C:/films/in.mp4", r"\\server\share\in.mp4", "d:in.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_a_drive_is_no_protocol_and_no_benchmark(name: str) -> None:
    assert str.__str__(FileName(name)) == f"file:{name}"
    assert _as_benchmark(name) is None


@pytest.mark.parametrize("name", [r"C:\films.mp4", r"\\server\share.mp4", "http:x.mp4"])
def test_a_film_with_such_a_name_is_read_as_a_file(name: str, tmp_path: Path) -> None:
    """Relative, so that the name begins with what might be a protocol."""
    Path(pattern(tmp_path / "in.mp4", 0.2, size="64x48")).rename(tmp_path / name)
    answer = ask(["ffprobe", "-v", "error", str.__str__(FileName(name))], cwd=str(tmp_path))
    assert answer.code == 0, answer.words


def test_a_slash_at_the_end_means_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_folder_name("out/") and not is_folder_name("out") and not is_folder_name("out\\")
    monkeypatch.setattr(os, "sep", "\\")
    monkeypatch.setattr(os, "altsep", "/")
    assert is_folder_name("out/") and is_folder_name("C:\\out\\") and not is_folder_name("C:\\out")
    assert output_path("in.mp4", "60fps", "out/") == "out/in.60fps.mp4"


@pytest.mark.parametrize("console", ["cp437", "cp1252"])
def test_a_console_without_a_letter_shows_its_number(console: str, tmp_path: Path) -> None:
    Path(pattern(tmp_path / "in.mp4", 0.2, size="64x48")).rename(tmp_path / "映.mp4")
    done = subprocess.run(
        [sys.executable, "-m", "filmcli", "probe", "映.mp4"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": console},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert rb"\u6620.mp4" in done.stdout
