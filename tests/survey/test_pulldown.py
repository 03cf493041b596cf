"""Soft telecine: film on a DVD, whose pictures are flagged to be shown for three fields and two."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from filmcli.survey.firstpass import first_pass
from filmcli.survey.pulldown import even_pulldown
from filmcli.survey.steady import steady
from filmcli.video.probe import probe
from tests.clips import ffmpeg

FIELD = Fraction(1001, 60000)
FILM = Fraction(1001, 24000)


def shown(count: int, late: int = 1) -> list[Fraction]:
    """When pictures of pulldown begin: fields 0, 3, 5, 8..., or 0, 2, 5, 7..."""
    return [(5 * index + late) // 2 * FIELD for index in range(count)]


def rounded(times: list[Fraction], tick: Fraction) -> list[Fraction]:
    return [round(time / tick) * tick for time in times]


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("tick", [Fraction(1, 90000), Fraction(1, 1000)])
def test_film_gets_its_even_times_back(late: int, tick: Fraction) -> None:
    times = rounded(shown(1000, late), tick)
    even = even_pulldown(times, tick)
    assert all(abs(at - index * FILM) <= tick for index, at in enumerate(even))
    assert steady(even, tick) == [index * FILM for index in range(1000)]


def test_each_stretch_of_film_is_evened_by_itself() -> None:
    film = shown(20)
    video = [film[-1] + (2 * n + 3) * FIELD for n in range(10)]
    after = [video[-1] + 2 * FIELD + time for time in film]
    even = even_pulldown([*film, *video, *after], Fraction(1, 90000))
    assert even[:20] == [index * FILM for index in range(20)]
    assert even[21:30] == video[1:]
    assert all(b - a == FILM for a, b in pairwise(even[31:]))
    assert all(b > a for a, b in pairwise(even))


@pytest.mark.parametrize(
    "times",
    [
        [index * FILM for index in range(20)],
        [index * 2 * FIELD for index in range(20)],
        [index * 3 * FIELD for index in range(20)],
        shown(7),
    ],
)
def test_all_else_is_left_as_it_is(times: list[Fraction]) -> None:
    assert even_pulldown(times, Fraction(1, 90000)) == times


def flagged(stream: bytes) -> bytes:
    """MPEG-2 film at 29.97 frames a second, in which every other picture repeats its first field.

    Each picture's coding extension holds both flags: top field first in bit 7 of its fourth byte,
    repeat first field in bit 1.
    """
    new, pictures = bytearray(stream), 0
    for match in re.finditer(rb"\x00\x00\x01([\xb3\xb5])", stream):
        at = match.end()
        if match[1] == b"\xb3":
            new[at + 3] = new[at + 3] & 0xF0 | 4  # 30000/1001
        elif stream[at] >> 4 == 1:
            new[at + 1] &= ~0x08  # no progressive sequence
        elif stream[at] >> 4 == 8:
            top, again = ((1, 1), (0, 0), (0, 1), (1, 0))[pictures % 4]
            new[at + 3] = new[at + 3] & 0x7D | top << 7 | again << 1
            pictures += 1
    return bytes(new)


@pytest.mark.parametrize("ending", [".mpg", ".ts", ".mkv"])
def test_a_dvds_film_is_film(tmp_path: Path, ending: str) -> None:
    stream, film = tmp_path / "film.m2v", tmp_path / f"film{ending}"
    source = "testsrc2=size=64x64:rate=24000/1001:duration=1"
    ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "mpeg2video", "-bf", "0",
           "-f", "mpeg2video", stream)  # fmt: skip
    stream.write_bytes(flagged(stream.read_bytes()))
    ffmpeg("-fflags", "+genpts", "-i", stream, "-c", "copy", film)
    info = probe(str(film))
    found = first_pass(info)
    assert found.evened and not info.interlaced
    # ffmpeg times the last picture as if the one before were not repeated.
    steps = [b - a for a, b in pairwise(found.times[:-1])]
    assert len(steps) >= 20
    assert all(abs(step - FILM) <= 2 * info.time_base for step in steps)
    end = found.times[-1] + found.last_duration - found.times[0]
    assert abs(end - len(found.times) * FILM) <= FIELD + 3 * info.time_base
