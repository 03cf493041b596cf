"""Screens and games as lessons: sharp, upright, on whole pixels, and moved as the flow says."""

from __future__ import annotations

import numpy as np
import pytest

from filmcli.training.motion import Layer
from filmcli.training.samples import Picture
from filmcli.training.screens import figure, page, screen_layers, tiles
from filmcli.training.synthetic import Camera, flow_between, shot

SIDE = 96
SEEN = 0.0, 0.5, 1.0
ROWS, COLUMNS = np.indices((SIDE, SIDE))


def drawn(index: int, pace: float = 20.0) -> list[Layer]:
    return screen_layers(SIDE, pace, np.random.default_rng((0, index)))


def pictures(layers: list[Layer]) -> list[Picture]:
    rng = np.random.default_rng(0)
    return [shot(layers, Camera(), phase, SIDE, rng)[0] for phase in SEEN]


@pytest.mark.parametrize("index", range(12))
def test_every_pixel_is_one_of_the_other_frame_where_the_flow_leads(index: int) -> None:
    layers = [layer for layer in drawn(index) if not layer.motion.gathering]
    left, middle, _ = pictures(layers)
    _, owners = shot(layers, Camera(), 0.5, SIDE, np.random.default_rng(0))
    _, there = shot(layers, Camera(), 0.0, SIDE, np.random.default_rng(0))
    flow = flow_between(layers, owners, 0.5, 0.0)
    assert np.abs(flow - flow.round()).max() < 1e-3
    y, x = (grid + flow[..., i].round().astype(int) for i, grid in ((1, ROWS), (0, COLUMNS)))
    inside = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
    x, y = x.clip(0, SIDE - 1), y.clip(0, SIDE - 1)
    shown = inside & (there[y, x] == owners)
    assert shown.mean() > 0.2
    # Edges of letters and pointers are mixed with what lies below.
    assert np.abs(left[y, x].astype(int) - middle)[shown].mean() < 4
    assert (left[y, x] == middle)[shown].mean() > 0.9


def test_most_screens_move_and_much_of_them_stands() -> None:
    moved = []
    for index in range(30):
        left, _, right = pictures(drawn(index))
        moved.append((left != right).any(axis=2).mean())
    assert np.mean(np.array(moved) > 0.02) > 0.9
    assert np.mean(np.array(moved) < 0.5) > 0.1


def test_a_page_is_written_on() -> None:
    sheet = page((64, 96), np.random.default_rng(1))
    assert sheet.shape == (128, 192, 4)
    assert (sheet[..., 3] == 255).all()
    paper = (sheet[..., :3] == sheet[0, -1, :3]).all(axis=2)
    assert 0.5 < paper.mean() < 0.98


def test_pixels_of_games_are_large() -> None:
    rng = np.random.default_rng(2)
    wall, hero = tiles((96, 96), 3, 0.5, rng), figure(3, rng)
    for texture in (wall, hero):
        large = texture[::6, ::6].repeat(6, axis=0).repeat(6, axis=1)
        assert np.array_equal(texture, large)
    assert np.array_equal(hero, hero[:, ::-1])
    assert 0.2 < (wall[..., 3] > 0).mean() < 0.8
