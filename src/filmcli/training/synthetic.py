"""Synthetic layered motion: sprites over a background, exact at any phase, with exact flow.

Every layer moves along straight lines at constant speed: its placement at phase s is
(1 - s) * start + s * end, both affine, so the picture at any phase and the flow between
the ends are exact. Pictures are drawn at twice the size and averaged down, which gives
edges the fractional coverage that a camera gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.training.samples import Field, Picture, Sample

Affine = NDArray[np.float64]  # (2, 3), layer pixels to frame pixels
OVERSAMPLING = 2
LARGEST_SHIFT = 0.3  # of the frame's side, a layer's largest motion; coarse levels reach this far
WORDS = ("FILM", "24 FPS", "LIVE", "EXIT 1/2", "Open the door", "quickly", "0123456789", "#@&?!")


class Layer(NamedTuple):
    """A texture with coverage and where it stands at the ends of the interval."""

    texture: Picture  # (h, w, 4) RGB and alpha
    start: Affine
    end: Affine


class Assets(NamedTuple):
    """What layers are made of: opaque photographs `(h, w, 3)` and cut-out objects `(h, w, 4)`."""

    photographs: Sequence[Picture]
    cutouts: Sequence[Picture]


def synthetic_sample(assets: Assets, side: int, rng: np.random.Generator) -> Sample:
    """Return a triplet of `side` x `side` frames with known flow, drawn by `rng`."""
    pace = side * LARGEST_SHIFT * rng.beta(1.0, 2.0)  # px; how lively this sample is
    background = _background(assets, side, pace, rng)
    sprites = [_sprite(assets, side, pace, background, rng) for _ in range(rng.integers(0, 5))]
    layers = [background, *sprites]
    phase = 0.5 if rng.random() < 0.5 else float(rng.uniform(0.1, 0.9))
    light = _light(rng)
    left, left_owner = _draw(layers, 0.0, side)
    target, _ = _draw(layers, phase, side)
    right, right_owner = _draw(layers, 1.0, side)
    forward = _flow(layers, left_owner, reverse=False)
    backward = _flow(layers, right_owner, reverse=True)
    return Sample(
        left=_grade(left, light, 0.0),
        target=_grade(target, light, phase),
        right=_grade(right, light, 1.0),
        phase=phase,
        forward=forward,
        backward=backward,
        forward_known=lands_inside(forward),
        backward_known=lands_inside(backward),
    )


def lands_inside(flow: Field) -> Picture:
    """Return 1 where `p + flow(p)` lies inside the frame, `(H, W)`."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.asarray(inside, np.uint8)


def _one_of(pictures: Sequence[Picture], rng: np.random.Generator) -> Picture:
    return pictures[int(rng.integers(len(pictures)))]


def _placement(
    centre: NDArray[np.float64], size: tuple[int, int], scale: float, angle: float
) -> Affine:
    """Return the map that puts a texture of `size` (h, w) at `centre`, scaled and turned."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([size[1] / 2, size[0] / 2])
    return np.column_stack((turn, centre - turn @ middle))


def _ends(
    size: tuple[int, int],
    centre: NDArray[np.float64],
    scale: float,
    shift: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Affine, Affine]:
    """Return a texture's placements at both ends: it shifts, and sometimes grows and turns."""
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else rng.normal(0, 0.1)
    lively = rng.random() < 0.5
    turn, growth = (rng.normal(0, 0.06), rng.normal(0, 0.05)) if lively else (0.0, 0.0)
    start = _placement(centre - shift / 2, size, scale * np.exp(-growth / 2), angle - turn / 2)
    end = _placement(centre + shift / 2, size, scale * np.exp(growth / 2), angle + turn / 2)
    return start, end


