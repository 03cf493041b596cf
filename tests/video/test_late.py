"""Pictures of an AVI stand where they were put, whether or not their decoder waits."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import add_sound, ffmpeg, ffprobe, pattern
from tests.marks import slow


@pytest.mark.parametrize(
    "codec",
    [
        *("mpeg2video", "libx264 -bf 0", "mpeg2video -bf 2", "mpeg4 -bf 1", "libx264 -bf 2"),
        *slow("mpeg1video", "mpeg4", "libxvid", "mjpeg", "mpeg1video -bf 2"),
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


def test_the_first_picture_of_a_fragmented_mp4_is_shown_no_longer_than_others(
    tmp_path: Path,
) -> None:
    film = pattern(tmp_path / "film.mp4", 0.4, "-g", "5", size="64x48", rate="25")
    fragments = ("-movflags", "+frag_keyframe+empty_moov")
    source, path = add_sound(tmp_path / "sound.mp4", film), tmp_path / "in.mp4"
    ffmpeg("-i", source, "-c", "copy", *fragments, path)
    times = [frame.time for frame in decode(probe(str(path)))]
    assert [after - before for before, after in pairwise(times)] == [Fraction(1, 25)] * 9
    assert 0 < times[0] < Fraction(1, 25)
    told = [float(row[0]) for row in ffprobe(path, "packet=pts_time", "-select_streams", "v")]
    assert [float(time) for time in times[1:]] == pytest.approx(told[1:], abs=1e-5)


def test_a_picture_that_is_really_missing_stays_so(tmp_path: Path) -> None:
    even, path = pattern(tmp_path / "even.avi", 0.4, "-bf", "0", rate="25", codec=(
        "-c:v", "mpeg4")), tmp_path / "in.avi"  # fmt: skip
    later = "setts=ts=if(gt(N\\,0)\\,TS+1\\,TS)"
    ffmpeg("-i", even, "-c", "copy", "-bsf:v", later, path)
    times = [frame.time for frame in decode(probe(str(path)))]
    assert times[:3] == [0, Fraction(2, 25), Fraction(3, 25)]
