"""The first pass: the same for all who ask, and exact when it is written down and read again."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.survey.firstpass import first_pass, read_spelled
from filmcli.video.probe import probe
from tests.clips import ffmpeg


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots of 12 and 24 pictures at 23.976 fps, in a container that counts milliseconds."""
    path = tmp_path_factory.mktemp("firstpass") / "film.mkv"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=24000/1001",
        "-f", "lavfi", "-i", "mandelbrot=size=96x64:rate=24000/1001",
        "-filter_complex", "[0]trim=end_frame=12[a];[1]trim=end_frame=24[b];[a][b]concat",
        "-pix_fmt", "yuv420p", "-c:v", "ffv1", path,
    )  # fmt: skip
    return path


def test_it_finds_exact_times_and_cuts_and_survives_being_written_down(film: Path) -> None:
    heard: list[int] = []
    found = first_pass(probe(str(film)), progress=heard.append)
    assert list(found.times) == [Fraction(k * 1001, 24000) for k in range(36)]
    assert (found.rate, found.last_duration) == (Fraction(24000, 1001), Fraction(1001, 24000))
    assert list(found.cuts) == [12] and found.whole and heard[-1] == 36
    again = read_spelled(json.loads(json.dumps(found.spelled())))
    assert again is not None
    assert again.spelled() == found.spelled()
    assert list(again.times) == list(found.times) and list(again.motion) == list(found.motion)


def test_what_is_no_first_pass_is_not_taken_for_one(film: Path) -> None:
    told = first_pass(probe(str(film)), "off").spelled()
    assert read_spelled(told) is not None
    for wrong in ({}, {**told, "times": ["x"]}, {**told, "times": ["1/0"]}, {**told, "more": 1}):
        assert read_spelled(wrong) is None


def test_the_beginning_alone_can_be_read(film: Path) -> None:
    found = first_pass(probe(str(film)), "off", most=5)
    assert len(found.times) == 5 and not found.whole
    assert found.rate == Fraction(24000, 1001)
