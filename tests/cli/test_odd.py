"""Odd files and odd words: each comes out right, or is refused in words that are true."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import pytest

from filmcli.errors import InputError
from filmcli.video.probe import probe
from tests.clips import ffmpeg, ffprobe, pattern
from tests.forked import run


def test_pixels_of_any_shape_keep_it(tmp_path: Path) -> None:
    pattern(tmp_path / "in.mkv", 0.1, size="64x48", filters="format=yuv420p,setsar=257/113:max=999")
    assert probe(str(tmp_path / "in.mkv")).sample_aspect_ratio == Fraction(257, 113)
    done = run(["upsample", "in.mkv", "-o", "out.mkv"], tmp_path)
    assert done.code == 0, done.stderr
    assert probe(str(tmp_path / "out.mkv")).sample_aspect_ratio == Fraction(257, 113)


def test_a_part_shorter_than_half_a_picture_is_one_picture(tmp_path: Path) -> None:
    pattern(tmp_path / "in.mkv", 1, size="64x48")
    words = ["--start", "0.5", "--end", "0.51", "--fps", "24", "-o", "out.mkv"]
    done = run(["upsample", "in.mkv", *words], tmp_path)
    assert done.code == 0, done.stderr
    assert len(ffprobe(tmp_path / "out.mkv", "packet=pts")) == 1


def test_an_old_format_is_called_by_its_name(tmp_path: Path) -> None:
    """A game's film, as its first bytes tell it: Microsoft XMV."""
    path = tmp_path / "in.xmv"
    path.write_bytes(bytes(12) + b"xobX" + struct.pack("<I", 2) + bytes(2000))
    with pytest.raises(InputError) as refused:
        probe(str(path))
    assert refused.value.why == "Its format, xmv, is not one of those that are read."


@pytest.mark.parametrize("command", ["upsample", "probe", "adapt"])
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "in.mp4")
    done = run([command, "in.mp4"], tmp_path, limit_seconds=30)
    assert done.code == 3
    assert "a pipe or a device" in done.stderr and "upsample -" in done.stderr


def test_an_empty_rate_is_no_rate(tmp_path: Path) -> None:
    pattern(tmp_path / "in.mkv", 0.1, size="64x48")
    done = run(["upsample", "in.mkv", "--fps", ""], tmp_path)
    assert done.code == 2 and "cannot use '' as a frame rate" in done.stderr


def dolby(path: Path, profile: int, alike: int) -> str:
    """A film in HEVC that says it is Dolby Vision: a box at the end of its entry in the mp4."""
    film = pattern(path, 0.2, "-x265-params", "log-level=error", size="64x64",
                   codec=("-c:v", "libx265", "-tag:v", "hvc1"))  # fmt: skip
    content = bytearray(Path(film).read_bytes())
    flags = profile << 9 | 1 << 3 | 0b101  # its level is 1, with base layer and metadata
    told = bytes([1, 0]) + struct.pack(">HI", flags, alike << 28) + bytes(16)
    more = struct.pack(">I", 8 + len(told)) + b"dvcC" + told
    entry = content.find(b"hvc1", content.find(b"stsd")) - 4
    end = entry + struct.unpack_from(">I", content, entry)[0]
    content[end:end] = more
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"):
        at = content.find(kind, content.find(b"moov")) - 4
        struct.pack_into(">I", content, at, struct.unpack_from(">I", content, at)[0] + len(more))
    path.write_bytes(content)
    return str(path)


def test_colours_that_only_dolby_knows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no ordinary colours"):
        probe(dolby(tmp_path / "five.mp4", 5, 0))
    ordinary = probe(dolby(tmp_path / "eight.mp4", 8, 1))
    assert ordinary.notices == ("Dolby Vision metadata cannot be carried over",)


def test_a_beginning_that_cannot_be_decoded_is_said(tmp_path: Path) -> None:
    """A recording that starts in mid-stream: its next key frame is more than a second away."""
    whole, path = tmp_path / "whole.ts", tmp_path / "in.ts"
    source = "testsrc2=s=64x48:r=25:d=3"
    ffmpeg("-f", "lavfi", "-i", source, "-c:v", "mpeg2video", "-g", "50", "-bf", "0",
           "-sc_threshold", "1000000000", whole)  # fmt: skip
    packets = whole.stat().st_size // 188
    path.write_bytes(whole.read_bytes()[188 * (packets * 3 // 10) :])
    done = run(["upsample", "in.ts", "--cuts", "off", "--dry-run"], tmp_path)
    assert done.code == 0, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if "cannot be decoded" in line]
    seconds = float(said.split()[3])
    first, key = (float(row[0]) for row in (ffprobe(path, "stream=start_time")[0],
                  ffprobe(path, "frame=pts_time")[0]))  # fmt: skip
    assert seconds == pytest.approx(key - first, abs=0.06) and seconds > 1
    done = run(["upsample", "whole.ts", "--cuts", "off", "--dry-run"], tmp_path)
    assert "cannot be decoded" not in done.stderr
