"""Sprites stand where they are placed, turn the way they are told, and cover what is behind."""

import numpy as np
import pytest

from filmcli.evaluation.scenery import (
    background,
    cut_out,
    disc,
    layered,
    lettering,
    noise,
    place,
    tinted,
)


def canvas(level: int = 0) -> np.ndarray:
    return np.full((100, 160, 3), level, np.uint8)


def speck() -> np.ndarray:
    """A textured 21x15 sprite, opaque."""
    paint = (noise(15, 21, 5, 3, 1)[..., None] * [200, 150, 100] + 50).astype(np.uint8)
    return cut_out(paint, np.full((15, 21), 255, np.uint8))


def test_a_step_of_whole_pixels_moves_every_pixel() -> None:
    first, second = canvas(), canvas()
    place(first, speck(), 0.505, 0.405)
    place(second, speck(), 0.505 + 0.13, 0.405 + 0.07)
    assert first.any()
    assert np.array_equal(np.roll(first, (7, 13), (0, 1)), second)


def test_the_middle_stands_at_its_place() -> None:
    shown = canvas()
    place(shown, cut_out((255, 255, 255), disc(31)), 0.8125, 0.25)
    weight = shown[..., 0].astype(float)
    y, x = np.mgrid[:100, :160] + 0.5
    assert (weight * x).sum() / weight.sum() / 100 == pytest.approx(0.8125, abs=1e-3)
    assert (weight * y).sum() / weight.sum() / 100 == pytest.approx(0.25, abs=1e-3)


def test_degrees_turn_clockwise() -> None:
    bar = cut_out((255, 255, 255), np.full((5, 41), 255, np.uint8))
    bar.rgba[:, :20] = 0  # what is left points right
    shown = canvas()
    place(shown, bar, 0.8, 0.5, degrees=90)
    rows, columns = np.nonzero(shown[..., 0] > 128)
    assert rows.mean() > 55  # now it points down
    assert abs(columns.mean() - 79.5) < 1


def test_an_opaque_sprite_covers_and_a_half_one_mixes() -> None:
    shown = canvas(200)
    place(shown, cut_out((0, 100, 0), np.full((21, 21), 255, np.uint8)), 0.4, 0.5)
    assert shown[50, 40].tolist() == [0, 100, 0]
    place(shown, cut_out((0, 0, 0), np.full((21, 21), 128, np.uint8)), 1.2, 0.5)
    assert shown[50, 120].tolist() == pytest.approx([100, 100, 100], abs=1)


@pytest.mark.parametrize("where", [(-3.0, 0.5), (0.5, 9.0), (1.7, -0.2)])
def test_beside_the_canvas_nothing_is_drawn(where: tuple[float, float]) -> None:
    shown = canvas(9)
    place(shown, speck(), *where)
    assert (shown == 9).all()


def test_a_background_unturned_is_the_texture_itself() -> None:
    texture = tinted(noise(100, 160, 20, 3, 2), [(0.0, (0, 20, 40)), (1.0, (255, 200, 160))])
    same = background(texture, 160, 100, x=0, y=0, degrees=0, zoom=1)
    assert np.array_equal(same, texture)
    moved = background(texture, 160, 100, x=0.1, y=0, degrees=0, zoom=1)
    assert np.array_equal(moved[:, :150], texture[:, 10:])


def test_words_have_an_edge_of_their_own_colour() -> None:
    word = layered(lettering("Film", 24, (255, 255, 255), (10, 20, 30))).rgba
    solid = word[word[..., 3] == 255][:, :3]
    assert (solid == 255).all(axis=1).any()
    assert (np.abs(solid.astype(int) - [10, 20, 30]).max(axis=1) <= 1).any()
