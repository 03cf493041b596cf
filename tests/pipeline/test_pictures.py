"""Films that are no film file: standard input, and pictures in files of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from filmcli.errors import InputError
from filmcli.pipeline.request import Settings
from filmcli.pipeline.upsample import upsample
from tests.clips import ffmpeg, ffprobe, pattern
from tests.forked import run
from tests.marks import slow

FILMCLI = [sys.executable, "-m", "filmcli"]


def hashes(path: str | Path, pix_fmt: str | None) -> list[str]:
    """One hash per picture, decoded to `pix_fmt`, or as it is coded."""
    words = ("-pix_fmt", pix_fmt) if pix_fmt else ()
    out = ffmpeg("-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough", *words,
                 "-f", "framemd5", "-").decode()  # fmt: skip
    return [line.split(",")[-1].strip() for line in out.splitlines() if not line.startswith("#")]


def pictures(folder: Path, name: str, pix_fmt: str, count: int = 11, size: str = "64x48") -> Path:
    """A moving test pattern as `count` files, from number 1 on."""
    folder.mkdir(exist_ok=True)
    source = f"testsrc2=size={size}:rate=24"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", str(count), "-pix_fmt", pix_fmt,
           "-f", "image2", folder / name)  # fmt: skip
    return folder


def y4m(film: str | Path) -> bytes:
    """The film as it passes through pipes."""
    return ffmpeg("-i", film, "-strict", "-1", "-f", "yuv4mpegpipe", "-")


@pytest.mark.parametrize(
    ("ending", "coded", "decoded"),
    [
        ("png", "rgb24", "gbrp"),
        ("png", "gray16be", "gray16le"),
        ("jpg", "yuvj420p", None),
        *slow(
            ("png", "rgb48be", "gbrp16le"),
            ("png", "pal8", "rgb24"),
            ("tif", "rgb24", "gbrp"),
            ("bmp", "bgr24", "gbrp"),
        ),
    ],
)
def test_a_folder_of_pictures_is_a_film_of_just_these(
    tmp_path: Path, ending: str, coded: str, decoded: str | None
) -> None:
    source = pictures(tmp_path / "shot", f"f%d.{ending}", coded)
    output = tmp_path / "shot.1x.mkv"
    result = upsample(f"{source}/", Settings(fps="1x", codec="ffv1", in_fps="23.976"))
    assert Path(result.output) == output
    assert ffprobe(output, "stream=r_frame_rate")[0] == ["24000/1001"]
    assert hashes(output, decoded) == hashes(source / f"f%d.{ending}", decoded)
    assert sorted(os.listdir(tmp_path)) == ["shot", "shot.1x.mkv"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("size", "32x48"), "unlike"),
        (("pix_fmt", "gray"), "unlike"),
        (("bytes", b"no picture"), "no picture"),
    ],
)
def test_a_picture_that_does_not_fit_is_named(
    tmp_path: Path, change: tuple[str, str | bytes], why: str
) -> None:
    source = pictures(tmp_path / "shot", "f%d.png", "rgb24")
    kind, value = change
    if isinstance(value, bytes):
        (source / "f7.png").write_bytes(value)
    else:
        asked = {"pix_fmt": "rgb24", kind: value}
        other = pictures(tmp_path / "other", "%d.png", count=1, **asked)
        os.replace(other / "1.png", source / "f7.png")
    with pytest.raises(InputError, match=why) as failure:
        upsample(str(source), Settings(fps="1x"))
    assert "f7.png" in str(failure.value)
    assert not list(tmp_path.glob("*.mkv"))


def test_films_and_pictures_in_one_folder_need_a_word_more(tmp_path: Path) -> None:
    source = pictures(tmp_path / "shot", "%03d.png", "rgb24", 3)
    film = pattern(source / "film.mkv", 0.25, size="64x48")
    both = run(["upsample", str(source)], tmp_path)
    assert both.code == 2 and "%05d.png" in both.stderr
    for way in (str(source / "%03d.png"), film):
        assert run(["upsample", way, "--fps", "1x", "--dry-run"], tmp_path).code == 0


@pytest.mark.parametrize("pix_fmt", ["yuv422p10le", *slow("yuv420p", "gray")])
def test_a_film_from_a_pipe_is_the_same_film(tmp_path: Path, pix_fmt: str) -> None:
    film = pattern(tmp_path / "in.mkv", 0.5, size="66x48", filters=f"format={pix_fmt}",
                   codec=("-c:v", "ffv1"))  # fmt: skip
    words = ["upsample", "-", "--fps", "1x", "-c", "ffv1", "-o", "out.mkv"]
    done = run(words, tmp_path, stdin=y4m(film))
    assert done.code == 0, done.stderr
    assert hashes(tmp_path / "out.mkv", pix_fmt) == hashes(film, pix_fmt)
    assert "already done" in run(words, tmp_path, stdin=y4m(film)).stderr


def test_from_pipe_to_pipe(tmp_path: Path) -> None:
    film = pattern(tmp_path / "in.nut", 0.25, size="64x48", rate="597/10", codec=("-c:v", "ffv1"))
    words = [*FILMCLI, "upsample", "-", "--fps", "2x", "-o", "-", "-q"]
    done = subprocess.run(words, input=y4m(film), capture_output=True, check=True)
    assert done.stdout.startswith(b"YUV4MPEG2 W64 H48 F597:5 ")
    assert done.stdout.count(b"FRAME\n") == 2 * len(ffprobe(film, "packet=pts"))


@pytest.mark.parametrize("rate", [b"597:5", *slow(b"37:10")])
def test_a_pipe_keeps_a_rate_that_ffmpeg_would_guess_anew(tmp_path: Path, rate: bytes) -> None:
    picture = b"FRAME\n" + bytes(32 * 32)
    film = b"YUV4MPEG2 W32 H32 F%b Cmono\n" % rate + 40 * picture
    words = ["upsample", "-", "--fps", "1x", "-c", "ffv1", "-o", "out.mkv"]
    done = run(words, tmp_path, stdin=film)
    assert done.code == 0, done.stderr
    over, under = map(int, rate.split(b":"))
    times = sorted(float(at) for at, *_ in ffprobe(tmp_path / "out.mkv", "packet=pts_time"))
    assert times == pytest.approx([k * under / over for k in range(40)], abs=0.0011)


@pytest.mark.parametrize(
    ("sent", "words", "code", "said"),
    [
        (b"", ["-o", "new.mkv"], 3, "empty"),
        (b"\x00\x00\x00\x20ftypisom" * 9, ["-o", "new.mkv"], 3, "no y4m"),
        (b"YUV4MPEG2 nonsense\n", ["-o", "new.mkv"], 3, "no y4m"),
        (b"YUV4MPEG2 W8 H8 F24:1\n", [], 2, "no name"),
    ],
)
def test_what_is_no_film_on_standard_input(
    tmp_path: Path, sent: bytes, words: list[str], code: int, said: str
) -> None:
    done = run(["upsample", "-", *words], tmp_path, stdin=sent)
    assert done.code == code
    assert said in done.stderr and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--fps", "nonsense"], 2, "frame rate"),
        (["--in-fps", "2x"], 2, "--in-fps"),
        (["--start", "2", "--end", "1"], 2, "--end"),
        (["--codec", "nonesuch"], 5, "no encoder"),
        (["--device", "abacus"], 2, "abacus"),
        (["--weights", "nonesuch"], 5, "no weights"),
        (["-o", "no/such/folder.mkv"], 5, "no folder"),
        (["-o", "film.doc"], 2, "cannot be written"),
        (["--preset", "leisurely"], 5, "cannot code 64x48"),
        (["--codec", "x265", "--crf", "99"], 2, "--crf 99 does not fit"),
        (["--ffmpeg-args", "-nonesuch 1"], 5, "cannot code 64x48"),
        (["--codec", "prores", "--crf", "9"], 2, "--crf does not fit"),
        (["--codec", "ffv1", "-o", "film.webm"], 2, "cannot hold"),
        (["--crf", "9", "-o", "-"], 2, "add --codec"),
        (["--codec", "x264", "--preset", "leisurely", "-o", "-"], 5, "cannot code"),
        (["--fps", "60", "-o", "film.gif"], 2, "GIF cannot"),
        (["--crf", "0", "-o", "film.gif"], 2, "no words"),
        (["-o", "shot/%d.png", "-y"], 2, "among those of shot"),
    ],
)
def test_options_are_checked_before_pictures_are_read(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    pictures(tmp_path / "shot", "%d.png", "rgb24", count=1)
    (tmp_path / "shot" / "2.png").write_bytes(b"no picture")
    done = run(["upsample", "shot", *words], tmp_path)
    assert (done.code, said in done.stderr) == (code, True), done.stderr
    assert os.listdir(tmp_path) == ["shot"]
    assert sorted(os.listdir(tmp_path / "shot")) == ["1.png", "2.png"]


def test_options_are_checked_before_a_pipe_is_read(tmp_path: Path) -> None:
    command = [*FILMCLI, "upsample", "-", "-o", "film.mkv", "--preset", "leisurely"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdin is not None and running.stderr is not None
        running.stdin.write(b"YUV4MPEG2 W64 H48 F24:1 C422p10\nFRAME\n")
        running.stdin.flush()  # and nothing else comes
        told = running.stderr.read().decode()
    assert "cannot code 64x48 yuv422p10le at 48 fps" in told
    assert os.listdir(tmp_path) == []


def test_a_work_folder_is_made_for_pictures_too(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "shot", "%d.png", "rgb24", count=2)
    work, output = tmp_path / "new" / "work", tmp_path / "out.mkv"
    upsample(str(folder), Settings(fps="1x", work_dir=str(work), output=str(output)))
    assert output.exists()
