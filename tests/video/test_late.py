"""Pictures of an AVI stand where they were put, whether or not their decoder waits."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import ffmpeg, pattern


@pytest.mark.parametrize(
    "codec",
    [
        *("mpeg1video", "mpeg2video", "mpeg4", "libxvid", "mjpeg", "libx264 -bf 0"),
        *("mpeg1video -bf 2", "mpeg2video -bf 2", "mpeg4 -bf 1", "libx264 -bf 2"),
    ],
)
def test_an_avi_has_even_times_from_its_first_picture_on(tmp_path: Path, codec: str) -> None:
    path = pattern(
        tmp_path / "in.avi", 0.4, size="64x48", rate="25", codec=("-c:v", *codec.split())
    )
    info = probe(path)
    times = [frame.time for frame in decode(info)]
    assert times == [Fraction(k, 25) for k in range(10)]


@pytest.mark.parametrize("later", ["0", "2"])
def test_a_gxf_has_even_times_to_its_last_picture(tmp_path: Path, later: str) -> None:
    path, coded = tmp_path / "in.gxf", ("-c:v", "mpeg2video", "-bf", later, "-c:a", "pcm_s16le")
    inputs = ("testsrc2=s=720x576:r=25:d=0.24", "sine=d=0.24:r=48000")
    ffmpeg(*(word for name in inputs for word in ("-f", "lavfi", "-i", name)), *coded, path)
    times = [frame.time for frame in decode(probe(str(path)))]
    assert times == [Fraction(k, 25) for k in range(6)]


def test_a_picture_that_is_really_missing_stays_so(tmp_path: Path) -> None:
    even, path = pattern(tmp_path / "even.avi", 0.4, "-bf", "0", rate="25", codec=(
        "-c:v", "mpeg4")), tmp_path / "in.avi"  # fmt: skip
    later = "setts=ts=if(gt(N\\,0)\\,TS+1\\,TS)"
    ffmpeg("-i", even, "-c", "copy", "-bsf:v", later, path)
    times = [frame.time for frame in decode(probe(str(path)))]
    assert times[:3] == [0, Fraction(2, 25), Fraction(3, 25)]
