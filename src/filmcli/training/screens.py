"""Screens and games: pages of words, windows over them, tiles of large pixels, all upright.

Here nothing turns, tilts or is smeared, much stands still, and what repeats, a line of words or a
tile, lies nearer than what moved. One who knows photographs alone takes one letter for the next.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.training.motion import Layer, Motion, standing
from filmcli.training.samples import Picture
from filmcli.training.textures import opaque

_FINER = 2  # texture px for each of the picture's, so that what is drawn stays as sharp
_GAMES = 0.35  # share of screens
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHILMNOPRST0123456789.,:()-"))

Color = NDArray[np.uint8]


def screen_layers(side: int, pace: float, rng: np.random.Generator) -> list[Layer]:
    """Return the layers of a screen of `side` px, the background first, that move by up to `pace`.

    At both ends they stand on whole pixels, and half-way, too.
    """
    return _game(side, pace, rng) if rng.random() < _GAMES else _desk(side, pace, rng)


def _desk(side: int, pace: float, rng: np.random.Generator) -> list[Layer]:
    """Words that scroll, perhaps within a window that stands, and windows dragged over them."""
    room = 2 * int(pace) + side // 4
    large = page((side + 2 * room, side + 2 * room), rng)
    scroll = np.array([0.0, rng.choice((-1, 1)) * rng.uniform(0.1, 1)]) * pace
    if rng.random() < 0.2:
        scroll = scroll[::-1]
    layers = [_upright(large, np.array([-room, -room]), scroll)]
    if rng.random() < 0.6:
        layers.append(_upright(_hollow(side, rng), np.zeros(2), np.zeros(2)))
    for _ in range(rng.integers(0, 4)):
        size = (side * rng.uniform(0.2, 0.7, 2)).astype(int)
        window = _framed(page((size[0], size[1]), rng), rng)
        layers.append(_upright(window, _place(side, size, rng), _dragged(pace, rng)))
    if rng.random() < 0.5:
        layers.append(_upright(_pointer(rng), _place(side, np.zeros(2), rng), _dragged(pace, rng)))
    return layers


def _game(side: int, pace: float, rng: np.random.Generator) -> list[Layer]:
    """Layers of tiles, the nearer the faster, and figures before them."""
    room = 2 * int(pace) + side // 4
    size = side + 2 * room, side + 2 * room
    zoom = int(rng.integers(1, 5))
    way = rng.choice((-1, 1)) * pace * np.array([1.0, 0.0 if rng.random() < 0.7 else 0.5])
    layers: list[Layer] = []
    for nearness in sorted(rng.uniform(0, 1, rng.integers(1, 4))):
        texture = tiles(size, zoom, 1.0 if not layers else rng.uniform(0.2, 0.6), rng)
        layers.append(_upright(texture, np.array([-room, -room]), nearness * way))
    for _ in range(rng.integers(1, 5)):
        hero = figure(zoom, rng)
        extent = np.array(hero.shape[:2]) // _FINER
        hop = rng.uniform(-0.5, 0.5)
        layers.append(_upright(hero, _place(side, extent, rng), _dragged(pace, rng), hop))
    return layers


def page(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return lines of words on even ground as a texture of `size` (h, w) px, `_FINER` times it."""
    height, width = (_FINER * extent for extent in size)
    paper, *inks = _colors(int(rng.integers(2, 6)), rng)
    sheet = np.empty((height, width, 3), np.uint8)
    sheet[:] = paper
    font, scale = int(rng.integers(0, 8)), _FINER * rng.uniform(0.3, 0.9)
    thickness = _FINER * int(rng.integers(1, 3)) - 1
    (_, tall), base = cv2.getTextSize("Ag", font, scale, thickness)
    spacing = int((tall + base) * rng.uniform(1.1, 2.0)) + 1
    for line in range(spacing, height + spacing, spacing):
        ink = tuple(int(level) for level in inks[rng.integers(len(inks))])
        lengths = rng.integers(1, 10, int(rng.integers(1, 14)))
        words = " ".join("".join(rng.choice(_LETTERS, length)) for length in lengths)
        left = int(rng.choice((8, 8, 8, 40)))
        cv2.putText(sheet, words, (left, line), font, scale, ink, thickness, cv2.LINE_AA)
    return opaque(sheet)


