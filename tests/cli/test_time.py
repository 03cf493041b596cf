"""Odd clocks through the whole command: flat pictures that tell their own time must tell it after.

Between two flat pictures the network's is flat as well, of the brightness of its time; so what
stands in the output can be read off it, to some 10 ms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.clips import add_sound, clock_film, clock_times, ffmpeg, ffprobe, hashes, pattern, starts
from tests.forked import run
from tests.marks import slow

EVEN = [40 * k for k in range(25)]
INTRA = ("-c:v", "mpeg4", "-q:v", "1", "-g", "1")


def upsample(source: str, output: Path, *words: str) -> str:
    """Run the command without looking for cuts; return what it said."""
    command = ["upsample", source, "-o", str(output), "-c", "ffv1", "--cuts", "off", *words]
    done = run(command, output.parent)
    assert done.code == 0, done
    return done.stderr


def shown_at(times: Sequence[int], now: float) -> float:
    """What a picture at `now` should tell: a still holds its picture, the last one too."""
    steps = sorted(b - a for a, b in pairwise(times))
    left = min(bisect_right(times, now + 1) - 1, len(times) - 1)
    if left == len(times) - 1:
        return times[-1]
    width = times[left + 1] - times[left]
    if width > max(250, 3 * steps[len(steps) // 2]):
        return times[left]
    return now


def check_clock(output: Path, times: Sequence[int], rate: float, start: int = 0) -> None:
    told = clock_times(output)
    for k, seen in enumerate(told):
        now = start + 1000 * k / rate
        assert abs(seen - shown_at(times, now)) <= 12, (k, now, seen)


VARIABLE = {
    "jitter": [0, 37, 84, 118, 163, 199, 245, 278, 322, 360, 404, 437, 481, 520, 563, 600],
    "gap": [0, 40, 80, 120, 160, 600, 640, 680, 720, 760, 800],
    "mixed": [*range(0, 480, 40), *range(480, 800, 16)],
    "equal": [0, 40, 80, 80, 120, 160, 160, 200, 240, 280],
}


@pytest.mark.parametrize("kind", ["jitter", *slow("gap", "mixed", "equal")])
def test_variable_rates_keep_their_times(tmp_path: Path, kind: str) -> None:
    times = VARIABLE[kind]
    source = clock_film(tmp_path / "in.mkv", times)
    upsample(source, tmp_path / "out.mkv", "--fps", "60")
    told = clock_times(tmp_path / "out.mkv")
    last = times[-1] - times[-2]
    assert abs(len(told) - (times[-1] + last) * 60 / 1000) <= 3
    check_clock(tmp_path / "out.mkv", sorted(set(times)), 60)


def with_wrap(folder: Path) -> tuple[str, list[int]]:
    """MPEG-TS whose 33 bits overflow after a fifth of a second (2^33 / 90 kHz = 95443.718 s).

    ffmpeg takes what is before it for negative times.
    """
    path, late = folder / "in.ts", ("-output_ts_offset", "95443.5", "-muxdelay", "0")
    return clock_film(path, EVEN, ("-c:v", "libx264", "-qp", "0", *late)), EVEN


def with_fragments(folder: Path) -> tuple[str, list[int]]:
    flags = ("-movflags", "frag_every_frame+empty_moov+default_base_moof")
    return clock_film(folder / "in.mp4", EVEN, (*INTRA, *flags)), EVEN


def with_far_start(folder: Path) -> tuple[str, list[int]]:
    return clock_film(folder / "in.mkv", EVEN, ("-c:v", "ffv1", "-output_ts_offset", "5")), EVEN


def with_edit_list(folder: Path) -> tuple[str, list[int]]:
    """B-frames, and the first 0.3 s hidden by an edit list."""
    film = clock_film(folder / "film.mp4", EVEN, ("-c:v", "libx264", "-qp", "0", "-bf", "2"))
    path = folder / "in.mp4"
    ffmpeg("-ss", "0.32", "-i", film, "-c", "copy", path)
    return str(path), EVEN


@pytest.mark.parametrize("make", [with_wrap, with_edit_list, *slow(with_fragments, with_far_start)])
def test_odd_starts_and_odd_clocks_are_the_films_own(
    tmp_path: Path, make: Callable[[Path], tuple[str, list[int]]]
) -> None:
    source, times = make(tmp_path)
    upsample(source, tmp_path / "out.mkv", "--fps", "60")
    first = round(clock_times(source)[0] / 40) * 40
    told = clock_times(tmp_path / "out.mkv")
    assert abs(len(told) - (1000 - first) * 60 / 1000) <= 1
    check_clock(tmp_path / "out.mkv", times, 60, start=first)


@pytest.mark.parametrize("ending", [".avi", *slow(".webm", ".flv")])
def test_twice_the_rate_is_twice_that_of_the_pictures_not_of_the_clock(
    tmp_path: Path, ending: str
) -> None:
    """A recording in milliseconds, whose header may claim a thousand pictures a second."""
    codec = ("-c:v", "libvpx" if ending == ".webm" else "libx264", "-bf", "0")
    film = pattern(tmp_path / f"in{ending}", 0.5, "-enc_time_base", "1:1000", codec=codec)
    done = run(["upsample", film, "--dry-run"], tmp_path)
    assert done.code == 0, done
    assert "24 -> 48 fps" in done.stderr and "12 -> 24 frames" in done.stderr


def test_a_last_picture_that_is_shown_for_long_stays(tmp_path: Path) -> None:
    """Ten pictures at 25 fps, the last of them for 0.64 s: a second in all."""
    film = clock_film(tmp_path / "film.mp4", EVEN[:10], (*INTRA, "-video_track_timescale", "1000"))
    stretch = "setts=duration='if(eq(N,9),16*DURATION,DURATION)'"
    ffmpeg("-i", film, "-c", "copy", "-bsf:v", stretch, tmp_path / "in.mp4")
    upsample(str(tmp_path / "in.mp4"), tmp_path / "out.mkv", "--fps", "60")
    told = clock_times(tmp_path / "out.mkv")
    assert len(told) == 60
    assert all(abs(seen - 360) <= 10 for seen in told[22:])


@pytest.mark.parametrize(
    ("pictures", "outputs"),
    [(1, 3), *slow((2, 5), (3, 8))],
)
def test_the_shortest_films_are_films(tmp_path: Path, pictures: int, outputs: int) -> None:
    """At 24 fps to 60: 2.5, 5 and 7.5 pictures."""
    source = tmp_path / "in.mp4"
    picture = f"testsrc2=size=48x32:rate=24,trim=end_frame={pictures}"
    ffmpeg("-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p", source)
    upsample(str(source), tmp_path / "out.mkv", "--fps", "60")
    assert len(ffprobe(tmp_path / "out.mkv", "packet=pts")) == outputs


@pytest.mark.parametrize(
    ("ending", "video", "audio", "rate"),
    [
        (".mp4", 0.5, 0.0, "59.94"),
        pytest.param(".mkv", 0.0, 0.0, "60", marks=pytest.mark.slow),
        pytest.param(".mkv", 0.0, 0.7, "119.88", marks=pytest.mark.slow),
    ],
)
def test_sound_is_not_touched_and_keeps_its_distance(
    tmp_path: Path, ending: str, video: float, audio: float, rate: str
) -> None:
    """Sound of one second beside a picture of 0.6 s, or of 1.12 s."""
    long = video > 0
    times = [28 * k for k in range(40)] if long else EVEN[:15]
    film = clock_film(tmp_path / f"film{ending}", times, INTRA)
    source = add_sound(tmp_path / f"in{ending}", film, video_delay=video, delays=(audio,))
    upsample(source, tmp_path / "out.mkv", "--fps", rate)
    assert hashes(tmp_path / "out.mkv") == hashes(source)
    before, after = starts(source), starts(tmp_path / "out.mkv")
    assert abs((after["1"] - after["0"]) - (before["1"] - before["0"])) <= 1 / 120
    count = len(clock_times(tmp_path / "out.mkv"))
    assert abs(count - (1.12 if long else 0.6) * float(rate)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), [("23.976", "60"), ("29.97", "50"), ("25", "144")])
def test_real_pairs_of_rates(tmp_path: Path, source: str, target: str) -> None:
    """A second of film in Matroska's milliseconds."""
    times = [round(1000 * k / float(source)) for k in range(round(float(source)))]
    film = clock_film(tmp_path / "in.mkv", times)
    upsample(film, tmp_path / "out.mkv", "--fps", target)
    length = len(times) / float(source)
    assert abs(len(clock_times(tmp_path / "out.mkv")) - length * float(target)) <= 1
    check_clock(tmp_path / "out.mkv", times, float(target))