def _shift(pace: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a motion (dx, dy) of about `pace` px, more often sideways than up and down."""
    direction = rng.uniform(0, 2 * np.pi)
    return pace * rng.uniform(0.2, 1.0) * np.array([np.cos(direction), 0.7 * np.sin(direction)])


def _background(assets: Assets, side: int, pace: float, rng: np.random.Generator) -> Layer:
    photograph = _one_of(assets.photographs, rng)
    cover = side * 1.8 / min(photograph.shape[:2])  # covers the frame with room to move
    scale = float(np.exp(rng.uniform(np.log(cover), np.log(max(cover, 1.2)))))
    size = int(side * 2.2 / scale), int(side * 2.2 / scale)
    texture = _opaque(_cut(photograph, size, rng))
    centre = np.array([side / 2, side / 2])
    return Layer(texture, *_ends(texture.shape[:2], centre, scale, _shift(pace * 0.7, rng), rng))


def _sprite(
    assets: Assets, side: int, pace: float, background: Layer, rng: np.random.Generator
) -> Layer:
    texture = _sprite_texture(assets, rng)
    extent = side * np.exp(rng.uniform(np.log(0.15), np.log(0.9)))
    scale = extent / max(texture.shape[:2])
    centre = rng.uniform(0, side, 2)
    drift = (background.end - background.start)[:, 2] if rng.random() < 0.3 else np.zeros(2)
    limit = side * LARGEST_SHIFT
    shift = np.clip(drift + _shift(pace, rng), -limit, limit)
    return Layer(texture, *_ends(texture.shape[:2], centre, scale, shift, rng))


def _sprite_texture(assets: Assets, rng: np.random.Generator) -> Picture:
    """Return an RGBA texture: a cut-out, a blob or bar of photograph, a pattern, or a word."""
    kind = rng.random()
    if assets.cutouts and kind < 0.5:
        return _one_of(assets.cutouts, rng)
    size = int(rng.integers(60, 200)), int(rng.integers(60, 200))
    if kind < 0.62:
        return _word(rng)
    if kind < 0.7:
        return _pattern(size, rng)
    photograph = _one_of(assets.photographs, rng)
    texture = _opaque(_cut(photograph, size, rng))
    texture[..., 3] = _bars(texture.shape[:2], rng) if kind < 0.8 else _blob(texture.shape[:2], rng)
    return texture


def _opaque(picture: Picture) -> Picture:
    return np.dstack((picture, np.full(picture.shape[:2], 255, np.uint8)))


def _cut(picture: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
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


def _pattern(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Return stripes or checks of two colours, opaque."""
    period = rng.uniform(6, 24)
    y, x = np.mgrid[: size[0], : size[1]] / period
    wave = np.sin(2 * np.pi * x) * (np.sin(2 * np.pi * y) if rng.random() < 0.5 else 1.0)
    mix = np.clip(wave * 3 + 0.5, 0, 1)[..., None]
    first, second = rng.integers(0, 256, (2, 3))
    return _opaque((first * mix + second * (1 - mix)).astype(np.uint8))


def _word(rng: np.random.Generator) -> Picture:
    """Return a word in a random colour on nothing, or on a plate."""
    word = str(rng.choice(WORDS))
    font, thickness = int(rng.integers(0, 8)), int(rng.integers(2, 6))
    (width, height), base = cv2.getTextSize(word, font, 2.0, thickness)
    coverage = np.zeros((height + base + 12, width + 12), np.uint8)
    cv2.putText(coverage, word, (6, height + 6), font, 2.0, 255, thickness, cv2.LINE_AA)
    ink, plate = rng.integers(0, 256, (2, 3)).astype(np.uint8)
    if rng.random() < 0.5:
        return np.dstack((np.broadcast_to(ink, (*coverage.shape, 3)), coverage))
    mix = coverage[..., None] / np.float32(255)
    return _opaque((ink * mix + plate * (1 - mix)).astype(np.uint8))


def _draw(layers: Sequence[Layer], phase: float, side: int) -> tuple[Picture, NDArray[np.intp]]:
    """Return the picture at `phase` and, for every pixel, the index of the layer seen there."""
    large = side * OVERSAMPLING
    canvas: Field | None = None
    owner = np.zeros((side, side), np.intp)
    for index, layer in enumerate(layers):
        place = (1 - phase) * layer.start + phase * layer.end
        # Pixel centres: the large canvas's x is 2 * (x + 1/2) - 1/2 of the frame's.
        place = place * OVERSAMPLING
        place[:, 2] += (OVERSAMPLING - 1) / 2
        if canvas is None:
            canvas = cv2.warpAffine(
                layer.texture[..., :3], place, (large, large), borderMode=cv2.BORDER_REFLECT_101
            ).astype(np.float32)
            continue
        box = _box(place, layer.texture.shape[:2], large)
        if box is None:
            continue
        left, top, right, bottom = box
        place[:, 2] -= (left, top)
        drawn = cv2.warpAffine(layer.texture, place, (right - left, bottom - top))
        alpha = drawn[..., 3:].astype(np.float32) / 255
        region = canvas[top:bottom, left:right]
        region += (drawn[..., :3] - region) * alpha
        coverage = cv2.resize(
            alpha[..., 0],
            ((right - left) // OVERSAMPLING, (bottom - top) // OVERSAMPLING),
            interpolation=cv2.INTER_AREA,
        )
        window = owner[
            top // OVERSAMPLING : bottom // OVERSAMPLING,
            left // OVERSAMPLING : right // OVERSAMPLING,
        ]
        window[coverage > 0.5] = index
    assert canvas is not None, "there is always a background"
    small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    return (small + 0.5).astype(np.uint8), owner


def _box(place: Affine, size: tuple[int, int], large: int) -> tuple[int, int, int, int] | None:
    """Return the part of the canvas (left, top, right, bottom) a placed texture can touch."""
    height, width = size
    corners = place @ np.array([[-1, width, width, -1], [-1, -1, height, height], [1, 1, 1, 1]])
    low = np.floor(corners.min(axis=1) / OVERSAMPLING).astype(int) * OVERSAMPLING
    high = np.ceil(corners.max(axis=1) / OVERSAMPLING).astype(int) * OVERSAMPLING
    left, top = np.clip(low, 0, large)
    right, bottom = np.clip(high, 0, large)
    return (int(left), int(top), int(right), int(bottom)) if right > left and bottom > top else None


def _flow(layers: Sequence[Layer], owner: NDArray[np.intp], *, reverse: bool) -> Field:
    """Return each pixel's motion `(H, W, 2)` to the other end, by the layer it shows."""
    side = owner.shape[0]
    motions = []
    for layer in layers:
        here, there = (layer.end, layer.start) if reverse else (layer.start, layer.end)
        linear = there[:, :2] @ np.linalg.inv(here[:, :2])
        offset = there[:, 2] - linear @ here[:, 2]
        motions.append(np.column_stack((linear - np.eye(2), offset)))
    motion = np.stack(motions)[owner]  # (H, W, 2, 3)
    grid = np.arange(side, dtype=np.float64)
    x, y = grid[None, :, None], grid[:, None, None]
    flow = motion[..., 0] * x + motion[..., 1] * y + motion[..., 2]
    return flow.astype(np.float32)


def _light(rng: np.random.Generator) -> tuple[float, float]:
    """Return gains at both ends: usually none, sometimes a dimming or brightening."""
    if rng.random() < 0.8:
        return 1.0, 1.0
    first = rng.uniform(0.75, 1.1)
    return first, first * rng.uniform(0.9, 1.1)


def _grade(picture: Picture, light: tuple[float, float], phase: float) -> Picture:
    gain = (1 - phase) * light[0] + phase * light[1]
    return picture if gain == 1.0 else np.clip(picture * gain + 0.5, 0, 255).astype(np.uint8)
