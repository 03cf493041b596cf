"""Long films, films of many cuts, large pictures: nothing grows that should not."""

from __future__ import annotations

import os
import tracemalloc
import weakref
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from torch import Tensor

from filmcli.frames import Frame, Neighbour, Planes
from filmcli.pipeline.job import open_job
from filmcli.pipeline.render import Reel, render
from filmcli.pipeline.segments import segments
from filmcli.survey.steady import steady
from filmcli.timing import Timeline
from filmcli.video.decode import decode
from filmcli.video.encode import SEGMENT_SUFFIX, SegmentWriter
from filmcli.video.mux import join, verify
from filmcli.video.probe import probe
from filmcli.video.streams import StreamPlan
from tests.clips import ffmpeg, pattern
from tests.forked import run
from tests.video.remake import FAST

NTSC_FILM = Fraction(24000, 1001)


class Clock:
    """In place of the network: a picture says at which place between which sources it stands.

    Counts the intervals that lacked a neighbour.
    """

    at_once = 1

    def __init__(self) -> None:
        self.at_an_end = 0

    def begin(
        self,
        left: Planes,
        right: Planes,
        phases: Sequence[Fraction],
        params: Mapping[str, Tensor] | None = None,  # noqa: ARG002
        *,
        before: Neighbour | None = None,
        after: Neighbour | None = None,
    ) -> list[Planes]:
        assert right[0][0, 0] == left[0][0, 0] + 1
        assert before is None or before == ((left[0] - 1,), 1)
        assert after is None or after == ((right[0] + 1,), 1)
        self.at_an_end += before is None or after is None
        return [(left[0] + float(phase),) for phase in phases]


class Film:
    """Pictures that hold their own number; counts how many of them are alive."""

    def __init__(self, times: Sequence[Fraction]) -> None:
        self._times = times
        self.alive = self.most = 0

    def _forget(self) -> None:
        self.alive -= 1

    def __iter__(self) -> Iterator[Frame]:
        for at, time in enumerate(self._times):
            plane = np.full((1, 1), float(at))
            weakref.finalize(plane, self._forget).atexit = False
            self.alive += 1
            self.most = max(self.most, self.alive)
            yield Frame(time, (plane,))


def render_all(minutes: int) -> tuple[int, int]:
    """Make a film of so many minutes from end to end; most pictures alive, most bytes in use."""
    count = int(minutes * 60 * NTSC_FILM)
    stored = [Fraction(round(k * 1000 / NTSC_FILM), 1000) for k in range(count)]  # Matroska's ticks
    timeline = Timeline(steady(stored, Fraction(1, 1000)), 1 / NTSC_FILM, Fraction(60))
    film = Film(timeline.times)
    reel, clock, k = Reel(iter(film), 0), Clock(), 0
    tracemalloc.start()
    for part in segments(timeline):
        for picture in render(reel, timeline.slots(part.first, part.last), timeline.outer, clock):
            place = float(min(k * NTSC_FILM / 60, count - 1))
            assert abs(float(picture[0][0, 0]) - place) < 1e-6 or abs(picture[0] - place) < 0.025
            k += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert k == timeline.count
    assert clock.at_an_end == 2
    return film.most, peak


@pytest.mark.slow
def test_two_hours_do_not_drift_and_take_no_more_memory_than_four_minutes() -> None:
    short, long = render_all(4), render_all(120)
    assert long[0] == short[0] <= 5  # four held, one on its way
    assert long[1] < 2 * short[1] + (1 << 20)


def test_the_record_of_ten_thousand_cuts_is_small(tmp_path: Path) -> None:
    """Two hours of film, a cut every 17 pictures."""
    times = [k / NTSC_FILM for k in range(172_626)]
    cuts = frozenset(range(17, len(times), 17))
    timeline = Timeline(times, 1 / NTSC_FILM, Fraction(60), cuts)
    parts = segments(timeline)
    assert len(parts) == len(cuts) + 1 == 10_155
    with open_job(str(tmp_path / "out.mkv"), "k" * 16, SEGMENT_SUFFIX, None, False) as job:
        job.record({}, parts, {"times": [str(time) for time in times], "cuts": sorted(cuts)})
        sizes = {name: os.path.getsize(os.path.join(job.folder, name))
                 for name in os.listdir(job.folder)}  # fmt: skip
        again = os.path.getmtime(os.path.join(job.folder, "job.json"))
        job.record({}, parts, {})
        assert os.path.getmtime(os.path.join(job.folder, "job.json")) == again
    assert sizes["job.json"] < 1 << 20
    assert sizes["first_pass.json"] < 8 << 20


@pytest.mark.slow
def test_ten_thousand_segments_become_one_film(tmp_path: Path) -> None:
    source = pattern(tmp_path / "in.mkv", 0.1, size="32x32")
    info = probe(source)
    planes = next(iter(decode(info))).planes
    (work := tmp_path / "work").mkdir()
    first = work / f"first{SEGMENT_SUFFIX}"
    with SegmentWriter(str(first), info, FAST, Fraction(60000, 1001)) as writer:
        writer.write(planes)
        writer.write(planes)
    parts = [work / f"{at:06d}{SEGMENT_SUFFIX}" for at in range(10_000)]
    for part in parts:
        part.hardlink_to(first)
    output, rate, streams = str(tmp_path / "out.mkv"), Fraction(60000, 1001), StreamPlan()
    listed = [(str(part), 2) for part in parts]
    join(listed, info, FAST, rate, Fraction(0), streams, output, {})
    verify(output, 20_000, rate, 20_000 / rate, streams)


@pytest.mark.slow
def test_a_4k_film_is_made_in_tiles(tmp_path: Path) -> None:
    picture = "testsrc2=size=3840x2160:rate=24,trim=end_frame=2"
    ffmpeg("-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p", "-preset", "ultrafast",
           tmp_path / "in.mp4")  # fmt: skip
    words = ["--tile", "512", "--preset", "ultrafast", "--cuts", "off"]
    done = run(["upsample", "in.mp4", *words], tmp_path, limit_seconds=600)
    assert done.code == 0, done
    assert "tiles of 512 px" in done.stderr
    made = probe(str(tmp_path / "in.2x.mp4"))
    assert (made.width, made.height) == (3840, 2160)
    kept, between, *_ = decode(made)
    assert np.abs(kept.planes[0].astype(int) - between.planes[0]).mean() < 20


@pytest.mark.slow
def test_three_thousand_pictures_go_in_and_come_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "new").mkdir()
    source = "testsrc2=size=32x32:rate=24,trim=end_frame=3000,format=rgb24"
    ffmpeg("-f", "lavfi", "-i", source, tmp_path / "in" / "%d.png")
    words = ["--in-fps", "24", "--fps", "24", "-o", "new/%05d.png"]
    done = run(["upsample", "in", *words], tmp_path, limit_seconds=600)
    assert done.code == 0, done
    assert len(list((tmp_path / "new").iterdir())) == 3000
    for number in (1, 1500, 3000):
        old, new = tmp_path / "in" / f"{number}.png", tmp_path / "new" / f"{number:05d}.png"
        assert np.array_equal(cv2.imread(str(old)), cv2.imread(str(new)))
