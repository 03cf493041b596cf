"""Pictures of an AVI stand where they were put, whether or not their decoder waits."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import ffmpeg, pattern


@pytest.mark.parametrize("encoder", ["mpeg1video", "mpeg4", "libxvid", "mjpeg"])
def test_an_avi_without_reordered_pictures_has_even_times(tmp_path: Path, encoder: str) -> None:
    path = pattern(tmp_path / "in.avi", 0.4, size="64x48", rate="25", codec=("-c:v", encoder))
    info = probe(path)
    times = [frame.time for frame in decode(info)]
    assert times == [Fraction(k, 25) for k in range(10)]


def test_a_picture_that_is_really_missing_stays_so(tmp_path: Path) -> None:
    even, path = pattern(tmp_path / "even.avi", 0.4, "-bf", "0", rate="25", codec=(
        "-c:v", "mpeg4")), tmp_path / "in.avi"  # fmt: skip
    later = "setts=ts=if(gt(N\\,0)\\,TS+1\\,TS)"
    ffmpeg("-i", even, "-c", "copy", "-bsf:v", later, path)
    times = [frame.time for frame in decode(probe(str(path)))]
    assert times[:3] == [0, Fraction(2, 25), Fraction(3, 25)]