def tiles(size: tuple[int, int], zoom: int, filled: float, rng: np.random.Generator) -> Picture:
    """Return a wall of tiles of large pixels as a texture; a share of it is `filled`."""
    kinds, cell = int(rng.integers(2, 8)), int(rng.choice((4, 8, 16)))
    shades = rng.integers(-40, 40, (kinds, cell, cell, 1)) * (rng.random((kinds, 1, 1, 1)) < 0.7)
    colors = np.stack(_colors(kinds, rng)).astype(int)[:, None, None]
    palette = np.clip(colors + shades, 0, 255).astype(np.uint8)
    rows, columns = (extent // (cell * zoom) + 1 for extent in size)
    chosen = rng.integers(kinds, size=(rows, columns))
    wall = palette[chosen].transpose(0, 2, 1, 3, 4).reshape(rows * cell, columns * cell, 3)
    there = np.uint8(255) * (rng.random((rows, columns)) < filled)
    coverage = there.repeat(cell, axis=0).repeat(cell, axis=1)
    return _enlarged(np.dstack((wall, coverage)), zoom)


def figure(zoom: int, rng: np.random.Generator) -> Picture:
    """Return a figure of large pixels, the same on both sides."""
    height, half = int(rng.integers(6, 20)), int(rng.integers(3, 10))
    chosen = rng.integers(0, 4, (height, half))
    colors = np.stack([*_colors(3, rng), np.zeros(3, np.uint8)])
    side = np.dstack((colors[chosen - 1], np.uint8(255) * (chosen > 0)))
    return _enlarged(np.concatenate((side, side[:, ::-1]), axis=1), zoom)


def _enlarged(picture: Picture, zoom: int) -> Picture:
    times = _FINER * zoom
    return np.ascontiguousarray(picture.repeat(times, axis=0).repeat(times, axis=1))


def _hollow(side: int, rng: np.random.Generator) -> Picture:
    """Return a desk that covers all but a window."""
    desk = np.empty((_FINER * side, _FINER * side, 4), np.uint8)
    desk[..., :3], desk[..., 3] = _colors(1, rng)[0], 255
    edges = (len(desk) * np.array([rng.uniform(0, 0.3, 2), rng.uniform(0.6, 1, 2)])).astype(int)
    (top, left), (bottom, right) = edges
    desk[top:bottom, left:right, 3] = 0
    return desk


def _framed(window: Picture, rng: np.random.Generator) -> Picture:
    """Return a window with a bar and an edge."""
    bar, edge = (tuple(int(level) for level in color) for color in _colors(2, rng))
    height, width = window.shape[:2]
    tall = int(_FINER * rng.integers(4, 20))
    cv2.rectangle(window, (0, 0), (width - 1, min(tall, height - 1)), (*bar, 255), -1)
    cv2.rectangle(window, (0, 0), (width - 1, height - 1), (*edge, 255), _FINER)
    return window


def _pointer(rng: np.random.Generator) -> Picture:
    """Return an arrow."""
    tall = int(_FINER * rng.integers(8, 24))
    arrow = np.zeros((tall, tall, 4), np.uint8)
    arrow[..., :3] = _colors(1, rng)[0]
    points = np.array([(0, 0), (0, 1), (0.25, 0.75), (0.62, 0.75)]) * (tall - 1)
    coverage = np.zeros((tall, tall), np.uint8)
    cv2.fillPoly(coverage, [points.astype(np.int32)], 255, cv2.LINE_AA)
    arrow[..., 3] = coverage
    return arrow


def _colors(count: int, rng: np.random.Generator) -> list[Color]:
    """Return colours; the first two stand out from each other."""
    colors = rng.integers(0, 256, (count, 3))
    if rng.random() < 0.5:
        colors[0] = rng.choice((0, 20, 235, 250, 255))
    if count > 1 and abs(colors[0].mean() - colors[1].mean()) < 80:
        colors[1] = 255 - colors[0] if abs(colors[0].mean() - 128) > 40 else 0
    return list(colors.astype(np.uint8))


def _place(side: int, size: NDArray[np.generic], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the corner (x, y) of what is of `size` (h, w) and half-way in the picture."""
    return rng.uniform(0, side, 2) - np.asarray(size, np.float64)[::-1] / 2


def _dragged(pace: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how far something is moved; some stands."""
    direction = rng.uniform(0, 2 * np.pi)
    length = pace * rng.uniform(0.2, 1.0) * (rng.random() < 0.7)
    return length * np.array([np.cos(direction), np.sin(direction)])


def _upright(
    texture: Picture,
    corner: NDArray[np.number],
    shift: NDArray[np.float64],
    gathering: float = 0.0,
) -> Layer:
    """Return the texture on its way by `shift` (x, y), with its `corner` there half-way."""
    height, width = texture.shape[:2]
    by = 2 * np.round(np.asarray(shift) / 2)
    # The texture's first pixels make up the first of the picture.
    reach = (np.array([width, height]) + 1) / _FINER - 1
    middle = np.round(corner.astype(np.float64)) + reach / 2
    ends = [standing(middle + s * by, (height, width), 1 / _FINER, 0.0) for s in (-0.5, 0.5)]
    return Layer(texture, Motion(ends[0], ends[1], gathering))
