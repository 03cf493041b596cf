"""What the built-in film is painted with: textures, cut-out sprites, and the way to place them.

A canvas is a uint8 RGB array twice as large as the picture that it becomes. Places and sizes are
in heights of the picture, x to the right and y down from the top left corner, so a shot looks the
same at every size. Nothing here knows of time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Rgb = tuple[int, int, int]

TAU = 2 * math.pi
SUBPIXEL_BITS = 6  # drawing coordinates in 64ths of a canvas pixel: motion below what is seen


class Sprite(NamedTuple):
    """A cut-out: (h, w, 4) uint8, RGB already multiplied by alpha, drawn at the canvas's scale."""

    rgba: NDArray[np.uint8]


def noise(height: int, width: int, cell: float, octaves: int, seed: int) -> NDArray[np.float32]:
    """Smooth random texture in [0, 1]: octaves of half the `cell` (pixels) and 0.55 the weight."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        rows, columns = math.ceil(height / size) + 3, math.ceil(width / size) + 3
        grid = random.random((rows, columns), dtype=np.float32) - 0.5
        whole = cv2.resize(
            grid, (int(columns * size), int(rows * size)), interpolation=cv2.INTER_CUBIC
        )
        total += weight * whole[:height, :width]
        weight *= 0.55
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def tinted(values: NDArray[np.floating], stops: Sequence[tuple[float, Rgb]]) -> Canvas:
    """Values (H, W) as colours: straight lines between the stops (value, colour), in order."""
    at = [value for value, _ in stops]
    channels = [np.interp(values, at, [color[c] for _, color in stops]) for c in range(3)]
    painted: Canvas = np.stack(channels, axis=-1).round().astype(np.uint8)
    return painted


def cut_out(paint: Canvas | Rgb, mask: Mask) -> Sprite:
    """A sprite of `paint` (a picture or one colour) where `mask` (h, w) is above 0."""
    alpha = mask[..., None].astype(np.uint16)
    color = np.asarray(paint, np.uint16) * alpha // 255
    return Sprite(np.concatenate([color, alpha], axis=-1).astype(np.uint8))


def layered(*sprites: Sprite) -> Sprite:
    """Sprites of one size laid over each other, the last on top."""
    result = sprites[0].rgba.astype(np.uint16)
    for sprite in sprites[1:]:
        result = sprite.rgba + result * (255 - sprite.rgba[..., 3:].astype(np.uint16)) // 255
    return Sprite(result.astype(np.uint8))


def disc(size: int, radius: float = 0.98) -> Mask:
    """A filled circle in a square of `size` pixels; the radius in halves of the size."""
    mask = np.zeros((size, size), np.uint8)
    fill_circle(mask, (size / 2, size / 2), radius * size / 2, 255)
    return mask


def polar(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Radius (1 at the edges' middles) and angle (radians) of every pixel of a square."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return np.hypot(x, y), np.arctan2(y, x)


def fixed(*values: float) -> list[int]:
    """Pixel positions (0.5 is the first pixel's middle) in the drawing calls' own units."""
    return [round((value - 0.5) * 2**SUBPIXEL_BITS) for value in values]


def fill_circle(
    image: NDArray[np.uint8], middle: tuple[float, float], radius: float, color: Rgb | int
) -> None:
    """Draws a filled circle with smooth edges; pixels."""
    x, y = fixed(*middle)
    cv2.circle(
        image, (x, y), round(radius * 2**SUBPIXEL_BITS), color, -1, cv2.LINE_AA, SUBPIXEL_BITS
    )


def draw_path(
    image: NDArray[np.uint8],
    points: Sequence[tuple[float, float]],
    color: Rgb | int,
    thickness: float,
    closed: bool = False,
) -> None:
    """Draws a smooth-edged line through points; pixels, thickness rounded to whole ones."""
    path = np.array([fixed(*point) for point in points], np.int32)
    width = max(1, round(thickness))
    cv2.polylines(image, [path], closed, color, width, cv2.LINE_AA, SUBPIXEL_BITS)


def fill_shape(
    image: NDArray[np.uint8], points: Sequence[tuple[float, float]], color: Rgb | int
) -> None:
    """Draws a filled polygon with smooth edges; pixels."""
    path = np.array([fixed(*point) for point in points], np.int32)
    cv2.fillPoly(image, [path], color, cv2.LINE_AA, SUBPIXEL_BITS)


def lettering(text: str, height: float, color: Rgb, edge: Rgb) -> Sprite:
    """Words as a sprite, capitals `height` pixels high, with a thin edge to be read anywhere.

    The letters are OpenCV's own, and OpenCV 5 has others than OpenCV 4.
    """
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = height / 22.0  # the font's capitals are 22 pixels high at scale 1
    stroke, rim = max(1, round(height / 9)), max(1, round(height / 10))
    (width, tall), below = cv2.getTextSize(text, font, scale, stroke)
    room = rim + stroke
    letters = np.zeros((tall + below + 2 * room, width + 2 * room), np.uint8)
    cv2.putText(letters, text, (room, tall + room), font, scale, 255, stroke, cv2.LINE_AA)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    return layered(cut_out(edge, cv2.dilate(letters, around)), cut_out(color, letters))


def place(
    canvas: Canvas,
    sprite: Sprite,
    x: float,
    y: float,
    *,
    degrees: float = 0.0,
    scale: float = 1.0,
    squash: float = 1.0,
) -> None:
    """Lays a sprite on the canvas, its middle at (x, y) heights.

    It is squashed (its own height times `squash`), scaled, then turned clockwise.
    """
    unit = canvas.shape[0]
    height, width = sprite.rgba.shape[:2]
    cos, sin = (scale * f(math.radians(degrees)) for f in (math.cos, math.sin))
    turn = np.array([[cos, -sin * squash], [sin, cos * squash]])
    reach = np.abs(turn) @ [width / 2, height / 2] + 1
    middle = np.array([x * unit, y * unit])
    first = np.clip(np.floor(middle - reach), 0, (canvas.shape[1], unit)).astype(int)
    last = np.clip(np.ceil(middle + reach), 0, (canvas.shape[1], unit)).astype(int)
    if (first >= last).any():
        return
    shift = middle - first - 0.5 - turn @ [(width - 1) / 2, (height - 1) / 2]
    move = np.column_stack([turn, shift])
    size = (int(last[0] - first[0]), int(last[1] - first[1]))
    laid = cv2.warpAffine(sprite.rgba, move, size, flags=cv2.INTER_LINEAR)
    under = canvas[first[1] : last[1], first[0] : last[0]]
    through = cv2.cvtColor(255 - laid[..., 3], cv2.COLOR_GRAY2RGB)
    cv2.multiply(under, through, dst=through, scale=1 / 255)
    under[...] = cv2.add(cv2.cvtColor(laid, cv2.COLOR_RGBA2RGB), through)


def background(
    texture: Canvas, width: int, height: int, *, x: float, y: float, degrees: float, zoom: float
) -> Canvas:
    """A canvas filled from a larger texture, mirrored beyond its edges.

    The point (x, y) of the texture, in canvas heights from the texture's middle, stands in the
    canvas's middle; the texture is enlarged by `zoom` and turned clockwise about it.
    """
    cos, sin = (f(math.radians(degrees)) / zoom for f in (math.cos, math.sin))
    turn = np.array([[cos, sin], [-sin, cos]])  # canvas pixels to texture pixels
    middle = np.array([x, y]) * height + [(texture.shape[1] - 1) / 2, (texture.shape[0] - 1) / 2]
    shift = middle - turn @ [(width - 1) / 2, (height - 1) / 2]
    filled: Canvas = cv2.warpAffine(
        texture,
        np.column_stack([turn, shift]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return filled
