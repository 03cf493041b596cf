"""Woven films with a known truth: fields become pictures in their places, film becomes film again.

The truth is a pan by 2 px a picture over soft noise; what is woven from it is coded as MPEG-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from filmcli.frames import VideoInfo
from filmcli.pipeline.plan import Plan, make_plan
from filmcli.pipeline.request import Settings, prepare
from filmcli.survey.firstpass import first_pass
from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import ffmpeg

FILM, FIELDS = Fraction(24000, 1001), Fraction(60000, 1001)
WIDTH, HEIGHT = 128, 96
Pan = NDArray[np.uint8]


def pan(count: int) -> Pan:
    """`count` pictures (count, H, W) in limited range."""
    noise = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH + 2 * count)).astype(np.float32)
    wall = cv2.GaussianBlur(noise, (0, 0), 2.5)
    wall = (wall / wall.std() * 30 + 126).clip(16, 235).astype(np.uint8)
    return np.stack([wall[:, 2 * k : 2 * k + WIDTH] for k in range(count)])


def write(path: Path, frames: Pan, rate: Fraction | int, filters: str, *args: str) -> str:
    """`frames` through ffmpeg's `filters`, flagged as woven, top field first."""
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}",
        "-framerate", str(rate), "-i", "-", "-vf", f"{filters}setfield=tff", *args,
        "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct", "-top", "1", path,
        stdin=b"".join(f.tobytes() + b"\x80" * (f.size // 2) for f in frames),
    )  # fmt: skip
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields")
    pulldown = "telecine=first_field=top:pattern=23,"
    write(folder / "film.mkv", pan(48), FILM, pulldown)
    write(folder / "late.ts", pan(48), FILM, pulldown, "-output_ts_offset", "0.513")
    write(folder / "video.mkv", pan(48), FIELDS, "interlace=lowpass=0:scan=tff,")
    write(folder / "psf.mkv", pan(24), 25, "")
    return folder


def nearest(info: VideoInfo, truth: Pan) -> tuple[list[int], float]:
    """Which true picture each decoded one is most like, and the worst likeness in dB."""
    names, worst = [], 99.0
    for frame in decode(info):
        error = ((truth.astype(float) - frame.planes[0]) ** 2).mean(axis=(1, 2))
        names.append(int(error.argmin()))
        worst = min(worst, 10 * float(np.log10(255**2 / max(error.min(), 1e-3))))
    return names, worst


@pytest.mark.parametrize("name", ["film.mkv", "late.ts"])
def test_film_on_video_becomes_the_film_it_was(folder: Path, name: str) -> None:
    info = probe(str(folder / name))
    assert info.telecine_start is not None
    found, woven = first_pass(info, "off"), first_pass(info, "off", deinterlace=False)
    assert len(woven.times) == 60 and found.rate == FILM
    assert found.times == [woven.times[0] + k / FILM for k in range(48)]
    # In ticks of a millisecond, or of 1/90000 s.
    ends = [film.times[-1] + film.last_duration for film in (found, woven)]
    assert abs(ends[0] - ends[1]) <= info.time_base
    names, worst = nearest(info, pan(48))
    assert names == list(range(48)) and worst > 35
    part = [frame.planes[0].tobytes() for frame in decode(info, 30)]
    assert part == [frame.planes[0].tobytes() for frame in decode(info)][30:]


def test_every_field_is_a_picture_at_its_own_time(folder: Path) -> None:
    info = replace(probe(str(folder / "video.mkv")), both_fields=True)
    assert info.interlaced and info.telecine_start is None
    found = first_pass(info, "off")
    assert found.times == [k / FIELDS for k in range(48)]
    assert found.last_duration == 1 / FIELDS
    names, worst = nearest(info, pan(48))
    assert names[1:-1] == list(range(1, 47)) and worst > 28


def planned(path: Path, **asked: str | bool) -> Plan:
    return make_plan(prepare(str(path), Settings(**asked)), lambda _: None)  # type: ignore[arg-type]


def kinds(plan: Plan) -> tuple[int, int, int]:
    return len(plan.found.times), plan.kinds["keep"], plan.kinds["make"]


def test_fields_are_all_shown_where_the_grid_is_fine_enough(folder: Path) -> None:
    video = folder / "video.mkv"
    for rate in ("59.94", "2x"):
        plan = planned(video, fps=rate)
        assert plan.timeline.rate == FIELDS and kinds(plan) == (48, 48, 0)
        assert "every field becomes a picture" in plan.notices[-1]
    plan = planned(video, fps="48")
    assert kinds(plan)[0] == 24 and "two fields become a picture" in plan.notices[-1]


def test_the_film_rate_is_what_a_multiple_is_of(folder: Path) -> None:
    plan = planned(folder / "film.mkv", fps="2x")
    assert plan.timeline.rate == 2 * FILM and kinds(plan) == (48, 48, 47)
    assert "23.976 fps are put together again" in plan.notices[-1]
    plan = planned(folder / "film.mkv", fps="2x", deinterlace=False)
    assert plan.timeline.rate == FIELDS and kinds(plan)[0] == 60 and not plan.notices


def joined(path: Path, parts: Sequence[str]) -> str:
    listed = path.with_suffix(".txt")
    listed.write_text("".join(f"file '{part}'\n" for part in parts))
    ffmpeg("-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", path)
    return str(path)


def test_pulldown_that_is_kept_is_said_with_its_reason(folder: Path) -> None:
    film, video = str(folder / "film.mkv"), str(folder / "video.mkv")
    ffmpeg("-i", film, "-pix_fmt", "yuv420p10le", "-vf", "setfield=tff", "-c:v", "ffv1",
           "-flags", "+ilme+ildct", "-field_order", "tt", folder / "deep.mkv")  # fmt: skip
    mixed = joined(folder / "mixed.mkv", [film, *[video] * 3])
    for path, why in ((folder / "deep.mkv", "8 bits only"), (Path(mixed), "only a part")):
        notice = planned(path, fps="2x").notices[-1]
        assert "3:2 pulldown is not undone" in notice and why in notice
    assert probe(video).pulldown_kept is None and probe(film).pulldown_kept is None


def test_a_still_beginning_does_not_hide_that_pictures_are_whole(folder: Path) -> None:
    still = write(folder / "still.mkv", np.repeat(pan(1), 125, axis=0), 25, "")
    moving = [str(folder / "psf.mkv")] * 28
    film = joined(folder / "begins still.mkv", [still, *moving])
    assert probe(still).interlaced  # nothing tells: the flag is believed
    assert not probe(film).interlaced
