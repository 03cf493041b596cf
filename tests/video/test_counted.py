"""Raw streams have no times: their pictures are counted, exactly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.errors import InputError, UsageError
from filmcli.survey.firstpass import first_pass
from filmcli.video.counted import count_times
from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import ffmpeg, ffprobe, pattern
from tests.forked import run
from tests.marks import slow
from tests.survey.test_pulldown import flagged

STREAMS = {
    "h264": ("libx264", "h264"),
    "hevc": ("libx265", "hevc"),
    "mpeg2": ("mpeg2video", "m2v"),
    "av1": ("libaom-av1", "obu"),
}
QUIET = {"libx265": ("-x265-params", "log-level=error"), "libaom-av1": ("-cpu-used", "8")}


def stream(folder: Path, kind: str, rate: str, count: int) -> str:
    encoder, ending = STREAMS[kind]
    seconds = float(count / Fraction(rate))
    codec = ("-c:v", encoder, *QUIET.get(encoder, ()))
    return pattern(folder / f"in.{ending}", seconds, size="64x64", rate=rate, codec=codec)


@pytest.mark.parametrize("kind", ["h264", "hevc", "mpeg2"])
@pytest.mark.parametrize("rate", ["30000/1001", *slow("60")])
def test_a_stream_that_names_its_rate_has_exact_times(tmp_path: Path, kind: str, rate: str) -> None:
    info = probe(stream(tmp_path, kind, rate, 40))
    times = [frame.time for frame in decode(info)]
    assert times == [index / Fraction(rate) for index in range(40)]
    assert info.rate == Fraction(rate) and not info.notices


def test_a_rate_that_no_stream_names_is_said_or_set(tmp_path: Path) -> None:
    path = stream(tmp_path, "av1", "24", 10)
    info = probe(path)
    assert [frame.time for frame in decode(info)] == [Fraction(k, 25) for k in range(10)]
    (notice,) = info.notices
    assert "25 are assumed" in notice and "--in-fps" in notice
    said = probe(path, Fraction(24000, 1001))
    found = first_pass(said, "off")
    assert list(found.times) == [Fraction(1001 * k, 24000) for k in range(10)]
    assert found.last_duration == Fraction(1001, 24000) and not said.notices


@pytest.mark.parametrize("size", ["64x48", "640x480"])  # short pictures, and long ones
def test_a_stream_of_jpeg_is_a_film_and_one_picture_of_it_is_none(
    tmp_path: Path, size: str
) -> None:
    coded = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")
    path = pattern(tmp_path / "in.mjpeg", 0.2, size=size, rate="25", codec=coded)
    info = probe(path, Fraction(50))
    assert [frame.time for frame in decode(info)] == [Fraction(k, 50) for k in range(5)]
    assert probe(path).notices and not info.notices
    still = pattern(tmp_path / "one.dat", 0.04, "-f", "mjpeg", size="640x480", codec=coded)
    with pytest.raises(InputError, match="still picture"):
        probe(still)


def test_a_rate_that_is_set_counts_for_more_than_the_streams_own(tmp_path: Path) -> None:
    info = probe(stream(tmp_path, "h264", "60", 10), Fraction(24))
    assert [frame.time for frame in decode(info)] == [Fraction(k, 24) for k in range(10)]


def test_long_streams_do_not_drift(tmp_path: Path) -> None:
    """ffmpeg's count in whole microseconds, summed: it is a picture behind after seven minutes."""
    rate = Fraction(60000, 1001)
    info = probe(stream(tmp_path, "h264", str(rate), 2))
    times = list(count_times(info, (Fraction(k * 16683, 10**6) for k in range(50_000))))
    assert times[-1] == 49_999 / rate and times[12345] == 12345 / rate


def test_pictures_that_are_shown_for_three_fields_are(tmp_path: Path) -> None:
    """A DVD's film as a raw stream: even times, 23.976 a second, as in its containers."""
    path = tmp_path / "film.m2v"
    source = "testsrc2=size=64x64:rate=24000/1001:duration=1"
    ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "mpeg2video", "-bf", "0",
           "-f", "mpeg2video", path)  # fmt: skip
    path.write_bytes(flagged(path.read_bytes()))
    found = first_pass(probe(str(path)), "off")
    film = Fraction(1001, 24000)
    assert found.evened
    assert [b - found.times[0] for b in found.times[:-1]] == [k * film for k in range(23)]


def test_the_command_keeps_every_picture_of_a_raw_stream(tmp_path: Path) -> None:
    stream(tmp_path, "h264", "60", 12)
    words = ["--in-fps", "12", "-o", "out.mkv", "--cuts", "off"]
    done = run(["upsample", "in.h264", *words], tmp_path)
    assert done.code == 0, done
    assert "12 frames kept, 11 made, 1 held" in done.stderr
    times = [float(time) for time, *_ in ffprobe(tmp_path / "out.mkv", "packet=pts_time")]
    assert sorted(times) == pytest.approx([k / 24 for k in range(24)], abs=5e-4)


@pytest.mark.parametrize("name", ["in.mkv", "in.gif"])
def test_a_film_with_times_of_its_own_takes_no_rate(tmp_path: Path, name: str) -> None:
    codec = () if name.endswith("gif") else ("-c:v", "ffv1")
    path = pattern(tmp_path / name, 0.2, codec=codec)
    with pytest.raises(UsageError, match="no rate can be set for this film"):
        probe(path, Fraction(24))
    for command in (["upsample", name], ["probe", name], ["adapt", name], ["compare", name, name]):
        done = run([*command, "--in-fps", "24"], tmp_path)
        assert done.code == 2 and "times of their own" in done.stderr, done
