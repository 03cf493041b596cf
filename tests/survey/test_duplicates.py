"""Repeats on films drawn on twos: what counts as one, what moves too little to be one, and times.

A drawing is a texture with a ball that moves 6 px from one drawing to the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from filmcli.frames import Layout, Planes
from filmcli.survey.duplicates import even_repeats, find_repeats
from filmcli.survey.firstpass import distinct_frames, first_pass
from filmcli.video.decode import decode
from filmcli.video.probe import probe
from tests.clips import write_film, write_vfr
from tests.forked import run

GRAY = Layout("gray", "gray")
RATE = 24


def drawing(number: int, seed: int = 0) -> Planes:
    """The `number`-th drawing of a shot, 128x96."""
    rng = np.random.default_rng(seed)
    wall = cv2.GaussianBlur(rng.normal(size=(96, 128)).astype(np.float32), (0, 0), 2)
    picture = np.clip(120 + 150 * wall, 0, 255).astype(np.uint8)
    cv2.circle(picture, (20 + 6 * number, 40), 12, (230,), -1, cv2.LINE_AA)
    return (picture,)


def held(holds: Sequence[int], seed: int = 0) -> list[Planes]:
    """Drawing k shown for `holds[k]` pictures."""
    return [drawing(k, seed) for k, times in enumerate(holds) for _ in range(times)]


def times_of(film: Sequence[Planes]) -> list[Fraction]:
    return [Fraction(k, RATE) for k in range(len(film))]


def repeats_of(film: Sequence[Planes], cuts: Sequence[int] = (), depth: int = 8) -> list[int]:
    return find_repeats(film, depth, times_of(film), cuts)


@pytest.mark.parametrize("hold", [2, 3, 4, 6])
def test_drawings_on_twos_threes_and_fours_are_one_picture_each(hold: int) -> None:
    film = held([hold] * 5)
    # The last drawing is followed by nothing, so nothing moves on from it.
    assert repeats_of(film) == [k for k in range(4 * hold) if k % hold]


def test_a_still_of_more_than_a_quarter_second_stays_still() -> None:
    assert repeats_of(held([2, 7, 2, 2])) == [1, 10]
    assert repeats_of(held([24])) == []


def test_a_run_ends_at_a_cut_even_if_the_next_shot_looks_the_same() -> None:
    film = held([2, 4, 2, 1])
    assert repeats_of(film) == [1, 3, 4, 5, 7]
    assert repeats_of(film, cuts=[4]) == [1, 5, 7]  # 2 and 3 are before the cut, and stay


def test_small_motion_and_slow_light_are_no_repeats() -> None:
    mouth = [drawing(0)[0].copy() for _ in range(8)]
    for k in range(0, 8, 2):
        cv2.ellipse(mouth[k], (90, 60), (8, 3), 0, 0, 360, (250,), -1)
    assert repeats_of([(picture,) for picture in mouth]) == []
    colour = [(drawing(0)[0], np.full((48, 64), 100 + 20 * k, np.uint8)) for k in range(6)]
    assert repeats_of(colour) == []
    fade = [
        (np.clip(drawing(0)[0] * (1 - k / 48) + 0.5, 0, 255).astype(np.uint8),) for k in range(9)
    ]
    assert repeats_of(fade) == []
    pan = [(np.ascontiguousarray(drawing(0)[0][:, k : 100 + k]),) for k in range(9)]
    assert repeats_of(pan) == []


@pytest.mark.parametrize("depth", [8, 10])
def test_a_codec_may_change_a_repeat_a_little(depth: int) -> None:
    rng = np.random.default_rng(1)
    level = 1 << (depth - 8)
    film = [
        ((picture.astype(np.int32) * level + rng.integers(-2 * level, 2 * level + 1, picture.shape))
         .clip(0, 256 * level - 1).astype(np.uint8 if depth == 8 else np.uint16),)
        for (picture,) in held([2] * 5)
    ]  # fmt: skip
    assert repeats_of(film, depth=depth) == [1, 3, 5, 7]


def test_the_film_without_repeats_keeps_first_times_cuts_and_length(tmp_path: Path) -> None:
    film = held([2, 2, 2, 2], seed=0) + held([2, 1, 2, 2], seed=1)
    path = write_film(tmp_path / "twos.mkv", film, GRAY, RATE)
    info = probe(path)
    found = first_pass(info, dedupe=True)
    assert found.repeats == [1, 3, 5, 9, 12]
    assert found.rate == 24 and found.cuts == [8]
    distinct = found.distinct()
    kept = [0, 2, 4, 6, 7, 8, 10, 11, 13, 14]
    assert distinct.times == [Fraction(k, 24) for k in kept]
    assert distinct.cuts == [kept.index(8)]
    assert distinct.last_duration == found.last_duration
    for first in (0, 3, 9):
        shown = [frame.planes[0].tobytes() for frame in distinct_frames(info, found, first)]
        assert shown == [film[k][0].tobytes() for k in kept[first:]]
    assert [frame.time for frame in distinct_frames(info, found)] == [
        frame.time for k, frame in enumerate(decode(info)) if k in kept
    ]


def shown_in(slow: Fraction, fast: Fraction, count: int, late: Fraction) -> list[Fraction]:
    """When pictures of a `slow` film begin to be shown by a `fast` one that begins `late` in it."""
    first = (slow * late / fast).__ceil__()
    return [((k / slow - late / fast) * fast).__ceil__() / fast for k in range(first, count)]


@pytest.mark.parametrize("late", [Fraction(0), Fraction(1, 3), Fraction(3, 2)])
@pytest.mark.parametrize(
    ("slow", "fast"),
    [
        (24, 60),
        (Fraction(24000, 1001), Fraction(60000, 1001)),
        (24, 30),
        (25, 60),
        (24, 50),
        (24, 25),
        (Fraction(24000, 1001), 60),
    ],
)
def test_a_rate_in_a_higher_one_is_even_again(
    slow: Fraction | int, fast: Fraction | int, late: Fraction
) -> None:
    times = shown_in(Fraction(slow), Fraction(fast), 400, late)
    even = even_repeats(times, Fraction(fast))
    assert even == [times[0] + Fraction(k) / slow for k in range(len(times))]
    assert max(abs(a - b) for a, b in zip(times, even, strict=True)) < 1 / Fraction(fast)


@pytest.mark.parametrize(
    "marks",
    [
        [0, 2, 4, 6, 9, 11, 12, 15, 17, 20, 24, 26, 28, 31, 32],  # drawings held at will
        list(range(0, 60, 2)),
        [*range(12), 13, *range(14, 30)],  # one picture lost
        [0, 2, 5, 7, 10],
    ],
)
def test_what_is_held_at_will_stays_where_it_is(marks: list[int]) -> None:
    times = [Fraction(mark, 24) for mark in marks]
    assert even_repeats(times, Fraction(24)) == times


def test_film_between_video_is_evened_alone() -> None:
    film = [time + 1 for time in shown_in(Fraction(24), Fraction(60), 24, Fraction(0))]
    times = [
        *(Fraction(k, 60) for k in range(60)),
        *film,
        *(2 + Fraction(k, 60) for k in range(60)),
    ]
    even = even_repeats(times, Fraction(60))
    assert even[:57] == times[:57] and even[-57:] == times[-57:]
    steps = [b - a for a, b in pairwise(even[62:82])]
    assert steps == [Fraction(1, 24)] * len(steps)
    assert all(b > a for a, b in pairwise(even))


def test_cinema_film_in_60_moves_evenly(tmp_path: Path) -> None:
    film = held([3, 2] * 5)
    write_film(tmp_path / "in.mkv", film, GRAY, 60)
    smooth, plan = upsample(tmp_path, "--fps", "60", "--dedupe")
    assert plan["repeats"] == 14 and len(smooth) == 25
    assert any("pictures get even times, 8.3 ms off at most" in n for n in plan["notices"])
    # The ball goes 6 px in 2.5 outputs.
    places = [ball(picture) for picture in smooth[:23]]
    assert places == pytest.approx([20 + 2.4 * k for k in range(23)], abs=0.9)


def digest(picture: bytes) -> str:
    """A name for a picture; the pictures themselves make failures unreadable."""
    return hashlib.sha256(picture).hexdigest()[:8]


def upsample(folder: Path, *args: str) -> tuple[list[bytes], dict[str, Any]]:
    """The luma of each picture made, and the plan."""
    words = ("upsample", "in.mkv", "-w", "film-m", "-c", "ffv1", "-o", "out.mkv", "--json", "-y")
    done = run([*words, *args], folder)
    assert done.code == 0, done.stderr
    plan = json.loads(done.stdout.splitlines()[0])
    frames = decode(probe(str(folder / "out.mkv")))
    return [frame.planes[0].tobytes() for frame in frames], plan


def ball(picture: bytes) -> float:
    """Where the ball is, px from the left."""
    bright = np.frombuffer(picture, np.uint8).reshape(96, 128)[28:53].astype(float) > 215
    return float(np.nonzero(bright)[1].mean())


def test_animation_on_twos_becomes_smooth_and_no_shorter(tmp_path: Path) -> None:
    film = held([2] * 5)
    write_film(tmp_path / "in.mkv", film, GRAY, RATE)
    plain, plan = upsample(tmp_path, "--fps", "48")
    assert plan["repeats"] is None and len(plain) == 20
    smooth, plan = upsample(tmp_path, "--fps", "48", "--dedupe")
    assert (plan["source_frames"], plan["repeats"], plan["frames"]) == (10, 4, 20)
    # Drawings 0 to 4 stand at outputs 0, 4, 8, 12, 16, untouched; the last one is held.
    names = list(map(digest, smooth))
    assert names[0:17:4] == [digest(drawing(k)[0].tobytes()) for k in range(5)]
    assert len(set(names)) == 17 and len(set(names[16:])) == 1
    # The ball goes 6 px a drawing, 1.5 px an output.
    places = [ball(picture) for picture in smooth[:17]]
    assert places == pytest.approx([20 + 1.5 * k for k in range(17)], abs=0.75)
    jerky = [ball(picture) for picture in plain[:17]]
    assert max(abs(at - 20 - 1.5 * k) for k, at in enumerate(jerky)) > 2


def test_variable_times_are_used_and_slow_motion_and_pipes_work(tmp_path: Path) -> None:
    film = held([2, 3, 2, 1, 1])
    stamps = [0, 40, 100, 130, 190, 240, 300, 380, 440]
    write_vfr(tmp_path / "in.mkv", film, GRAY, stamps)
    found = first_pass(probe(str(tmp_path / "in.mkv")), dedupe=True)
    assert [float(time) for time in found.distinct().times] == [0, 0.1, 0.24, 0.38, 0.44]
    slow, plan = upsample(tmp_path, "--slow", "2", "--fps", "50", "--dedupe")
    assert plan["repeats"] == 4
    drawings = [digest(drawing(k)[0].tobytes()) for k in range(4)]
    names = list(map(digest, slow))
    assert [names.index(name) for name in drawings] == [0, 10, 24, 38]
    words = ("upsample", "in.mkv", "-w", "film-m", "--fps", "50", "--dedupe", "-o", "-")
    done = run(words, tmp_path)
    assert done.code == 0, done.stderr
    assert "4 of 9 frames are repeats" in done.stderr
    names = [digest(part[: 96 * 128]) for part in done.film.split(b"FRAME\n")[1:]]
    assert [names.index(name) for name in drawings] == [0, 5, 12, 19]


def test_probe_tells_repeats_and_what_helps(tmp_path: Path) -> None:
    write_film(tmp_path / "twos.mkv", held([2] * 6), GRAY, RATE)
    write_film(tmp_path / "ones.mkv", held([1] * 12), GRAY, RATE)
    done = run(["probe", "twos.mkv", "ones.mkv"], tmp_path)
    assert "5 of 12 frames repeat the one before: try --dedupe" in done.stdout
    assert done.stdout.count("repeat the one before") == 1
    (told,) = run(["probe", "--scenes", "--json", "twos.mkv"], tmp_path).stdout.splitlines()
    assert json.loads(told)["repeats"] == 5
