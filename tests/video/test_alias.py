"""A file gets a second name by whatever the system allows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filmcli.video import spool
from filmcli.video.alias import name_as
from tests.clips import ffmpeg, ffprobe


def refused(*_: str) -> None:
    raise OSError("a required privilege is not held by the client")


@pytest.mark.parametrize("missing", [(), ("symlink",), ("symlink", "link")])
def test_a_second_name_reads_the_same(
    missing: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for way in missing:
        monkeypatch.setattr(os, way, refused)
    Path("film").write_bytes(b"pictures")
    name_as("film", "alias")
    assert Path("alias").read_bytes() == b"pictures"
    assert Path("alias").is_symlink() == (missing == ())


def test_where_no_way_is_left_the_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "symlink", refused)
    with pytest.raises(FileNotFoundError):
        name_as(str(tmp_path / "none"), str(tmp_path / "alias"))


def test_without_proc_a_temporary_film_has_a_name_that_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool.os.path, "exists", lambda path: not path.startswith("/proc"))
    with spool._nameless(str(tmp_path)) as path:
        assert Path(path).is_relative_to(tmp_path)
        ffmpeg("-f", "lavfi", "-i", "color=s=16x16:d=0.2", "-c:v", "ffv1", f"file:{path}")
        assert ffprobe(path, "stream=width") == [["16"]]
    assert list(tmp_path.iterdir()) == []
