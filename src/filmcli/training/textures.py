"""What the layers of synthetic motion look like: photographs, cut-outs, shapes, wheels, words.

A texture is `(h, w, 4)` uint8, RGB and coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.training.samples import Picture

Points: TypeAlias = NDArray[np.float64]  # (N, 2), x and y, px

HOLLOW = 0.12  # share of sprites
WORDS = ("FILM", "24 FPS", "LIVE", "EXIT 1/2", "Open the door", "quickly", "0123456789", "#@&?!")


class Assets(NamedTuple):
    """What layers are made of: opaque photographs `(h, w, 3)` and cut-out objects `(h, w, 4)`."""

    photographs: Sequence[Picture]
    cutouts: Sequence[Picture]


def one_of(pictures: Sequence[Picture], rng: np.random.Generator) -> Picture:
    """Return a picture drawn by `rng`."""
    return pictures[int(rng.integers(len(pictures)))]


def sprite_texture(assets: Assets, rng: np.random.Generator) -> Picture:
    """Return an RGBA texture: a cut-out, a blob or bar of photograph, a pattern, a word, wheels."""
    kind = rng.random()
    if kind > 1 - HOLLOW:
        return hollow(assets, rng)
    if assets.cutouts and kind < 0.42:
        return one_of(assets.cutouts, rng)
    size = int(rng.integers(60, 200)), int(rng.integers(60, 200))
    if kind < 0.62:
        return word(rng)
    if kind < 0.7:
        return _pattern(size, rng)
    photograph = one_of(assets.photographs, rng)
    texture = opaque(cut(photograph, size, rng))
    texture[..., 3] = _bars(texture.shape[:2], rng) if kind < 0.8 else _blob(texture.shape[:2], rng)
    return texture


def opaque(picture: Picture) -> Picture:
    """Return `picture` `(h, w, 3)` as a texture without holes."""
    return np.dstack((picture, np.full(picture.shape[:2], 255, np.uint8)))


def cut(picture: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return a random region of at most `size` (h, w), turned or mirrored at random."""
    height, width = (min(want, have) for want, have in zip(size, picture.shape[:2], strict=True))
    top = rng.integers(picture.shape[0] - height + 1)
    left = rng.integers(picture.shape[1] - width + 1)
    region = picture[top : top + height, left : left + width]
    if rng.random() < 0.5:
        region = region[:, ::-1]
    return np.ascontiguousarray(region[..., rng.permutation(3)] if rng.random() < 0.3 else region)


