"""Several films in one file: programmes of an MPEG-TS, or tracks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filmcli.errors import InputError, UsageError
from filmcli.video.probe import probe
from tests.clips import ffmpeg, ffprobe, pattern
from tests.forked import run

NUMBERS = ("5", "9")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two programmes, 5 and 9, each of a film (64x48, 96x64) and a sound."""
    path = tmp_path_factory.mktemp("station") / "in.ts"
    sources = [f"testsrc2=s={size}:r=25:d=0.2" for size in ("64x48", "96x64")]
    inputs = [word for source in (*sources, "sine=d=0.2", "sine=f=880:d=0.2")
              for word in ("-f", "lavfi", "-i", source)]  # fmt: skip
    programmes = []
    for at, number in enumerate(NUMBERS):
        programmes += [
            "-program",
            f"title=P{number}:program_num={number}:st={2 * at}:st={2 * at + 1}",
        ]
    maps = [word for at in (0, 2, 1, 3) for word in ("-map", str(at))]
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a:0", "aac", "-c:a:1", "mp2")
    ffmpeg(*inputs, *maps, *codecs, *programmes, path)
    return path


@pytest.mark.parametrize(
    ("video", "width", "streams"),
    [(None, 64, [0, 1]), (5, 64, [0, 1]), (9, 96, [2, 3]), (2, 96, [2, 3])],
)
def test_a_programme_comes_with_its_own_sound(
    station: Path, video: int | None, width: int, streams: list[int]
) -> None:
    info = probe(str(station), video=video)
    assert info.width == width and [s.index for s in info.streams] == streams
    made, other = NUMBERS if width == 64 else NUMBERS[::-1]
    assert info.notices == (
        f"programme {made} is made; others are left out: {other} (--video takes one)",
    )


def test_the_command_makes_the_programme_that_is_asked_for(station: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    done = run(["upsample", str(station), "--video", "9", "-o", str(output)], tmp_path)
    assert done.code == 0, done.stderr
    assert ffprobe(output, "stream=codec_name,width") == [["h264", "96"], ["mp2"]]
    done = run(["probe", str(station), "--json"], tmp_path)
    listed = json.loads(done.stdout)["programmes"]
    assert [(p["number"], p["name"], p["streams"]) for p in listed] == [
        (5, "P5", [0, 1]), (9, "P9", [2, 3])]  # fmt: skip
    assert "programme  9 (P9): streams 2, 3" in run(["probe", str(station)], tmp_path).stdout


def test_a_number_without_a_film_is_refused(station: Path) -> None:
    with pytest.raises(UsageError) as refused:
        probe(str(station), video=7)
    assert refused.value.why == "its video streams are 0, 2, its programmes 5, 9"


def test_a_track_is_taken_by_its_index(tmp_path: Path) -> None:
    first, path = pattern(tmp_path / "a.mp4", 0.2, size="64x48"), tmp_path / "in.mkv"
    other = pattern(tmp_path / "b.mp4", 0.2, size="96x64")
    ffmpeg("-i", first, "-i", other, "-map", "0", "-map", "1", "-c", "copy", path)
    assert [probe(str(path), video=video).width for video in (None, 0, 1)] == [64, 64, 96]


@pytest.mark.parametrize(("video", "width", "streams"), [(None, 64, [0, 1]), (2, 96, [2, 3])])
def test_a_recording_that_follows_with_streams_of_its_own_is_named(
    tmp_path: Path, video: int | None, width: int, streams: list[int]
) -> None:
    whole = b""
    for size, number in (("64x48", "0x100"), ("96x64", "0x200")):
        film, part = pattern(tmp_path / "film.mp4", 0.4, size=size), tmp_path / "part.ts"
        tone = ("-f", "lavfi", "-i", "sine=d=0.4", "-c:a", "mp2")
        ffmpeg("-i", film, *tone, "-c:v", "copy", "-mpegts_start_pid", number, part)
        whole += part.read_bytes()
    (tmp_path / "in.ts").write_bytes(whole)
    info = probe(str(tmp_path / "in.ts"), video=video)
    assert info.width == width and [s.index for s in info.streams] == streams
    (notice,) = info.notices
    other = {0: 2, 2: 0}[info.stream.index]
    assert (
        notice == f"another film comes before or after this one and is left out (--video {other})"
    )


def test_a_song_with_a_cover_is_said_to_be_one(tmp_path: Path) -> None:
    cover, song = tmp_path / "cover.png", tmp_path / "in.mp3"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=32x32", "-frames:v", "1", cover)
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", "-i", cover, "-map", "0", "-map", "1", song)
    with pytest.raises(InputError, match=r"it holds: a cover picture, audio"):
        probe(str(song))
