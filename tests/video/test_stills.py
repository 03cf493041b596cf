"""Films written as pictures: every picture there, whole, and the right one."""

from __future__ import annotations

import os
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from filmcli.errors import OutputExistsError, UsageError
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
from filmcli.video.animation import plays, webp_milliseconds
from tests.clips import add_sound, ffmpeg, ffprobe, pattern
from tests.forked import run, strike
from tests.marks import slow


def hashes(path: str | Path, pix_fmt: str) -> list[str]:
    """One hash per picture."""
    out = ffmpeg("-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough",
                 "-pix_fmt", pix_fmt, "-f", "framemd5", "-").decode()  # fmt: skip
    return [line.split(",")[-1].strip() for line in out.splitlines() if not line.startswith("#")]


def lossless(path: Path, pix_fmt: str, seconds: float = 0.5, rate: str = "24") -> str:
    return pattern(path, seconds, size="64x48", rate=rate, filters=f"format={pix_fmt}",
                   codec=("-c:v", "ffv1"))  # fmt: skip


@pytest.mark.parametrize(
    ("coded", "decoded"),
    [
        ("bgr0", "rgb24"),
        ("gbrp10le", "gbrp10le"),
        *slow(("gbrp16le", "rgb48be"), ("gray16le", "gray16be")),
    ],
)
def test_numbered_pictures_are_the_films_own(tmp_path: Path, coded: str, decoded: str) -> None:
    source = lossless(tmp_path / "in.mkv", coded)
    folder = tmp_path / "100%"
    folder.mkdir()
    upsample(source, Settings(fps="1x", output=f"{folder}/shot_%03d.png"))
    assert sorted(os.listdir(folder)) == [f"shot_{n:03d}.png" for n in range(1, 13)]
    os.rename(folder, tmp_path / "out")  # our own reading of them: ffmpeg takes the % for its own
    assert hashes(tmp_path / "out" / "shot_%03d.png", decoded) == hashes(source, decoded)


def test_pictures_that_are_there_are_replaced_only_on_demand(tmp_path: Path) -> None:
    source = lossless(tmp_path / "in.mkv", "bgr0", 0.25)
    (tmp_path / "0009.png").write_bytes(b"precious")
    asked = Settings(fps="1x", output=f"{tmp_path}/%04d.png")
    with pytest.raises(OutputExistsError, match=r"0009\.png"):
        upsample(source, asked)
    assert sorted(os.listdir(tmp_path)) == ["0009.png", "in.mkv"]
    upsample(source, Settings(fps="1x", output=asked.output, overwrite=True))
    assert sorted(os.listdir(tmp_path)) == [*(f"000{n}.png" for n in range(1, 7)), "in.mkv"]


def test_an_apng_is_the_film(tmp_path: Path) -> None:
    source = lossless(tmp_path / "in.mkv", "bgr0")
    output = tmp_path / "out.apng"
    upsample(source, Settings(fps="1x", output=str(output)))
    assert hashes(output, "rgb24") == hashes(source, "rgb24")
    assert b"acTL\x00\x00\x00\x0c\x00\x00\x00\x00" in output.read_bytes()  # 12 pictures, for ever


@pytest.mark.parametrize(
    ("pix_fmt", "told"), [("bgra", 0), ("gbrp10le", 1), *slow(("bgr0", 0), ("gray", 0))]
)
def test_a_webp_is_the_film(tmp_path: Path, pix_fmt: str, told: int) -> None:
    source, output = lossless(tmp_path / "in.mkv", pix_fmt, rate="10"), tmp_path / "out.webp"
    plans: list[object] = []
    upsample(source, Settings(fps="1x", output=str(output)), plans.append)
    assert len([n for plan in plans for n in getattr(plan, "notices", ())]) == told
    read, animation = cv2.imdecodeanimation(np.fromfile(output, np.uint8))
    assert read and sum(animation.durations) == 500
    words = ("-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt")
    shown = np.frombuffer(ffmpeg("-i", source, *words, "bgra", "-"), np.uint8)
    frames = np.stack(animation.frames)
    assert abs(frames.astype(int) - shown.reshape(frames.shape)).max() <= told


def test_a_webp_of_a_still_film_is_a_still(tmp_path: Path) -> None:
    source = str(tmp_path / "in.mkv")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32:r=10:d=0.5", "-c:v", "ffv1", source)
    upsample(source, Settings(fps="1x", output=str(tmp_path / "out.webp")))
    assert webp_milliseconds(str(tmp_path / "out.webp")) is None
    assert cv2.imread(str(tmp_path / "out.webp")).shape == (32, 32, 3)


def test_a_gif_keeps_times_and_nearly_the_colours(tmp_path: Path) -> None:
    film = lossless(tmp_path / "film.mkv", "yuv420p", rate="25")
    source, output = add_sound(tmp_path / "in.mkv", film), tmp_path / "out.gif"
    plans: list[object] = []
    upsample(source, Settings(fps="50", output=str(output)), plans.append)
    times = [Fraction(row[0]) for row in ffprobe(output, "packet=pts_time")]
    assert times == [Fraction(k, 50) for k in range(len(times))] and len(times) >= 25
    kept = np.frombuffer(rgb(output), np.uint8).reshape(-1, 48, 64, 3)[:24:2].astype(int)
    shown = np.frombuffer(rgb(film), np.uint8).reshape(-1, 48, 64, 3)[: len(kept)]
    assert abs(kept - shown).mean() < 8
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in output.read_bytes()  # for ever
    assert any("1 audio" in notice for plan in plans for notice in getattr(plan, "notices", ()))