def _blob(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return the coverage of a random rounded polygon."""
    height, width = size
    corners = int(rng.integers(3, 12))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.5, 1.0, corners)
    points = np.stack((np.cos(angles) * radii, np.sin(angles) * radii), axis=1)
    points = (points * 0.48 + 0.5) * (width, height)
    coverage = np.zeros(size, np.uint8)
    cv2.fillPoly(coverage, [points.astype(np.int32)], 255, cv2.LINE_AA)
    if rng.random() < 0.5:
        coverage = cv2.GaussianBlur(coverage, (0, 0), rng.uniform(1, 4))
    return coverage


def _bars(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return the coverage of a few thin lines: wires, poles, fences."""
    coverage = np.zeros(size, np.uint8)
    for _ in range(rng.integers(1, 6)):
        ends = rng.uniform(0, 1, (2, 2)) * (size[1], size[0])
        first, second = (tuple(int(v) for v in end) for end in ends)
        cv2.line(coverage, first, second, 255, int(rng.integers(1, 7)), cv2.LINE_AA)
    return coverage


def hollow(assets: Assets, rng: np.random.Generator) -> Picture:
    """Return what is seen through: wheels or frames on tubes, often with something solid on them.

    A bicycle and its rider, a racket, a chair: thin parts that go where the whole thing goes,
    while what is behind them goes elsewhere.
    """
    height, width = int(rng.integers(100, 200)), int(rng.integers(120, 260))
    texture = np.zeros((height, width, 4), np.uint8)
    hubs = rng.uniform((0.2, 0.45), (0.8, 0.7), (int(rng.integers(1, 4)), 2)) * (width, height)
    ink = rng.integers(0, 256, 3) * rng.choice((0.3, 1.0))
    for _ in range(int(rng.integers(1, 6))):
        ends = hubs[rng.integers(len(hubs))], rng.uniform(0.1, 0.9, 2) * (width, height)
        _add_lines(texture, [np.stack(ends)], ink, int(rng.integers(2, 8)))
    for hub in hubs:
        _add_wheel(texture, hub, rng)
    if assets.cutouts and rng.random() < 0.6:
        _add_body(texture, one_of(assets.cutouts, rng), rng)
    return texture


def _add_wheel(texture: Picture, hub: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Draw a rim, round or oblong, and spokes on `texture`."""
    ink = rng.integers(0, 256, 3) * rng.choice((0.3, 1.0))
    most = 0.3 * min(texture.shape[:2])
    radii = most * rng.uniform(0.5, 1.0) * np.array([rng.uniform(0.5, 1.0), 1.0])
    around = np.linspace(0, 2 * np.pi, 33)
    rim = hub + radii * np.stack((np.cos(around), np.sin(around)), axis=1)
    _add_lines(texture, [rim], ink, int(rng.integers(2, 8)))
    spokes = rim[:: int(rng.integers(2, 12))] if rng.random() < 0.6 else ()
    _add_lines(texture, [np.stack((hub, end)) for end in spokes], ink, 1)


def _add_lines(
    texture: Picture, lines: Sequence[Points], ink: NDArray[np.generic], thickness: int
) -> None:
    """Draw lines through points on `texture`, round at their ends."""
    coverage = np.zeros(texture.shape[:2], np.uint8)
    through = [np.rint(points).astype(np.int32) for points in lines]
    cv2.polylines(coverage, through, False, 255, thickness, cv2.LINE_AA)
    texture[coverage > 0, :3] = ink.astype(np.uint8)
    np.maximum(texture[..., 3], coverage, out=texture[..., 3])


def _add_body(texture: Picture, body: Picture, rng: np.random.Generator) -> None:
    """Lay a cut-out over the upper part of `texture`."""
    height, width = texture.shape[:2]
    scale = rng.uniform(0.4, 0.7) * min(height / body.shape[0], width / body.shape[1])
    size = max(1, int(scale * body.shape[1])), max(1, int(scale * body.shape[0]))
    small = cv2.resize(body, size, interpolation=cv2.INTER_AREA)
    left, top = int(rng.uniform(0.2, 0.8) * (width - size[0])), int(rng.uniform(0, 8))
    under = texture[top : top + size[1], left : left + size[0]]
    above, below = (of[..., 3:] / np.float32(255) for of in (small, under))
    seen = (1 - above) * below
    both = above + seen
    mixed = (above * small[..., :3] + seen * under[..., :3]) / np.maximum(both, 1e-3)
    under[:] = np.dstack((mixed, 255 * both)) + 0.5


def _pattern(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return stripes or checks of two colours, opaque."""
    period = rng.uniform(6, 24)
    y, x = np.mgrid[: size[0], : size[1]] / period
    wave = np.sin(2 * np.pi * x) * (np.sin(2 * np.pi * y) if rng.random() < 0.5 else 1.0)
    mix = np.clip(wave * 3 + 0.5, 0, 1)[..., None]
    first, second = rng.integers(0, 256, (2, 3))
    return opaque((first * mix + second * (1 - mix)).astype(np.uint8))


def word(rng: np.random.Generator) -> Picture:
    """Return a word in a random colour on nothing, or on a plate."""
    written = str(rng.choice(WORDS))
    font, thickness = int(rng.integers(0, 8)), int(rng.integers(2, 6))
    (width, height), base = cv2.getTextSize(written, font, 2.0, thickness)
    coverage = np.zeros((height + base + 12, width + 12), np.uint8)
    cv2.putText(coverage, written, (6, height + 6), font, 2.0, 255, thickness, cv2.LINE_AA)
    ink, plate = rng.integers(0, 256, (2, 3)).astype(np.uint8)
    if rng.random() < 0.5:
        return np.dstack((np.broadcast_to(ink, (*coverage.shape, 3)), coverage))
    mix = coverage[..., None] / np.float32(255)
    return opaque((ink * mix + plate * (1 - mix)).astype(np.uint8))
