"""A span of a film: the pictures the whole film shows there, and all else cut to it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.errors import UsageError
from filmcli.frames import Layout
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
from filmcli.timing import parse_clock
from tests.clips import add_sound, ffmpeg, ffprobe, noise, pattern, write_vfr
from tests.forked import run
from tests.marks import slow


def hashes(path: str | Path) -> list[str]:
    """One hash per decoded picture."""
    out = ffmpeg("-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough",
                 "-f", "framemd5", "-").decode()  # fmt: skip
    return [line.split(",")[-1].strip() for line in out.splitlines() if not line.startswith("#")]


def made(source: str | Path, output: Path, **settings: object) -> Path:
    upsample(str(source), Settings(output=str(output), codec="ffv1", **settings))  # type: ignore[arg-type]
    return output


def test_it_shows_what_the_whole_film_shows_there(tmp_path: Path) -> None:
    source = pattern(tmp_path / "in.mp4", 1, size="64x48")
    whole = made(source, tmp_path / "whole.mkv", fps="60")
    part = made(
        source, tmp_path / "part.mkv", fps="60", start=Fraction("0.31"), end=Fraction("0.7")
    )
    # 0.31 s lies between outputs 18 and 19; 23 outputs fit best into what is left until 0.7 s.
    assert hashes(part) == hashes(whole)[19:42]


@pytest.mark.parametrize(("start", "end"), [("4.5", "5.25"), ("4.541667", None), (None, "0.5")])
@pytest.mark.parametrize("ending", ["mp4", *slow("mkv", "ts")])
def test_far_into_the_film_no_picture_is_one_too_early_or_late(
    tmp_path: Path, ending: str, start: str | None, end: str | None
) -> None:
    source = pattern(tmp_path / f"in.{ending}", 6, "-g", "24", "-bf", "2", size="64x48")
    span = {"start": start and Fraction(start), "end": end and Fraction(end)}
    part = made(source, tmp_path / "part.mkv", fps="1x", **span)
    first = round(Fraction(start or 0) * 24)
    last = round(Fraction(end or 6) * 24)
    assert hashes(part) == hashes(source)[first:last]


def test_a_still_is_shown_from_the_middle_of_its_time(tmp_path: Path) -> None:
    layout = Layout("gray", "gray")
    times = [0, 40, 80, 120, 160, 4160, 4200, 4240, 4280]
    source = write_vfr(tmp_path / "in.mkv", noise(layout, 64, 48, 9), layout, times)
    part = made(source, tmp_path / "part.mkv", fps="4", start=Fraction("3"), end=Fraction("4"))
    assert hashes(part) == [hashes(source)[4]] * 4


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_sound_subtitles_and_chapters_are_cut_to_it(tmp_path: Path, ending: str) -> None:
    film = pattern(tmp_path / "film.mkv", 2, size="64x48")
    kind = "srt" if ending == "mkv" else "mov_text"
    source = add_sound(tmp_path / f"in.{ending}", film, delays=(0.0, 0.3), codec="ac3",
                       subtitles=True, chapters=True, args=("-c:s", kind))  # fmt: skip
    start = Fraction("0.25")
    part = tmp_path / f"out.{ending}"
    asked = Settings(output=str(part), fps="1x", start=start, end=Fraction("0.75"))
    upsample(source, asked)
    zero = next(time for time, _ in packets(source, "v:0") if time >= start)
    before, after = packets(source, "a:0"), packets(part, "a:0")
    first = next(i for i, (time, _) in enumerate(before) if time >= zero)
    kept = before[first : first + len(after)]
    assert [sum_ for _, sum_ in after] == [sum_ for _, sum_ in kept]
    for (old, _), (new, _) in zip(kept, after, strict=True):
        assert abs(old - zero - new) <= Fraction(2, 1000)  # each container's tick
    assert Fraction("0.45") < after[-1][0] < Fraction("0.5")
    late = packets(part, "a:1")[0][0]
    assert abs(late - Fraction("0.05")) <= Fraction(35, 1000)
    # The line from 0.2 to 0.7 s was on screen at the cut already.
    words = ffmpeg("-i", part, "-map", "0:s:0", "-f", "srt", "-").decode().splitlines()
    assert words[1][:12] == "00:00:00,000"
    assert abs(int(words[1][-3:]) - 450) <= 10 and words[2] == "A line of words."
    chapters = ffprobe(part, "chapter=start_time,end_time")
    ends = [float(end) for _, end in chapters]
    assert ends == pytest.approx([0.15, 0.5], abs=0.01)


def packets(path: str | Path, stream: str) -> list[tuple[Fraction, str]]:
    """Time and checksum of every packet."""
    rows = ffprobe(path, "packet=pts_time,data_hash", "-select_streams", stream,
                   "-show_data_hash", "crc32")  # fmt: skip
    return [(Fraction(row[0]), row[1]) for row in rows if len(row) > 1 and row[0]]


def test_sound_that_is_stretched_is_cut_to_the_sample(tmp_path: Path) -> None:
    film = pattern(tmp_path / "film.mkv", 1, size="64x48")
    source = add_sound(tmp_path / "in.mkv", film, codec="pcm_s16le")
    part = made(source, tmp_path / "out.mkv", slow=Fraction(2), fps="1x",
                start=Fraction("0.25"), end=Fraction("0.75"))  # fmt: skip
    samples = ffmpeg("-i", part, "-map", "0:a", "-f", "s16le", "-ac", "1", "-")
    assert abs(len(samples) / 2 / 44100 - 1) < 0.06
    assert abs(float(ffprobe(part, "stream=start_time", "-select_streams", "a")[0][0])) < 0.01


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [("0.5", "0.5", "not after"), ("0.5", "0.2", "not after"), ("1.5", None, "runs from"),
     ("9", "12", "runs from"), ("0.51", "0.512", "shorter than")],
)  # fmt: skip
def test_a_span_without_film_is_refused(
    tmp_path: Path, start: str, end: str | None, why: str
) -> None:
    source = pattern(tmp_path / "in.mp4", 1, size="64x48")
    span = {"start": Fraction(start), "end": end and Fraction(end)}
    with pytest.raises(UsageError, match="from") as failure:
        made(source, tmp_path / "out.mkv", **span)
    assert why in failure.value.why
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_another_span_is_another_film(tmp_path: Path) -> None:
    source = pattern(tmp_path / "in.mp4", 1, size="64x48")
    words = ["upsample", source, "--fps", "1x", "-q"]
    codes = [
        run([*words, *span], tmp_path).code
        for span in (["--end", "0:00.5"], ["--end", "0.5"], ["--end", "0.25"])
    ]
    assert codes == [0, 0, 4]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1:30", 90), ("1:02:03.5", "3723.5"), ("0:00.25", "0.25")]
)
def test_clock_times(text: str, seconds: str | int) -> None:
    assert parse_clock(text) == Fraction(seconds)


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "1.5:00", "ten", "1e3", "1/2"])
def test_no_clock_times(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_clock(text)
