"""Captions inside pictures come along, each at its own time."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from filmcli.timing import Timeline, parse_rate
from filmcli.video.captions import captions_of, read_captions
from filmcli.video.codecs import Encoding
from filmcli.video.decode import decode
from filmcli.video.encode import SegmentWriter
from filmcli.video.probe import probe
from tests.clips import ffmpeg, pattern
from tests.forked import run
from tests.marks import slow
from tests.video.test_seen import captioned

WORDS = {1: b"\xc8\x45", 2: b"\x4c\x4c", 5: b"\x4f\x80"}  # with the parity that CEA-608 wants


def captioned_film(folder: Path, name: str = "in.mp4", rate: str = "24") -> str:
    stream = folder / "stream.h264"
    pattern(stream, 0.5, "-bf", "0", "-aud", "1", size="64x48", rate=rate)
    stream.write_bytes(captioned(stream.read_bytes(), WORDS))
    ffmpeg("-i", stream, "-c", "copy", f"file:{folder / name}")
    return str(folder / name)


def heard(path: Path) -> list[tuple[float, bytes]]:
    """The captions as ffmpeg's own source of them gives them: time and bytes."""
    graph = f"movie={path.name}[out0+subcc]"
    words = ["-select_streams", "s", "-show_entries", "packet=pts_time,data", "-show_data"]
    command = ["ffprobe", "-v", "error", *words, "-of", "json", "-f", "lavfi", "-i", graph]
    told = subprocess.run(command, capture_output=True, cwd=path.parent, check=True).stdout
    packets = json.loads(told)["packets"]
    return [
        (float(p["pts_time"]), bytes.fromhex(p["data"].split(": ")[1].partition("  ")[0].strip()))
        for p in packets
    ]


@pytest.mark.parametrize(
    ("rate", "output"), [("60", "out.mp4"), *slow(("2x", "out.mkv"), ("12", "out.mp4"))]
)
def test_captions_stay_at_their_times(tmp_path: Path, rate: str, output: str) -> None:
    captioned_film(tmp_path)
    done = run(["upsample", "in.mp4", "--fps", rate, "-o", output, "--cuts", "off"], tmp_path)
    assert done.code == 0, done.stderr
    assert "caption" not in done.stderr
    found = heard(tmp_path / output)
    fast = {"2x": 48, "60": 60, "12": 12}[rate]
    truth: dict[int, bytes] = {}
    for picture, pair in WORDS.items():
        place = ceil(Fraction(picture * fast, 24) - Fraction(1, 2))  # the earlier if both are near
        truth[place] = truth.get(place, b"") + b"\xfc" + pair
    assert [said for _, said in found] == list(truth.values())
    times = [time for time, _ in found]
    assert times == pytest.approx([place / fast for place in truth], abs=0.0015)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["in.mp4", "stream.h264", output])


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", *slow("yuv420p", "yuv444p")])
def test_pictures_with_captions_are_the_same_to_the_last_bit(tmp_path: Path, pix_fmt: str) -> None:
    lossless = ("-c:v", "ffv1", "-pix_fmt", pix_fmt)
    path = pattern(
        tmp_path / "in.mkv", 0.25, size="66x50", codec=lossless, filters=f"format={pix_fmt}"
    )
    info, made = probe(path), tmp_path / "out.nut"
    frames = [frame.planes for frame in decode(info)]
    encoding, rate = Encoding("x264", ffmpeg_args=("-qp", "0")), Fraction(24000, 1001)
    said = [b"\xfc\x80\x80" * (index % 3) for index in range(len(frames))]
    with SegmentWriter(str(made), info, encoding, rate, said) as writer:
        for planes in frames:
            writer.write(planes)
    coded = list(decode(probe(str(made))))
    for frame, planes in zip(coded, frames, strict=True):
        assert all(map(np.array_equal, frame.planes, planes))
    assert [frame.time for frame in coded] == [k / rate for k in range(len(frames))]
    assert [len(said) // 3 for _, said in heard(made)] == [k % 3 for k in range(6) if k % 3]


def test_captions_are_read_at_the_films_own_times(tmp_path: Path) -> None:
    told = list(read_captions(probe(captioned_film(tmp_path, "it's [a] film;.ts"))))
    assert [said for _, said in told] == [b"\xfc" + pair for pair in WORDS.values()]
    assert [float(time) for time, _ in told] == pytest.approx([k / 24 for k in WORDS], abs=1e-4)


@pytest.mark.parametrize("said", [[], [(Fraction(-1), b"abc"), (Fraction(9), b"abc")]])
def test_captions_outside_the_film_are_left_out(said: Sequence[tuple[Fraction, bytes]]) -> None:
    assert captions_of(said, Fraction(0), Fraction(24), 24) == [b""] * 24


def triplet(number: int) -> bytes:
    return bytes([0xFC, number >> 8, number & 255])


@pytest.mark.parametrize(("old", "new"), [("24", "60"), ("25", "59.94"), ("23.976", "60")])
def test_every_caption_is_said_within_half_a_picture_of_its_time(old: str, new: str) -> None:
    """And none shares a picture with another."""
    before, after = parse_rate(old).value, parse_rate(new).value
    count = 600
    told = captions_of(
        [(k / before, triplet(k)) for k in range(count)], Fraction(0), after, count * 3
    )
    places = [at for at, said in enumerate(told) if said]
    assert [told[at] for at in places] == [triplet(k) for k in range(count)]
    half = 1 / after / 2 + Fraction(1, 10**4)
    assert all(abs(at / after - k / before) <= half for k, at in enumerate(places))


def test_kept_pictures_alone_are_too_far_apart_for_captions() -> None:
    """23.976 fps in 60: one old picture in eight is kept, and some are 3 s from the next of these.

    79 captions would wait for one picture then, which holds 31.
    """
    before, after = parse_rate("23.976").value, parse_rate("60").value
    film = Timeline([k / before for k in range(480)], 1 / before, after)
    slots = film.slots(0, film.count)
    kept = [film.time(k) for k, slot in enumerate(slots) if slot.kind == "keep"]
    nearest = [min(kept, key=lambda time: abs(time - own)) for own in film.times]
    assert max(abs(a - b) for a, b in zip(nearest, film.times, strict=True)) > 3
    assert max(Counter(nearest).values()) == 79


@pytest.mark.parametrize("filled", [0, 9, 20])
def test_fewer_pictures_say_all_that_was_said(filled: int) -> None:
    """Of 59.94 a second to 23.976: two or three old pictures to a new one, mostly filled up."""
    before, after = parse_rate("59.94").value, parse_rate("23.976").value
    fill = b"\xfa\0\0" * filled
    told = captions_of(
        [(k / before, triplet(k) + fill) for k in range(150)], Fraction(0), after, 60
    )
    assert max(map(len, told)) <= 3 * 31
    meant = [said[at : at + 3] for said in told for at in range(0, len(said), 3)]
    assert [word for word in meant if word[0] == 0xFC] == [triplet(k) for k in range(150)]


def test_what_is_too_much_for_one_picture_is_said_by_the_next() -> None:
    words = [triplet(k) for k in range(70)]
    told = captions_of([(Fraction(0), b"".join(words))], Fraction(0), Fraction(24), 4)
    assert told == [b"".join(words[:31]), b"".join(words[31:62]), b"".join(words[62:]), b""]
