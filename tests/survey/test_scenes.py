"""Cuts and motion on films made by a known law.

Shots are textures of several scales that move; every test knows where its cuts are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from filmcli.errors import InputError, UsageError
from filmcli.survey.scenes import Survey, read_cuts, survey

HEIGHT, WIDTH = 90, 160
Shot = NDArray[np.uint8]


class Small(NamedTuple):
    time: Fraction
    luma: Shot


def texture(seed: int, height: int = 200, width: int = 700) -> NDArray[np.float64]:
    """Structure from 3 to 40 px, mean 128, standard deviation 40; the spectrum is shared."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for scale in (3, 8, 20, 40):
        coarse = rng.normal(size=(height // scale + 2, width // scale + 2))
        rows = np.linspace(0, coarse.shape[0] - 1.001, height)
        columns = np.linspace(0, coarse.shape[1] - 1.001, width)
        y, x = rows.astype(int)[:, None], columns.astype(int)[None]
        fy, fx = (rows % 1)[:, None], (columns % 1)[None]
        above = coarse[y, x] * (1 - fx) + coarse[y, x + 1] * fx
        below = coarse[y + 1, x] * (1 - fx) + coarse[y + 1, x + 1] * fx
        total += (above * (1 - fy) + below * fy) * scale**0.5
    return (total - total.mean()) / total.std() * 40 + 128


def shot(seed: int, frames: int = 12, speed: int = 2) -> NDArray[np.float64]:
    """A pan of `speed` px a frame over a texture, (frames, H, W) in grey levels."""
    wall = texture(seed)
    return np.stack([wall[20 : 20 + HEIGHT, k * speed : k * speed + WIDTH] for k in range(frames)])


def look(frames: Iterable[NDArray[np.float64]], cuts: str | float | list[int] = "auto") -> Survey:
    pictures = [np.clip(np.round(frame), 0, 255).astype(np.uint8) for frame in frames]
    return survey([Small(Fraction(k, 24), luma) for k, luma in enumerate(pictures)], cuts)


def test_hard_cuts_between_shots_of_like_mean_contrast_and_spectrum_are_found() -> None:
    film = np.concatenate([shot(seed) for seed in range(8)])
    found = look(film)
    assert found.cuts == tuple(range(12, 96, 12))
    assert found.times[1] == Fraction(1, 24) and len(found.times) == 96
    assert found.doubt() is None


@pytest.mark.parametrize("speed", [1, 6, 12, 25])
def test_pans_are_not_cuts_however_fast(speed: int) -> None:
    # 25 px of 160 is 300 px a frame in a film of 1920.
    assert look(shot(3, frames=20, speed=speed)).cuts == ()


def test_zooms_turns_and_a_fast_object_are_not_cuts() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    wall, ball = texture(5), texture(6)
    frames = []
    for k in range(16):
        zoom, angle = 1.05**k, 0.05 * k
        dx, dy = (x - WIDTH / 2) / zoom, (y - HEIGHT / 2) / zoom
        u = 350 + dx * np.cos(angle) - dy * np.sin(angle)
        v = 100 + dx * np.sin(angle) + dy * np.cos(angle)
        frame = wall[v.astype(int), u.astype(int)]
        centre = 15 * k - 30
        frames.append(np.where(np.hypot(x - centre, y - 45) < 25, ball[:HEIGHT, :WIDTH], frame))
    assert look(frames).cuts == ()


def test_dark_cuts_are_found_and_dark_noise_is_not_a_cut() -> None:
    rng = np.random.default_rng(0)
    film = np.concatenate([shot(seed) for seed in range(4)])
    dark = 20 + (film - 128) * 0.08 + rng.normal(size=film.shape) * 0.5  # contrast 3 of 256
    assert look(dark).cuts == (12, 24, 36)


def test_one_frame_shots_and_flash_cutting_are_all_cuts() -> None:
    film = np.concatenate([shot(0), shot(1, frames=1), shot(2), shot(3, 2), shot(4, 1), shot(5, 1)])
    assert look(film).cuts == (12, 13, 25, 27, 28)


@pytest.mark.parametrize("frames", [8, 12, 24])
def test_dissolves_are_not_cuts(frames: int) -> None:
    share = np.linspace(0, 1, frames + 1)[:, None, None]
    mix = shot(1, frames + 1) * (1 - share) + shot(2, frames + 1) * share
    assert look(mix).cuts == ()


@pytest.mark.parametrize("frames", [4, 10, 24])
@pytest.mark.parametrize("card", [16, 235])
def test_fades_are_not_cuts(frames: int, card: int) -> None:
    share = np.linspace(1, 0, frames + 1)[:, None, None]
    out = card + (shot(1, frames + 1) - card) * share
    into = card + (shot(2, frames + 1) - card) * share[::-1]
    film = np.concatenate([shot(1)[::-1], out, np.full((4, HEIGHT, WIDTH), card), into])
    assert look(film).cuts == ()


def test_hard_cuts_to_and_from_black_are_cuts() -> None:
    black = np.full((6, HEIGHT, WIDTH), 16.0)
    film = np.concatenate([shot(1), black, shot(2), black + 200, black])
    assert look(film).cuts == (12, 18, 30, 36)


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_a_flash_is_two_cuts(frames: int, strength: float) -> None:
    film = shot(1, 20)
    film[7 : 7 + frames] = film[7 : 7 + frames] * (1 - strength) + 255 * strength
    assert look(film).cuts == (7, 7 + frames)


def test_flicker_and_grain_are_not_cuts() -> None:
    rng = np.random.default_rng(1)
    gains = rng.uniform(0.9, 1.1, 30)[:, None, None]
    grainy = shot(2, 30) * gains + rng.normal(size=(30, HEIGHT, WIDTH)) * 8
    assert look(grainy).cuts == ()


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (9, 160), (284, 160), (160, 9)])
def test_any_size_works(size: tuple[int, int]) -> None:
    height, width = size
    walls = [texture(seed, 300, 300)[:height, :width] for seed in (1, 2)]
    film = [walls[0]] * 5 + [walls[1]] * 5
    found = look(film)
    assert set(found.cuts) <= {5}
    if min(size) > 100:
        assert found.cuts == (5,)


