"""Material to train on in tests: textures by numpy, films of them by ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from filmcli.training.textures import Assets

Picture = NDArray[np.uint8]


def texture(height: int, width: int, seed: int) -> Picture:
    """A smooth random RGB picture with detail at several scales."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.integers(0, 256, (height // cell + 2, width // cell + 2, 3), dtype=np.uint8),
            (width, height),
            interpolation=cv2.INTER_CUBIC,
        ).astype(np.float32)
        for cell in (4, 12, 32)
    ]
    return np.mean(layers, axis=0).astype(np.uint8)


def assets() -> Assets:
    cutout = np.dstack((texture(60, 60, 7), np.zeros((60, 60), np.uint8)))
    cv2.circle(alpha := np.zeros((60, 60), np.uint8), (30, 30), 25, 255, -1)
    cutout[..., 3] = alpha
    return Assets([texture(240, 320, seed) for seed in range(3)], [cutout])


def gliding(count: int, step: int, seed: int, height: int = 72, width: int = 96) -> Picture:
    """`count` frames of a texture that moves `step` px left a frame."""
    wide = texture(height, width + step * count, seed)
    return np.stack([wide[:, step * i : step * i + width] for i in range(count)])


def write(path: Path, frames: Picture) -> None:
    """Write RGB `frames` `(N, H, W, 3)` losslessly."""
    _, height, width, _ = frames.shape
    words = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    words += ["-s", f"{width}x{height}", "-r", "24", "-i", "pipe:", "-c:v", "ffv1"]
    words += ["-pix_fmt", "gbrp", str(path)]
    subprocess.run(words, input=frames.tobytes(), check=True)