@pytest.mark.parametrize("name", ["%02d.png", "out.gif", *slow("out.apng", "out.webp")])
def test_the_same_command_again_finds_its_work_done(tmp_path: Path, name: str) -> None:
    source = lossless(tmp_path / "in.mkv", "bgr0", 0.25)
    output = tmp_path / "out" / name
    output.parent.mkdir()
    asked = Settings(fps="1x", output=str(output))
    assert not upsample(source, asked).skipped
    before = {path: path.read_bytes() for path in output.parent.iterdir()}
    assert upsample(source, asked).skipped
    assert {path: path.read_bytes() for path in output.parent.iterdir()} == before
    with pytest.raises(OutputExistsError):
        upsample(source, Settings(fps="1x", end=Fraction(1, 8), output=str(output)))
    if name == "%02d.png":  # one that is gone, or one too many, is not what was made
        (output.parent / "07.png").write_bytes(b"")
        with pytest.raises(OutputExistsError):
            upsample(source, asked)


@pytest.mark.parametrize("times", [3, *slow(0, 1)])
def test_animations_play_as_often_as_their_source(tmp_path: Path, times: int) -> None:
    film = lossless(tmp_path / "film.mkv", "bgr0", 0.25, rate="10")
    gif, apng = tmp_path / "in.gif", tmp_path / "in.apng"
    ffmpeg("-i", film, "-loop", str({0: 0, 1: -1}.get(times, times - 1)), gif)
    ffmpeg("-i", film, "-plays", str(times), apng)
    assert plays(str(gif)) == plays(str(apng)) == times
    assert plays(film) == 0
    source = gif
    for name in ("out.apng", "out.webp", "out.gif"):  # each of the one before
        upsample(str(source), Settings(fps="1x", output=str(tmp_path / name)))
        source = tmp_path / name
        assert plays(str(source)) == times


def rgb(path: str | Path) -> bytes:
    return ffmpeg(
        "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"
    )


def test_a_gif_is_smoothed_at_its_own_delays(tmp_path: Path) -> None:
    film = lossless(tmp_path / "film.mkv", "bgr0", rate="10")
    source, output = tmp_path / "in.gif", tmp_path / "out.mkv"
    ffmpeg(
        "-i", film, "-vf", "setpts='if(lt(N,3),N,N+4)/10/TB'", "-fps_mode", "passthrough", source
    )
    upsample(str(source), Settings(fps="20", cuts="off", codec="ffv1", output=str(output)))
    # Pictures at 0, 0.1, 0.2 and, after a still, 0.7 and 0.8 s.
    before, after = hashes(source, "gbrp"), hashes(output, "gbrp")
    assert after[0] == before[0] and after[2] == before[1] and after[4] == before[2]
    assert after[5:14] == [before[2]] * 9 and after[14] == before[3] and after[16] == before[4]


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("out.gif", {"fps": "60"}, "GIF cannot"),
        ("%d.jpg", {}, "cannot be written"),
        ("%d.webp", {}, "cannot be written"),
        ("%d.tif", {}, "cannot be written"),
        ("%d.bmp", {}, "cannot be written"),
        ("out.apng", {"codec": "x264"}, "no words for an encoder"),
    ],
)
def test_what_pictures_cannot_hold(
    tmp_path: Path, name: str, settings: dict[str, str], why: str
) -> None:
    source = lossless(tmp_path / "in.mkv", "bgr0", 0.25)
    with pytest.raises(UsageError, match=why):
        upsample(source, Settings(output=str(tmp_path / name), **settings))  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["in.mkv"]


def test_killed_while_pictures_get_their_names_the_same_command_goes_on(tmp_path: Path) -> None:
    source = lossless(tmp_path / "in.mkv", "bgr0", 0.25)
    words = ["upsample", source, "--fps", "1x", "-o", "%02d.png", "-q"]
    log, whole = tmp_path / "steps.txt", tmp_path / "whole"
    whole.mkdir()
    assert run(words, whole, partial(strike, "", 0, str(log))).code == 0
    steps = log.read_text().splitlines()
    named = [at for at, step in enumerate(steps) if step.startswith("rename") and ".png" in step]
    assert len(named) == len(os.listdir(whole)) == 6
    for at, there in ((named[2], 2), (named[5] + 1, 6)):
        folder = tmp_path / str(at)
        folder.mkdir()
        assert run(words, folder, partial(strike, "kill", at)).code == -9
        assert len(list(folder.glob("*.png"))) == there
        assert run(words, folder).code == 0
        for path in whole.iterdir():
            assert (folder / path.name).read_bytes() == path.read_bytes()
        assert sorted(os.listdir(folder)) == sorted(os.listdir(whole))
