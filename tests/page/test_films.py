"""Films for browsers: no frame is lost, moved or scaled, and none is coded without need."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.frames import Span
from filmcli.page.films import Played, played
from filmcli.video.probe import probe
from tests.clips import add_sound, clock_film, clock_times, ffmpeg, ffprobe, hashes, pattern

TIMES_MS = [0, 40, 90, 130, 200, 220, 300, 470]


def fit(film: str, folder: Path, part: Span | None = None) -> Played:
    return played(probe(film), str(folder / "made.mp4"), part=part, with_sound=True)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.webm", "libvpx")]
)
def test_what_browsers_play_is_left_as_it_is(tmp_path: Path, name: str, codec: str) -> None:
    film = pattern(tmp_path / name, 0.5, codec=("-c:v", codec))
    chosen = fit(film, tmp_path)
    assert (chosen.path, chosen.is_made, chosen.has_sound) == (film, False, False)
    assert list(map(float, chosen.times)) == pytest.approx([k / 24 for k in range(13)], abs=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_h264_elsewhere_is_put_into_mp4_and_its_sound_too(tmp_path: Path) -> None:
    plain = pattern(tmp_path / "plain.mkv", 0.5)
    film = add_sound(tmp_path / "a.mkv", plain)
    chosen = fit(film, tmp_path)
    assert chosen.is_made and chosen.has_sound
    assert hashes(chosen.path, "a") == hashes(film, "a")
    pictures = [ffmpeg("-i", path, "-map", "0:v", "-f", "md5", "-") for path in (film, chosen.path)]
    assert pictures[0] == pictures[1]
    assert ffprobe(chosen.path, "packet=size", "-select_streams", "v") == ffprobe(
        film, "packet=size", "-select_streams", "v"
    )


@pytest.mark.parametrize("codec", ["ffv1", "libx265", "mpeg4", "prores"])
def test_other_codecs_keep_every_frame_and_its_time(tmp_path: Path, codec: str) -> None:
    film = clock_film(tmp_path / "a.mkv", TIMES_MS, ("-c:v", codec))
    chosen = fit(film, tmp_path)
    assert chosen.is_made
    assert [round(1000 * time) for time in chosen.shown] == TIMES_MS
    assert clock_times(chosen.path) == pytest.approx(TIMES_MS, abs=8)
    (row,) = ffprobe(chosen.path, "stream=codec_name,width,height,pix_fmt")
    assert row == ["h264", "32", "32", "yuv420p"]


def test_of_a_part_only_that_is_made_on_the_film_s_own_clock(tmp_path: Path) -> None:
    film = clock_film(tmp_path / "a.mkv", TIMES_MS)
    chosen = fit(film, tmp_path, Span(Fraction(1, 10), Fraction(28, 100)))
    told = [round(1000 * time) for time in chosen.shown]
    assert told == [130, 200, 220]
    assert clock_times(chosen.path) == pytest.approx(told, abs=8)


def test_odd_sizes_and_deep_and_rgb_and_turned_films_are_made_to_play(tmp_path: Path) -> None:
    for filters in ("scale=65:49,format=yuv420p10le", "scale=65:49,format=gbrp"):
        film = pattern(tmp_path / "odd.mkv", 0.2, filters=filters, codec=("-c:v", "ffv1"))
        (row,) = ffprobe(fit(film, tmp_path).path, "stream=width,height,pix_fmt")
        assert row == ["66", "50", "yuv420p"]
    plain = pattern(tmp_path / "plain.mp4", 0.2, size="64x48")
    film = str(tmp_path / "turned.mp4")
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", film)
    (row,) = ffprobe(fit(film, tmp_path).path, "stream=width,height")
    assert row == ["48", "64"]


def test_fields_become_whole_pictures_at_their_own_times(tmp_path: Path) -> None:
    words = ("-flags", "+ilme+ildct", "-top", "1")
    film = pattern(
        tmp_path / "a.mkv", 1, *words, rate="50",
        filters="format=yuv420p,interlace", codec=("-c:v", "mpeg2video", "-q:v", "2"),
    )  # fmt: skip
    info = probe(film)
    assert info.interlaced
    chosen = fit(film, tmp_path)
    assert [round(1000 * time) for time in chosen.shown] == [40 * k for k in range(25)]
    (row,) = ffprobe(chosen.path, "stream=field_order")
    assert row == ["progressive"]
