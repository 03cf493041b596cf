"""What an edit list hides stays away, whatever the container: pictures, sound and words."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from filmcli.video.boxes import Box, boxes, edits
from tests.clips import clock_film, ffmpeg, ffprobe, pattern, starts
from tests.forked import run
from tests.video.remake import remake

WORDS = {"One.": (0.05, 0.1), "Two.": (0.2, 0.28), "Three.": (0.44, 0.6), "Four.": (0.8, 0.9)}
PACKET = 1152 / 44100
TELLING = range(0, 1000, 40)  # each picture of the second film tells when it is shown, in ms


def clock(seconds: float) -> str:
    return f"00:00:{seconds:06.3f}".replace(".", ",")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second: a film, another one that tells its times, a tone, and words; B-frames in both.

    One key picture in each film, so that all others need what comes before them.
    """
    folder = tmp_path_factory.mktemp("whole")
    film = pattern(folder / "film.mp4", 1, "-bf", "2", "-g", "99", size="64x48", rate="25")
    coded = ("-c:v", "libx264", "-bf", "2", "-g", "99", "-qp", "0")
    told = clock_film(folder / "told.mp4", TELLING, coded)
    lines = [
        f"{k}\n{clock(a)} --> {clock(b)}\n{w}\n" for k, (w, (a, b)) in enumerate(WORDS.items())
    ]
    (folder / "words.srt").write_text("\n".join(lines))
    ffmpeg("-i", film, "-i", told, "-f", "lavfi", "-i", "sine=d=1", "-i", folder / "words.srt",
           *(word for at in range(4) for word in ("-map", str(at))), "-c:v", "copy", "-c:a", "mp3",
           "-c:s", "mov_text", folder / "whole.mp4")  # fmt: skip
    return folder / "whole.mp4"


def edited(path: Path, whole: Path, parts: Sequence[tuple[float, float]]) -> str:
    """The film `whole`, of which every track shows these parts (seconds) one after the other."""
    data = whole.read_bytes()
    (movie,) = [box for box in boxes(data, 0, len(data)) if box.kind == b"moov"]
    assert movie.end == len(data)  # nothing behind it is moved
    new = b"".join(
        with_edits(data, box, scale(data, movie), parts)
        if box.kind == b"trak"
        else data[box.start : box.end]
        for box in boxes(data, movie.inside, movie.end)
    )
    path.write_bytes(data[: movie.start] + boxed(b"moov", new))
    assert edits(str(path)) == [len(parts)] * 4
    return str(path)


def with_edits(data: bytes, track: Box, second: int, parts: Sequence[tuple[float, float]]) -> bytes:
    rows = (
        struct.pack(
            ">Iii", round((end - start) * second), round(start * scale(data, track)), 1 << 16
        )
        for start, end in parts
    )
    table = boxed(b"elst", struct.pack(">II", 0, len(parts)) + b"".join(rows))
    inside = boxes(data, track.inside, track.end)
    others = (data[box.start : box.end] for box in inside if box.kind != b"edts")
    return boxed(b"trak", b"".join([boxed(b"edts", table), *others]))


def scale(data: bytes, box: Box) -> int:
    """Ticks a second, which the first header inside the box tells."""
    head = min(data.find(kind, box.start) % len(data) for kind in (b"mvhd", b"mdhd"))
    return int(struct.unpack_from(">I", data, head + 16)[0])


def boxed(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def read(path: Path) -> list[str]:
    """The words that are shown."""
    lines = ffmpeg("-i", path, "-map", "0:s", "-f", "srt", "-").decode().splitlines()
    return [line for line in lines if line in WORDS]


def told(path: Path | str) -> list[tuple[float, float]]:
    """When each picture of the second film is shown, from the first film's on, and when it says."""
    rows = ffprobe(path, "frame=pts_time", "-select_streams", "v:1")
    shown = ffmpeg("-i", path, "-map", "0:v:1", "-vf", "extractplanes=y", "-f", "rawvideo",
                   "-fps_mode", "passthrough", "-")  # fmt: skip
    says = (np.frombuffer(shown, np.uint8).reshape(-1, 32 * 32).mean(axis=1) - 16) * 5 / 1000
    zero = min(float(row[0]) for row in ffprobe(path, "frame=pts_time", "-select_streams", "v:0"))
    return [(float(row[0]) - zero, float(says_at)) for row, says_at in zip(rows, says, strict=True)]


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> str:
    """The film from 0.4 s on, as ffmpeg trims it without coding it anew."""
    path = tmp_path_factory.mktemp("trimmed") / "trimmed.mp4"
    ffmpeg("-ss", "0.4", "-i", whole, "-map", "0", "-c", "copy", path)
    return str(path)


@pytest.mark.parametrize("ending", [".mkv", ".ts"])
def test_what_is_trimmed_at_the_front_does_not_come_back(
    tmp_path: Path, trimmed: str, ending: str
) -> None:
    output = tmp_path / f"out{ending}"
    _, plan = remake(trimmed, output, Fraction(50))
    assert "video stream 1 (h264) und is converted to libx264" in plan.notices
    if ending == ".mkv":
        assert read(output) == ["Three.", "Four."]
    shown = told(output)
    assert [says for _, says in shown] == pytest.approx(
        [ms / 1000 for ms in TELLING[10:]], abs=0.01
    )
    assert [at for at, _ in shown] == pytest.approx([k / 25 for k in range(15)], abs=0.002)
    begins = starts(output)
    assert -2 * PACKET <= begins["2"] - begins["0"] <= 0


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_what_is_left_out_in_the_middle_does_not_come_back(
    tmp_path: Path, whole: Path, ending: str
) -> None:
    source = edited(tmp_path / "in.mp4", whole, [(0, 0.32), (0.6, 0.92)])
    output = tmp_path / f"out{ending}"
    remake(source, output, Fraction(50))
    assert read(output) == ["One.", "Two.", "Four."]
    assert told(output) == told(source)
    assert heard(output) == pytest.approx(0.64, abs=2 * PACKET)


def heard(path: Path) -> float:
    """Seconds of sound in all packets, whose times must rise."""
    listed = ffprobe(path, "packet=pts_time,duration_time", "-select_streams", "a")
    rows = [[float(word) for word in row[:2]] for row in listed]
    assert all(new > old for (old, _), (new, _) in pairwise(rows))
    return sum(duration for _, duration in rows)


def test_a_second_film_that_is_hidden_at_its_end_is_copied(tmp_path: Path, whole: Path) -> None:
    source = edited(tmp_path / "in.mp4", whole, [(0, 0.48)])
    output = tmp_path / "out.mkv"
    _, plan = remake(source, output, Fraction(50))
    assert not any("video" in notice for notice in plan.notices)
    assert told(output) == told(source)
    assert heard(output) == pytest.approx(0.48, abs=2 * PACKET)


def test_a_part_of_what_was_edited_holds_only_what_is_shown(tmp_path: Path, whole: Path) -> None:
    edited(tmp_path / "in.mp4", whole, [(0, 0.32), (0.6, 0.92)])
    words = ["--start", "0.16", "--end", "0.6", "--cuts", "off"]
    done = run(["upsample", "in.mp4", *words, "-o", "out.mkv"], tmp_path)
    assert done.code == 0, done.stderr
    assert read(tmp_path / "out.mkv") == ["Two.", "Four."]
    assert heard(tmp_path / "out.mkv") == pytest.approx(0.44, abs=2 * PACKET)
