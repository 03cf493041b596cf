"""Pictures to work on, drawn by numpy alone: a textured pan and a square that goes another way."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from filmcli.errors import MachineError
from filmcli.frames import Layout, Planes
from filmcli.network.networks import CONFIGS, build
from filmcli.network.weights import Weights, load

YUV420 = Layout("yuv420p", "yuv", 8, 1, 1)
YUV420_10 = Layout("yuv420p10le", "yuv", 10, 1, 1)
YUVA444 = Layout("yuva444p", "yuv", 8, 0, 0, alpha=True)

_PAN_PX = (6, 2)  # a frame, right and down, in luma pixels


@lru_cache(maxsize=8)
def frames(layout: Layout, width: int, height: int, count: int) -> list[Planes]:
    """Return `count` frames of one shot, each of arrays of its own."""
    top = float((1 << layout.depth) - 1)
    shapes = layout.plane_shapes(width, height)
    canvases = [_canvas(shape, count, seed) for seed, shape in enumerate(shapes)]
    shot = []
    for k in range(count):
        planes = []
        for (h, w), canvas in zip(shapes, canvases, strict=True):
            across, down = _PAN_PX[0] * k * w // width, _PAN_PX[1] * k * h // height
            plane = canvas[down : down + h, across : across + w].copy()
            side = max(2, min(h, w) // 5)
            left = max(0, (w - side) // 2 - 2 * across)
            plane[h // 3 : h // 3 + side, left : left + side] = 0.8
            planes.append((plane * top).astype(layout.dtype))
        if layout.alpha:
            opaque = np.linspace(-0.5, 1.5, width).clip(0, 1) * np.ones((height, 1))
            planes[-1] = (opaque * top).astype(layout.dtype)
        shot.append(tuple(planes))
    return shot


def _canvas(shape: tuple[int, int], count: int, seed: int) -> np.ndarray:
    """Return waves of all directions and a grain, in 0.1..0.9, wide enough to pan over."""
    height, width = shape[0] + _PAN_PX[1] * count, shape[1] + _PAN_PX[0] * count
    chance = np.random.default_rng(seed)
    y = np.arange(height, dtype=np.float32)[:, None]
    x = np.arange(width, dtype=np.float32)[None]
    total = np.zeros((height, width), np.float32)
    for length in (7, 19, 53, 171):
        turn, start = chance.uniform(0, 2 * np.pi, 2)
        a, b = np.cos(turn) * 2 * np.pi / length, np.sin(turn) * 2 * np.pi / length
        # sin(ax + by + c) of two outer products: no sine of every pixel
        total += np.sin(a * x + start) * np.cos(b * y) + np.cos(a * x + start) * np.sin(b * y)
    total += chance.standard_normal((height, width), dtype=np.float32) * 0.2
    return (0.5 + total * 0.1).clip(0.1, 0.9)


@lru_cache
def weights_of(config: str) -> tuple[Weights, bool]:
    """Return the shipped weights of a configuration, or fresh ones; and whether they are shipped.

    The numbers in a convolution do not change how long it takes.
    """
    try:
        return load(config), True
    except MachineError:
        torch.manual_seed(0)
        return Weights(config, build(CONFIGS[config]).state_dict(), {}, ""), False