def test_every_scene_has_a_look() -> None:
    wide = np.zeros((HEIGHT, WIDTH))
    wide[:, : WIDTH // 2] = 200
    film = np.stack([wide] * 3 + [wide / 2] * 3 + [255 - wide] * 2)
    looks = [np.frombuffer(each, np.uint8).reshape(6, 8) for each in look(film, [6]).looks]
    assert len(looks) == 2
    # the mean of 200 and 100 on the left, black on the right; then the other way round
    assert np.unique(looks[0][:, :4]).tolist() == [150]
    assert np.unique(looks[0][:, 4:]).tolist() == [0]
    assert np.unique(looks[1][:, :4]).tolist() == [55]
    assert np.unique(looks[1][:, 4:]).tolist() == [255]


def test_motion_is_the_change_of_brightness() -> None:
    rng = np.random.default_rng(2)
    twos = np.repeat(shot(1, 10, speed=1), 2, axis=0)  # drawn on twos
    noisy = twos + rng.normal(size=twos.shape) * 0.3  # what a codec leaves
    found = look(noisy)
    assert found.motion[0] == 0 and (found.motion[2::2] > 3).all()
    assert (found.motion[1::2] < 0.5).all()
    slow = look(shot(1, 10, speed=4), "off").motion[1:].mean()
    assert slow > found.motion[2::2].mean()


def test_the_user_can_overrule() -> None:
    film = np.concatenate([shot(seed) for seed in range(3)])
    assert look(film, "off").cuts == ()
    assert look(film, [5, 3]).cuts == (3, 5)
    assert look(film, []).cuts == ()
    assert look(film, "0").cuts == tuple(range(1, 36))
    counts = [len(look(film, number).cuts) for number in (0.05, 0.3, "0.5", 1.0)]
    assert counts == sorted(counts, reverse=True) and counts[2] == 2
    for wrong in ("1.5", -0.1, "nan", [0], [36], "no-such-file"):
        with pytest.raises(UsageError) as failure:
            look(film, wrong)  # type: ignore[arg-type]
        assert failure.value.why and failure.value.do
    with pytest.raises(InputError):
        survey([])


@pytest.mark.parametrize("first", [1, 23])
def test_a_cut_at_the_first_or_last_picture_is_found(first: int) -> None:
    assert look(np.concatenate([shot(1, first), shot(2, 24 - first)])).cuts == (first,)


def test_a_cut_to_another_view_of_the_same_place_is_found() -> None:
    wall = texture(4)
    views = [wall[20 : 20 + HEIGHT, x : x + WIDTH] for x in (0, 300, 520)]
    film = np.concatenate([np.repeat(view[None], 8, axis=0) for view in views])
    assert look(film).cuts == (8, 16)
    close = texture(4, 400, 1400)[100 : 100 + HEIGHT, 200 : 200 + WIDTH]  # nearer, by twice
    assert look(np.concatenate([shot(4, 8), np.repeat(close[None], 8, axis=0)])).cuts == (8,)


def test_a_cut_among_drawings_on_twos_is_found_where_it_is() -> None:
    film = np.repeat(np.concatenate([shot(1, 6), shot(2, 6)]), 2, axis=0)
    assert look(film).cuts == (12,)
    assert look(film[1:]).cuts == (11,)  # the cut falls into the middle of a pair


def test_a_whip_pan_is_not_a_cut() -> None:
    # From rest to 40 px a picture (a quarter of it) and back, blurred by its own motion.
    wall = texture(7, width=1400)
    speeds = [0, 0, 5, 12, 25, 40, 40, 25, 12, 5, 0, 0]
    frames, at = [], 0
    for speed in speeds:
        steps = range(at, at + max(1, speed // 2))  # the shutter is open half of the time
        frames.append(np.mean([wall[20 : 20 + HEIGHT, x : x + WIDTH] for x in steps], axis=0))
        at += speed
    assert look(frames).cuts == ()


def test_a_flash_beside_a_cut_and_a_fade_after_one_keep_their_kinds() -> None:
    film = np.concatenate([shot(1, 10), shot(2, 10)])
    film[9] = 235
    assert look(film).cuts == (9, 10)
    gain = np.concatenate([np.ones(10), np.linspace(1, 0, 10)])[:, None, None]
    assert look(16 + (np.concatenate([shot(1, 10), shot(2, 10)]) - 16) * gain).cuts == (10,)


def test_too_many_cuts_are_doubted() -> None:
    film = np.concatenate([shot(seed) for seed in range(2)])
    doubt = look(film, "0").doubt()
    assert doubt is not None and "23 cuts in 1 s" in doubt and "higher --cuts" in doubt


def test_progress_hears_every_picture() -> None:
    heard: list[int] = []
    survey([Small(Fraction(k), shot(1)[0].astype(np.uint8)) for k in range(3)], "off", heard.append)
    assert heard == [1, 2, 3]


def test_cuts_come_from_a_file(tmp_path: Path) -> None:
    times = [Fraction(k * 1001, 24000) for k in range(3000)]
    told = {"scenes": [{"start": 0.0}, {"start": round(float(times[100]), 3)}, {"start": 60.06}]}
    as_json, as_list = tmp_path / "cuts.json", tmp_path / "cuts.txt"
    as_json.write_text(json.dumps(told))
    as_list.write_text("4.171\n1:00.06\n 0:01:00.06\n0\n")
    assert read_cuts(str(as_json), times) == [100, 1440]
    assert read_cuts(str(as_list), times) == [100, 1440]
    for wrong in ("{}", "{", "tomorrow", "5000", "1/0", '{"scenes": [{"start": "x"}]}'):
        as_json.write_text(wrong)
        with pytest.raises(UsageError):
            read_cuts(str(as_json), times)
    film = [Small(time, np.zeros((9, 16), np.uint8)) for time in times[:1500]]
    assert survey(film, str(as_list)).cuts == (100, 1440)
    untouched = iter(film)
    with pytest.raises(UsageError):
        survey(untouched, str(as_json))
    assert next(untouched) is film[0]
    as_json.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError):
        read_cuts(str(as_json), times)
