"""Synthetic layered motion: sprites over a background, exact at any phase, with exact flow.

Every layer is a texture on a known way (`filmcli.training.motion`). Pictures are drawn at twice the
size and averaged down, which gives edges the fractional coverage that a camera gives them; some
are shaken and smeared by motion, out of focus, lit by changing light, or grainy, as film is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.training.motion import (
    Layer,
    Motion,
    Place,
    Points,
    Shake,
    carried,
    random_motion,
    random_shake,
    standing,
)
from filmcli.training.recipe import Recipe
from filmcli.training.samples import Field, Picture, Sample
from filmcli.training.screens import screen_layers
from filmcli.training.textures import Assets, cut, one_of, opaque, sprite_texture, word

OVERSAMPLING = 2
FOLLOWED = 0.3  # share of the things that a camera follows: they nearly stand, all else rushes by
SMEARED = 0.9, 0.1  # shares of those that are shaken, and of the others
FRAMES_AT = 0.0, 1.0, -1.0, 2.0  # left, right, before, after
_EXPOSURES = 16  # pictures that a smeared one is the mean of, at most
_APART_PX = 1.5  # between two of them; further ones would show as a row of ghosts


class Shares(NamedTuple):
    """Which shares of the samples are so."""

    screens: float = 0.15
    shaken: float = 0.4
    unsharp: float = 0.1
    grainy: float = 0.15
    titled: float = 0.4


USUAL = Shares()


class Camera(NamedTuple):
    """What the lens and the film do to a picture."""

    shutter: float = 0.0  # share of the interval that it is open
    exposures: int = 8  # pictures that a smeared one is the mean of
    unsharp: float = 0.0  # standard deviation of the background's blur, px
    grain: float = 0.0  # grey levels
    light: tuple[float, float] = (1.0, 1.0)  # gains at both ends


def synthetic_sample(
    assets: Assets, recipe: Recipe, rng: np.random.Generator, shares: Shares = USUAL
) -> Sample:
    """Return a triplet of the recipe's size with known flow, drawn by `rng`."""
    side = recipe.side
    limit = side * recipe.largest_shift
    pace = limit * rng.beta(1.0, recipe.pace_shape)  # px; how lively this sample is
    if rng.random() < shares.screens:
        layers, camera = screen_layers(side, pace, rng), Camera()
    else:
        layers, camera = _filmed(assets, side, pace, limit, shares, rng)
    phase = 0.5 if rng.random() < recipe.middle_share else float(rng.uniform(0.1, 0.9))
    target, owner = shot(layers, camera, phase, side, rng)
    left, right, before, after = (shot(layers, camera, at, side, rng)[0] for at in FRAMES_AT)
    ways = [flow_between(layers, owner, phase, at) for at in FRAMES_AT]
    return Sample(left, target, right, phase, before, after, np.concatenate(ways, axis=2))


def _filmed(
    assets: Assets,
    side: int,
    pace: float,
    limit: float,
    shares: Shares,
    rng: np.random.Generator,
) -> tuple[list[Layer], Camera]:
    """Return what a camera sees, the background first, and the camera."""
    background = _background(assets, side, pace, rng)
    count = rng.integers(0, 5)
    layers = [
        background,
        *(_sprite(assets, side, pace, limit, background, rng) for _ in range(count)),
    ]
    shake = random_shake(side, rng) if rng.random() < shares.shaken else None
    layers = [Layer(texture, motion._replace(shake=shake)) for texture, motion in layers]
    if rng.random() < shares.titled:
        layers.append(_title(side, rng))
    return layers, _camera(pace, shake, shares, rng)


def _shift(pace: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a motion (dx, dy) of about `pace` px, more often sideways than up and down."""
    direction = rng.uniform(0, 2 * np.pi)
    return pace * rng.uniform(0.2, 1.0) * np.array([np.cos(direction), 0.7 * np.sin(direction)])


def _background(assets: Assets, side: int, pace: float, rng: np.random.Generator) -> Layer:
    photograph = one_of(assets.photographs, rng)
    cover = side * 1.8 / min(photograph.shape[:2])  # covers the frame with room to move
    scale = float(np.exp(rng.uniform(np.log(cover), np.log(max(cover, 1.2)))))
    size = int(side * 2.2 / scale), int(side * 2.2 / scale)
    texture = opaque(cut(photograph, size, rng))
    centre = np.array([side / 2, side / 2])
    shift = _shift(pace * 0.7, rng)
    return Layer(texture, random_motion(texture.shape[:2], centre, scale, shift, rng))


def _sprite(
    assets: Assets,
    side: int,
    pace: float,
    limit: float,
    background: Layer,
    rng: np.random.Generator,
) -> Layer:
    """Return a layer that moves by `pace` px or less, sometimes along with the background."""
    texture = sprite_texture(assets, rng)
    extent = side * np.exp(rng.uniform(np.log(0.06), np.log(0.9)))
    scale = extent / max(texture.shape[:2])
    centre = rng.uniform(0, side, 2)
    if rng.random() < FOLLOWED:
        shift = _shift(0.15 * pace, rng)
    else:
        drift = _drift(background.motion, centre) if rng.random() < 0.3 else np.zeros(2)
        shift = np.clip(drift + _shift(pace, rng), -limit, limit)
    return Layer(texture, random_motion(texture.shape[:2], centre, scale, shift, rng))


def _title(side: int, rng: np.random.Generator) -> Layer:
    """Return a word that stands over the picture, as subtitles and logos do."""
    texture = word(rng)
    height, width = texture.shape[:2]
    scale = min(rng.uniform(10, 40) / height, 0.9 * side / width)
    place = standing(rng.uniform(0, side, 2), (height, width), scale, 0.0)
    return Layer(texture, Motion(place, place))


def _drift(motion: Motion, place: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = place.astype(np.float32)
    return np.array(motion.follow((x, y), 0.0, 1.0)) - place


def _camera(pace: float, shake: Shake | None, shares: Shares, rng: np.random.Generator) -> Camera:
    """Return a camera: usually sharp where it is steady, clean and in even light."""
    pace = max(1.0, pace + (shake.pace() if shake else 0.0))
    widest = min(0.5, _APART_PX * (_EXPOSURES - 1) / pace)
    shutter = rng.uniform(0.1, 1) * widest if rng.random() < SMEARED[shake is None] else 0.0
    return Camera(
        shutter=shutter,
        exposures=2 + int(shutter * pace / _APART_PX),
        unsharp=rng.uniform(0.7, 3) if rng.random() < shares.unsharp else 0.0,
        grain=rng.uniform(1, 7) if rng.random() < shares.grainy else 0.0,
        light=_light(rng),
    )


def _light(rng: np.random.Generator) -> tuple[float, float]:
    """Return gains at both ends: usually none, sometimes a dimming or brightening."""
    if rng.random() < 0.8:
        return 1.0, 1.0
    first = rng.uniform(0.75, 1.1)
    return first, first * rng.uniform(0.9, 1.1)


def shot(
    layers: Sequence[Layer], camera: Camera, phase: float, side: int, rng: np.random.Generator
) -> tuple[Picture, NDArray[np.intp]]:
    """Return the picture at `phase` and, for every pixel, the index of the layer seen there."""
    picture, owner = _drawn(layers, camera.unsharp, phase, side)
    if camera.shutter:
        # The mean of many is as smooth as if each were drawn at twice the size.
        offsets = np.linspace(-0.5, 0.5, camera.exposures) * camera.shutter
        drawn = [_drawn(layers, camera.unsharp, phase + by, side, finer=1)[0] for by in offsets]
        picture = np.mean(drawn, axis=0, dtype=np.float32)
    gain = (1 - phase) * camera.light[0] + phase * camera.light[1]
    if gain != 1.0:
        picture *= np.float32(gain)
    if camera.grain:
        picture += camera.grain * rng.standard_normal(picture.shape, np.float32)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8), owner


def _drawn(
    layers: Sequence[Layer], unsharp: float, phase: float, side: int, finer: int = OVERSAMPLING
) -> tuple[Field, NDArray[np.intp]]:
    """Return one exposure, grey levels as float32, and the owners; drawn at `finer` the size."""
    large = side * finer
    background, *sprites = layers
    whole = (0, 0, large, large)
    canvas = _warped(background, background.texture[..., :3], phase, whole, finer)
    canvas = canvas.astype(np.float32)
    if unsharp:
        canvas = cv2.GaussianBlur(canvas, (0, 0), finer * unsharp)
    owner = np.zeros((side, side), np.intp)
    for index, layer in enumerate(sprites, 1):
        box = _box(layer, phase, large, finer)
        if box is None:
            continue
        left, top, right, bottom = box
        drawn = _warped(layer, layer.texture, phase, box, finer)
        alpha = drawn[..., 3:].astype(np.float32) / 255
        region = canvas[top:bottom, left:right]
        region += (drawn[..., :3] - region) * alpha
        left, top, right, bottom = (edge // finer for edge in box)
        size = right - left, bottom - top
        coverage = cv2.resize(alpha[..., 0], size, interpolation=cv2.INTER_AREA)
        owner[top:bottom, left:right][coverage > 0.5] = index
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA), owner


def _enlarged(finer: int) -> Place:
    """Return the place of a frame on a canvas that is so many times finer, pixel centres kept."""
    off = (finer - 1) / 2
    return np.array([[finer, 0, off], [0, finer, off], [0, 0, 1.0]])


def _warped(
    layer: Layer, texture: Picture, phase: float, box: tuple[int, int, int, int], finer: int
) -> Picture:
    """Return `texture` as it stands at `phase` in a `box` of the large canvas.

    An opaque texture is mirrored at its edges, another ends there.
    """
    left, top, right, bottom = box
    size = right - left, bottom - top
    border = cv2.BORDER_CONSTANT if texture.shape[2] == 4 else cv2.BORDER_REFLECT_101
    if layer.motion.wave is not None:
        x, y = _points(size)
        off, times = np.float32((finer - 1) / 2), np.float32(finer)
        points = (x + (left - off)) / times, (y + (top - off)) / times
        x, y = layer.motion.texture_at(points, phase)
        bent: Picture = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=border)
        return bent
    place = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ _enlarged(finer)
    place = place @ layer.motion.place(phase)
    if (place[2, :2] == 0).all():
        flat: Picture = cv2.warpAffine(texture, place[:2], size, borderMode=border)
        return flat
    tilted: Picture = cv2.warpPerspective(texture, place, size, borderMode=border)
    return tilted


def _points(size: tuple[int, int]) -> Points:
    """Return x (1, w) and y (h, 1) of the pixels of a picture of `size` (w, h)."""
    width, height = size
    return np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]


def _box(layer: Layer, phase: float, large: int, finer: int) -> tuple[int, int, int, int] | None:
    """Return the part of the canvas (left, top, right, bottom) a layer can touch, whole pixels."""
    height, width = layer.texture.shape[:2]
    across, down = (1.0, 1.0) if layer.motion.wave is None else 1 + 3 * layer.motion.wave.reach
    x = np.array([-across, width - 1 + across] * 2, np.float32)
    y = np.repeat(np.array([-down, height - 1 + down], np.float32), 2)
    place: Place = _enlarged(finer) @ layer.motion.place(phase)
    found = np.stack(carried(place, (x, y)))
    low = np.floor(found.min(axis=1) / finer).astype(int) * finer
    high = np.ceil(found.max(axis=1) / finer).astype(int) * finer
    left, top = np.clip(low, 0, large)
    right, bottom = np.clip(high, 0, large)
    return (int(left), int(top), int(right), int(bottom)) if right > left and bottom > top else None


def flow_between(
    layers: Sequence[Layer], owner: NDArray[np.intp], phase: float, to: float
) -> Field:
    """Return the motion `(H, W, 2)` of each pixel at `phase` to where it is at the phase `to`.

    It is that of the layer that `owner` names.
    """
    side = owner.shape[0]
    x, y = _points((side, side))
    ends = np.dstack(np.broadcast_arrays(*layers[0].motion.follow((x, y), phase, to)))
    for index, layer in enumerate(layers[1:], 1):
        rows, columns = np.nonzero(owner == index)
        if rows.size:
            points = columns.astype(np.float32), rows.astype(np.float32)
            ends[rows, columns] = np.stack(layer.motion.follow(points, phase, to), axis=1)
    ends[..., 0] -= x
    ends[..., 1] -= y
    return ends
